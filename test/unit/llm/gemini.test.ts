import { describe, expect, it, vi } from 'vitest';
import { geminiGenerateContent } from '../../../src/adapters/llm/formats/gemini/native.ts';
import { JsonArrayObserver } from '../../../src/adapters/llm/observe-json-array.ts';
import type { AiProvider } from '../../../src/resources/types.ts';
import { type FakeFlight, llmBench, model, provider, serve } from '../../support/llm.ts';

const KEY = { backendAuth: { key: 'AIza-operator' } };
const MODEL = 'gemini-2.5-flash';
const GENERATE = `/v1beta/models/${MODEL}:generateContent`;
const STREAM = `/v1beta/models/${MODEL}:streamGenerateContent`;
const BODY = '{"contents":[{"role":"user","parts":[{"text":"hi"}]}], "custom": 12345678901234567890}';
const CHAT = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }] });

const gemini = (more: Partial<AiProvider> = {}) => provider('gemini', { policies: KEY, ...more });
const vertex = (settings: object = {}, more: Partial<AiProvider> = {}) =>
  provider('vertex', {
    settings: { projectId: 'p', ...settings },
    policies: { backendAuth: { key: 'ya29.x' } },
    ...more,
  });

async function ask(target: AiProvider, url: string, body: string = BODY, headers: string[] = []) {
  const llm = llmBench({ providers: [[target]] });
  const exchange = await serve(llm, { url, body, headers });
  const flight = llm.flights[0];
  if (flight === undefined) throw new Error(`${exchange.status} ${exchange.error?.message}`);
  return { exchange, flight };
}

function addressOf({ call }: FakeFlight): string {
  const { target } = call.cluster.spec;
  return target.kind === 'host' ? target.host + call.path : '';
}

const HOST = 'generativelanguage.googleapis.com';

