import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseModels } from '../../../src/adapters/llm/models/parse.ts';
import type { AiProvider, LlmModel } from '../../../src/resources/types.ts';
import {
  type FakeFlight,
  type LlmBench,
  type LlmExchange,
  llmBench,
  model,
  provider,
  serve,
} from '../../support/llm.ts';

const ANTHROPIC = ['anthropic-version', '2023-06-01'];
const LIST = { url: '/v1/models', method: 'GET' };

function keyed(kind: string, key = `key-of-${kind}`, more: Partial<AiProvider> = {}): AiProvider {
  return provider(kind, { name: kind, policies: { backendAuth: { key } }, ...more });
}

function open(name: string, kind: string, key?: string, more: Partial<LlmModel> = {}): LlmModel {
  return model(name, { provider: keyed(kind, key), ...more });
}

const OPENAI = {
  object: 'list',
  data: ['gpt-5', 'gpt-4o', 'whisper-1'].map((id) => ({ id, created: 1_700_000_000, owned_by: 'system' })),
};
const CLAUDE = {
  data: [{ type: 'model', id: 'claude-9', display_name: 'Claude 9', created_at: '2026-01-01T00:00:00Z' }],
  has_more: false,
};
const GEMINI = {
  models: [{ name: 'models/gemini-3', displayName: 'Gemini 3', supportedGenerationMethods: ['generateContent'] }],
};
const ANSWERS: Readonly<Record<string, object>> = { openai: OPENAI, anthropic: CLAUDE, generativelanguage: GEMINI };

function hostOf({ call }: FakeFlight): string {
  const { target } = call.cluster.spec;
  return target.kind === 'host' ? target.host : '';
}

/** Asks for a list while providers answer theirs; those that aren't named hang. */
async function list(llm: LlmBench, request: object = LIST, prepare?: (exchange: LlmExchange) => void) {
  const from = llm.flights.length;
  const served = serve(llm, request, prepare);
  await turn();
  for (const flight of llm.flights.slice(from)) {
    const answer = Object.entries(ANSWERS).find(([name]) => hostOf(flight).includes(name))?.[1];
    if (answer !== undefined) flight.answer(200, JSON.stringify(answer));
  }
  const exchange = await served;
  return { exchange, asked: llm.flights.slice(from), body: JSON.parse(exchange.downstream.text || 'null') };
}

function ids(body: { data: { id: string }[] }): string[] {
  return body.data.map(({ id }) => id);
}

afterEach(() => {
  vi.useRealTimers();
});

