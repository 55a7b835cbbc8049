import { z } from 'zod';
import { exactlyOne, fileInlineOrRemote, jsonMap, secret } from '../resources/schema/common.ts';
import { definePolicy } from './definition.ts';
import { bearerLocation, jwtValidationOptionsSchema, TOKEN_MODES, tokenModeSchema } from './jwt-validation.ts';

const PROVIDERS = ['auth0', 'keycloak', 'okta', 'descope', 'authentik', 'entra'] as const;

const provider = exactlyOne(
  z.strictObject({
    auth0: z.strictObject({}).optional().describe('Auth0.'),
    keycloak: z.strictObject({}).optional().describe('Keycloak.'),
    okta: z.strictObject({}).optional().describe('Okta.'),
    descope: z.strictObject({}).optional().describe('Descope.'),
    authentik: z.strictObject({}).optional().describe('authentik.'),
    entra: z.strictObject({}).optional().describe('Microsoft Entra ID.'),
  }),
  PROVIDERS,
);

const schema = z.strictObject({
  issuer: z.string().describe('Expected `iss` claim.'),
  audiences: z.array(z.string()).describe('Accepted `aud` claims.'),
  provider: provider.nullish().describe('Identity provider, where it needs help to fit MCP authorization.'),
  resourceMetadata: jsonMap().describe('Protected resource metadata (RFC 9728) that clients are given.'),
  jwks: fileInlineOrRemote().nullish().describe("The issuer's key set. Default: found from issuer and provider."),
  mode: tokenModeSchema.default('strict').describe(TOKEN_MODES),
  authorizationLocation: bearerLocation().describe('Where the token is sent. By default `Authorization: Bearer`.'),
  jwtValidationOptions: jwtValidationOptionsSchema.prefault({}).describe('Requirements beyond the signature.'),
  clientId: z.string().nullish().describe('Client id that MCP clients are given.'),
  clientSecret: secret(z.string()).nullish().describe('Client secret put into token requests that pass through.'),
});

/** MCP authorization: the gateway as an OAuth 2.1 resource server. */
export const mcpAuthentication = definePolicy({
  name: 'mcpAuthentication',
  schema,
  summary: 'Authenticates MCP clients by OAuth tokens and tells them where to get one.',
  levels: ['route'],
  phase: 'authentication',
  protects: true,
});