describe('requests in the own format', () => {
  it.each<[string, AiProvider, string, string]>([
    ['a whole answer', gemini(), GENERATE, HOST + GENERATE],
    ['a stream of events', gemini(), `${STREAM}?alt=sse`, `${HOST}${STREAM}?alt=sse`],
    ['a stream as an array', gemini(), STREAM, HOST + STREAM],
    ['token counts', gemini(), `/v1beta/models/${MODEL}:countTokens`, `${HOST}/v1beta/models/${MODEL}:countTokens`],
    ['another base path', gemini(), `/team/v1/models/${MODEL}:generateContent`, HOST + GENERATE],
    [
      "the client's key in the query goes, the rest stays",
      gemini(),
      `${STREAM}?key=AIza-c&alt=sse&x=1`,
      `${HOST}${STREAM}?alt=sse&x=1`,
    ],
    [
      'the same where another service speaks it',
      provider('custom', {
        settings: { formats: [{ type: 'generateContent' }] },
        hostOverride: 'other.test:443',
        policies: KEY,
      }),
      `${STREAM}?key=AIza-c&alt=sse`,
      `other.test${STREAM}?alt=sse`,
    ],
    [
      'the key of a client who brings it for Google stays',
      provider('gemini'),
      `${GENERATE}?key=AIza-c`,
      `${HOST}${GENERATE}?key=AIza-c`,
    ],
    [
      'the pinned model',
      gemini({ settings: { model: 'gemini-3-pro' } }),
      GENERATE,
      `${HOST}/v1beta/models/gemini-3-pro:generateContent`,
    ],
    ['a host override', gemini({ hostOverride: 'own.test:8' }), GENERATE, `own.test${GENERATE}`],
    ['a path prefix', gemini({ pathPrefix: '/team' }), GENERATE, `${HOST}/team${GENERATE}`],
    ['embeddings', gemini(), '/v1/embeddings', `${HOST}/v1beta/openai/embeddings`],
    ['another path', gemini(), '/v1beta/files', `${HOST}/v1beta/files`],
  ])('%s', async (_name, target, url, address) => {
    const body = url.includes('embeddings') ? CHAT : BODY;
    const { flight } = await ask(target, url, body);
    expect(addressOf(flight)).toBe(address);
    if (/:(?:stream)?[gG]enerateContent/.test(url)) expect(flight.sent).toBe(BODY);
  });

  it('show an API key where Google looks for it, and a token as it is', async () => {
    const key = (await ask(gemini(), GENERATE)).flight;
    expect([key.header('x-goog-api-key'), key.header('authorization')]).toEqual(['AIza-operator', undefined]);
    const token = (await ask(gemini({ policies: { backendAuth: { key: 'ya29.x' } } }), GENERATE)).flight;
    expect([token.header('x-goog-api-key'), token.header('authorization')]).toEqual([undefined, 'Bearer ya29.x']);
    const own = (await ask(provider('gemini'), GENERATE, BODY, ['x-goog-api-key', 'AIza-client'])).flight;
    expect(own.header('x-goog-api-key')).toBe('AIza-client');
  });

  it('go to the model that an alias names', async () => {
    const llm = llmBench({ providers: [[gemini()]], values: { ai: { modelAliases: { 'gemini-*': 'gemini-3-pro' } } } });
    const exchange = await serve(llm, { url: `${STREAM}?alt=sse`, body: BODY });
    expect(llm.flights[0]?.call.path).toBe('/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse');
    expect(llm.flights[0]?.sent).toBe(BODY);
    expect(exchange.llm).toMatchObject({
      clientModel: MODEL,
      requestModel: 'gemini-3-pro',
      provider: 'gcp.gemini',
      streaming: true,
      operation: 'chat',
    });
  });

  it('find their model in the llm section', async () => {
    const llm = llmBench({ models: [model('gemini-*', { provider: gemini() })] });
    const exchange = await serve(llm, { url: GENERATE, body: BODY });
    expect(addressOf(llm.flights[0] as FakeFlight)).toBe(HOST + GENERATE);
    expect(exchange.llm.clientModel).toBe(MODEL);
    const none = await serve(llm, { url: '/v1beta/models/other:generateContent', body: BODY });
    expect(JSON.parse(none.downstream.text)).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } });
  });

  it('are served by a custom provider of the format', async () => {
    const custom = (more: Partial<AiProvider> = {}, path?: string) =>
      provider('custom', {
        hostOverride: 'own.test',
        settings: { formats: [{ type: 'generateContent', path }] },
        ...more,
      });
    expect((await ask(custom(), GENERATE)).flight.call.path).toBe(GENERATE);
    expect((await ask(custom({ pathPrefix: '/v9' }), GENERATE)).flight.call.path).toBe(
      `/v9/models/${MODEL}:generateContent`,
    );
    expect((await ask(custom({}, '/whole'), GENERATE)).flight.call.path).toBe('/whole');
    expect((await ask(custom(), '/v1/chat/completions', CHAT)).flight.call.path).toBe(GENERATE);
  });
});

