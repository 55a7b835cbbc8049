import { z } from 'zod';
import { fileOrInline, secret } from '../resources/schema/common.ts';
import { message, oneWord, otherwise, present, text } from '../resources/wire.ts';
import { credentialLocationMessage, credentialLocationSchema } from './credential-location.ts';
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

const basicAuthMessage = message({
  htpasswd: ['htpasswd_content', otherwise(text, '')],
  realm: present(text),
  mode: oneWord({ strict: 'STRICT', optional: 'OPTIONAL' }, 'strict'),
  authorizationLocation: credentialLocationMessage,
});

/** Basic authentication (RFC 7617). */
export const basicAuth = definePolicy({
  name: 'basicAuth',
  schema,
  summary: 'Authenticates requests by user name and password.',
  levels: ['gateway', 'route'],
  phase: 'authentication',
  protects: true,
  wire: [{ spec: 'traffic', field: 'basic_auth', message: basicAuthMessage }],
});
