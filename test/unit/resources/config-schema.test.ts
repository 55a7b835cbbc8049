import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { buildCatalogue } from '../../../src/catalogue.ts';
import type { Catalogue, CatalogueEntry } from '../../../src/resources/catalogue.ts';
import { buildConfigSchema } from '../../../src/resources/schema/index.ts';
import { type JsonSchema, jsonSchema } from '../../../src/resources/schema/json-schema.ts';
import { collectPolicies } from '../../../src/resources/schema/policies.ts';

const catalogue = buildCatalogue();
const schema = buildConfigSchema(catalogue);
const json = jsonSchema(catalogue);
const accepts = new Ajv2020({ strict: false }).compile(json as object);

/** Documents both schemas accept. */
const GOOD: Record<string, unknown> = {
  'an empty file': {},
  'nulls where sections may be null': { config: null, llm: null, mcp: null, ui: null },
  'a bind with a route': {
    binds: [
      {
        port: 80,
        listeners: [{ routes: [{ backends: [{ host: 'h:1', policies: null }], policies: { cors: null } }] }],
      },
    ],
  },
  'a route to nowhere': { routes: [{ backends: [{ invalid: null }] }] },
  'both kinds of gateway references': { routes: [{ gateways: 'a' }, { gateways: ['a', 'b/c'] }] },
  'own fields': {
    config: {
      snapshotMaxBytes: '1Gi',
      bodyBufferBudget: 1024,
      drain: { maxStreams: 2, timeout: '5s' },
      serverTiming: true,
    },
    binds: [{ port: 80, driver: 'uws', listeners: [] }],
    gateways: { default: { port: 81, driver: 'node' } },
    llm: { port: 4000, driver: 'auto', models: [{ name: '*', provider: 'demo' }] },
    frontendPolicies: { http: { maxBufferSize: '4Mi' } },
  },
  'policies inline in a gateway and its listeners': {
    gateways: { default: { port: 80, cors: {}, listeners: [{ name: 'a', apiKey: { keys: [{ key: 'k' }] } }] } },
  },
  'policies with the name of another at another level': {
    frontendPolicies: { http: { http1IdleTimeout: '1m' }, tcp: { keepalives: {} } },
    backends: [
      {
        name: 'b',
        host: 'h:1',
        policies: { http: { requestTimeout: '1s' }, tcp: { keepalives: {}, connectTimeout: '1s' } },
      },
    ],
  },
  'an alias': { frontendPolicies: { logging: { remove: ['x'] }, proxy: { version: 'v1' } } },
  'each way to name a provider': {
    llm: {
      providers: [{ name: 'shared', provider: 'openai' }],
      models: [
        { name: 'a', provider: 'openAI' },
        { name: 'b', provider: { reference: 'shared' } },
        { name: 'c', provider: { custom: { formats: [{ type: 'completions' }] } }, params: { baseUrl: 'http://h/v1' } },
        { name: 'd', provider: 'groq', params: { apiKey: { file: '/k' } } },
      ],
    },
  },
  'policies of auxiliary services, within each other': {
    routes: [
      {
        policies: {
          extAuthz: {
            host: 'authz:9000',
            policies: { backendTunnel: { proxy: { host: 'p:1' }, policies: { http: { requestTimeout: '1s' } } } },
          },
        },
      },
    ],
  },
  'the conditional form': {
    routes: [{ policies: { extAuthz: { conditional: [{ condition: 'true', host: 'a:1' }, { host: 'b:1' }] } } }],
  },
};

