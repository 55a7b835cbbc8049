import { z } from 'zod';
import {
  celExpression,
  celMap,
  duration,
  exactlyOne,
  fileOrInline,
  jsonMap,
  secret,
} from '../resources/schema/common.ts';
import { credentialLocationSchema } from './credential-location.ts';
import { withAuxiliaryService } from './simple-backend.ts';

/** How the gateway can obtain or make a credential for a backend, beyond holding one: agentgateway's kinds of `backendAuth`. */

const location = () =>
  credentialLocationSchema.nullish().describe('Where the credential is put. Default: `Authorization: Bearer`.');

const gcp = z.strictObject({
  type: z.enum(['idToken', 'accessToken']).nullish().describe('Kind of token. Default: `accessToken`.'),
  audience: z.string().nullish().describe("An ID token's audience. Default: the host called."),
  credential: secret(fileOrInline()).nullish().describe('Google credential JSON. Default: ambient credentials.'),
});

const sessionTag = z.strictObject({
  key: z.string().describe('Tag key.'),
  value: z.string().nullish().describe('Tag value.'),
  expression: celExpression().nullish().describe('CEL expression that gives the value, in place of `value`.'),
});

const aws = z.strictObject({
  accessKeyId: z.string().optional().describe('Access key id. Default: ambient credentials.'),
  secretAccessKey: secret(z.string()).optional().describe('Secret access key.'),
  sessionToken: secret(z.string()).nullish().describe('Session token.'),
  region: z.string().nullish().describe('Region signed for.'),
  serviceName: z.string().nullish().describe('Service signed for, e.g. `bedrock`.'),
  assumeRole: z
    .strictObject({
      roleArn: z.string().describe('Role to assume.'),
      sessionName: z
        .union([z.string(), z.strictObject({ expression: celExpression().describe('CEL expression.') })])
        .nullish()
        .describe('Session name, or a CEL expression that gives it.'),
      tags: z.array(sessionTag).optional().describe('Session tags.'),
    })
    .nullish()
    .describe('Role to assume before signing; with ambient credentials only.'),
});

const empty = () => z.strictObject({});

const azureIdentity = exactlyOne(
  z.strictObject({
    clientId: z.string().optional().describe('Client id.'),
    objectId: z.string().optional().describe('Object id.'),
    resourceId: z.string().optional().describe('Resource id.'),
  }),
  ['clientId', 'objectId', 'resourceId'],
);

const azure = exactlyOne(
  z.strictObject({
    explicitConfig: exactlyOne(
      z.strictObject({
        clientSecret: z
          .strictObject({
            tenant_id: z.string().describe('Tenant.'),
            client_id: z.string().describe('Client id.'),
            client_secret: secret(z.string()).describe('Client secret.'),
          })
          .optional()
          .describe('A client secret.'),
        managedIdentity: z
          .strictObject({ userAssignedIdentity: azureIdentity.nullish().describe('Default: the system-assigned one.') })
          .optional()
          .describe('A managed identity.'),
        workloadIdentity: empty().optional().describe('The workload identity of the pod.'),
      }),
      ['clientSecret', 'managedIdentity', 'workloadIdentity'],
    )
      .optional()
      .describe('Named credentials.'),
    developerImplicit: empty().optional().describe("The developer's own login; for development only."),
    implicit: empty().optional().describe('Whatever the environment offers.'),
  }),
  ['explicitConfig', 'developerImplicit', 'implicit'],
);

const signingAlg = z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384']);

const jwtSign = z.strictObject({
  signingKey: secret(fileOrInline()).describe('Private key, PEM.'),
  alg: signingAlg.default('RS256').describe('Signature algorithm.'),
  kid: z.string().nullish().describe('Key id of the header.'),
  claims: jsonMap().default({}).describe('Claims of every token; `iat`, `exp` and `nbf` are set by the gateway.'),
  ttl: duration().nullish().describe("A token's lifetime. Default: 300s."),
  location: location(),
});

const clientId = () => z.string().describe("The gateway's client id at the authorization server.");
const clientSecret = () => secret(fileOrInline()).describe('Client secret.');

