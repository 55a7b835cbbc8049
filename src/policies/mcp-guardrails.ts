import { z } from 'zod';
import { celMap, headerOrPseudo } from '../resources/schema/common.ts';
import {
  fixed,
  into,
  list,
  map,
  merged,
  message,
  oneWord,
  otherwise,
  required,
  text,
  under,
} from '../resources/wire.ts';
import { definePolicy } from './definition.ts';
import { auxiliaryServiceMessage, withAuxiliaryService } from './simple-backend.ts';

const processor = withAuxiliaryService({
  kind: z.literal('remote').describe('A service that judges messages.'),
  methods: z
    .record(z.string(), z.enum(['off', 'request', 'response', 'full']))
    .optional()
    .describe('Methods it judges (`tools/call`, `tools/*`, `*/list`, `*`), and in which direction.'),
  failureMode: z
    .enum(['failClosed', 'failOpen'])
    .default('failClosed')
    .describe('While the service fails: refuse messages, or let them pass.'),
  metadata: celMap().optional().describe('Metadata the service is given, each a CEL expression.'),
  requestHeaders: z
    .strictObject({
      allowed: z.array(headerOrPseudo()).optional().describe('Headers it is shown. Default: all.'),
      disallowed: z.array(headerOrPseudo()).optional().describe('Headers it is not shown, whatever `allowed` says.'),
    })
    .optional()
    .describe('Request headers it is shown.'),
});

const remote = merged(
  auxiliaryServiceMessage('target', {
    failureMode: oneWord({ failClosed: 'DENY', failOpen: 'ALLOW' }, 'failClosed'),
    metadata: map(text),
  }),
  into(
    'requestHeaders',
    message({
      allowed: ['allowed_request_headers', list(text)],
      disallowed: ['disallowed_request_headers', list(text)],
    }),
  ),
);

/** Processor: there is no other kind than `remote`. */
const processorMessage = merged(
  under('remote', required(remote), ...remote.names),
  message({
    kind: fixed('remote'),
    methods: map(oneWord({ off: 'OFF', request: 'REQUEST', response: 'RESPONSE', full: 'FULL' }, 'off')),
  }),
);

const guardrailsMessage = message({ processors: otherwise(list(processorMessage), []) });

/** Services that judge MCP messages. */
export const mcpGuardrails = definePolicy({
  name: 'mcpGuardrails',
  schema: z.strictObject({
    processors: z.array(processor).describe('Services asked in this order; the first refusal holds.'),
  }),
  summary: 'Lets services check, change or refuse MCP messages.',
  levels: ['route', 'backend'],
  phase: 'mcp-call',
  protects: true,
  wire: [{ spec: 'backend', field: 'mcp_guardrails', message: guardrailsMessage }],
});
