import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { listedModels } from '../../../src/adapters/llm/models/names.ts';
import type { LlmRouter } from '../../../src/resources/types.ts';
import { type LlmExchange, llmBench, model, provider, serve } from '../../support/llm.ts';

const CHAT = '/v1/chat/completions';

function chat(name: unknown, more: object = {}) {
  return { url: CHAT, body: JSON.stringify({ model: name, messages: [], ...more }) };
}

function allow(...allowedModels: string[]) {
  return (exchange: LlmExchange) => {
    exchange.apiKey = { id: 'k', metadata: {}, allowedModels };
  };
}

function error(exchange: LlmExchange) {
  return JSON.parse(exchange.downstream.text).error;
}

describe('model routing', () => {
  const to = (name: string, more: object = {}) =>
    model(name, { provider: provider('openAI', { name: `to:${name}` }), ...more });

  it('asks the provider of the first pattern that matches, in its order', async () => {
    const pinned = provider('openAI', { settings: { model: 'gpt-5.5' } });
    const llm = llmBench({
      models: [
        model('gpt-4o-mini', { provider: pinned }),
        to('gpt-*'),
        to('*-embed'),
        model('*', { provider: provider('groq') }),
      ],
    });
    const sent: string[] = [];
    for (const name of ['gpt-4o-mini', 'gpt-4o', 'x-embed', 'llama']) {
      const exchange = await serve(llm, chat(name));
      const flight = llm.flights.at(-1)!;
      sent.push(`${exchange.llm.provider} ${flight.json.model} ${flight.call.path}`);
      expect(exchange.llm.clientModel).toBe(name);
      flight.answer(200, '{}');
    }
    expect(sent).toEqual([
      `openai gpt-5.5 ${CHAT}`,
      `openai gpt-4o ${CHAT}`,
      `openai x-embed ${CHAT}`,
      'groq llama /openai/v1/chat/completions',
    ]);
  });

  it('changes nothing but the model in the body', async () => {
    const llm = llmBench({
      models: [model('smart', { provider: provider('openAI', { settings: { model: 'real' } }) })],
    });
    const body = '{ "unknown" : [1.0, {"a":"\\u00e9"}],\n"model":"smart","n":1e2 }';
    await serve(llm, { url: CHAT, body });
    expect(llm.flights[0]!.sent).toBe(body.replace('"smart"', '"real"'));
  });

  it('looks at headers', async () => {
    const named = model('m', {
      provider: provider('openAI', { settings: { model: 'theirs' } }),
      headers: [{ name: 'x-org', value: { exact: 'eng' } }],
    });
    const llm = llmBench({
      models: [named, model('m', { provider: provider('openAI', { settings: { model: 'ours' } }) })],
    });
    await serve(llm, { ...chat('m'), headers: ['x-org', 'eng'] });
    await serve(llm, { ...chat('m'), headers: ['x-org', 'other'] });
    expect(llm.flights.map((flight) => flight.json.model)).toEqual(['theirs', 'ours']);
  });

  it.each<[string, object, number, string]>([
    ['no body', { url: CHAT, body: '' }, 400, 'missing_model'],
    ['no JSON', { url: CHAT, body: 'model=x' }, 400, 'invalid_request_body'],
    ['an array', { url: CHAT, body: '[]' }, 400, 'invalid_request_body'],
    ['no model', { url: CHAT, body: '{"messages":[]}' }, 400, 'missing_model'],
    ['an empty model', chat(''), 400, 'missing_model'],
    ['a model that is no string', chat(7), 400, 'missing_model'],
    ['a model twice', { url: CHAT, body: '{"model":"open","model":"m2"}' }, 400, 'invalid_request_body'],
    [
      'a model twice, once escaped',
      { url: CHAT, body: '{"model":"open","mod\\u0065l":"m2"}' },
      400,
      'invalid_request_body',
    ],
    [
      'a model twice, once in other case',
      { url: CHAT, body: '{"model":"open","Model":"m2"}' },
      400,
      'invalid_request_body',
    ],
    ['an unknown model', chat('nope'), 404, 'model_not_found'],
    ['an internal model', chat('inner'), 404, 'model_not_found'],
    ['a virtual model whose target is served by nothing', chat('virtual'), 404, 'model_not_found'],
    ['a model behind an inactive guard', chat('guarded'), 503, 'not_active'],
    ['a model of a provider that is not executed', chat('gem'), 503, 'not_active'],
    [
      'a format the provider does not take and none converts to',
      { url: '/v1/rerank', body: '{"model":"claude"}' },
      400,
      'unsupported_conversion',
    ],
    ['a realtime session without its model', { url: '/v1/realtime', method: 'GET' }, 400, 'missing_model'],
    [
      'a realtime session without WebSocket',
      { url: '/v1/realtime?model=open', method: 'GET' },
      426,
      'upgrade_required',
    ],
  ])('refuses %s', async (_, request, status, code) => {
    const llm = llmBench({
      models: [
        to('open'),
        to('inner', { visibility: 'internal' }),
        to('guarded', { inactive: ['promptGuard'] }),
        model('claude', { provider: provider('anthropic') }),
        model('gem', { provider: provider('of-tomorrow') }),
      ],
      virtualModels: [
        { name: 'virtual', routing: { kind: 'conditional', targets: [{ model: 'gpt-4o', when: 'true' }] } },
      ],
    });
    const exchange = await serve(llm, request);
    expect(exchange.status).toBe(status);
    expect(exchange.error?.code).toBe(code);
    expect(llm.flights).toEqual([]);
  });

  it('says in the format of the client what is wrong', async () => {
    const llm = llmBench({ models: [] });
    const openai = await serve(llm, chat('nope'));
    expect(error(openai)).toMatchObject({ code: 'model_not_found', type: 'invalid_request_error' });
    const anthropic = await serve(llm, { url: '/v1/messages', body: '{"model":"nope"}' });
    expect(JSON.parse(anthropic.downstream.text)).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
  });

  it('names what the provider takes where it does not take this', async () => {
    const llm = llmBench({ models: [model('claude', { provider: provider('anthropic') })] });
    const exchange = await serve(llm, { url: '/v1/embeddings', body: '{"model":"claude"}' });
    expect(error(exchange).message).toContain('messages');
  });

  it('keeps a key to its models', async () => {
    const llm = llmBench({ models: [to('*')] });
    expect((await serve(llm, chat('gpt-4o'), allow('claude-*', 'gpt-4o-mini'))).error?.code).toBe('model_not_allowed');
    await serve(llm, chat('claude-1'), allow('claude-*'));
    expect(llm.flights).toHaveLength(1);
  });

  it('lets no path smuggle in a model that the body does not name', async () => {
    const llm = llmBench({ models: [to('*')] });
    const request = { url: '/v1/models/allowed:generateContent', body: '{"model":"forbidden"}' };
    expect((await serve(llm, request, allow('allowed'))).status).toBe(400);
    expect(llm.flights).toEqual([]);
  });

  it('strips what authenticated the client here, and passes on what did not', async () => {
    const llm = llmBench({ models: [to('*')] });
    const headers = [
      'authorization',
      'Bearer client',
      'accept-encoding',
      'gzip',
      'cookie',
      'a=b',
      'expect',
      '100-continue',
    ];
    await serve(llm, { ...chat('m'), headers });
    await serve(llm, { ...chat('m'), headers }, (exchange) => {
      exchange.credentialHeader = 'authorization';
    });
    expect(llm.flights[0]!.call.headers).toEqual([
      'authorization',
      'Bearer client',
      'cookie',
      'a=b',
      'accept-encoding',
      'identity',
    ]);
    expect(llm.flights[1]!.call.headers).toEqual(['cookie', 'a=b', 'accept-encoding', 'identity']);
  });

  it("puts the operator's key in place of every credential of the client", async () => {
    const keyed = provider('openAI', { policies: { backendAuth: { key: 'own' } } });
    const llm = llmBench({ models: [model('*', { provider: keyed })] });
    await serve(llm, { ...chat('m'), headers: ['authorization', 'Bearer c', 'x-api-key', 'c', 'api-key', 'c'] });
    expect(llm.flights[0]!.call.headers).toEqual(['accept-encoding', 'identity', 'authorization', 'Bearer own']);
    const others = [
      'cookie',
      's=1',
      'proxy-authorization',
      'Basic c',
      'x-amz-security-token',
      'c',
      'x-goog-api-key',
      'c',
    ];
    await serve(llm, { ...chat('m'), headers: others });
    expect(llm.flights[1]!.call.headers).toEqual(['accept-encoding', 'identity', 'authorization', 'Bearer own']);
  });

  it('reads the model of an upload and forwards it as it is', async () => {
    const llm = llmBench({ models: [model('whisper-*')] });
    const part = (name: string, value: string) =>
      `--bx\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const body = `${part('file', 'model')}${part('model', 'whisper-1')}--bx--\r\n`;
    const headers = ['content-type', 'multipart/form-data; boundary=bx'];
    const exchange = await serve(llm, { url: '/v1/audio/transcriptions', body, headers });
    expect(exchange.llm.clientModel).toBe('whisper-1');
    expect(llm.flights[0]!.sent).toBe(body);
    expect(llm.flights[0]!.call.path).toBe('/v1/audio/transcriptions');
    const twice = `${part('model', 'whisper-1')}${part('model', 'other')}--bx--\r\n`;
    expect((await serve(llm, { url: '/v1/audio/transcriptions', body: twice, headers })).error?.code).toBe(
      'missing_model',
    );
  });

  it('reads the usage of an API it does not know, unless the model is opaque', async () => {
    const llm = llmBench({ models: [to('seen'), to('unseen', { passthrough: 'opaque' })] });
    const answer = JSON.stringify({ usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 } });
    const usages: unknown[] = [];
    for (const name of ['seen', 'unseen']) {
      const exchange = await serve(llm, { url: '/v1/new/thing', body: JSON.stringify({ model: name }) });
      llm.flights.at(-1)!.answer(200, answer);
      usages.push(exchange.llm.usage?.output ?? null);
    }
    expect(usages).toEqual([4, null]);
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('reads a body in %s', async (coding, compress) => {
    const llm = llmBench({ models: [to('*')] });
    const { url, body } = chat('m');
    const exchange = await serveBytes(llm, url, compress(body), coding);
    await until(() => llm.flights.length > 0);
    expect(llm.flights[0]!.sent).toBe(body);
    expect(llm.flights[0]!.header('content-encoding')).toBeUndefined();
    llm.flights[0]!.answer(200, '{}');
    expect(exchange.endCause).toBe('complete');
    expect(llm.bodies.used).toBe(0);
  });

  it('refuses encodings it does not know, broken ones, and bombs', async () => {
    const llm = llmBench({ models: [to('*')], maxBufferBytes: 10_000 });
    const bomb = gzipSync(`{"model":"m","x":"${'0'.repeat(1_000_000)}"}`);
    const cases: [Buffer, string, number][] = [
      [Buffer.from('{}'), 'compress', 415],
      [Buffer.from('{}'), 'gzip, br', 415],
      [Buffer.from('no gzip'), 'gzip', 400],
      [bomb, 'gzip', 413],
    ];
    for (const [body, coding, status] of cases) {
      const exchange = await serveBytes(llm, CHAT, body, coding);
      await until(() => exchange.status !== 0);
      expect(exchange.status).toBe(status);
      expect(llm.bodies.used).toBe(0);
    }
    expect(llm.flights).toEqual([]);
  });

  it('bounds bodies by the limit of the route and by the budget of the process', async () => {
    const limited = llmBench({ models: [to('*')], maxBufferBytes: 100 });
    expect((await serve(limited, chat('m', { x: 'y'.repeat(100) }))).status).toBe(413);
    const poor = llmBench({ models: [to('*')], bodyBudget: 100 });
    expect((await serve(poor, chat('m', { x: 'y'.repeat(100) }))).status).toBe(503);
    expect(poor.bodies.used).toBe(0);
  });
});

async function serveBytes(llm: ReturnType<typeof llmBench>, url: string, bytes: Buffer, coding: string) {
  return serve(llm, { url, body: 'x', headers: ['content-encoding', coding] }, (exchange) => {
    exchange.downstream.readBody = (sink) => {
      sink.onChunk(bytes);
      sink.onEnd([]);
    };
  });
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

describe('the list of models', () => {
  const models = [model('gpt-4o'), model('claude-*'), model('inner', { visibility: 'internal' })];

  it('names what the caller may ask for', () => {
    const router: LlmRouter = { kind: 'llmRouter', key: 'llm/default', models, virtualModels: [] };
    expect(listedModels(router, null).map(({ id }) => id)).toEqual(['gpt-4o', 'claude-*']);
    expect(listedModels(router, ['claude-1', 'gpt-*', 'inner']).map(({ id }) => id)).toEqual(['gpt-4o', 'claude-1']);
    expect(listedModels(router, []).map(({ id }) => id)).toEqual([]);
  });

  it.each(['/v1/models', '/models'])('is served locally at %s', async (url) => {
    const llm = llmBench({ models });
    const exchange = await serve(llm, { url, method: 'GET' });
    expect(JSON.parse(exchange.downstream.text)).toMatchObject({
      object: 'list',
      data: [{ id: 'gpt-4o', object: 'model', owned_by: 'openai' }, { id: 'claude-*' }],
    });
    expect(exchange.llm.operation).toBe('models');
  });

  it('speaks to the client in its own format', async () => {
    const llm = llmBench({ models });
    const headers = ['anthropic-version', '2023-06-01'];
    const exchange = await serve(llm, { url: '/v1/models?limit=5', method: 'GET', headers });
    expect(JSON.parse(exchange.downstream.text)).toMatchObject({
      data: [{ type: 'model', id: 'gpt-4o' }, { id: 'claude-*' }],
      has_more: false,
      first_id: 'gpt-4o',
    });
  });

  it('has each model at its own path', async () => {
    const llm = llmBench({ models });
    const found = await serve(llm, { url: '/v1/models/gpt-4o', method: 'GET' });
    expect(JSON.parse(found.downstream.text)).toMatchObject({ id: 'gpt-4o', object: 'model' });
    expect((await serve(llm, { url: '/v1/models/nope', method: 'GET' })).status).toBe(404);
  });
});