const clientAuth = z.union([
  z.strictObject({
    method: z.literal('clientSecretBasic').optional().describe('Method of authentication (RFC 6749 §2.3.1).'),
    clientId: clientId(),
    clientSecret: clientSecret(),
  }),
  z.strictObject({
    method: z.literal('clientSecretPost').describe('Method of authentication (RFC 6749 §2.3.1).'),
    clientId: clientId(),
    clientSecret: clientSecret().nullish().describe('Client secret.'),
  }),
  z.strictObject({
    method: z.literal('privateKeyJwt').describe('Method of authentication (RFC 7523 §2.2).'),
    clientId: clientId(),
    signingKey: secret(fileOrInline()).describe('Private key, PEM.'),
    certificate: fileOrInline().nullish().describe('Certificate chain, PEM, leaf first.'),
    certificateHeader: z.enum(['x5c', 'x5t#S256']).nullish().describe('Header the certificate is sent in.'),
    alg: signingAlg.default('RS256').describe('Signature algorithm.'),
    kid: z.string().nullish().describe('Key id of the header.'),
    assertionAudience: z.string().describe("The assertion's audience."),
  }),
]);

const tokenCache = z
  .strictObject({
    maxEntries: z.int().min(0).nullish().describe('Tokens kept; 0 keeps none. Default: 8192.'),
    defaultTtl: duration().nullish().describe('How long a token without `expires_in` is kept. Default: 300s.'),
  })
  .nullish()
  .describe('Cache of tokens.');

const subjectToken = z.strictObject({
  source: credentialLocationSchema
    .optional()
    .describe('Where the token is read from. Default: `Authorization: Bearer`.'),
  tokenType: z.string().optional().describe('Token type URI (RFC 8693 §3).'),
});

const texts = (what: string) => z.array(z.string()).optional().describe(what);

const oauthTokenExchange = withAuxiliaryService({
  path: z.string().optional().describe("The token endpoint's path. Default: `/`."),
  grantType: z
    .enum(['tokenExchange', 'jwtBearer'])
    .default('tokenExchange')
    .describe('Token exchange (RFC 8693) or JWT bearer (RFC 7523).'),
  subjectToken: subjectToken.optional().describe("The caller's token."),
  actorToken: z
    .strictObject({
      source: credentialLocationSchema.describe('Where the token is read from.'),
      tokenType: z.string().optional().describe('Token type URI.'),
      enforceMayAct: z.boolean().default(false).describe("Require that the subject's `may_act` claim names the actor."),
    })
    .nullish()
    .describe('Actor token (delegation).'),
  audiences: texts('`audience` parameters.'),
  scopes: texts('`scope` values.'),
  resources: texts('`resource` parameters.'),
  requestedTokenType: z.string().nullish().describe('`requested_token_type` parameter.'),
  clientAuth: clientAuth.nullish().describe('How the gateway authenticates to the token endpoint.'),
  additionalParams: celMap().optional().describe('Further parameters, CEL expressions.'),
  authorizationLocation: credentialLocationSchema
    .optional()
    .describe('Where the token is put. Default: `Authorization: Bearer`.'),
  cache: tokenCache,
});

const tokenEndpoint = (what: string) =>
  withAuxiliaryService({
    path: z.string().optional().describe("The token endpoint's path. Default: `/`."),
    clientAuth: clientAuth.describe('How the gateway authenticates to the token endpoint.'),
  }).describe(what);

const crossAppAccess = z.strictObject({
  identityProvider: tokenEndpoint("The users' identity provider."),
  resourceAuthorizationServer: tokenEndpoint("The resource's authorization server."),
  audience: z.string().describe("The resource's authorization server, as the identity provider knows it."),
  resources: texts('`resource` parameters.'),
  scopes: texts('`scope` values.'),
  accessTokenScopes: z.array(z.string()).nullish().describe('`scope` of the second exchange. Default: `scopes`.'),
  subjectToken: subjectToken.nullish().describe("The caller's token."),
  cache: tokenCache,
});

export type GcpValue = z.infer<typeof gcp>;
export type AwsValue = z.infer<typeof aws>;
export type AzureValue = z.infer<typeof azure>;

/** The fields of `backendAuth` for these kinds. */
export const MINTED_KINDS = {
  gcp: gcp.optional().describe('Google Cloud.'),
  aws: aws.optional().describe('AWS, request signatures (SigV4).'),
  azure: azure.optional().describe('Azure.'),
  jwtSign: jwtSign.optional().describe('A JWT signed for each request.'),
  oauthTokenExchange: oauthTokenExchange.optional().describe("A token got in exchange for the caller's."),
  crossAppAccess: crossAppAccess.optional().describe('Cross App Access (identity assertion grants).'),
};
