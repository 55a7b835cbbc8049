import { z } from 'zod';
import { duration } from '../resources/schema/common.ts';
import { duration as durationMessage, message, oneWord, unless } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';

export const backendHttpSchema = z.strictObject({
  version: z.string().nullish().describe('HTTP version spoken with the backend, e.g. `HTTP/1.1` or `HTTP/2`.'),
  requestTimeout: duration().nullish().describe('Longest time for one request to the backend.'),
});

const httpMessage = message({
  version: unless(
    'UNSPECIFIED',
    oneWord({ 'HTTP/1.1': 'HTTP1', '1.1': 'HTTP1', 'HTTP/2': 'HTTP2', 'HTTP/2.0': 'HTTP2', '2.0': 'HTTP2' }),
  ),
  requestTimeout: durationMessage,
});

/** HTTP towards a backend. */
export const backendHttp = definePolicy({
  name: 'http',
  schema: backendHttpSchema,
  summary: 'HTTP version and time-out towards the backend.',
  levels: ['backend'],
  phase: 'backend',
  protects: false,
  wire: [{ spec: 'backend', field: 'backend_http', message: httpMessage }],
  inactiveParts: ({ version }) =>
    version && !/^(HTTP\/)?1\.1$/i.test(version) ? [{ path: ['version'], protects: false }] : [],
  // Executed by the backend's cluster, which takes it from the backend's policies.
  compile: () => ({}),
});
