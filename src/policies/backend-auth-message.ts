import {
  duration,
  empty,
  flag,
  json,
  list,
  type MessageWire,
  map,
  mapped,
  merged,
  message,
  oneWord,
  only,
  otherwise,
  present,
  required,
  text,
  uint32,
  under,
  unless,
  type Wire,
  WireError,
} from '../resources/wire.ts';
import { type CredentialLocation, credentialLocationMessage } from './credential-location.ts';
import { auxiliaryServiceMessage } from './simple-backend.ts';

/** BackendAuthPolicy: the kinds of `backendAuth` as control planes say them. */

const location = ['authorization_location', credentialLocationMessage] as const;

interface KeyFields {
  value?: string;
  location?: CredentialLocation;
}

const key: Wire<string | KeyFields> = mapped(message<KeyFields>({ value: ['secret', otherwise(text, '')], location }), {
  read: (fields) => (fields.location === undefined ? fields.value : fields),
  write: (value) => (typeof value === 'string' ? { value } : value),
});

interface GcpFields {
  type?: 'accessToken' | 'idToken' | null;
  audience?: string | null;
  credential?: unknown;
}

interface GcpMessage {
  credential?: unknown;
  accessToken?: object;
  idToken?: { audience?: string | null };
}

const gcp: Wire<GcpFields> = mapped(
  message<GcpMessage>({
    credential: present(text),
    accessToken: empty,
    idToken: message({ audience: present(text) }),
  }),
  {
    read: ({ idToken, accessToken: _, ...rest }): GcpFields =>
      idToken === undefined ? { ...rest, type: 'accessToken' } : { ...rest, type: 'idToken', ...idToken },
    write({ type, audience, ...rest }) {
      if (type === 'idToken') return { ...rest, idToken: { ...(audience != null && { audience }) } };
      if (audience != null) throw new WireError('an access token has none', ['audience']);
      return { ...rest, accessToken: {} };
    },
  },
);

interface RoleFields {
  sessionName?: string | { expression: string } | null;
  sessionNameText?: string;
  sessionNameExpression?: string;
}

const assumeRole: Wire<RoleFields> = mapped(
  message<RoleFields>({
    roleArn: text,
    sessionNameText: ['session_name', text],
    sessionNameExpression: text,
    tags: list(
      mapped(
        message<{ key?: string; value?: string; expression?: string }>({ key: text, value: text, expression: text }),
        {
          // STS takes empty values, which on the wire aren't there.
          read: (tag) => (tag.expression === undefined ? { value: '', ...tag } : tag),
          write: (tag) => tag,
        },
      ),
    ),
  }),
  {
    read({ sessionNameText, sessionNameExpression, ...role }) {
      if (sessionNameExpression === undefined)
        return { ...role, ...(sessionNameText && { sessionName: sessionNameText }) };
      if (sessionNameText !== undefined)
        throw new WireError('is given as a text and as an expression', ['session_name']);
      return { ...role, sessionName: { expression: sessionNameExpression } };
    },
    write({ sessionName, ...role }) {
      if (typeof sessionName === 'string') return { ...role, sessionNameText: sessionName };
      return { ...role, ...(sessionName && { sessionNameExpression: sessionName.expression }) };
    },
  },
);

interface AwsKeys {
  accessKeyId?: string;
  secretAccessKey?: string;
  sessionToken?: string | null;
  region?: string | null;
}

interface AwsFields extends AwsKeys {
  serviceName?: string | null;
  assumeRole?: object | null;
}

interface AwsMessage {
  explicitConfig?: AwsKeys;
  implicit?: object;
  serviceName?: string | null;
  assumeRole?: object | null;
  region?: string | null;
}

const aws: Wire<AwsFields> = mapped(
  message<AwsMessage>({
    explicitConfig: message({
      accessKeyId: otherwise(text, ''),
      secretAccessKey: otherwise(text, ''),
      sessionToken: present(text),
      region: text,
    }),
    implicit: empty,
    serviceName: text,
    assumeRole,
    region: text,
  }),
  {
    read({ explicitConfig, implicit, ...common }) {
      if (explicitConfig === undefined && implicit === undefined) throw new WireError('names no credentials');
      if (explicitConfig !== undefined && common.assumeRole !== undefined)
        throw new WireError('needs ambient credentials', ['assume_role']);
      return { ...common, ...explicitConfig };
    },
    write({ accessKeyId, secretAccessKey, sessionToken, region, ...common }) {
      if (accessKeyId === undefined || secretAccessKey === undefined) {
        if (sessionToken != null) throw new WireError('goes with a key', ['sessionToken']);
        return { ...common, ...(region != null && { region }), implicit: {} };
      }
      if (common.assumeRole != null) throw new WireError('needs ambient credentials', ['assumeRole']);
      const keys = { accessKeyId, secretAccessKey, sessionToken: sessionToken ?? null, region: region ?? null };
      return { ...common, explicitConfig: keys };
    },
  },
);

