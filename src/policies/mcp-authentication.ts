import { z } from 'zod';
import { exactlyOne, fileInlineOrRemote, jsonMap, secret } from '../resources/schema/common.ts';
import {
  json,
  list,
  map,
  mapped,
  message,
  oneWord,
  only,
  otherwise,
  present,
  required,
  text,
  unless,
  type Wire,
  WireError,
} from '../resources/wire.ts';
import { credentialLocationMessage } from './credential-location.ts';
import { definePolicy } from './definition.ts';
import {
  bearerLocation,
  type IssuerFields,
  issuerMessage,
  jwtValidationOptionsMessage,
  jwtValidationOptionsSchema,
  TOKEN_MODE_WORDS,
  TOKEN_MODES,
  tokenModeSchema,
} from './jwt-validation.ts';

const PROVIDERS = ['auth0', 'keycloak', 'okta', 'descope', 'authentik', 'entra'] as const;

type Provider = (typeof PROVIDERS)[number];

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

const PROVIDER_WORDS = oneWord({
  auth0: 'AUTH0',
  keycloak: 'KEYCLOAK',
  okta: 'OKTA',
  descope: 'DESCOPE',
  authentik: 'AUTHENTIK',
  entra: 'ENTRA',
});

/** What both messages hold beside the tokens' issuer. */
const clientFields = {
  provider: mapped(unless('UNSPECIFIED', PROVIDER_WORDS), {
    read: (name) => ({ [name]: {} }),
    write: (given: object) => Object.entries(given).find(([, one]) => one !== undefined)?.[0] as Provider | undefined,
  }),
  resourceMetadata: otherwise(only('extra', otherwise(map(json), {})), {}),
  clientId: present(text),
  clientSecret: present(text),
};

const authenticationMessage = message({
  issuer: text,
  audiences: otherwise(list(text), []),
  jwks: ['jwks_inline', required(text)],
  mode: TOKEN_MODE_WORDS,
  authorizationLocation: credentialLocationMessage,
  jwtValidationOptions: jwtValidationOptionsMessage,
  ...clientFields,
});

interface JwtFields {
  mode?: unknown;
  authorizationLocation?: unknown;
  providers?: IssuerFields[];
  mcp?: Record<string, unknown>;
}

/** JWT, where it has `mcp`: the same said of a route. */
const jwtWithMcpMessage: Wire<Record<string, unknown>> = mapped(
  message<JwtFields>({
    mode: TOKEN_MODE_WORDS,
    authorizationLocation: credentialLocationMessage,
    providers: list(issuerMessage),
    mcp: required(message(clientFields)),
  }),
  {
    read({ providers = [], mcp, ...common }) {
      const [issuer, ...more] = providers;
      if (issuer === undefined || more.length > 0) throw new WireError('MCP has exactly one issuer', ['providers']);
      return { audiences: [], ...issuer, ...mcp, ...common };
    },
    write({ issuer, audiences, jwks, jwtValidationOptions, mode, authorizationLocation, ...mcp }) {
      if (typeof jwks !== 'string') throw new WireError('has to be given as text', ['jwks']);
      const provider = { issuer, audiences, jwks, jwtValidationOptions } as IssuerFields;
      return { mode, authorizationLocation, providers: [provider], mcp };
    },
  },
);

/** MCP authorization: the gateway as an OAuth 2.1 resource server. */
export const mcpAuthentication = definePolicy({
  name: 'mcpAuthentication',
  schema,
  summary: 'Authenticates MCP clients by OAuth tokens and tells them where to get one.',
  levels: ['route'],
  phase: 'authentication',
  protects: true,
  wire: [
    { spec: 'backend', field: 'mcp_authentication', message: authenticationMessage },
    { spec: 'traffic', field: 'jwt', message: jwtWithMcpMessage },
  ],
});
