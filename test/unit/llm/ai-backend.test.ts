import { describe, expect, it } from 'vitest';
import type { AiProvider } from '../../../src/resources/types.ts';
import type { Dispatch } from '../../../src/upstream/call.ts';
import { llmBench, provider, serve } from '../../support/llm.ts';

const CHAT = '/v1/chat/completions';
const BODY = JSON.stringify({ model: 'm', messages: [] });

async function pathOf(target: AiProvider, url: string, values = {}) {
  const llm = llmBench({ providers: [[target]], values });
  const exchange = await serve(llm, { url, body: BODY });
  const call = llm.flights[0]?.call;
  if (call === undefined) return `${exchange.status} ${exchange.error?.code}`;
  const { tls, target: to } = call.cluster.spec;
  const address = to.kind === 'host' ? `${to.host}:${to.port}` : '';
  return `${tls === null ? 'http' : 'https'}://${address}${call.path}`;
}

describe('where a request goes', () => {
  const custom = (formats: object[], more: Partial<AiProvider> = {}) =>
    provider('custom', { settings: { formats }, hostOverride: 'own.test:8000', ...more });

  it.each<[string, AiProvider, string, string]>([
    ['OpenAI', provider('openAI'), CHAT, 'https://api.openai.com:443/v1/chat/completions'],
    [
      'a base URL without /v1',
      provider('openAI'),
      '/chat/completions',
      'https://api.openai.com:443/v1/chat/completions',
    ],
    ['the query', provider('openAI'), `${CHAT}?a=b&c`, 'https://api.openai.com:443/v1/chat/completions?a=b&c'],
    ['a path behind a prefix', provider('openAI'), '/team/v1/embeddings', 'https://api.openai.com:443/v1/embeddings'],
    ['any other path', provider('openAI'), '/v1/files', 'https://api.openai.com:443/v1/files'],
    [
      'Anthropic',
      provider('anthropic'),
      '/v1/messages?beta=true',
      'https://api.anthropic.com:443/v1/messages?beta=true',
    ],
    [
      'token counts',
      provider('anthropic'),
      '/v1/messages/count_tokens',
      'https://api.anthropic.com:443/v1/messages/count_tokens',
    ],
    [
      'pathPrefix in place of /v1',
      provider('openAI', { hostOverride: 'proxy.test:443', hostOverrideTls: true, pathPrefix: '/base/v2' }),
      CHAT,
      'https://proxy.test:443/base/v2/chat/completions',
    ],
    [
      'pathPrefix on any other path',
      provider('openAI', { hostOverride: 'proxy.test:80', pathPrefix: '/base/v2' }),
      '/v1/files/7',
      'http://proxy.test:80/base/v2/files/7',
    ],
    [
      'a host override, which keeps the path',
      provider('openAI', { hostOverride: '127.0.0.1:9' }),
      '/x/v1/chat/completions?q=1',
      'http://127.0.0.1:9/x/v1/chat/completions?q=1',
    ],
    [
      'pathOverride, without the query',
      provider('openAI', { hostOverride: 'h.test:1', pathOverride: '/only' }),
      `${CHAT}?q=1`,
      'http://h.test:1/only',
    ],
    ['a preset', provider('groq'), CHAT, 'https://api.groq.com:443/openai/v1/chat/completions'],
    ['a preset, any other path', provider('groq'), '/v1/models', 'https://api.groq.com:443/openai/v1/models'],
    [
      'a preset with whole paths',
      provider('cohere'),
      CHAT,
      'https://api.cohere.ai:443/compatibility/v1/chat/completions',
    ],
    [
      'a preset with a path apart',
      provider('deepseek'),
      '/v1/messages',
      'https://api.deepseek.com:443/anthropic/v1/messages',
    ],
    [
      'its counting of tokens',
      provider('deepseek'),
      '/v1/messages/count_tokens',
      'https://api.deepseek.com:443/anthropic/v1/messages/count_tokens',
    ],
    ['Ollama, in clear text', provider('ollama'), CHAT, 'http://localhost:11434/v1/chat/completions'],
    ['a custom provider', custom([{ type: 'completions' }]), CHAT, 'http://own.test:8000/v1/chat/completions'],
    [
      'a custom path',
      custom([{ type: 'completions', path: '/api?version=1' }]),
      `${CHAT}?a=b`,
      'http://own.test:8000/api?version=1&a=b',
    ],
    [
      'a custom prefix',
      custom([{ type: 'embeddings' }], { pathPrefix: '/x' }),
      '/v1/embeddings',
      'http://own.test:8000/x/embeddings',
    ],
    ['a preset of our own', provider('vllm'), CHAT, 'http://localhost:8000/v1/chat/completions'],
    ['one without a base path', provider('perplexity'), CHAT, 'https://api.perplexity.ai:443/chat/completions'],
    ['legacy completions', provider('cerebras'), '/v1/completions', 'https://api.cerebras.ai:443/v1/completions'],
    [
      'a format a custom provider lacks and none converts to',
      custom([{ type: 'completions' }]),
      '/v1/embeddings',
      '400 unsupported_conversion',
    ],
    [
      'a provider without a host',
      provider('custom', { settings: { formats: [] } }),
      '/v1/files',
      '500 invalid_backend',
    ],
    ['a provider that this version does not know', provider('of-tomorrow'), CHAT, '503 not_active'],
  ])('%s', async (_, target, url, expected) => {
    expect(await pathOf(target, url)).toBe(expected);
  });

  it('takes the APIs of paths from the ai policy', async () => {
    const ai = { routes: { '/mine': 'completions', '/v1/embeddings': 'passthrough', '*': 'messages' } };
    expect(await pathOf(provider('openAI'), '/any/mine', { ai })).toBe(
      'https://api.openai.com:443/v1/chat/completions',
    );
    expect(await pathOf(provider('openAI'), '/v1/embeddings', { ai })).toBe('https://api.openai.com:443/v1/embeddings');
    expect(await pathOf(provider('anthropic'), '/other', { ai })).toBe('https://api.anthropic.com:443/v1/messages');
  });

  it('takes JSON posted outside of the known paths for a chat completion, as agentgateway does', async () => {
    const llm = llmBench({ providers: [[provider('openAI')]] });
    await serve(llm, { url: '/openai', body: BODY, headers: ['content-type', 'application/json'] });
    await serve(llm, { url: '/openai', body: 'x=y', headers: ['content-type', 'text/plain'] });
    await serve(llm, { url: '/v1/threads/1/messages', body: BODY, headers: ['content-type', 'application/json'] });
    expect(llm.flights.map(({ call }) => call.path)).toEqual([CHAT, '/openai', '/v1/threads/1/messages']);
  });
});

