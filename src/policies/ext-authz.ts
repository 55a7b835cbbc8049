import { z } from 'zod';
import {
  celExpression,
  celMap,
  exactlyOne,
  headerName,
  headerOrPseudo,
  uint,
  uint32,
} from '../resources/schema/common.ts';
import {
  flag,
  into,
  list,
  map,
  mapped,
  merged,
  message,
  nonEmpty,
  oneWord,
  present,
  text,
  uint32 as uint32Message,
} from '../resources/wire.ts';
import { explicitOrConditional } from './conditional.ts';
import { definePolicy } from './definition.ts';
import { auxiliaryServiceMessage, withAuxiliaryService } from './simple-backend.ts';

const DEFAULT_CACHE_ENTRIES = 10_000;

const grpc = z.strictObject({
  context: z.record(z.string(), z.string()).nullish().describe('Fixed entries of the check request.'),
  metadata: celMap().nullish().describe('Metadata of the check request, each a CEL expression.'),
});

const http = z.strictObject({
  path: celExpression().nullish().describe('CEL expression that gives the path asked.'),
  redirect: celExpression().nullish().describe('CEL expression that gives where an unauthenticated client is sent.'),
  body: celExpression().nullish().describe('CEL expression that gives the body of the check request.'),
  includeResponseHeaders: z
    .array(headerName())
    .optional()
    .describe("Headers of the service's answer that are added to the request."),
  addRequestHeaders: celMap().optional().describe('Headers of the check request, each a CEL expression.'),
  metadata: celMap().optional().describe('Facts read from the answer, each a CEL expression.'),
});

/** A check of each request with an authorization service. */
export const extAuthzSchema = withAuxiliaryService({
  protocol: exactlyOne(
    z.strictObject({
      grpc: grpc.optional().describe("Envoy's ext_authz over gRPC."),
      http: http.optional().describe('A plain HTTP request; 2xx allows.'),
    }),
    ['grpc', 'http'],
  )
    .default({ grpc: {} })
    .describe('How the service is asked.'),
  failureMode: z
    .union([
      z.literal('allow').describe('Let requests pass.'),
      z.literal('deny').describe('Refuse requests.'),
      z.strictObject({
        denyWithStatus: z.int().min(0).max(65535).describe('Refuse requests with this status.'),
      }),
    ])
    .default('deny')
    .describe('What is done while the service fails.'),
  includeRequestHeaders: z.array(headerOrPseudo()).optional().describe('Request headers that the service is shown.'),
  includeRequestBody: z
    .strictObject({
      maxRequestBytes: uint32().default(0).describe('Most bytes of the body; 0 means 8192.'),
      allowPartialMessage: z.boolean().default(false).describe('Show the beginning of longer bodies.'),
      packAsBytes: z.boolean().default(false).describe('Send the body as bytes rather than text (gRPC).'),
    })
    .nullish()
    .describe('Request body that the service is shown.'),
  cache: z
    .strictObject({
      key: z.array(celExpression()).describe('CEL expressions that make the key: all that the answer depends on.'),
      ttl: celExpression().describe('CEL expression that gives how long an answer is kept.'),
      maxEntries: uint().default(DEFAULT_CACHE_ENTRIES).describe('Most answers kept.'),
    })
    .nullish()
    .describe("Reuse of the service's answers."),
});

const protocolMessage = message({
  grpc: message({ context: map(text), metadata: map(text) }),
  http: message({
    path: present(text),
    redirect: present(text),
    body: present(text),
    includeResponseHeaders: list(text),
    addRequestHeaders: map(text),
    metadata: map(text),
  }),
});

interface WireFailure {
  mode?: 'deny' | 'allow' | 'denyWithStatus';
  status?: number;
}

const failureMessage = message<WireFailure>({
  mode: ['failure_mode', oneWord({ deny: 'DENY', allow: 'ALLOW', denyWithStatus: 'DENY_WITH_STATUS' }, 'deny')],
  status: ['status_on_error', present(uint32Message)],
});

/** 0 stands for the default. */
const cacheEntries = mapped(uint32Message, {
  read: (entries) => entries,
  write: (entries: number) => entries || DEFAULT_CACHE_ENTRIES,
});

const DEFAULT_ERROR_STATUS = 403;

const extAuthzMessage = merged(
  auxiliaryServiceMessage('target', {
    includeRequestHeaders: list(text),
    includeRequestBody: message({ maxRequestBytes: uint32Message, allowPartialMessage: flag, packAsBytes: flag }),
    cache: message({ key: nonEmpty(list(text)), ttl: text, maxEntries: cacheEntries }),
  }),
  into('protocol', protocolMessage),
  into('failureMode', failureMessage, {
    read: ({ mode = 'deny', status = DEFAULT_ERROR_STATUS }) =>
      mode === 'denyWithStatus' ? { denyWithStatus: status } : mode,
    write: (mode: 'deny' | 'allow' | { denyWithStatus: number }): WireFailure =>
      typeof mode === 'string' ? { mode } : { mode: 'denyWithStatus', status: mode.denyWithStatus },
  }),
);

/** External authorization (Envoy's ext_authz protocol, or HTTP). */
export const extAuthz = definePolicy({
  name: 'extAuthz',
  schema: explicitOrConditional(extAuthzSchema),
  schemas: { backend: extAuthzSchema },
  summary: 'Asks an authorization service whether a request may pass.',
  levels: ['gateway', 'route', 'backend'],
  phase: 'authorization',
  protects: true,
  wire: [
    { spec: 'traffic', field: 'ext_authz', message: extAuthzMessage },
    { spec: 'backend', field: 'ext_authz', message: extAuthzMessage },
  ],
});