describe('the list of models', () => {
  it('has what the providers of patterns have, where the pattern lets it', async () => {
    const llm = llmBench({ models: [model('own'), open('gpt-*', 'openAI'), open('claude-*', 'anthropic')] });
    const { body, asked, exchange } = await list(llm);
    expect(ids(body)).toEqual(['own', 'gpt-5', 'gpt-4o', 'claude-9']);
    expect(body.data[1]).toEqual({ id: 'gpt-5', object: 'model', created: 1_700_000_000, owned_by: 'system' });
    expect(asked.map(({ call }) => `${call.method} ${call.path}`)).toEqual([
      'GET /v1/models',
      'GET /v1/models?limit=1000',
    ]);
    expect(exchange.llm.operation).toBe('models');
  });

  it('asks with the credential of the operator and nothing of the client', async () => {
    const llm = llmBench({ models: [open('*', 'openAI')] });
    const headers = ['authorization', 'Bearer client', 'cookie', 'a=b', 'x-other', '1'];
    const { asked } = await list(llm, { url: '/v1/models?limit=1', method: 'GET', headers });
    expect(asked[0]?.call.headers).toEqual([
      'accept',
      'application/json',
      'accept-encoding',
      'identity',
      'authorization',
      'Bearer key-of-openAI',
    ]);
    expect(asked[0]?.call).toMatchObject({ path: '/v1/models', auxiliary: true, body: null });
  });

  it.each<[string, string[], (body: any) => unknown, unknown]>([
    [
      '/v1/models',
      ANTHROPIC,
      (body) => body.data.at(-1),
      { type: 'model', id: 'claude-9', display_name: 'Claude 9', created_at: '2026-01-01T00:00:00.000Z' },
    ],
    [
      '/v1beta/models',
      [],
      (body) => body.models.at(-1),
      { name: 'models/claude-9', displayName: 'Claude 9', supportedGenerationMethods: expect.any(Array) },
    ],
    [
      '/v1beta/models/claude-9',
      [],
      (body) => body,
      { name: 'models/claude-9', displayName: 'Claude 9', supportedGenerationMethods: expect.any(Array) },
    ],
    [
      '/v1/models/claude-9',
      [],
      (body) => body,
      { id: 'claude-9', object: 'model', created: 1_767_225_600, owned_by: 'anthropic' },
    ],
  ])("is in the client's format at %s", async (url, headers, pick, expected) => {
    const llm = llmBench({ models: [open('gpt-*', 'openAI'), open('claude-*', 'anthropic')] });
    const { body } = await list(llm, { url, method: 'GET', headers });
    expect(pick(body)).toEqual(expected);
  });

  it('has nothing that the key may not use', async () => {
    const llm = llmBench({ models: [open('gpt-*', 'openAI'), open('claude-*', 'anthropic'), model('gpt-own')] });
    const { body } = await list(llm, LIST, (exchange) => {
      exchange.apiKey = { id: 'k', metadata: {}, allowedModels: ['gpt-5*', 'gpt-mine'] };
    });
    expect(ids(body)).toEqual(['gpt-mine', 'gpt-5']);
  });

  it('is asked for once for five minutes, by however many clients, and once for an account', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
    const llm = llmBench({
      models: [open('gpt-*', 'openAI'), open('whisper-*', 'openAI'), open('o*', 'openAI', 'other')],
    });
    const both = await Promise.all([list(llm), list(llm)]);
    expect(both.map(({ body }) => ids(body))).toEqual(Array(2).fill(['gpt-5', 'gpt-4o', 'whisper-1', 'o*']));
    expect(llm.flights.length).toBe(2);
    vi.advanceTimersByTime(5 * 60_000 - 1);
    expect((await list(llm)).asked).toEqual([]);
    vi.advanceTimersByTime(1);
    expect((await list(llm)).asked.length).toBe(2);
  });

  it.each<[string, (flight: FakeFlight) => void]>([
    ['refuses', (flight) => flight.answer(401, '{}')],
    ['answers nonsense', (flight) => flight.answer(200, '<html>')],
    ['answers something else', (flight) => flight.answer(200, '{"data":"none"}')],
    [
      'answers without an end',
      (flight) => {
        flight.sink.onHead(200, []);
        for (let i = 0; i < 5; i++) flight.sink.onData(Buffer.alloc(1024 * 1024));
      },
    ],
    ['does not answer', () => void vi.advanceTimersByTime(3000)],
    ['breaks off', (flight) => flight.sink.onError(new Error('gone') as never)],
  ])('has the pattern itself where a provider %s, and asks again half a minute later', async (_, fail) => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
    const llm = llmBench({ models: [open('gemini-*', 'groq')] });
    const served = serve(llm, LIST);
    await turn();
    const [flight] = llm.flights;
    if (flight === undefined) throw new Error('nothing was asked');
    fail(flight);
    expect(ids(JSON.parse((await served).downstream.text))).toEqual(['gemini-*']);
    expect(ids((await list(llm)).body)).toEqual(['gemini-*']);
    expect(llm.flights.length).toBe(1);
    vi.advanceTimersByTime(30_000);
    const again = serve(llm, LIST);
    await turn();
    llm.flights[1]?.answer(200, '[{"id":"gemini-x"}]');
    expect(ids(JSON.parse((await again).downstream.text))).toEqual(['gemini-x']);
  });

  it('keeps an old list while its provider is not well', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
    const llm = llmBench({ models: [open('gpt-*', 'openAI')] });
    await list(llm);
    vi.advanceTimersByTime(5 * 60_000);
    const served = serve(llm, LIST);
    await turn();
    llm.flights[1]?.answer(500, '{}');
    expect(ids(JSON.parse((await served).downstream.text))).toEqual(['gpt-5', 'gpt-4o']);
  });

  it.each<[string, LlmModel]>([
    [
      "each caller's own credential",
      model('x-*', { provider: provider('openAI', { policies: { backendAuth: { passthrough: {} } } }) }),
    ],
    ['no credential, far away', model('x-*', { provider: provider('openAI') })],
    [
      'names of deployments',
      model('x-*', { provider: keyed('azure', 'k', { settings: { resourceName: 'r', resourceType: 'openAI' } }) }),
    ],
    ['one model for all names', model('x-*', { provider: keyed('openAI', 'k', { settings: { model: 'one' } }) })],
    ['one path for everything', model('x-*', { provider: keyed('openAI', 'k', { pathOverride: '/chat' }) })],
    ['what is not served', open('x-*', 'openAI', 'k', { inactive: ['guardrails'] })],
  ])('does not ask a provider with %s', async (_, entry) => {
    const { body, asked } = await list(llmBench({ models: [entry] }));
    expect(asked).toEqual([]);
    expect(ids(body)).toEqual(['x-*']);
  });

  it("asks for a provider's list in one page", async () => {
    const kinds = ['gemini', 'anthropic', 'cohere'];
    const llm = llmBench({ models: kinds.map((kind) => open('*', kind)) });
    const served = serve(llm, LIST);
    await turn();
    expect(llm.flights.map(({ call }) => call.path)).toEqual([
      '/v1beta/models?pageSize=1000',
      '/v1/models?limit=1000',
      '/v1/models?page_size=1000',
    ]);
    for (const flight of llm.flights) flight.answer(200, '{"models":[]}');
    await served;
  });

  it("says of Google's models what Google says can be done with them", async () => {
    const llm = llmBench({ models: [open('*', 'gemini')] });
    const served = serve(llm, { url: '/v1beta/models', method: 'GET' });
    await turn();
    const models = [
      { name: 'models/gemini-embedding-001', displayName: 'E', supportedGenerationMethods: ['embedContent', 7] },
      { name: 'models/other', displayName: 'O' },
    ];
    llm.flights[0]?.answer(200, JSON.stringify({ models }));
    expect(JSON.parse((await served).downstream.text).models).toEqual([
      { name: 'models/gemini-embedding-001', displayName: 'E', supportedGenerationMethods: ['embedContent'] },
      {
        name: 'models/other',
        displayName: 'O',
        supportedGenerationMethods: ['generateContent', 'streamGenerateContent', 'countTokens'],
      },
    ]);
  });

  it('asks servers nearby without a credential', async () => {
    const llm = llmBench({ models: [model('*', { provider: provider('ollama') })] });
    const served = serve(llm, LIST);
    await turn();
    expect(llm.flights[0]?.call.path).toBe('/v1/models');
    llm.flights[0]?.answer(200, '{"data":[{"id":"llama3:8b","created":0}]}');
    expect(JSON.parse((await served).downstream.text).data).toMatchObject([{ id: 'llama3:8b', owned_by: 'ollama' }]);
  });

  it('has a model at its own path, also where only its pattern is known, and takes nothing else than a GET', async () => {
    const llm = llmBench({ models: [open('gpt-*', 'openAI'), model('claude-*', { provider: provider('anthropic') })] });
    const at = async (id: string) => (await list(llm, { url: `/v1/models/${id}`, method: 'GET' })).exchange.status;
    expect([await at('gpt-5'), await at('gpt-none'), await at('claude-1'), await at('other')]).toEqual([
      200, 404, 200, 404,
    ]);
    const { exchange } = await list(llm, { url: '/v1/models/gpt-5', method: 'DELETE' });
    expect(exchange.status).toBe(405);
    expect(exchange.downstream.header('allow')).toBe('GET, HEAD');
  });
});