/** Documents the loader refuses, with the place of the fault; the JSON schema refuses them too, unless it can't tell. */
const BAD: [name: string, document: unknown, path: string, jsonToo: boolean][] = [
  ['an unknown section', { bindz: [] }, '', true],
  ['an unknown field', { routes: [{ hostname: ['a'] }] }, 'routes.0', true],
  ['an unknown policy', { routes: [{ policies: { corss: {} } }] }, 'routes.0.policies', true],
  ['a policy at a level it has not', { frontendPolicies: { cors: {} } }, 'frontendPolicies', true],
  ['a frontend policy on a route', { routes: [{ policies: { accessLog: {} } }] }, 'routes.0.policies', true],
  ['two kinds of backend', { routes: [{ backends: [{ host: 'h:1', backend: 'b' }] }] }, 'routes.0.backends.0', true],
  ['no kind of backend', { routes: [{ backends: [{ weight: 1 }] }] }, 'routes.0.backends.0', true],
  ['null where agentgateway takes none', { binds: null }, 'binds', true],
  ['a field and its alias', { frontendPolicies: { accessLog: {}, logging: {} } }, 'frontendPolicies', true],
  [
    'two names of a TLS version',
    { llm: { models: [], tls: { minTLSVersion: 'TLS_V1_2', minTlsVersion: 'TLS_V1_3' } } },
    'llm.tls',
    true,
  ],
  ['a port out of range', { binds: [{ port: 70000, listeners: [] }] }, 'binds.0.port', true],
  [
    'a duration without a unit',
    { config: { connectionTerminationDeadline: '10' } },
    'config.connectionTerminationDeadline',
    true,
  ],
  [
    'a regular expression that is none',
    { routes: [{ matches: [{ path: { regex: '(' } }] }] },
    'routes.0.matches.0.path.regex',
    false,
  ],
  ['a provider nobody knows', { llm: { models: [{ name: 'a', provider: 'nobody' }] } }, 'llm.models.0.provider', true],
  [
    'the conditional form where there is none',
    { backends: [{ name: 'b', host: 'h:1', policies: { extAuthz: { conditional: [{ host: 'a:1' }] } } }] },
    'backends.0.policies.extAuthz',
    true,
  ],
  [
    'an entry without a condition before the last',
    { routes: [{ policies: { extAuthz: { conditional: [{ host: 'a:1' }, { host: 'b:1' }] } } }] },
    'routes.0.policies.extAuthz.conditional',
    false,
  ],
];

describe('configuration schema', () => {
  it.each(Object.entries(GOOD))('accepts %s', (_, document) => {
    const result = schema.safeParse(document);
    expect(result.success ? [] : result.error.issues).toEqual([]);
    accepts(document);
    expect(accepts.errors ?? []).toEqual([]);
  });

  it.each(BAD)('refuses %s', (_, document, path, jsonToo) => {
    const issues = schema.safeParse(document).error?.issues ?? [];
    expect(issues.length).toBeGreaterThan(0);
    const places = issues.flatMap((issue) =>
      [issue, ...(issue.code === 'invalid_union' ? issue.errors.flat() : [])].map((inner) =>
        (inner === issue ? issue.path : [...issue.path, ...inner.path]).join('.'),
      ),
    );
    expect(places).toContain(path);
    if (jsonToo) expect(accepts(document)).toBe(false);
  });

  it('fills in defaults and keeps the shape', () => {
    const { routes, frontendPolicies } = schema.parse({
      routes: [{ backends: [{ host: 'h:1' }] }],
      frontendPolicies: { http: { http1IdleTimeout: '1m30s' } },
    });
    expect(routes).toEqual([
      { gateways: [], matches: [{ path: { pathPrefix: '/' } }], backends: [{ host: 'h:1', weight: 1 }] },
    ]);
    expect(frontendPolicies).toMatchObject({ http: { http1IdleTimeout: '1m30s' } });
  });

  it('takes a new policy from the catalogue, at its levels only', () => {
    const entry: CatalogueEntry = {
      name: 'sparkle',
      schema: z.strictObject({ colour: z.string() }),
      summary: 'Sparkles.',
      levels: ['route'],
      protects: false,
      active: true,
      own: true,
    };
    const larger: Catalogue = { ...catalogue, policies: new Map([...catalogue.policies, ['sparkle', entry]]) };
    const grown = buildConfigSchema(larger);
    expect(grown.safeParse({ routes: [{ policies: { sparkle: { colour: 'red' } } }] }).success).toBe(true);
    expect(grown.safeParse({ routes: [{ policies: { sparkle: { colour: 1 } } }] }).success).toBe(false);
    expect(grown.safeParse({ gateways: { a: { sparkle: { colour: 'red' } } } }).success).toBe(false);
    expect(jsonSchema(larger).$defs?.RoutePolicies?.properties?.sparkle).toMatchObject({
      'x-sluice': true,
      description: 'Sparkles.',
    });
  });
});

