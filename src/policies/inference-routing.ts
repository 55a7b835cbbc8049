import { z } from 'zod';
import { simpleBackend } from '../resources/schema/backend-ref.ts';
import { definePolicy } from './definition.ts';

const schema = z.strictObject({
  endpointPicker: simpleBackend().describe('The endpoint picker.'),
  destinationMode: z
    .enum(['validated', 'passthrough'])
    .optional()
    .describe(
      "`validated` (default): the pick must be one of the service's endpoints. `passthrough`: it is taken as it is.",
    ),
});

/** Endpoint picker protocol of the Gateway API Inference Extension. */
export const inferenceRouting = definePolicy({
  name: 'inferenceRouting',
  schema,
  summary: "Lets an endpoint picker choose among a service's endpoints.",
  levels: ['backend'],
  phase: 'backend',
  protects: false,
});