const azure = message({
  explicitConfig: message({
    clientSecret: message({
      tenant_id: otherwise(text, ''),
      client_id: otherwise(text, ''),
      client_secret: otherwise(text, ''),
    }),
    managedIdentity: [
      'managed_identity_credential',
      message({
        userAssignedIdentity: message({ clientId: present(text), objectId: present(text), resourceId: present(text) }),
      }),
    ],
    workloadIdentity: ['workload_identity_credential', empty],
  }),
  developerImplicit: empty,
  implicit: empty,
});

const signingAlg = unless(
  'JWT_SIGNING_ALG_UNSPECIFIED',
  oneWord({ RS256: 'RS256', RS384: 'RS384', RS512: 'RS512', PS256: 'PS256', ES256: 'ES256', ES384: 'ES384' }),
);

/** Of one that its control plane could not translate (`translation_error`) nothing can be read. */
const jwtSign = message({
  signingKey: otherwise(text, ''),
  alg: signingAlg,
  kid: present(text),
  claims: map(json),
  ttl: duration,
  location,
});

type Method = 'clientSecretBasic' | 'clientSecretPost' | 'privateKeyJwt';

interface ClientFields {
  method?: Method;
  clientSecret?: string | null;
}

const clientAuth: Wire<ClientFields> = mapped(
  merged<ClientFields>(
    message({
      method: oneWord<Method>({
        clientSecretBasic: 'CLIENT_SECRET_BASIC',
        clientSecretPost: 'CLIENT_SECRET_POST',
        privateKeyJwt: 'PRIVATE_KEY_JWT',
      }),
      clientId: otherwise(text, ''),
      clientSecret: present(text),
    }),
    under(
      'private_key_jwt',
      message({
        signingKey: otherwise(text, ''),
        certificate: text,
        certificateHeader: unless('CERTIFICATE_HEADER_UNSPECIFIED', oneWord({ x5c: 'X5C', 'x5t#S256': 'X5T_S256' })),
        alg: signingAlg,
        kid: present(text),
        assertionAudience: otherwise(text, ''),
      }),
    ),
  ),
  {
    read: ({ method = 'clientSecretBasic', ...rest }) => ({
      method,
      ...(method === 'clientSecretBasic' && { clientSecret: '' }),
      ...rest,
    }),
    write: ({ method = 'clientSecretBasic', ...rest }) => ({ method, ...rest }),
  },
);

const tokenCache = only('in_memory', message({ maxEntries: present(uint32), defaultTtl: duration }));

const subjectToken = message({ source: credentialLocationMessage, tokenType: text });

const tokenExchange = auxiliaryServiceMessage('token_endpoint', {
  path: ['token_endpoint_path', present(text)],
  grantType: unless('UNSPECIFIED', oneWord({ tokenExchange: 'TOKEN_EXCHANGE', jwtBearer: 'JWT_BEARER' })),
  subjectToken,
  actorToken: message({ source: required(credentialLocationMessage), tokenType: text, enforceMayAct: flag }),
  audiences: list(text),
  scopes: list(text),
  resources: list(text),
  requestedTokenType: text,
  clientAuth,
  additionalParams: map(text),
  authorizationLocation: credentialLocationMessage,
  cache: tokenCache,
});

const endpoint = auxiliaryServiceMessage('token_endpoint', {
  path: ['token_endpoint_path', present(text)],
  clientAuth: required(clientAuth),
});

const crossAppAccess = message({
  identityProvider: required(endpoint),
  resourceAuthorizationServer: required(endpoint),
  audience: otherwise(text, ''),
  resources: list(text),
  scopes: list(text),
  accessTokenScopes: only('values', otherwise(list(text), [])),
  subjectToken,
  cache: tokenCache,
});

const kinds: MessageWire = message({
  passthrough: message({ location }),
  key,
  gcp,
  aws,
  azure,
  jwtSign,
  oauthTokenExchange: ['oauth_token_exchange', tokenExchange],
  crossAppAccess,
  credentials: list(message({ location: required(credentialLocationMessage), key: ['value', otherwise(text, '')] })),
});

export const backendAuthMessage: Wire = mapped(kinds, {
  read: (value): unknown => value,
  write(value) {
    if (value === 'copilot') throw new WireError("can't be said");
    return value as Record<string, unknown>;
  },
});