const CHUNKS = [
  {
    candidates: [{ content: { role: 'model', parts: [{ text: 'say "usage\\"' }] } }],
    usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 },
    modelVersion: 'gemini-2.5-flash-001',
  },
  {
    candidates: [{ content: { role: 'model', parts: [{ text: '}]{[ "finishReason"' }] } }],
    usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 },
  },
  {
    candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP' }],
    usageMetadata: {
      promptTokenCount: 9,
      cachedContentTokenCount: 4,
      candidatesTokenCount: 5,
      thoughtsTokenCount: 2,
      totalTokenCount: 16,
    },
  },
];
const USAGE = { input: 5, cachedInput: 4, cacheWrite: 0, output: 5, reasoning: 2 };
const SSE = CHUNKS.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`);
const ARRAY = `[${CHUNKS.map((chunk) => JSON.stringify(chunk, null, 2)).join(',\r\n')}\n]`;

describe('usage', () => {
  it('of a whole answer', async () => {
    const { exchange, flight } = await ask(gemini(), GENERATE);
    flight.answer(200, JSON.stringify(CHUNKS[2]));
    expect(exchange.llm.usage).toEqual(USAGE);
    expect(exchange.llm.usageEstimated).toBe(false);
  });

  it('of a stream of events', async () => {
    const { exchange, flight } = await ask(gemini(), `${STREAM}?alt=sse`);
    flight.stream(...SSE);
    flight.sink.onEnd([]);
    expect(exchange.llm).toMatchObject({ usage: USAGE, usageEstimated: false, responseModel: 'gemini-2.5-flash-001' });
    expect(exchange.llm.firstTokenMs).toBeGreaterThanOrEqual(0);
    expect(exchange.downstream.text).toBe(SSE.join(''));
  });

  it('of a stream that its client left before the last event is not the first report', async () => {
    const { exchange, flight } = await ask(
      gemini({ policies: { ...KEY, onClientAbort: 'cancel' } as never }),
      `${STREAM}?alt=sse`,
    );
    flight.stream(SSE[0] as string);
    exchange.downstream.onAbort?.();
    await vi.waitFor(() => expect(exchange.endCause).toBe('client_gone'));
    expect(exchange.llm.usageEstimated).toBe(true);
    expect(exchange.llm.usage?.output).toBeGreaterThan(0);
  });

  it('of a stream as an array', async () => {
    const { exchange, flight } = await ask(gemini(), STREAM);
    flight.sink.onHead(200, ['content-type', 'application/json; charset=UTF-8']);
    flight.sink.onData(Buffer.from(ARRAY));
    flight.sink.onEnd([]);
    expect(exchange.llm).toMatchObject({ usage: USAGE, usageEstimated: false, responseModel: 'gemini-2.5-flash-001' });
    expect(exchange.llm.firstTokenMs).toBeGreaterThanOrEqual(0);
    expect(exchange.downstream.text).toBe(ARRAY);
  });

  it('of an array wherever its chunks are cut', async () => {
    const { exchange } = await ask(gemini(), STREAM);
    for (let cut = 1; cut < ARRAY.length; cut++) {
      const observer = new JsonArrayObserver(exchange, exchange.llm, geminiGenerateContent);
      for (const piece of [ARRAY.slice(0, cut), ARRAY.slice(cut)]) observer.write(Buffer.from(piece));
      expect([observer.usage(), observer.final, observer.contentEvents]).toEqual([USAGE, true, 2]);
    }
  });

  it('of counting tokens is none', async () => {
    const { exchange, flight } = await ask(gemini(), `/v1beta/models/${MODEL}:countTokens`);
    flight.answer(200, '{"totalTokens": 31}');
    expect(exchange.llm).toMatchObject({ usage: null, usageEstimated: false, operation: 'count_tokens' });
  });
});

describe('conversion', () => {
  it('asks for events, at the path of the model', async () => {
    const body = JSON.stringify({ ...JSON.parse(CHAT), stream: true });
    const { exchange, flight } = await ask(gemini(), '/v1/chat/completions?x=1', body);
    expect(addressOf(flight)).toBe(`${HOST}${STREAM}?alt=sse`);
    expect(flight.json).toEqual({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] });
    flight.stream(...SSE);
    flight.sink.onEnd([]);
    expect(exchange.llm.usage).toEqual(USAGE);
    expect(exchange.downstream.text).toContain('"finish_reason":"stop"');
  });

  it("answers Google's clients from others: whole, as events, as an array", async () => {
    const openai = provider('openAI', { policies: { backendAuth: { key: 'k' } }, settings: { model: 'gpt-5' } });
    const answer = JSON.stringify({
      id: 'x',
      object: 'chat.completion',
      created: 1,
      model: 'gpt-5',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
    const whole = await ask(openai, `${GENERATE}?key=AIza-c`, BODY);
    expect(addressOf(whole.flight)).toBe('api.openai.com/v1/chat/completions');
    expect(whole.flight.json).toMatchObject({ model: 'gpt-5', messages: [{ role: 'user', content: 'hi' }] });
    whole.flight.answer(200, answer);
    expect(JSON.parse(whole.exchange.downstream.text)).toMatchObject({
      candidates: [{ content: { role: 'model', parts: [{ text: 'Hi' }] }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
      modelVersion: 'gpt-5',
    });
    const told = async (url: string) => {
      const { exchange, flight } = await ask(openai, url, BODY);
      expect(flight.json.stream).toBe(true);
      const delta = (value: object) =>
        `data: ${JSON.stringify({ id: 'x', model: 'gpt-5', choices: [{ index: 0, delta: value }] })}\n\n`;
      flight.stream(delta({ role: 'assistant', content: 'H' }), delta({ content: 'i' }));
      flight.sink.onData(
        Buffer.from(
          'data: {"id":"x","model":"gpt-5","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
        ),
      );
      flight.sink.onEnd([]);
      return exchange;
    };
    const textOf = (events: { candidates: { content: { parts: { text: string }[] } }[] }[]) =>
      events.map(({ candidates }) => candidates[0]?.content.parts[0]?.text).join('');
    const events = (await told(`${STREAM}?alt=sse`)).downstream.text.split('\n\n').filter((event) => event !== '');
    expect(textOf(events.map((event) => JSON.parse(event.replace('data: ', ''))))).toBe('Hi');
    expect(textOf(JSON.parse((await told(STREAM)).downstream.text))).toBe('Hi');
  });

  it('takes signatures of others out of what goes to Google, and reads the answer as events', async () => {
    const signature = Buffer.from('sluice:anthropic:sig').toString('base64');
    const contents = [{ role: 'model', parts: [{ text: 'hm', thought: true, thoughtSignature: signature }] }];
    for (const url of [STREAM, `${STREAM}?alt=sse&x=1`]) {
      const { exchange, flight } = await ask(gemini(), url, JSON.stringify({ contents, newMember: 1 }));
      expect(flight.call.path).toBe(`${STREAM}?alt=sse${url === STREAM ? '' : '&x=1'}`);
      expect(flight.json).toEqual({
        contents: [{ role: 'model', parts: [{ text: 'hm', thought: true }] }],
        newMember: 1,
      });
      flight.stream(...SSE);
      flight.sink.onEnd([]);
      const { text } = exchange.downstream;
      const last = url === STREAM ? JSON.parse(text).at(-1) : JSON.parse(text.trim().split('data: ').at(-1) ?? '');
      expect(last.usageMetadata.totalTokenCount).toBe(16);
    }
  });

  it('tells errors as Google does', async () => {
    const openai = provider('openAI', { policies: { backendAuth: { key: 'k' } } });
    const { exchange, flight } = await ask(openai, GENERATE);
    flight.answer(429, '{"error":{"message":"Slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}');
    expect([exchange.status, JSON.parse(exchange.downstream.text)]).toMatchObject([
      429,
      { error: { code: 429, message: 'Slow down', status: 'RESOURCE_EXHAUSTED' } },
    ]);
  });
});

describe('Vertex AI', () => {
  const base = (region = 'global', host = 'aiplatform.googleapis.com') => `${host}/v1/projects/p/locations/${region}`;
  const chat = (name: string, more: object = {}) => JSON.stringify({ ...JSON.parse(CHAT), model: name, ...more });
  const CHAT_URL = '/v1/chat/completions';
  const google = `/publishers/google/models/${MODEL}`;
  it.each<[string, AiProvider, string, string, string]>([
    ['global by default', vertex(), GENERATE, BODY, `${base()}${google}:generateContent`],
    [
      'a region',
      vertex({ region: 'europe-west4' }),
      GENERATE,
      BODY,
      `${base('europe-west4', 'europe-west4-aiplatform.googleapis.com')}${google}:generateContent`,
    ],
    [
      'a multi-region',
      vertex({ region: 'eu' }),
      GENERATE,
      BODY,
      `${base('eu', 'aiplatform.eu.rep.googleapis.com')}${google}:generateContent`,
    ],
    ['a stream', vertex(), `${STREAM}?alt=sse`, BODY, `${base()}${google}:streamGenerateContent?alt=sse`],
    ['token counts', vertex(), `/v1beta/models/${MODEL}:countTokens`, BODY, `${base()}${google}:countTokens`],
    [
      "Vertex's own path of another project",
      vertex(),
      `/v1/projects/q/locations/us/publishers/google/models/${MODEL}:generateContent`,
      BODY,
      `${base()}${google}:generateContent`,
    ],
    [
      'chat with Gemini',
      vertex(),
      CHAT_URL,
      chat(`google/${MODEL}`, { stream: true }),
      `${base()}${google}:streamGenerateContent?alt=sse`,
    ],
    [
      'an endpoint of the project',
      vertex(),
      CHAT_URL,
      chat('endpoints/123'),
      `${base()}/endpoints/123:generateContent`,
    ],
    [
      'chat with Claude',
      vertex(),
      CHAT_URL,
      chat('claude-sonnet-4@20250514'),
      `${base()}/publishers/anthropic/models/claude-sonnet-4@20250514:rawPredict`,
    ],
    [
      'messages to Claude, streamed',
      vertex(),
      '/v1/messages',
      chat('claude-opus-4-6', { stream: true }),
      `${base()}/publishers/anthropic/models/claude-opus-4-6:streamRawPredict`,
    ],
    [
      'token counts of Claude',
      vertex(),
      '/v1/messages/count_tokens',
      chat('claude-opus-4-6'),
      `${base()}/publishers/anthropic/models/count-tokens:rawPredict`,
    ],
    [
      'models of others',
      vertex(),
      CHAT_URL,
      chat('meta/llama-3.3-70b-instruct-maas'),
      `${base()}/endpoints/openapi/chat/completions`,
    ],
    [
      'messages to Gemini',
      vertex(),
      '/v1/messages',
      chat(MODEL, { max_tokens: 9 }),
      `${base()}${google}:generateContent`,
    ],
  ])('%s', async (_name, target, url, body, address) => {
    expect(addressOf((await ask(target, url, body)).flight)).toBe(address);
  });

  it("gives Claude the API's version in place of the model", async () => {
    const big = '{"model":"claude-opus-4-6","max_tokens":9,"messages":[],"metadata":{"n":12345678901234567890}}';
    const native = (await ask(vertex(), '/v1/messages', big)).flight;
    expect(native.sent).toBe(
      '{"max_tokens":9,"messages":[],"metadata":{"n":12345678901234567890},"anthropic_version":"vertex-2023-10-16"}',
    );
    const own = (
      await ask(
        vertex(),
        '/v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-4-6:rawPredict',
        '{"anthropic_version":"x","messages":[]}',
      )
    ).flight;
    expect([own.sent, own.call.path.split('/').at(-1)]).toEqual([
      '{"anthropic_version":"x","messages":[]}',
      'claude-opus-4-6:rawPredict',
    ]);
    const converted = (await ask(vertex(), CHAT_URL, chat('claude-opus-4-6'))).flight;
    expect(converted.json).toMatchObject({ anthropic_version: 'vertex-2023-10-16', messages: [{ role: 'user' }] });
    expect(converted.json).not.toHaveProperty('model');
    const counted = (await ask(vertex(), '/v1/messages/count_tokens', chat('claude-opus-4-6'))).flight;
    expect(counted.json).toMatchObject({ anthropic_version: 'vertex-2023-10-16', model: 'claude-opus-4-6' });
  });

  it('has no region that could name another host', () => {
    expect(() => llmBench({ providers: [[vertex({ region: 'evil.test/' })]] })).toThrow();
  });
});
