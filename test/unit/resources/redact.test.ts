import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { buildCatalogue } from '../../../src/catalogue.ts';
import { normalize } from '../../../src/config/normalize/index.ts';
import { REDACTED, redact, redactResource } from '../../../src/resources/redact.ts';
import { secret } from '../../../src/resources/schema/common.ts';
import { buildConfigSchema } from '../../../src/resources/schema/index.ts';
import type { Resource, Route } from '../../../src/resources/types.ts';

const CANARY = 'canary-7f3a';
const catalogue = buildCatalogue();
const configSchema = buildConfigSchema(catalogue);

/** Paths to fields marked as secret; numbers stand for list items. Each object schema is entered once a path. */
function secretPaths(
  schema: unknown,
  path: (string | number)[] = [],
  inside: ReadonlySet<unknown> = new Set(),
): (string | number)[][] {
  if (!(schema instanceof z.ZodType) || inside.has(schema)) return [];
  if ((schema.meta() as { secret?: boolean } | undefined)?.secret === true) return [path];
  const deeper = new Set([...inside, schema]);
  const def = schema.def as unknown as Record<string, unknown>;
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([name, field]) => secretPaths(field, [...path, name], deeper));
  }
  if (schema instanceof z.ZodArray) return secretPaths(schema.def.element, [...path, 0], deeper);
  if (schema instanceof z.ZodRecord) return secretPaths(schema.def.valueType, [...path, 'entry'], deeper);
  if (schema instanceof z.ZodUnion) return schema.def.options.flatMap((option) => secretPaths(option, path, deeper));
  if (schema instanceof z.ZodLazy) return secretPaths(schema.def.getter(), path, deeper);
  if (schema instanceof z.ZodPipe) return secretPaths(schema.def.in, path, deeper);
  return def.innerType === undefined ? [] : secretPaths(def.innerType, path, deeper);
}

function valueAt(path: readonly (string | number)[], leaf: unknown): unknown {
  return path.reduceRight<unknown>((value, part) => (typeof part === 'number' ? [value] : { [part]: value }), leaf);
}

function route(policies: Record<string, unknown>): Route {
  return {
    kind: 'route',
    key: 'route/default/a',
    listenerKeys: [],
    groupKey: '',
    name: 'a',
    namespace: '',
    ruleName: '',
    hostnames: [],
    matches: [],
    policies,
    backends: [],
    order: 0,
  };
}

