import { z } from 'zod';
import { fileInlineOrRemote, secret } from '../resources/schema/common.ts';
import { definePolicy } from './definition.ts';

const schema = z.strictObject({
  issuer: z.string().describe('Expected issuer of ID tokens; discovery starts from it.'),
  discovery: fileInlineOrRemote().nullish().describe('Discovery document in place of the one the issuer publishes.'),
  authorizationEndpoint: z.string().nullish().describe('Authorization endpoint, where there is no discovery.'),
  tokenEndpoint: z.string().nullish().describe('Token endpoint, where there is no discovery.'),
  tokenEndpointAuth: z
    .enum(['clientSecretBasic', 'clientSecretPost'])
    .nullish()
    .describe('How the gateway authenticates at the token endpoint.'),
  jwks: fileInlineOrRemote().nullish().describe("The issuer's key set, where there is no discovery."),
  clientId: z.string().describe('Client id of the gateway.'),
  clientSecret: secret(z.string()).describe('Client secret of the gateway.'),
  redirectURI: z.string().describe('URL the provider sends browsers back to; the gateway answers it.'),
  scopes: z.array(z.string()).default([]).describe('Scopes asked for beside `openid`.'),
});

/** OpenID Connect authorization code flow for browsers. */
export const oidc = definePolicy({
  name: 'oidc',
  schema,
  summary: 'Signs browsers in with an OpenID Connect provider.',
  levels: ['gateway', 'route'],
  phase: 'authentication',
  protects: true,
  faults(value) {
    const explicit = [value.authorizationEndpoint, value.tokenEndpoint].filter(
      (endpoint) => typeof endpoint === 'string',
    );
    if (explicit.length === 1) {
      return [{ path: [], message: 'authorizationEndpoint and tokenEndpoint are given together or not at all' }];
    }
    if (explicit.length === 2 && !value.jwks) return [{ path: [], message: 'explicit endpoints need jwks as well' }];
    return [];
  },
});
