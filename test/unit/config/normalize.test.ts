import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Settings } from '../../../src/resources/settings.ts';
import { load } from './support.ts';

/** What becomes of whole configurations: `<name>.yaml` beside its `<name>.golden.json`. UPDATE_GOLDEN=1 rewrites the latter. */
const FIXTURES = new URL('../../fixtures/config/', import.meta.url);
const names = readdirSync(FIXTURES)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.slice(0, -'.yaml'.length));
const OPTIONS = { env: { WORKER_THREADS: '2' }, files: { 'key.txt': 'sk-from-file\n' } };

async function normalized(name: string): Promise<unknown> {
  const text = readFileSync(new URL(`${name}.yaml`, FIXTURES), 'utf8');
  const { resources, settings, notices } = await load(text, OPTIONS);
  return { resources, settings, notices };
}

describe('normalisation', () => {
  it.each(names)('of %s.yaml', async (name) => {
    const golden = new URL(`${name}.golden.json`, FIXTURES);
    const result = await normalized(name);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, `${JSON.stringify(result, null, 2)}\n`);
    expect(JSON.parse(JSON.stringify(result))).toEqual(JSON.parse(readFileSync(golden, 'utf8')));
  });

  it('gives every resource a key of its own', async () => {
    for (const name of names) {
      const { resources } = (await normalized(name)) as { resources: { key: string }[] };
      expect(new Set(resources.map(({ key }) => key)).size).toBe(resources.length);
    }
  });
});

describe('settings', () => {
  async function settingsOf(text: string, env: Record<string, string> = {}): Promise<Settings> {
    return (await load(text, { env })).settings;
  }

  it('have defaults', async () => {
    const settings = await settingsOf('{}');
    expect(settings.workerThreads).toBeGreaterThanOrEqual(1);
    expect(settings).toMatchObject({
      adminAddr: { host: 'localhost', port: 15000 },
      statsAddr: { host: '::', port: 15020 },
      readinessAddr: { host: '::', port: 15021 },
      snapshotMaxBytes: 1024 ** 3,
      bodyBufferBudget: 256 * 1024 ** 2,
      drainMaxStreams: 64,
      drainTimeoutMs: 60_000,
      store: { kind: 'embedded', path: null, timeoutMs: 2000 },
      storedResponses: { ttlMs: 30 * 24 * 3600 * 1000, maxBytes: 8 * 1024 * 1024 },
      connectTimeoutMs: 10_000,
      poolIdleTimeoutMs: 90_000,
      logLevel: 'info',
      logFormat: 'text',
      customFunctions: '',
      serverTiming: false,
      allowPortSharing: false,
    });
  });

  it('listen on IPv4 alone without IPv6', async () => {
    const settings = await settingsOf('config: {enableIpv6: false}');
    expect(settings.statsAddr).toEqual({ host: '0.0.0.0', port: 15020 });
    expect(settings.dnsLookupFamily).toBe('V4Only');
  });

  it("take the environment's word over the file's", async () => {
    const text = 'config: {adminAddr: "127.0.0.1:1", statsAddr: "off", workerThreads: 5, enableIpv6: true}';
    const settings = await settingsOf(text, {
      ADMIN_ADDR: 'off',
      STATS_ADDR: 'localhost:2',
      READINESS_ADDR: '[::1]:3',
      WORKER_THREADS: '1',
      IPV6_ENABLED: 'false',
      DNS_LOOKUP_FAMILY: 'V6Only',
    });
    expect(settings).toMatchObject({
      adminAddr: null,
      statsAddr: { host: 'localhost', port: 2 },
      readinessAddr: { host: '::1', port: 3 },
      workerThreads: 1,
      enableIpv6: false,
      dnsLookupFamily: 'V6Only',
    });
  });

  it('name the environment variable that is wrong', async () => {
    await expect(settingsOf('{}', { ADMIN_ADDR: 'here' })).rejects.toThrow('environment variable ADMIN_ADDR: "here"');
  });

  it('derive the termination deadline from the grace period', async () => {
    const deadline = async (grace: string) =>
      (await settingsOf('{}', { TERMINATION_GRACE_PERIOD_SECONDS: grace })).connectionTerminationDeadlineMs;
    expect(await deadline('30')).toBe(25_000);
    expect(await deadline('10')).toBe(9_000);
    expect(await deadline('1')).toBe(1_000);
  });

  it.each([
    ['auto', (cores: number) => cores],
    ['50%', (cores: number) => Math.max(1, Math.floor(cores / 2))],
    ['1%', () => 1],
    ['7', () => 7],
  ])('read workerThreads: %s', async (value, expected) => {
    const { workerThreads } = await settingsOf(`config: {workerThreads: "${value}"}`);
    const auto = (await settingsOf('{}')).workerThreads;
    expect(workerThreads).toBe(expected(auto));
  });
});

