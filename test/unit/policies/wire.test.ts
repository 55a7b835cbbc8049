import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse as yaml } from 'yaml';
import { z } from 'zod';
import { buildCatalogue } from '../../../src/catalogue.ts';
import { POLICIES } from '../../../src/policies/registry.ts';
import type { PolicySpec, PolicyWire } from '../../../src/resources/catalogue.ts';
import { isConditional } from '../../../src/resources/conditional.ts';
import { parseDuration } from '../../../src/resources/schema/common.ts';
import { jsonSchema } from '../../../src/resources/schema/json-schema.ts';
import { configName, schemaAt } from '../../../src/resources/schema/policies.ts';
import { WireError, type WireMessage } from '../../../src/resources/wire.ts';
import { messageType, protos } from '../../../src/xds/wire/protos.ts';
import { InstanceMaker } from '../resources/schema-instances.ts';

const SPECS = {
  traffic: messageType('agentgateway.dev.resource.TrafficPolicySpec'),
  backend: messageType('agentgateway.dev.resource.BackendPolicySpec'),
  frontend: messageType('agentgateway.dev.resource.FrontendPolicySpec'),
};

function definition(name: string) {
  const found = POLICIES.get(name);
  if (found === undefined) throw new Error(`no policy ${name}`);
  return found;
}

function parse(name: string, spec: PolicySpec, value: unknown): unknown {
  const policy = definition(name);
  const level = spec === 'backend' && policy.levels.includes('backend') ? 'backend' : policy.levels.at(-1);
  return schemaAt(policy, level ?? 'route').parse(value);
}

function wires(name: string, spec: PolicySpec): PolicyWire[] {
  return (definition(name).wire ?? []).filter((wire) => wire.spec === spec);
}