describe('collectPolicies', () => {
  it('resolves names and aliases, and leaves out nulls and other fields', () => {
    const http = { maxBufferSize: 1 };
    const log = { remove: [] };
    expect(collectPolicies(catalogue, 'frontend', { http, logging: log, tls: null })).toEqual({
      'frontend.http': http,
      accessLog: log,
    });
    expect(collectPolicies(catalogue, 'backend', { http, weight: 1 })).toEqual({ http });
    expect(collectPolicies(catalogue, 'gateway', { port: 80, cors: {}, timeout: {} })).toEqual({ cors: {} });
    expect(collectPolicies(catalogue, 'route', null)).toEqual({});
  });
});

describe('JSON schema', () => {
  /** Every field of the schema with its path. */
  function* fields(node: JsonSchema, path: string): Generator<[string, JsonSchema]> {
    for (const [name, field] of Object.entries(node.properties ?? {})) {
      yield [`${path}.${name}`, field];
      yield* fields(field, `${path}.${name}`);
    }
    for (const inner of [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])])
      yield* fields(inner, path);
    if (node.items !== undefined) yield* fields(node.items, `${path}[]`);
    if (typeof node.additionalProperties === 'object') yield* fields(node.additionalProperties, `${path}.*`);
    for (const [name, definition] of Object.entries(node.$defs ?? {})) yield* fields(definition, name);
  }

  it('describes every field', () => {
    const silent = [...fields(json, '$')].filter(([, field]) => !field.description).map(([path]) => path);
    expect(silent).toEqual([]);
  });

  it('uses no keyword that only this program knows but the marked ones', () => {
    const text = JSON.stringify(json);
    for (const keyword of ['"secret":true', '"own":true', '"cel":true', '"keywords":'])
      expect(text).not.toContain(keyword);
  });

  it('marks secrets, own fields and what is not executed', () => {
    const params = json.$defs?.LlmParams?.properties;
    expect(JSON.stringify(params?.apiKey)).toContain('"writeOnly":true');
    expect(JSON.stringify(params?.baseUrl)).not.toContain('writeOnly');
    expect(json.$defs?.Bind?.properties?.driver?.['x-sluice']).toBe(true);
    expect(json.$defs?.Bind?.properties?.port?.['x-sluice']).toBeUndefined();
    for (const [name, entry] of catalogue.policies) {
      if (!entry.levels.includes('route')) continue;
      expect(json.$defs?.RoutePolicies?.properties?.[name]?.['x-active'], name).toBe(entry.active ? undefined : false);
    }
  });
});

describe('catalogue', () => {
  it('counts as protecting what keeps somebody out', () => {
    const protecting = [...catalogue.policies.values()].filter((entry) => entry.protects).map((entry) => entry.name);
    expect(protecting.sort()).toEqual(
      [
        'apiKey',
        'authorization',
        'backendTunnel',
        'basicAuth',
        'csrf',
        'extAuthz',
        'extProc',
        'jwtAuth',
        'localRateLimit',
        'mcpAuthentication',
        'mcpAuthorization',
        'mcpGuardrails',
        'networkAuthorization',
        'networkExtAuthz',
        'oidc',
        'proxyProtocol',
        'remoteRateLimit',
      ].sort(),
    );
  });

  it('has one policy a name and level', () => {
    for (const level of ['frontend', 'gateway', 'route', 'backend'] as const) {
      const names = [...catalogue.policies.values()]
        .filter((entry) => entry.levels.includes(level))
        .flatMap((entry) => [entry.yamlName ?? entry.name, ...(entry.aliases ?? [])]);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});
