import { definePolicy } from './definition.ts';
import { extAuthzSchema } from './ext-authz.ts';

/** External authorization of a connection, asked once, over HTTP only. */
export const networkExtAuthz = definePolicy({
  name: 'networkExtAuthz',
  schema: extAuthzSchema,
  summary: 'Asks an authorization service whether a client connection may stay.',
  levels: ['frontend'],
  phase: 'connection',
  protects: true,
  faults: (value) =>
    value.protocol.http === undefined
      ? [{ path: ['protocol'], message: 'a connection can only be authorized with protocol.http' }]
      : [],
});