describe('what is sent', () => {
  it('is for a GET of an API no prompt at all', async () => {
    const llm = llmBench({ providers: [[provider('openAI')]] });
    await serve(llm, { url: `${CHAT}?limit=2`, method: 'GET' });
    const { call } = llm.flights[0]!;
    expect([call.method, call.path, call.body]).toEqual(['GET', `${CHAT}?limit=2`, null]);
  });

  it('is, with policies, the body with just their members changed', async () => {
    const ai = {
      overrides: { temperature: 0.5, user: 'gateway' },
      defaults: { max_tokens: 100, temperature: 1, top_p: 0.9 },
      modelAliases: { fast: 'gpt-mini', 'claude-*': 'gpt-large', '*-x': 'no' },
    };
    const own = provider('openAI', {
      policies: { ai: { defaults: { top_p: 0.1 }, modelAliases: { slow: 'gpt-slow' } } },
    });
    const llm = llmBench({ providers: [[own]], values: { ai } });
    const sent = async (body: string) => {
      await serve(llm, { url: CHAT, body });
      return llm.flights.at(-1)!.sent;
    };
    expect(await sent('{"model":"fast","temperature":2,"keep":[1.50]}')).toBe(
      '{"model":"gpt-mini","temperature":0.5,"keep":[1.50],"user":"gateway","top_p":0.1,"max_completion_tokens":100}',
    );
    expect(JSON.parse(await sent('{"model":"claude-x","max_tokens":5}'))).toMatchObject({
      model: 'gpt-large',
      max_completion_tokens: 5,
    });
    expect(JSON.parse(await sent('{"model":"slow"}')).model).toBe('gpt-slow');
    expect(JSON.parse(await sent('{"model":"other"}')).model).toBe('other');
  });

  it('names the pinned model, also where the client names none', async () => {
    const llm = llmBench({ providers: [[provider('openAI', { settings: { model: 'pinned' } })]] });
    await serve(llm, { url: CHAT, body: '{"messages":[]}' });
    await serve(llm, { url: CHAT, body: '{"model":"m"}' });
    expect(llm.flights.map(({ sent }) => sent)).toEqual(['{"messages":[],"model":"pinned"}', '{"model":"pinned"}']);
  });

  it('adds the request for usage to stream options that a policy sets', async () => {
    const ai = { overrides: { stream_options: { include_obfuscation: false } } };
    const llm = llmBench({ providers: [[provider('openAI')]], values: { ai } });
    await serve(llm, { url: CHAT, body: '{"model":"m","stream":true}' });
    expect(llm.flights[0]!.json.stream_options).toEqual({ include_obfuscation: false, include_usage: true });
  });

  it.each<[string, string, string]>([
    [
      'claude-9:rawPredict',
      '{"anthropic_version":"vertex-2023-10-16","messages":[]}',
      '{"messages":[],"model":"claude-9"}',
    ],
    [
      'claude-9:streamRawPredict',
      '{"messages":[],"stream":true,"anthropic_version":"vertex-2023-10-16"}',
      '{"messages":[],"stream":true,"model":"claude-9"}',
    ],
    ['count-tokens:rawPredict', '{"model":"m","anthropic_version":"vertex-2023-10-16"}', '{"model":"m"}'],
    [
      'claude-9:rawPredict',
      '{"model":"claude-9","metadata":{"anthropic_version":"x"}}',
      '{"model":"claude-9","metadata":{"anthropic_version":"x"}}',
    ],
  ])("says to Anthropic what Vertex AI's clients say, as Anthropic wants it: %s %s", async (name, body, sent) => {
    const llm = llmBench({ providers: [[provider('anthropic')]] });
    await serve(llm, { url: `/v1/projects/p/locations/l/publishers/anthropic/models/${name}`, body });
    expect(llm.flights[0]!.sent).toBe(sent);
  });

  it("has Anthropic's key and version where Anthropic wants them", async () => {
    const sent = async (headers: string[], policies = {}) => {
      const llm = llmBench({ providers: [[provider('anthropic', { policies })]] });
      await serve(llm, { url: '/v1/messages', body: BODY, headers });
      const flight = llm.flights[0]!;
      const names = ['authorization', 'x-api-key', 'anthropic-version', 'origin', 'sec-fetch-mode'];
      return Object.fromEntries(names.flatMap((name) => (flight.header(name) ? [[name, flight.header(name)]] : [])));
    };
    const version = { 'anthropic-version': '2023-06-01' };
    expect(await sent(['authorization', 'Bearer sk-ant-api'])).toEqual({ 'x-api-key': 'sk-ant-api', ...version });
    expect(await sent(['authorization', 'Bearer sk-ant-oat01-x', 'x-api-key', 'no'])).toEqual({
      authorization: 'Bearer sk-ant-oat01-x',
      ...version,
    });
    expect(await sent(['x-api-key', 'client'], { backendAuth: { key: 'own' } })).toEqual({
      'x-api-key': 'own',
      ...version,
    });
    expect(await sent(['anthropic-version', '2024-01-01', 'origin', 'https://x', 'sec-fetch-mode', 'cors'])).toEqual({
      'anthropic-version': '2024-01-01',
    });
    const located = { backendAuth: { key: { value: 'own', location: { header: { name: 'authorization' } } } } };
    expect(await sent(['authorization', 'Bearer c'], located)).toEqual(version);
  });

  it('is the stream of the client where no API claims the path', async () => {
    const llm = llmBench({ providers: [[provider('openAI')]] });
    const headers = ['accept-encoding', 'gzip', 'content-length', '3'];
    const exchange = await serve(llm, { url: '/v1/files', body: 'abc', headers });
    const flight = llm.flights[0]!;
    expect(Buffer.isBuffer(flight.call.body)).toBe(false);
    expect(flight.call.headers).toEqual(headers);
    flight.answer(200, '{"usage":{"prompt_tokens":1}}');
    expect(exchange.llm).toMatchObject({ operation: 'files', usage: null });
  });
});

