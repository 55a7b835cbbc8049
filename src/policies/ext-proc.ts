import { z } from 'zod';
import { celMap } from '../resources/schema/common.ts';
import { flag, map, message, oneWord, only, otherwise, text, unless } from '../resources/wire.ts';
import { explicitOrConditional } from './conditional.ts';
import { definePolicy } from './definition.ts';
import { auxiliaryServiceMessage, withAuxiliaryService } from './simple-backend.ts';

const bodyMode = (what: string) =>
  z
    .enum(['none', 'buffered', 'bufferedPartial', 'fullDuplexStreamed'])
    .default('fullDuplexStreamed')
    .describe(`How ${what} bodies are sent to the service.`);
const sendMode = (what: string) =>
  z.enum(['send', 'skip']).default('send').describe(`Whether ${what} are sent to the service.`);

const schema = withAuxiliaryService({
  failureMode: z
    .enum(['failClosed', 'failOpen'])
    .default('failClosed')
    .describe('While the service fails: refuse requests, or go on without it.'),
  metadataContext: z
    .record(z.string(), celMap())
    .nullish()
    .describe('Metadata the service is given, by namespace, each a CEL expression.'),
  requestAttributes: celMap().nullish().describe('Attributes given with the request, each a CEL expression.'),
  responseAttributes: celMap().nullish().describe('Attributes given with the response, each a CEL expression.'),
  processingOptions: z
    .strictObject({
      requestBodyMode: bodyMode('request'),
      responseBodyMode: bodyMode('response'),
      requestHeaderMode: sendMode('request headers'),
      responseHeaderMode: sendMode('response headers'),
      requestTrailerMode: sendMode('request trailers'),
      responseTrailerMode: sendMode('response trailers'),
      allowModeOverride: z.boolean().default(false).describe('Let the service change these modes a request.'),
    })
    .prefault({})
    .describe('Which parts of requests and responses the service sees.'),
});

const bodyModeMessage = oneWord(
  {
    none: 'NONE',
    buffered: 'BUFFERED',
    bufferedPartial: 'BUFFERED_PARTIAL',
    fullDuplexStreamed: 'FULL_DUPLEX_STREAMED',
  },
  'none',
);
const sendModeMessage = unless('UNSET', oneWord({ send: 'SEND', skip: 'SKIP' }));

const extProcMessage = auxiliaryServiceMessage('target', {
  failureMode: oneWord({ failClosed: 'FAIL_CLOSED', failOpen: 'FAIL_OPEN' }, 'failClosed'),
  metadataContext: map(only('context', otherwise(map(text), {}))),
  requestAttributes: map(text),
  responseAttributes: map(text),
  processingOptions: message({
    requestBodyMode: bodyModeMessage,
    responseBodyMode: bodyModeMessage,
    requestHeaderMode: sendModeMessage,
    responseHeaderMode: sendModeMessage,
    requestTrailerMode: sendModeMessage,
    responseTrailerMode: sendModeMessage,
    allowModeOverride: flag,
  }),
});

/** External processing (Envoy's ext_proc protocol). It may refuse requests, so serving without it would not be safe. */
export const extProc = definePolicy({
  name: 'extProc',
  schema: explicitOrConditional(schema),
  summary: 'Lets an external service read, change or refuse requests and responses.',
  levels: ['gateway', 'route'],
  phase: 'request',
  protects: true,
  wire: [{ spec: 'traffic', field: 'ext_proc', message: extProcMessage }],
});
