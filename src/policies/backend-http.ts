import { z } from 'zod';
import { duration } from '../resources/schema/common.ts';
import { definePolicy } from './definition.ts';

export const backendHttpSchema = z.strictObject({
  version: z.string().nullish().describe('HTTP version spoken with the backend, e.g. `HTTP/1.1` or `HTTP/2`.'),
  requestTimeout: duration().nullish().describe('Longest time for one request to the backend.'),
});

/** HTTP towards a backend. */
export const backendHttp = definePolicy({
  name: 'http',
  schema: backendHttpSchema,
  summary: 'HTTP version and time-out towards the backend.',
  levels: ['backend'],
  phase: 'backend',
  protects: false,
  inactiveParts: ({ version }) =>
    version && !/^(HTTP\/)?1\.1$/i.test(version) ? [{ path: ['version'], protects: false }] : [],
  // Executed by the backend's cluster, which takes it from the backend's policies.
  compile: () => ({}),
});