describe('several providers', () => {
  const named = (name: string, more: Partial<AiProvider> = {}) =>
    provider('openAI', { name, hostOverride: `${name}.test:80`, ...more });
  const hosts = (llm: ReturnType<typeof llmBench>) =>
    llm.flights.map(({ call }) => (call.cluster.spec.target as { host: string }).host);
  const evict = (llm: ReturnType<typeof llmBench>, name: string, evicted: boolean) => {
    for (const cluster of llm.clusters) {
      if ((cluster.spec.target as { host: string }).host === `${name}.test`) cluster.evicted = evicted;
    }
  };

  const conversation = (number: number) =>
    JSON.stringify({ model: 'm', messages: [{ role: 'user', content: `Question ${number}` }] });

  it('serve from the first group while any of it is well', async () => {
    const llm = llmBench({ providers: [[named('a'), named('b')], [named('c')]] });
    for (let i = 0; i < 40; i++) await serve(llm, { url: CHAT, body: conversation(i) });
    expect([...new Set(hosts(llm))].sort()).toEqual(['a.test', 'b.test']);
    llm.flights.length = 0;
    evict(llm, 'a', true);
    for (let i = 0; i < 10; i++) await serve(llm, { url: CHAT, body: BODY });
    expect(new Set(hosts(llm))).toEqual(new Set(['b.test']));
    llm.flights.length = 0;
    evict(llm, 'b', true);
    await serve(llm, { url: CHAT, body: BODY });
    expect(hosts(llm)).toEqual(['c.test']);
    evict(llm, 'c', true);
    await serve(llm, { url: CHAT, body: BODY });
    expect(hosts(llm)[1]).toMatch(/^[ab]\.test$/);
  });

  it('prefer the less loaded', async () => {
    const values = { ai: { prefixAffinity: false } };
    const llm = llmBench({ providers: [[named('a'), named('b')]], values });
    await serve(llm, { url: CHAT, body: BODY });
    for (const cluster of llm.clusters)
      cluster.score = (cluster.spec.target as { host: string }).host === 'a.test' ? 9 : 1;
    llm.flights.length = 0;
    for (let i = 0; i < 10; i++) await serve(llm, { url: CHAT, body: BODY });
    expect(new Set(hosts(llm))).toEqual(new Set(['b.test']));
  });

  it('have eviction even where no policy asks for it, since nothing else leads to the next group', async () => {
    const llm = llmBench({ providers: [[named('a')], [named('b')]] });
    await serve(llm, { url: CHAT, body: BODY });
    expect(llm.clusters[0]?.spec.policies.health).toBeDefined();
    const single = llmBench({ providers: [[named('a')]] });
    await serve(single, { url: CHAT, body: BODY });
    expect(single.clusters[0]?.spec.policies.health).toBeUndefined();
  });

  it('take over from one another on a retry, each with its own model', async () => {
    const twice =
      (next: Dispatch): Dispatch =>
      (call, sink) => {
        next(call, sink);
        return next(call, sink);
      };
    const providers = [
      [named('a', { settings: { model: 'model-a' } }), named('b', { settings: { model: 'model-b' } })],
    ];
    const llm = llmBench({ providers, wrap: twice });
    const exchange = await serve(llm, { url: CHAT, body: BODY });
    const [first, second] = llm.flights;
    expect([first?.json.model, second?.json.model].sort()).toEqual(['model-a', 'model-b']);
    expect(second?.call.cluster.spec.target).toMatchObject({ host: `${second?.json.model.slice(-1)}.test` });
    expect(exchange.llm.requestModel).toBe(second?.json.model);
  });

  it('do without those that this version does not execute, but not all of them', async () => {
    const llm = llmBench({ providers: [[provider('of-tomorrow'), named('b')]] });
    for (let i = 0; i < 5; i++) await serve(llm, { url: CHAT, body: BODY });
    expect(new Set(hosts(llm))).toEqual(new Set(['b.test']));
    const none = llmBench({ providers: [[provider('of-tomorrow')], [provider('unheard-of')]] });
    expect((await serve(none, { url: CHAT, body: BODY })).error?.code).toBe('not_active');
  });
});