describe('redact', () => {
  const paths = secretPaths(configSchema);

  it('knows the secrets of the configuration', () => {
    const texts = new Set(paths.map((path) => path.filter((part) => part !== 0).join('.')));
    expect(texts).toContain('config.session.key');
    expect(texts).toContain('config.database.url');
    expect(texts).toContain('llm.models.params.apiKey');
    expect(texts).toContain('llm.policies.apiKey.keys.key');
    expect(texts).toContain('gateways.entry.tls.key');
    expect(texts).toContain('gateways.entry.oidc.clientSecret');
    expect(texts).toContain('gateways.entry.basicAuth.htpasswd');
    expect(texts).toContain('routes.policies.mcpAuthentication.clientSecret');
    expect(texts).toContain('mcp.targets.stdio.env.entry');
  });

  it('shows no secret of any place in the configuration', () => {
    for (const path of paths) {
      for (const leaf of [CANARY, { value: { deep: CANARY } }, [CANARY, [CANARY]]]) {
        const shown = JSON.stringify(redact(valueAt(path, leaf), configSchema));
        if (shown.includes(CANARY) || !shown.includes(REDACTED)) expect.fail(`${path.join('.')}: ${shown}`);
      }
    }
  });

  it('shows no secret of a policy in a resource, wherever a policy stands', () => {
    for (const entry of catalogue.policies.values()) {
      for (const path of secretPaths(entry.schema)) {
        const policies = { [entry.name]: valueAt(path, CANARY) };
        const resources: Resource[] = [
          route(policies),
          { ...route({}), backends: [{ weight: 1, target: { kind: 'host', host: 'h', port: 1 }, policies }] },
          { kind: 'frontend', key: 'frontend', policies },
        ];
        for (const resource of resources) {
          expect(JSON.stringify(redactResource(resource, catalogue)), `${entry.name} ${path.join('.')}`).not.toContain(
            CANARY,
          );
        }
      }
    }
  });

  it('shows nothing below a name that speaks of a secret, at any depth, without a schema', () => {
    const name = fc.constantFrom(
      'secret',
      'clientSecret',
      'password',
      'db_password',
      'token',
      'access-token',
      'apiKey',
      'X-Api-Key',
      'private_key',
      'credential',
      'awsCredentials',
      'Authorization',
      'cookie',
      'session_key',
      'auth',
      'env',
    );
    const plain = fc.string({ minLength: 1, maxLength: 6 }).filter((text) => text !== '__proto__');
    const wrap = fc.array(fc.oneof(plain, fc.constant(0)), { maxLength: 4 });
    fc.assert(
      fc.property(wrap, name, wrap, (outer, sensitive, inner) => {
        const value = valueAt([...outer, sensitive, ...inner], CANARY);
        expect(JSON.stringify(redact(value))).not.toContain(CANARY);
      }),
      { numRuns: 500 },
    );
  });

  it('hides what a policy made of its value, since no schema knows it', () => {
    const shown = JSON.stringify(
      redactResource(
        route({ apiKey: { digests: { a: CANARY }, mode: 'strict' }, backendAuth: { compiled: [CANARY] } }),
        catalogue,
      ),
    );
    expect(shown).not.toContain(CANARY);
    expect(shown).toContain('strict');
  });

  it('hides the key of a listener and keeps its certificate', () => {
    const shown = redactResource(
      {
        kind: 'listener',
        key: 'listener/443/a',
        bindKey: 'bind/443',
        name: 'a',
        gateway: '',
        namespace: '',
        hostname: '',
        protocol: 'HTTPS',
        tls: {
          cert: 'CERT',
          key: CANARY,
          root: '',
          minVersion: 'TLSv1.2',
          maxVersion: 'TLSv1.3',
          cipherSuites: [],
          alpn: ['h2'],
        },
        policies: {},
        inactive: [],
      },
      catalogue,
    );
    expect(shown).toMatchObject({ key: 'listener/443/a', tls: { cert: 'CERT', key: REDACTED, alpn: ['h2'] } });
  });

  it('keeps what is no secret', () => {
    const policies = {
      localRateLimit: [{ maxTokens: 10, tokensPerFill: 1, fillInterval: '1s', type: 'tokens' }],
      apiKey: {
        keys: [{ key: CANARY, metadata: { name: 'ci', group: 'team' } }],
        mode: 'strict',
        location: { header: { name: 'authorization', prefix: 'Bearer ' } },
      },
      requestHeaderModifier: { set: { 'x-team': 'a', authorization: `Bearer ${CANARY}` } },
    };
    expect(redactResource(route(policies), catalogue)).toMatchObject({
      name: 'a',
      policies: {
        localRateLimit: policies.localRateLimit,
        apiKey: {
          keys: [{ key: REDACTED, metadata: { name: 'ci', group: 'team' } }],
          mode: 'strict',
          location: { header: { name: 'authorization', prefix: 'Bearer ' } },
        },
        requestHeaderModifier: { set: { 'x-team': 'a', authorization: REDACTED } },
      },
    });
    expect(redact({ maxConnections: 5, tokenize: false, on: true, none: null })).toEqual({
      maxConnections: 5,
      tokenize: false,
      on: true,
      none: null,
    });
  });

  it('shows the file a secret is read from', () => {
    const schema = z.strictObject({ password: secret(z.union([z.string(), z.strictObject({ file: z.string() })])) });
    expect(redact({ password: { file: '/run/secrets/db' } }, schema)).toEqual({
      password: { file: '/run/secrets/db' },
    });
    expect(redact({ password: { file: { text: CANARY } } }, schema)).toEqual({
      password: { file: { text: REDACTED } },
    });
  });

  it('finds secrets within texts', () => {
    expect(redact({ a: `postgres://user:${CANARY}@db:5432/x?sslmode=require` })).toEqual({
      a: `postgres://${REDACTED}@db:5432/x?sslmode=require`,
    });
    expect(redact({ a: `https://h/x?api_key=${CANARY}&b=1` })).toEqual({ a: `https://h/x?api_key=${REDACTED}&b=1` });
    expect(redact({ a: `Bearer ${CANARY}` })).toEqual({ a: REDACTED });
    expect(redact({ a: `-----BEGIN EC PRIVATE KEY-----\n${CANARY}` })).toEqual({ a: REDACTED });
    expect(redact({ args: ['--token', CANARY, `--password=${CANARY}`, '--verbose', 'yes'] })).toEqual({
      args: ['--token', REDACTED, `--password=${REDACTED}`, '--verbose', 'yes'],
    });
    expect(redact([{ name: 'X-Api-Key', value: { exact: CANARY } }])).toEqual([
      { name: 'X-Api-Key', value: { exact: REDACTED } },
    ]);
  });

  it('shows no secret of a configuration as it is in force', () => {
    const keys = { keys: [{ key: CANARY }] };
    const stdio = { name: 't', stdio: { cmd: 'x', args: ['--api-key', CANARY], env: { PLAIN: CANARY } } };
    const credentials = [{ location: { header: { name: 'x' } }, key: CANARY }];
    const config = configSchema.parse({
      gateways: { g: { port: 443, apiKey: keys } },
      binds: [
        {
          port: 80,
          listeners: [
            {
              routes: [
                {
                  policies: { apiKey: keys, backendAuth: { key: CANARY }, basicAuth: { htpasswd: CANARY } },
                  backends: [
                    { ai: { name: 'x', provider: { openAI: {} }, policies: { backendAuth: { credentials } } } },
                    { host: 'h:1', policies: { backendAuth: { aws: { accessKeyId: 'a', secretAccessKey: CANARY } } } },
                    { mcp: { targets: [stdio] } },
                  ],
                },
              ],
            },
          ],
        },
      ],
      llm: {
        port: 4000,
        policies: { apiKey: keys },
        providers: [{ name: 'shared', provider: 'openAI', params: { apiKey: CANARY } }],
        models: [
          { name: '*', provider: 'openAI', params: { apiKey: CANARY } },
          { name: 'b', provider: { reference: 'shared' } },
          { name: 'c', provider: 'anthropic', auth: { key: { value: CANARY } } },
        ],
      },
      mcp: { port: 3000, targets: [stdio] },
    });
    const { resources } = normalize(config, catalogue, {}, () => true);
    expect(JSON.stringify(resources).split(CANARY).length).toBeGreaterThan(10);
    expect(JSON.stringify(resources.map((resource) => redactResource(resource, catalogue)))).not.toContain(CANARY);
  });

  it('leaves the value it is given as it was', () => {
    const value = { password: CANARY, list: [{ token: CANARY }] };
    redact(value);
    expect(value).toEqual({ password: CANARY, list: [{ token: CANARY }] });
  });
});
