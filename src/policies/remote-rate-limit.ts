import { z } from 'zod';
import { celExpression } from '../resources/schema/common.ts';
import { explicitOrConditional } from './conditional.ts';
import { definePolicy } from './definition.ts';
import { withAuxiliaryService } from './simple-backend.ts';

const descriptor = z.strictObject({
  entries: z
    .array(
      z.strictObject({
        key: z.string().describe('Name of the entry.'),
        value: celExpression().describe('CEL expression that gives its value.'),
      }),
    )
    .describe('Entries of the descriptor.'),
  type: z.enum(['requests', 'tokens']).default('requests').describe('What is counted.'),
  cost: celExpression().nullish().describe('CEL expression that gives the cost. Default: 1, or the total tokens.'),
  limitOverride: celExpression().nullish().describe('CEL expression that gives the limit the service shall apply.'),
});

const schema = withAuxiliaryService({
  domain: z.string().describe('Domain of the descriptors.'),
  descriptors: z.array(descriptor).describe('What the service is asked about.'),
  failureMode: z
    .enum(['failClosed', 'FailClosed', 'failOpen', 'FailOpen'])
    .default('failClosed')
    .describe('While the service fails: refuse requests, or let them pass.'),
});

/** Limits kept by a service that speaks Envoy's rate-limit protocol. */
export const remoteRateLimit = definePolicy({
  name: 'remoteRateLimit',
  schema: explicitOrConditional(schema),
  summary: 'Limits requests and tokens with a rate-limit service shared by several gateways.',
  levels: ['route'],
  phase: 'limit',
  protects: true,
});