/** The message of the first field that can say a value, through the real encoding. Throws the last WireError. */
function written(name: string, spec: PolicySpec, value: unknown): WireMessage {
  let refusal: unknown = new Error(`${name} can't be said in ${spec}`);
  for (const wire of wires(name, spec)) {
    try {
      const message = wire.message.write(parse(name, spec, value));
      return SPECS[spec].decode(SPECS[spec].encode({ [wire.field]: message ?? {} }));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/** What a message says of a policy, through the real encoding. */
function read(name: string, spec: PolicySpec, message: WireMessage): unknown {
  const decoded = SPECS[spec].decode(SPECS[spec].encode(message));
  const [field] = Object.keys(decoded);
  const wire = wires(name, spec).find((one) => one.field === field);
  if (wire === undefined) throw new Error(`${name} has no field ${field} in ${spec}`);
  return wire.message.read(decoded[field as string]);
}

/** Nothing where something is null; durations by value. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'string') return /^(\d+(\.\d+)?(ns|ms|s|m|h))+$/.test(value) ? parseDuration(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== null && one !== undefined);
  return Object.fromEntries(entries.map(([key, one]) => [key, plain(one)]));
}

/** A value, and what is read of it where that is another way to say the same. */
type Case = readonly [value: unknown, read?: unknown];

const SERVICE_POLICIES = {
  requestHeaderModifier: { set: { 'x-a': 'b' } },
  transformations: { request: { set: { 'x-b': '"c"' } } },
  backendTLS: { hostname: 'service.example', alpn: ['h2'] },
  http: { version: 'HTTP/2' },
  tcp: { keepalives: {}, connectTimeout: '1s' },
  backendTunnel: {
    proxy: { host: 'proxy.example:3128' },
    policies: { backendTLS: { insecure: true } },
  },
};

const MCP_AUTHENTICATION = {
  issuer: 'https://a.example',
  audiences: ['https://mcp.example'],
  provider: { keycloak: {} },
  resourceMetadata: { resource: 'https://mcp.example', scopes_supported: ['a', 'b'], nothing: null },
  jwks: '{"keys":[]}',
  mode: 'permissive',
  authorizationLocation: { header: { name: 'x-token', prefix: '' } },
  jwtValidationOptions: { requiredClaims: ['sub'] },
  clientId: 'id',
  clientSecret: 'secret',
};

const MCP_DEFAULTS = { issuer: 'a', audiences: [], resourceMetadata: {}, jwks: '{}', mode: 'optional' };

const OTEL = { provider_backend: { backend: 'a' } };

const TRAFFIC: Record<string, readonly Case[]> = {
  timeout: [[{}], [{ requestTimeout: '1m30s', backendRequestTimeout: '250ms' }], [{ requestTimeout: '0s' }]],
  retry: [
    [{ codes: [] }],
    [{ attempts: 3, backoff: '1.5s', codes: [503, 429], precondition: 'request.method == "GET"', condition: 'true' }],
  ],
  delay: [
    [{ duration: '2s' }],
    [{ duration: '1d' }, { duration: '24h' }],
    [{ duration: 'random() < 0.1 ? 500 : 0' }],
    [{ duration: 'duration("x" + "s")' }],
  ],
  authorization: [
    [{ rules: [] }],
    [
      { rules: [{ deny: 'a' }, 'b', { require: 'c' }, { allow: 'd' }] },
      { rules: ['b', 'd', { deny: 'a' }, { require: 'c' }] },
    ],
  ],
  localRateLimit: [
    [[{ maxTokens: 10, tokensPerFill: 1, fillInterval: '1s' }]],
    [
      [
        { maxTokens: 10, tokensPerFill: 1, fillInterval: '1s' },
        { maxTokens: 100_000, tokensPerFill: 1000, fillInterval: '1m', type: 'tokens' },
      ],
    ],
  ],
  cors: [
    [{}],
    [
      {
        allowOrigins: ['https://*.example'],
        allowMethods: ['GET', '*'],
        allowHeaders: ['x-a'],
        exposeHeaders: ['x-b'],
      },
    ],
    [{ allowCredentials: true, maxAge: '10m' }],
    [{ maxAge: '600' }, { maxAge: '600s' }],
  ],
  requestHeaderModifier: [[{ add: { 'x-a': 'b', 'x-b': '' }, set: { host: 'example.com' }, remove: ['x-c'] }]],
  responseHeaderModifier: [[{ set: { 'x-a': 'b' } }], [{ remove: ['server'] }]],
  requestRedirect: [
    [{}],
    [{ scheme: 'https', authority: { full: 'a.example:8443' }, path: { full: '/x' }, status: 301 }],
    [{ authority: { full: '[::1]:8443' } }],
    [{ authority: { host: 'a.example' }, path: { prefix: '' } }],
    [{ authority: { port: 8080 } }],
    [{ authority: 'none' }, {}],
  ],
  urlRewrite: [
    [{ authority: { host: 'a.example' }, path: { prefix: '/x' } }],
    [{ path: { full: '' } }],
    [{ authority: 'auto' }],
    [{ authority: 'none' }],
  ],
  requestMirror: [
    [{ backend: { host: 'shadow.example:8080' }, percentage: 0.29 }],
    [{ backend: { host: '[::1]:8080' }, percentage: 0 }],
    [
      [
        { backend: { service: { name: 'ns/shadow.ns.svc.cluster.local', port: 80 } }, percentage: 1 },
        { backend: { backend: 'ns/other' }, percentage: 0.5 },
      ],
    ],
  ],
  directResponse: [
    [{ status: 204 }],
    [{ status: 200, body: 'hellö', headers: { 'x-a': 'request.path' } }],
    [{ status: 200, body: [255, 0] }],
    [{ status: 404, bodyExpression: '"no"' }],
  ],
  transformations: [
    [{}],
    [
      {
        request: {
          add: { 'x-a': '"b"' },
          set: { ':path': '"/x"' },
          remove: ['x-c'],
          body: 'request.body',
          metadata: { m: '1' },
        },
        response: { set: { 'x-d': 'response.code' } },
      },
    ],
  ],
  csrf: [[{}], [{ additionalOrigins: ['https://a.example'] }]],
  buffer: [[{}], [{ request: { maxBytes: 0 }, response: { maxBytes: 1024, failureMode: 'failOpen' } }]],
  extAuthz: [
    [{ host: 'authz.example:9000' }],
    [
      {
        service: { name: 'ns/authz', port: 9000 },
        policies: SERVICE_POLICIES,
        protocol: { grpc: { context: { a: 'b' }, metadata: { c: 'jwt.sub' } } },
        failureMode: { denyWithStatus: 503 },
        includeRequestHeaders: [':path', 'cookie'],
        includeRequestBody: { maxRequestBytes: 4096, allowPartialMessage: true, packAsBytes: true },
        cache: { key: ['request.path'], ttl: 'duration("1m")', maxEntries: 10 },
      },
    ],
    [
      {
        backend: 'ns/authz',
        protocol: {
          http: {
            path: '"/check"',
            redirect: '"/login"',
            body: '""',
            includeResponseHeaders: ['x-user'],
            addRequestHeaders: { 'x-a': '"b"' },
            metadata: { user: 'response.headers["x-user"]' },
          },
        },
        failureMode: 'allow',
        includeRequestBody: {},
      },
    ],
  ],
  extProc: [
    [{ host: 'proc.example:9000' }],
    [
      {
        host: 'proc.example:9000',
        policies: { http: { version: 'HTTP/2' } },
        failureMode: 'failOpen',
        metadataContext: { 'envoy.lb': { a: '1' }, none: {} },
        requestAttributes: { a: 'request.path' },
        responseAttributes: { b: 'response.code' },
        processingOptions: {
          requestBodyMode: 'none',
          responseBodyMode: 'buffered',
          requestTrailerMode: 'skip',
          allowModeOverride: true,
        },
      },
    ],
  ],
  remoteRateLimit: [
    [{ host: 'limits.example:8081', domain: 'd', descriptors: [] }],
    [
      {
        host: 'limits.example:8081',
        domain: 'd',
        descriptors: [
          {
            entries: [{ key: 'user', value: 'jwt.sub' }],
            type: 'tokens',
            cost: '2',
            limitOverride: '{"unit": "second"}',
          },
          { entries: [] },
        ],
        failureMode: 'FailOpen',
      },
      {
        host: 'limits.example:8081',
        domain: 'd',
        descriptors: [
          {
            entries: [{ key: 'user', value: 'jwt.sub' }],
            type: 'tokens',
            cost: '2',
            limitOverride: '{"unit": "second"}',
          },
          { entries: [] },
        ],
        failureMode: 'failOpen',
      },
    ],
  ],
  basicAuth: [
    [{ htpasswd: 'user:$2y$05$x' }],
    [{ htpasswd: '', realm: '', mode: 'strict', authorizationLocation: { cookie: { name: 'a' } } }],
  ],
  apiKey: [
    [{ keys: [] }],
    [
      {
        keys: [
          { key: 'secret', metadata: { name: 'a', tags: ['x', 1, true, null, { y: {} }] } },
          { keyHash: `sha256:${'0a'.repeat(32)}` },
        ],
        mode: 'permissive',
        location: { header: { name: 'x-api-key' } },
      },
    ],
    [{ keys: [], mode: 'strict', location: { queryParameter: { name: 'key' } } }],
  ],
  jwtAuth: [
    [{ providers: [{ issuer: 'https://a.example', jwks: '{"keys":[]}' }] }],
    [
      { issuer: 'https://a.example', audiences: ['a'], jwks: '{"keys":[]}', mode: 'strict' },
      { mode: 'strict', providers: [{ issuer: 'https://a.example', audiences: ['a'], jwks: '{"keys":[]}' }] },
    ],
    [
      {
        mode: 'permissive',
        location: { expression: 'request.headers["x-token"]' },
        providers: [
          { issuer: 'a', jwks: 'x', jwtValidationOptions: { requiredClaims: [] } },
          { issuer: 'b', jwks: 'y', jwtValidationOptions: { requiredClaims: ['exp', 'sub'] } },
        ],
      },
    ],
  ],
  mcpAuthentication: [[MCP_AUTHENTICATION]],
};

const BACKEND: Record<string, readonly Case[]> = {
  authorization: TRAFFIC.authorization!,
  requestHeaderModifier: TRAFFIC.requestHeaderModifier!,
  responseHeaderModifier: TRAFFIC.responseHeaderModifier!,
  requestRedirect: TRAFFIC.requestRedirect!,
  transformations: TRAFFIC.transformations!,
  extAuthz: TRAFFIC.extAuthz!,
  mcpAuthentication: [
    [MCP_AUTHENTICATION],
    [{ issuer: 'https://a.example', audiences: [], resourceMetadata: {}, jwks: '{}', mode: 'optional' }],
  ],
  mcpAuthorization: TRAFFIC.authorization!,
  mcpGuardrails: [
    [{ processors: [] }],
    [
      {
        processors: [
          {
            kind: 'remote',
            host: 'guard.example:9000',
            policies: SERVICE_POLICIES,
            methods: { 'tools/call': 'full', '*/list': 'response', '*': 'off' },
            failureMode: 'failOpen',
            metadata: { user: 'jwt.sub' },
            requestHeaders: { allowed: ['x-a'], disallowed: ['cookie'] },
          },
          { kind: 'remote', backend: 'ns/guard' },
        ],
      },
    ],
  ],
  a2a: [[{}]],
  inferenceRouting: [
    [{ endpointPicker: { service: { name: 'ns/epp', port: 9002 } } }],
    [{ endpointPicker: { host: 'epp.example:9002' }, failureMode: 'failOpen' }],
    // A pool whose picker could not be resolved.
    [{ endpointPicker: { backend: '' }, failureMode: 'failClosed' }],
    [
      { endpointPicker: { backend: 'ns/epp' }, destinationMode: 'validated' },
      { endpointPicker: { backend: 'ns/epp' } },
    ],
  ],
  backendTLS: [
    [{}],
    [
      {
        cert: 'CERT',
        key: 'KEY',
        root: 'ROOT',
        hostname: 'a.example',
        alpn: ['h2'],
        subjectAltNames: ['spiffe://a/b'],
      },
    ],
    [{ insecure: true, alpn: [] }],
    [{ insecureHost: true, keyExchangeGroups: ['X25519_MLKEM768', 'P-256'] }],
    [{ insecure: true, insecureHost: true }, { insecure: true }],
    [{ spiffe: {} }],
  ],
  backendTunnel: [
    [{ proxy: { host: 'proxy.example:3128' } }],
    [{ proxy: { backend: 'ns/proxy' }, policies: SERVICE_POLICIES }],
  ],
  tcp: [
    [{ keepalives: {}, connectTimeout: '10s' }],
    [{ keepalives: { time: '1m', interval: '5s', retries: 0 }, connectTimeout: '250ms' }],
  ],
  http: [[{}], [{ version: 'HTTP/2', requestTimeout: '5s' }], [{ version: '1.1' }, { version: 'HTTP/1.1' }]],
  backendAuth: [
    [{ passthrough: {} }],
    [{ passthrough: { location: { header: { name: 'x-token' } } } }],
    [{ key: 'secret' }],
    [{ key: '' }],
    [{ key: { value: 'secret', location: { queryParameter: { name: 'key' } } } }],
    [{ key: { value: 'secret' } }, { key: 'secret' }],
    [{ gcp: {} }, { gcp: { type: 'accessToken' } }],
    [{ gcp: { type: 'accessToken', credential: '{"type":"service_account"}' } }],
    [{ gcp: { type: 'idToken', audience: 'https://a.example' } }],
    [{ gcp: { type: 'idToken' } }],
    [{ aws: {} }],
    [
      {
        aws: {
          region: 'eu-west-1',
          serviceName: 'bedrock',
          accessKeyId: 'id',
          secretAccessKey: 's',
          sessionToken: 't',
        },
      },
    ],
    [{ aws: { accessKeyId: 'id', secretAccessKey: 's' } }],
    [
      {
        aws: {
          region: 'eu-west-1',
          assumeRole: {
            roleArn: 'arn:aws:iam::1:role/a',
            sessionName: 'name',
            tags: [
              { key: 'team', value: 'a' },
              { key: 'none', value: '' },
              { key: 'app', expression: 'jwt.sub' },
            ],
          },
        },
      },
    ],
    [{ aws: { assumeRole: { roleArn: 'arn:aws:iam::1:role/a', sessionName: { expression: 'jwt.sub' } } } }],
    [{ azure: { implicit: {} } }],
    [{ azure: { developerImplicit: {} } }],
    [{ azure: { explicitConfig: { clientSecret: { tenant_id: 't', client_id: 'c', client_secret: 's' } } } }],
    [{ azure: { explicitConfig: { managedIdentity: {} } } }],
    [{ azure: { explicitConfig: { managedIdentity: { userAssignedIdentity: { resourceId: 'r' } } } } }],
    [{ azure: { explicitConfig: { workloadIdentity: {} } } }],
    [{ jwtSign: { signingKey: 'PEM' } }],
    [
      {
        jwtSign: {
          signingKey: 'PEM',
          alg: 'ES384',
          kid: 'k',
          claims: { iss: 'a', n: 1, deep: { list: [null] } },
          ttl: '1m',
          location: { header: { name: 'authorization', prefix: 'Snowflake ' } },
        },
      },
    ],
    [{ oauthTokenExchange: { host: 'auth.example:443' } }],
    [
      {
        oauthTokenExchange: {
          host: 'auth.example:443',
          policies: SERVICE_POLICIES,
          path: '/token',
          grantType: 'jwtBearer',
          subjectToken: { source: { header: { name: 'x-token' } }, tokenType: 'urn:ietf:params:oauth:token-type:jwt' },
          actorToken: { source: { expression: 'source.identity' }, enforceMayAct: true },
          audiences: ['a'],
          scopes: ['b'],
          resources: ['c'],
          requestedTokenType: 'urn:ietf:params:oauth:token-type:access_token',
          clientAuth: { method: 'clientSecretBasic', clientId: 'id', clientSecret: 's' },
          additionalParams: { x: '"y"' },
          authorizationLocation: { cookie: { name: 'token' } },
          cache: { maxEntries: 0, defaultTtl: '5m' },
        },
      },
    ],
    [
      { oauthTokenExchange: { host: 'auth.example:443', clientAuth: { clientId: 'id', clientSecret: 's' } } },
      {
        oauthTokenExchange: {
          host: 'auth.example:443',
          clientAuth: { method: 'clientSecretBasic', clientId: 'id', clientSecret: 's' },
        },
      },
    ],
    [{ oauthTokenExchange: { host: 'auth.example:443', clientAuth: { method: 'clientSecretPost', clientId: 'id' } } }],
    [
      {
        crossAppAccess: {
          identityProvider: {
            host: 'idp.example:443',
            clientAuth: {
              method: 'privateKeyJwt',
              clientId: 'id',
              signingKey: 'PEM',
              certificate: 'CERT',
              certificateHeader: 'x5t#S256',
              alg: 'PS256',
              kid: 'k',
              assertionAudience: 'aud',
            },
          },
          resourceAuthorizationServer: {
            backend: 'ns/as',
            path: '/t',
            clientAuth: { method: 'clientSecretPost', clientId: 'id', clientSecret: 's' },
          },
          audience: 'aud',
          resources: ['r'],
          scopes: ['s'],
          accessTokenScopes: [],
          subjectToken: { source: { header: { name: 'x-id' } } },
          cache: {},
        },
      },
    ],
    [{ credentials: [{ location: { header: { name: 'x-api-key' } }, key: 'k' }] }],
    [{ key: 'a', credentials: [{ location: { cookie: { name: 'c' } }, key: 'k' }] }],
  ],
  ai: [
    [{}],
    [
      {
        defaults: { temperature: 0, stop: ['a'], nothing: null },
        overrides: { model: 'gpt-5', stream: false },
        transformations: { max_tokens: 'min(llmRequest.max_tokens, 100)' },
        finalTransformations: { user: 'jwt.sub' },
        prompts: { append: [{ role: 'user', content: '' }], prepend: [{ role: 'system', content: 'Be brief.' }] },
        modelAliases: { fast: 'gpt-5-mini', 'claude-*': 'claude-5' },
        promptCaching: { cacheSystem: false, cacheTools: true, minTokens: 0, cacheMessageOffset: 2 },
        routes: { '/v1/messages': 'messages', '*': 'passthrough', '/v1/chat/completions': 'completions' },
      },
    ],
    [{ promptCaching: {} }, { promptCaching: { minTokens: 1024 } }],
    [
      {
        promptGuard: {
          streaming: 'Enabled',
          request: [
            {
              regex: { action: 'reject', rules: [{ builtin: 'ssn' }, { pattern: 'a+' }] },
              rejection: { body: '', status: 400 },
            },
            {
              webhook: {
                target: { host: 'guard.example:8000' },
                headers: { 'x-a': 'jwt.sub' },
                forwardHeaderMatches: [
                  { name: 'x-b', value: { exact: '' } },
                  { name: ':path', value: { regex: '/v1/.*' } },
                ],
                failureMode: 'failOpen',
              },
              scope: ['toolInput', 'toolOutput'],
            },
            { openAIModeration: { model: 'omni-moderation-latest', policies: { backendAuth: { key: 'k' } } } },
            { bedrockGuardrails: { guardrailIdentifier: 'i', guardrailVersion: '1', region: 'eu-west-1' } },
            {
              googleModelArmor: {
                templateId: 't',
                projectId: 'p',
                location: 'europe-west4',
                policies: SERVICE_POLICIES,
              },
            },
            {
              azureContentSafety: {
                endpoint: 'https://a.example',
                analyzeText: {
                  severityThreshold: 0,
                  apiVersion: 'v',
                  blocklistNames: ['b'],
                  haltOnBlocklistHit: false,
                },
              },
              rejection: { body: [255], status: 451 },
            },
          ],
          response: [
            { regex: { rules: [{ builtin: 'email' }] } },
            { azureContentSafety: { endpoint: 'e', analyzeText: {} } },
          ],
        },
      },
    ],
    [{ promptGuard: {} }, { promptGuard: { streaming: 'Disabled' } }],
  ],
  health: [
    [{}],
    [
      {
        unhealthyExpression: 'response.code > 499',
        eviction: { duration: '10s', restoreHealth: 0, consecutiveFailures: 3, healthThreshold: 0.5 },
      },
    ],
    [{ eviction: {} }],
  ],
};

const FRONTEND: Record<string, readonly Case[]> = {
  'frontend.http': [
    [{}],
    [
      {
        maxBufferSize: '2Mi',
        http1MaxHeaders: 0,
        http1IdleTimeout: '1m',
        http1HeaderCase: 'preserve',
        http2WindowSize: 65535,
        http2ConnectionWindowSize: 1048576,
        http2FrameSize: 16384,
        http2MaxHeaderSize: 8192,
        http2KeepaliveInterval: '30s',
        http2KeepaliveTimeout: '5s',
        maxConnectionDuration: '1h',
      },
      {
        maxBufferSize: 2097152,
        http1MaxHeaders: 0,
        http1IdleTimeout: '1m',
        http1HeaderCase: 'preserve',
        http2WindowSize: 65535,
        http2ConnectionWindowSize: 1048576,
        http2FrameSize: 16384,
        http2MaxHeaderSize: 8192,
        http2KeepaliveInterval: '30s',
        http2KeepaliveTimeout: '5s',
        maxConnectionDuration: '1h',
      },
    ],
  ],
  'frontend.tls': [
    [{}],
    [
      {
        handshakeTimeout: '3s',
        alpn: [
          [104, 50],
          [104, 116, 116, 112, 47, 49, 46, 49],
        ],
        minVersion: 'TLS_V1_2',
        maxVersion: 'TLS_V1_3',
        cipherSuites: ['TLS_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
        keyExchangeGroups: ['X25519', 'P-384'],
      },
    ],
    [
      { cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'], alpn: [] },
      { cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'], alpn: [] },
    ],
  ],
  'frontend.tcp': [[{ keepalives: {} }], [{ keepalives: { time: '10s', interval: '1s', retries: 3 } }]],
  networkAuthorization: TRAFFIC.authorization!,
  proxyProtocol: [[{}], [{ version: 'v1', mode: 'optional' }], [{ version: 'all' }]],
  connect: [[{ mode: 'deny' }], [{ mode: 'route' }], [{ mode: 'tunnel' }]],
  accessLog: [
    [{}],
    [
      {
        filter: 'response.code > 399',
        remove: ['http.version'],
        add: { user: 'jwt.sub', path: 'request.path' },
        otlp: {
          host: 'otel.example:4317',
          policies: SERVICE_POLICIES,
          filter: 'true',
          fields: { add: { a: '1' }, remove: ['b'] },
        },
      },
    ],
    [{ otlp: { backend: 'ns/otel', protocol: 'http', path: '/v1/logs', fields: {} } }],
  ],
  tracing: [
    [{ host: 'otel.example:4317' }],
    [
      {
        host: 'otel.example:4318',
        attributes: { user: 'jwt.sub' },
        resources: { env: '"prod"' },
        remove: ['http.path'],
        randomSampling: 0.1,
        clientSampling: 'request.headers["x-trace"] == "1"',
        filter: 'true',
        path: '/x',
        protocol: 'http',
      },
    ],
    [
      { host: 'otel.example:4318', clientSampling: true },
      { host: 'otel.example:4318', clientSampling: 'true' },
    ],
  ],
};

describe.each([
  ['traffic', TRAFFIC],
  ['backend', BACKEND],
  ['frontend', FRONTEND],
] as const)('policies in messages: %s', (spec, policies) => {
  const cases = Object.entries(policies).flatMap(([name, values]) =>
    values.map(([value, expected = value]) => ({ name, value, expected })),
  );
  it.each(cases)('$name: $value', ({ name, value, expected }) => {
    const message = written(name, spec, value);
    const again = read(name, spec, message);
    expect(plain(parse(name, spec, again))).toEqual(plain(parse(name, spec, expected)));
    // Said once more, it is the same message: nothing was lost on the way.
    expect(written(name, spec, again)).toEqual(message);
  });

  it('is tried out for every policy that has such a message', () => {
    const said = [...POLICIES.values()].filter((policy) => policy.wire?.some((wire) => wire.spec === spec));
    expect(Object.keys(policies).sort()).toEqual(said.map((policy) => policy.name).sort());
  });
});

describe('policies and the specs of control planes', () => {
  const NAMES = { traffic: 'TrafficPolicySpec', backend: 'BackendPolicySpec', frontend: 'FrontendPolicySpec' } as const;

  /** Fields that no policy has. */
  const UNCLAIMED = [
    // Backends copy no requests; routes do.
    'backend.request_mirror',
    // Labels of metrics are a setting of the process.
    'frontend.metrics',
  ];
  /** Fields whose message decides which of two policies it is. */
  const SHARED = ['traffic.jwt'];
  /** Policies that only configuration files can say. */
  const UNSAID = ['networkExtAuthz', 'oidc', 'onClientAbort', 'sessionAffinity'];

  it('have every field for exactly one policy', () => {
    const fields = Object.entries(NAMES).flatMap(([spec, type]) =>
      (protos().lookupType(`agentgateway.dev.resource.${type}`).oneofs.kind?.oneof ?? []).map(
        (field) => `${spec}.${field}`,
      ),
    );
    const claims = [...POLICIES.values()].flatMap((policy) =>
      (policy.wire ?? []).map(({ spec, field }) => `${spec}.${field}`),
    );
    expect(fields.length).toBeGreaterThan(40);
    expect([...new Set(claims), ...UNCLAIMED].sort()).toEqual(fields.sort());
    expect(claims.filter((claim, index) => claims.indexOf(claim) !== index)).toEqual(SHARED);
  });

  it('say every policy wherever it can stand', () => {
    const SAID_IN: Record<string, PolicySpec[]> = {
      frontend: ['frontend'],
      gateway: ['traffic'],
      route: ['traffic', 'backend'],
      backend: ['backend'],
    };
    const missing = [...POLICIES.values()].filter((policy) =>
      policy.levels.some((level) => !policy.wire?.some(({ spec }) => SAID_IN[level]?.includes(spec))),
    );
    expect(missing.map((policy) => policy.name).sort()).toEqual(UNSAID);
  });

  it.each<[name: string, spec: PolicySpec, value: unknown]>([
    ['apiKey', 'traffic', { keys: [{ key: 'a', allowedModels: [] }] }],
    ['apiKey', 'traffic', { keys: [{ key: 'a', allowBatches: true }] }],
    ['apiKey', 'traffic', { keys: [{ key: 'a', metadata: 'text' }] }],
    ['basicAuth', 'traffic', { htpasswd: { file: '/x' } }],
    ['jwtAuth', 'traffic', { issuer: 'a', jwks: { url: 'https://a.example' } }],
    ['mcpAuthentication', 'traffic', { issuer: 'a', audiences: [], resourceMetadata: {} }],
    ['mcpAuthentication', 'backend', { issuer: 'a', audiences: [], resourceMetadata: {}, jwks: { file: '/x' } }],
    ['transformations', 'traffic', { request: { replace: '{}' } }],
    ['localRateLimit', 'traffic', []],
    ['requestRedirect', 'traffic', { authority: { full: 'a.example' } }],
    ['requestRedirect', 'traffic', { authority: 'auto' }],
    ['urlRewrite', 'traffic', { authority: { full: 'a.example' } }],
    ['urlRewrite', 'traffic', { authority: { port: 80 } }],
    ['urlRewrite', 'traffic', { authority: 'auto', path: { full: '/' } }],
    ['accessLog', 'frontend', { database: { llm: 'full' } }],
    ['frontend.tcp', 'frontend', { keepalives: { enabled: false } }],
    ['frontend.tls', 'frontend', { minVersion: 'TLS_V1_0' }],
    ['frontend.tls', 'frontend', { cipherSuites: ['RC4'] }],
    ['tcp', 'backend', { keepalives: { enabled: false }, connectTimeout: '1s' }],
    ['http', 'backend', { version: 'HTTP/3' }],
    ['inferenceRouting', 'backend', { endpointPicker: { host: 'a:1' }, destinationMode: 'passthrough' }],
    ['backendTLS', 'backend', { cert: '', key: '' }],
    ['backendAuth', 'backend', 'copilot'],
    ['backendAuth', 'backend', { keys: ['a', 'b'] }],
    ['backendAuth', 'backend', { key: { file: '/x' } }],
    ['backendAuth', 'backend', { gcp: { audience: 'a' } }],
    ['backendAuth', 'backend', { aws: { accessKeyId: 'a', secretAccessKey: 'b', assumeRole: { roleArn: 'c' } } }],
    ['ai', 'backend', { mediaFetch: { allow: true } }],
    ['ai', 'backend', { strict: true }],
    ['ai', 'backend', { routes: { '*': 'textCompletions' } }],
    ['ai', 'backend', { promptGuard: { request: [{ azureContentSafety: { endpoint: 'e', detectJailbreak: {} } }] } }],
    [
      'ai',
      'backend',
      { promptGuard: { request: [{ regex: { rules: [] }, rejection: { headers: { remove: ['a'] } } }] } },
    ],
    ['requestMirror', 'traffic', { backend: { host: 'unix:/x' }, percentage: 1 }],
  ])('refuse what they have no place for: %s', (name, spec, value) => {
    expect(() => written(name, spec, value)).toThrow(WireError);
  });

  it.each<[name: string, spec: PolicySpec, message: WireMessage]>([
    ['extAuthz', 'traffic', { ext_authz: { target: { backend: 'a' }, failure_mode: 7 } }],
    ['extAuthz', 'traffic', { ext_authz: { target: { backend: 'a' }, inline_policies: [{}] } }],
    ['extAuthz', 'traffic', { ext_authz: { target: { backend: 'a' }, inline_policies: [{ a2a: {} }] } }],
    [
      'extAuthz',
      'traffic',
      { ext_authz: { target: { backend: 'a' }, inline_policies: [{ backend_tls: {} }, { backend_tls: {} }] } },
    ],
    ['jwtAuth', 'traffic', { jwt: { providers: [{ issuer: 'a' }] } }],
    ['jwtAuth', 'traffic', { jwt: { providers: [{ issuer: 'a', inline: '{}' }], mcp: {} } }],
    ['mcpAuthentication', 'traffic', { jwt: { providers: [{ issuer: 'a', inline: '{}' }] } }],
    ['mcpAuthentication', 'traffic', { jwt: { providers: [], mcp: {} } }],
    ['mcpAuthentication', 'backend', { mcp_authentication: { issuer: 'a' } }],
    ['mcpGuardrails', 'backend', { mcp_guardrails: { processors: [{ methods: { '*': 'FULL' } }] } }],
    ['backendTLS', 'backend', { backend_tls: { root: Buffer.alloc(0) } }],
    ['backendAuth', 'backend', { auth: { jwt_sign: { signing_key: 'k', translation_error: 'no key' } } }],
    ['backendAuth', 'backend', { auth: { aws: { region: 'a' } } }],
    ['backendAuth', 'backend', { auth: { aws: { explicit_config: {}, assume_role: { role_arn: 'a' } } } }],
    [
      'backendAuth',
      'backend',
      { auth: { aws: { implicit: {}, assume_role: { session_name: 'a', session_name_expression: 'b' } } } },
    ],
    [
      'backendAuth',
      'backend',
      { auth: { oauth_token_exchange: { token_endpoint: { backend: 'a' }, actor_token: {} } } },
    ],
    ['ai', 'backend', { ai: { defaults: { a: '{' } } }],
    ['ai', 'backend', { ai: { overrides: { a: '' } } }],
    ['ai', 'backend', { ai: { prompt_guard: { request: [{ regex: { rules: [{ builtin: 0 }] } }] } } }],
    [
      'ai',
      'backend',
      { ai: { prompt_guard: { request: [{ openai_moderation: { backend_ref: { backend: 'a' } } }] } } },
    ],
    ['ai', 'backend', { ai: { prompt_guard: { request: [{ scope: [0] }] } } }],
    ['ai', 'backend', { ai: { routes: { '*': 99 } } }],
    ['retry', 'traffic', { retry: { backoff: { seconds: -1 } } }],
    [
      'requestHeaderModifier',
      'traffic',
      { request_header_modifier: { add: [{ name: 'a' }, { name: 'a', value: 'b' }] } },
    ],
  ])('are refused where they say what %s could not keep', (name, spec, message) => {
    expect(() => read(name, spec, message)).toThrow(WireError);
  });

  it.each<[name: string, spec: PolicySpec, message: WireMessage, value: unknown]>([
    ['retry', 'traffic', { retry: { retry_status_codes: [503] } }, { attempts: 1, codes: [503] }],
    ['delay', 'traffic', { delay: { duration: 'duration("5m")' } }, { duration: '5m' }],
    ['cors', 'traffic', { cors: { max_age: { seconds: 600 } } }, { maxAge: '600s' }],
    ['basicAuth', 'traffic', { basic_auth: { htpasswd_content: 'a' } }, { htpasswd: 'a', mode: 'strict' }],
    ['apiKey', 'traffic', { api_key_auth: {} }, { keys: [], mode: 'strict' }],
    ['apiKey', 'traffic', { api_key_auth: { authorization_location: {} } }, { keys: [], mode: 'strict' }],
    ['mcpAuthentication', 'backend', { mcp_authentication: { issuer: 'a', jwks_inline: '{}' } }, MCP_DEFAULTS],
    [
      'extAuthz',
      'traffic',
      { ext_authz: { target: { backend: 'a' }, grpc: {}, failure_mode: 'DENY_WITH_STATUS' } },
      { backend: 'a', failureMode: { denyWithStatus: 403 } },
    ],
    [
      'extProc',
      'traffic',
      { ext_proc: { target: { backend: 'a' }, processing_options: {} } },
      { backend: 'a', processingOptions: { requestBodyMode: 'none', responseBodyMode: 'none' } },
    ],
    ['urlRewrite', 'traffic', { host_rewrite: {} }, { authority: 'none' }],
    ['accessLog', 'frontend', { logging: { otlp_access_log: OTEL } }, { otlp: { backend: 'a', protocol: 'http' } }],
    ['tracing', 'frontend', { tracing: OTEL }, { backend: 'a', protocol: 'http' }],
    ['tcp', 'backend', { backend_tcp: {} }, { keepalives: {}, connectTimeout: '10s' }],
    ['frontend.tls', 'frontend', { tls: { min_version: 'TLS_VERSION_UNSPECIFIED', alpn: {} } }, { alpn: [] }],
    ['backendAuth', 'backend', { auth: { gcp: {} } }, { gcp: { type: 'accessToken' } }],
    [
      'backendAuth',
      'backend',
      { auth: { aws: { region: 'a', explicit_config: { access_key_id: 'b', secret_access_key: 'c' } } } },
      { aws: { region: 'a', accessKeyId: 'b', secretAccessKey: 'c' } },
    ],
    [
      'ai',
      'backend',
      { ai: { prompt_caching: {}, routes: { '/x': 'UNSPECIFIED' } } },
      { promptCaching: { cacheSystem: false, cacheMessages: false, minTokens: 0 }, routes: { '/x': 'completions' } },
    ],
    [
      'ai',
      'backend',
      { ai: { prompt_guard: { response: [{ regex: {}, rejection: {} }, { regex: {} }] } } },
      {
        promptGuard: {
          streaming: 'Disabled',
          response: [{ regex: { rules: [] }, rejection: { body: '' } }, { regex: { rules: [] } }],
        },
      },
    ],
  ])('mean of %s what agentgateway takes them for', (name, spec, message, value) => {
    expect(plain(parse(name, spec, read(name, spec, message)))).toEqual(plain(parse(name, spec, value)));
  });

  it('say one limit of an entry of a conditional rate limit', () => {
    const entry = definition('localRateLimit').wire?.[0]?.entry;
    const limit = { maxTokens: 1, tokensPerFill: 1, fillInterval: '1s', type: 'requests' };
    expect(entry?.read(entry.write(limit))).toEqual(limit);
    expect(() => entry?.read({ rules: [{ max_tokens: 1 }, { max_tokens: 2 }] })).toThrow(WireError);
  });

  /** Whether a value can be said; if so, that what is read of it says the same again. */
  function saysTheSame(name: string, { spec, field, message }: PolicyWire, given: unknown): boolean {
    let value: unknown;
    let first: unknown;
    try {
      value = parse(name, spec, given);
      if (isConditional(value)) return false;
      first = message.write(value) ?? {};
    } catch (error) {
      if (error instanceof WireError || error instanceof z.ZodError) return false;
      throw error;
    }
    const decoded = SPECS[spec].decode(SPECS[spec].encode({ [field]: first }));
    const again = parse(name, spec, message.read(decoded[field]));
    const second = SPECS[spec].decode(SPECS[spec].encode({ [field]: message.write(again) ?? {} }));
    expect(second, `${name}: ${JSON.stringify(value)}`).toEqual(decoded);
    return true;
  }

  it('say whatever their schemas take, or refuse it', () => {
    const root = jsonSchema(buildCatalogue());
    let said = 0;
    for (const [name, { wire = [] }] of POLICIES) {
      const id = `${name.replaceAll(/(?:^|\.)(\w)/g, (_, first: string) => first.toUpperCase())}Policy`;
      for (const one of wire) {
        const atBackend = `${id}Atbackend`;
        const type = one.spec === 'backend' && root.$defs?.[atBackend] !== undefined ? atBackend : id;
        for (let seed = 1; seed <= 150; seed++) {
          if (saysTheSame(name, one, new InstanceMaker(root, seed).makeOf(type))) said++;
        }
      }
    }
    expect(said).toBeGreaterThan(2000);
  });

  /** agentgateway's example configurations; not part of this repository. */
  const CONFIGS = fileURLToPath(new URL('../../../../shared/fixtures/agentgateway/configs/', import.meta.url));

  /** What messages have no words for: files, URLs and sockets, and members that agentgateway itself knows in files only. */
  const WITHOUT_PLACE =
    /"(?:file|url|allowedModels|conditional|database|detectJailbreak)":|"host":"(?:https|unix):|"passthrough"|"rejection":\{.*"headers":|"authority":\{"full"/;

  it.runIf(existsSync(CONFIGS))('say what real configurations hold', () => {
    const unsaid: string[] = [];
    let said = 0;
    const walk = (value: unknown, file: string): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, member] of Object.entries(value)) {
        const named = [...POLICIES.values()].filter((policy) => configName(policy) === key);
        const wires = named.flatMap(({ name, wire = [] }) => wire.map((one) => ({ name, one })));
        const fitting = wires.filter(({ name, one }) => schemaFits(name, one.spec, member));
        if (fitting.length > 0) {
          if (fitting.some(({ name, one }) => saysTheSame(name, one, member))) said++;
          else unsaid.push(`${file} ${key}: ${JSON.stringify(member)}`);
        }
        walk(member, file);
      }
    };
    for (const file of readdirSync(CONFIGS)) walk(yaml(readFileSync(`${CONFIGS}${file}`, 'utf8')), file);
    const other = unsaid.filter((one) => !WITHOUT_PLACE.test(one));
    expect(other).toEqual([]);
    expect(said).toBeGreaterThan(50);
  });

  function schemaFits(name: string, spec: PolicySpec, value: unknown): boolean {
    try {
      parse(name, spec, value);
      return true;
    } catch {
      return false;
    }
  }
});
