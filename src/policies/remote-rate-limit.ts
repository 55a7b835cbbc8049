import { z } from 'zod';
import { celExpression } from '../resources/schema/common.ts';
import { list, message, oneWord, otherwise, present, text } from '../resources/wire.ts';
import { explicitOrConditional } from './conditional.ts';
import { definePolicy } from './definition.ts';
import { auxiliaryServiceMessage, withAuxiliaryService } from './simple-backend.ts';

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

const limitsMessage = auxiliaryServiceMessage('target', {
  domain: otherwise(text, ''),
  descriptors: otherwise(
    list(
      message({
        entries: otherwise(list(message({ key: otherwise(text, ''), value: text })), []),
        type: oneWord({ requests: 'REQUESTS', tokens: 'TOKENS' }, 'requests'),
        cost: present(text),
        limitOverride: present(text),
      }),
    ),
    [],
  ),
  failureMode: oneWord(
    { failClosed: 'FAIL_CLOSED', failOpen: 'FAIL_OPEN', FailClosed: 'FAIL_CLOSED', FailOpen: 'FAIL_OPEN' },
    'failClosed',
  ),
});

/** Limits kept by a service that speaks Envoy's rate-limit protocol. */
export const remoteRateLimit = definePolicy({
  name: 'remoteRateLimit',
  schema: explicitOrConditional(schema),
  summary: 'Limits requests and tokens with a rate-limit service shared by several gateways.',
  levels: ['route'],
  phase: 'limit',
  protects: true,
  wire: [{ spec: 'traffic', field: 'remote_rate_limit', message: limitsMessage }],
});
