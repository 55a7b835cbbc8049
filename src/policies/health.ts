import { z } from 'zod';
import { celExpression, duration } from '../resources/schema/common.ts';
import { duration as durationMessage, int32, message, number, present, text } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';

export const healthSchema = z.strictObject({
  unhealthyExpression: celExpression()
    .nullish()
    .describe('CEL expression: true counts the response as a failure. Default: 5xx and failed connections.'),
  eviction: z
    .strictObject({
      duration: duration()
        .nullish()
        .describe(
          'How long an endpoint stays evicted; twice as long each further time without a healthy answer between, up to 5 minutes. Default: 30s.',
        ),
      restoreHealth: z.number().nullish().describe('Health score, 0 to 1, an endpoint comes back with.'),
      consecutiveFailures: z.int().nullish().describe('Failures in a row that evict.'),
      healthThreshold: z.number().nullish().describe('A failure below this health score, 0 to 1, evicts.'),
    })
    .nullish()
    .describe('When failing endpoints are left out.'),
});

export type HealthPolicy = z.output<typeof healthSchema>;

const healthMessage = message({
  unhealthyExpression: ['unhealthy_condition', text],
  eviction: message({
    duration: durationMessage,
    restoreHealth: present(number),
    consecutiveFailures: present(int32),
    healthThreshold: present(number),
  }),
});

/** Outlier detection: endpoints that fail are evicted for a while. */
export const health = definePolicy({
  name: 'health',
  schema: healthSchema,
  summary: 'Decides when an endpoint counts as unhealthy and how long it is left out.',
  levels: ['backend'],
  phase: 'backend',
  protects: false,
  wire: [{ spec: 'backend', field: 'health', message: healthMessage }],
  // Executed by the backend's cluster, which takes it from the backend's policies.
  compile: () => ({}),
});