describe('implicit wiring', () => {
  const routeOf = async (text: string, key: string) =>
    (await load(text)).resources.find((resource) => resource.key === key);

  it('attaches llm to the default gateway unless it has a port', async () => {
    const models = 'models: [{name: "*", provider: openAI}]';
    const attached = await routeOf(`gateways: {default: {port: 80}}\nllm: {${models}}`, 'route/llm/llm:request');
    expect(attached).toMatchObject({ listenerKeys: ['listener/80/default'] });
    const own = await routeOf(`gateways: {default: {port: 80}}\nllm: {port: 4001, ${models}}`, 'route/llm/llm:request');
    expect(own).toMatchObject({ listenerKeys: ['listener/4001/llm'] });
    const alone = await routeOf(`llm: {${models}}`, 'route/llm/llm:request');
    expect(alone).toMatchObject({ listenerKeys: ['listener/4000/llm'] });
  });

  it('puts policies that can run before routing on the port of its own, and on the route of a gateway', async () => {
    const llm =
      'llm: {models: [{name: "*", provider: openAI}], policies: {apiKey: {keys: []}, localRateLimit: [{maxTokens: 1, fillInterval: 1s}]}}';
    const own = await load(llm);
    expect(own.resources.find(({ kind }) => kind === 'listener')).toMatchObject({ policies: { apiKey: { keys: [] } } });
    const ownRoute = own.resources.find((resource) => resource.kind === 'route');
    expect(Object.keys(ownRoute?.policies ?? {})).toEqual(['localRateLimit']);
    const attached = await load(`gateways: {default: {port: 80}}\n${llm}`);
    const route = attached.resources.find((resource) => resource.kind === 'route');
    expect(Object.keys(route?.policies ?? {}).sort()).toEqual(['apiKey', 'localRateLimit']);
  });

  it('gives mcp its paths on a gateway and everything on a port of its own', async () => {
    const targets = 'mcp: {targets: [{name: a, stdio: {cmd: a}}]}';
    const own = (await load(targets)).resources.find((resource) => resource.kind === 'route');
    expect(own?.matches.map(({ path }) => path)).toEqual([{ pathPrefix: '/' }]);
    expect(own?.listenerKeys).toEqual(['listener/3000/mcp']);
    const shared = (await load(`gateways: {default: {port: 80}}\n${targets}`)).resources.find(
      (resource) => resource.kind === 'route',
    );
    expect(shared?.matches.map(({ path }) => path)).toEqual([
      { pathPrefix: '/mcp' },
      { pathPrefix: '/sse' },
      { pathPrefix: '/.well-known' },
    ]);
  });
});

describe('several keys of a provider', () => {
  const modelsOf = async (text: string) => {
    const router = (await load(text)).resources.find(({ kind }) => kind === 'llmRouter');
    return router as { models: { provider: { policies: object } }[] } | undefined;
  };
  const model = (params: string, more = '') =>
    `llm: {models: [{name: "*", provider: openAI, params: {${params}}${more}}]}`;

  it('become a policy that chooses among them', async () => {
    const router = await modelsOf(model('apiKeys: [a, b]'));
    expect(router?.models[0]?.provider.policies).toMatchObject({ backendAuth: { keys: ['a', 'b'] } });
  });

  it('are inherited from a shared provider, and replaced by a model’s own', async () => {
    const shared = 'providers: [{name: p, provider: openAI, params: {apiKeys: [a, b]}}]';
    const models =
      'models: [{name: x, provider: {reference: p}}, {name: y, provider: {reference: p}, params: {apiKey: c}}]';
    const router = await modelsOf(`llm: {${shared}, ${models}}`);
    expect(router?.models.map(({ provider }) => provider.policies)).toMatchObject([
      { backendAuth: { keys: ['a', 'b'] } },
      { backendAuth: { key: 'c' } },
    ]);
  });

  it.each([model('apiKey: a, apiKeys: [b]'), model('apiKeys: [b]', ', auth: {key: c}'), model('apiKeys: []')])(
    'are refused in %s',
    async (text) => {
      await expect(load(text)).rejects.toThrow();
    },
  );
});
