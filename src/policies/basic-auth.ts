import { z } from 'zod';
import { fileOrInline, secret } from '../resources/schema/common.ts';
import { credentialLocationSchema } from './credential-location.ts';
import { definePolicy } from './definition.ts';

const schema = z.strictObject({
  htpasswd: secret(fileOrInline()).describe('Users and password hashes in htpasswd form.'),
  realm: z.string().nullish().describe('Realm that the challenge names.'),
  mode: z
    .enum(['strict', 'optional'])
    .default('optional')
    .describe('`strict`: valid credentials are required. `optional`: credentials that are sent must be valid.'),
  authorizationLocation: credentialLocationSchema
    .default({ header: { name: 'authorization', prefix: 'Basic ' } })
    .describe('Where the credentials are sent. By default `Authorization: Basic`.'),
});

/** Basic authentication (RFC 7617). */
export const basicAuth = definePolicy({
  name: 'basicAuth',
  schema,
  summary: 'Authenticates requests by user name and password.',
  levels: ['gateway', 'route'],
  phase: 'authentication',
  protects: true,
});