describe("a backend's list of models", () => {
  it('is that of its one provider, as it comes, to clients of its format', async () => {
    const llm = llmBench({ providers: [[keyed('openAI')]] });
    const { exchange, asked } = await list(llm, { url: '/v1/models?limit=2', method: 'GET' });
    expect(asked[0]?.call.path).toBe('/v1/models?limit=2');
    expect(exchange.downstream.text).toBe(JSON.stringify(OPENAI));
  });

  it.each<[string, AiProvider[][], object, string[] | undefined, string[]]>([
    [
      'several providers',
      [[keyed('openAI'), keyed('gemini')], [keyed('anthropic')]],
      LIST,
      undefined,
      ['gpt-5', 'gpt-4o', 'whisper-1', 'gemini-3', 'claude-9'],
    ],
    ["another format's provider", [[keyed('anthropic')]], LIST, undefined, ['claude-9']],
    [
      'a provider with one model',
      [[keyed('openAI', 'k', { settings: { model: 'pinned' } }), keyed('anthropic')]],
      LIST,
      undefined,
      ['pinned', 'claude-9'],
    ],
    ['one provider, for a limited key', [[keyed('openAI')]], LIST, ['gpt-4*', 'other'], ['gpt-4o']],
    ['a provider that does not tell, for a limited key', [[provider('openAI')]], LIST, ['gpt-4*', 'other'], ['other']],
  ])('is, of %s, one list', async (_, providers, request, allowedModels, expected) => {
    const llm = llmBench({ providers });
    const { body } = await list(llm, request, (exchange) => {
      if (allowedModels !== undefined) exchange.apiKey = { id: 'k', metadata: {}, allowedModels };
    });
    expect(ids(body)).toEqual(expected);
  });

  it("is the provider's answer where none can tell", async () => {
    const llm = llmBench({ providers: [[provider('openAI'), provider('groq')]] });
    const served = serve(llm, LIST);
    await turn();
    llm.flights[0]?.answer(401, '{"error":{"message":"no key"}}');
    expect((await served).status).toBe(401);
  });
});

describe("a provider's list", () => {
  it.each<[string, string, string[] | null]>([
    ["OpenAI's", JSON.stringify(OPENAI), ['gpt-5', 'gpt-4o', 'whisper-1']],
    ["Together's", '[{"id":"a"},{"id":"b"},{"id":"a"}]', ['a', 'b']],
    ["Cohere's", '{"models":[{"name":"command-r"}]}', ['command-r']],
    ["Gemini's", JSON.stringify(GEMINI), ['gemini-3']],
    ['with what is no model', `{"data":[null,1,{"id":2},{"id":""},{"id":"${'x'.repeat(300)}"},{"id":"ok"}]}`, ['ok']],
    ['empty', '{"data":[]}', []],
    ['none', '{"error":{}}', null],
    ['no JSON', 'data: x', null],
  ])('is read: %s', (_, text, expected) => {
    expect(parseModels(text, 'x')?.map(({ id }) => id) ?? null).toEqual(expected);
  });

  it('is taken over as far as it is no flood', () => {
    const flood = Array.from({ length: 9000 }, (__, i) => ({ id: `m${i}` }));
    expect(parseModels(JSON.stringify(flood), 'x')?.length).toBe(5000);
  });
});
