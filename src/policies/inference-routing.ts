import { z } from 'zod';
import { simpleBackend } from '../resources/schema/backend-ref.ts';
import { own } from '../resources/schema/common.ts';
import { assumed, message, oneWord, required, unless } from '../resources/wire.ts';
import { backendReference } from '../resources/wire-messages.ts';
import { definePolicy } from './definition.ts';

const schema = z.strictObject({
  endpointPicker: simpleBackend().describe('The endpoint picker.'),
  failureMode: own(
    z
      .enum(['failClosed', 'failOpen'])
      .default('failClosed')
      .describe('While the picker fails: refuse requests, or choose without it.'),
  ),
  destinationMode: z
    .enum(['validated', 'passthrough'])
    .optional()
    .describe(
      "`validated` (default): the pick must be one of the service's endpoints. `passthrough`: it is taken as it is.",
    ),
});

const routingMessage = message({
  endpointPicker: required(backendReference),
  failureMode: unless('UNKNOWN', oneWord({ failClosed: 'FAIL_CLOSED', failOpen: 'FAIL_OPEN' })),
  destinationMode: assumed('validated'),
});

/** Endpoint picker protocol of the Gateway API Inference Extension. */
export const inferenceRouting = definePolicy({
  name: 'inferenceRouting',
  schema,
  summary: "Lets an endpoint picker choose among a service's endpoints.",
  levels: ['backend'],
  phase: 'backend',
  protects: false,
  wire: [{ spec: 'backend', field: 'inference_routing', message: routingMessage }],
});
