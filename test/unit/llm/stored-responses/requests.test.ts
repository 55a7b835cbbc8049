import { describe, expect, it } from 'vitest';
import { responseRequest } from '../../../../src/adapters/llm/stored-responses/paths.ts';
import { type LlmBench, type LlmExchange, llmBench, model, provider, serve } from '../../../support/llm.ts';
import { ask, json, PROVIDERS, respond } from '../../../support/responses-api.ts';

const { provider: ANTHROPIC, answer } = PROVIDERS.messages;

/** Stores a response and gives its id. */
async function stored(llm: LlmBench, body: object, prepare?: (exchange: LlmExchange) => void): Promise<string> {
  const exchange = await respond(llm, body, prepare);
  llm.flights.at(-1)?.answer(200, JSON.stringify(answer('A')));
  await expect.poll(() => exchange.endCause).toBe('complete');
  return json(exchange).id;
}

const as = (tenant: string) => (exchange: LlmExchange) => {
  exchange.tenant = tenant;
};

describe('paths of the responses API', () => {
  it.each([
    ['GET', '/v1/responses/resp_1', { kind: 'retrieve', id: 'resp_1' }],
    ['GET', '/responses/resp_1', { kind: 'retrieve', id: 'resp_1' }],
    ['DELETE', '/openai/v1/responses/resp_1', { kind: 'delete', id: 'resp_1' }],
    ['GET', '/v1/responses/resp_1/input_items', { kind: 'input_items', id: 'resp_1' }],
    ['POST', '/v1/responses/resp_1/cancel', { kind: 'cancel', id: 'resp_1' }],
    ['POST', '/v1/responses/input_tokens', { kind: 'input_tokens' }],
    ['POST', '/v1/responses', null],
    ['POST', '/v1/responses/compact', null],
    ['POST', '/v1/responses/resp_1', null],
    ['DELETE', '/v1/responses/resp_1/input_items', null],
    ['GET', '/v1/responses', null],
    ['GET', '/v1/chat/completions/resp_1', null],
  ])('%s %s', (method, path, expected) => {
    expect(responseRequest(method, path)).toEqual(expected);
  });
});

describe('a response that is kept', () => {
  it('is deleted once', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC]] });
    const id = await stored(llm, { input: 'x' });
    const deleted = await ask(llm, 'DELETE', id);
    expect([deleted.status, json(deleted)]).toEqual([200, { id, object: 'response', deleted: true }]);
    for (const method of ['DELETE', 'GET']) {
      const gone = await ask(llm, method, id);
      expect(gone.status).toBe(404);
      expect(json(gone).error).toMatchObject({
        code: 'response_not_found',
        message: expect.stringContaining(`Response with id '${id}' not found.`),
      });
    }
  });

  it('is nobody else’s', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC]] });
    const id = await stored(llm, { input: 'x' }, as('a'));
    for (const tenant of ['b', 'anonymous']) {
      for (const [method, path] of [
        ['GET', id],
        ['GET', `${id}/input_items`],
        ['POST', `${id}/cancel`],
        ['DELETE', id],
      ] as const) {
        expect((await ask(llm, method, path, as(tenant))).status, `${method} ${path}`).toBe(404);
      }
      const next = await respond(llm, { input: 'y', previous_response_id: id }, as(tenant));
      expect([next.status, json(next).error.code]).toEqual([400, 'previous_response_not_found']);
    }
    expect((await ask(llm, 'GET', id, as('a'))).status).toBe(200);
  });

  it('is neither streamed again nor cancelled', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC]] });
    const id = await stored(llm, { input: 'x' });
    for (const exchange of [await ask(llm, 'GET', `${id}?stream=true`), await ask(llm, 'POST', `${id}/cancel`)]) {
      expect([exchange.status, json(exchange).error.code]).toEqual([400, 'unsupported_parameter']);
    }
  });

  it('lists what was said for it, page by page', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC]] });
    const first = await stored(llm, { input: 'one' });
    const input = [
      { role: 'user', content: 'two' },
      { type: 'function_call', call_id: 'c', name: 'look', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: 'seen', id: 'fco_own' },
    ];
    const id = await stored(llm, { input, previous_response_id: first });
    const list = async (query: string) => json(await ask(llm, 'GET', `${id}/input_items?${query}`));
    const all = await list('order=asc');
    expect(all).toMatchObject({ object: 'list', has_more: false });
    expect(all.data).toMatchObject([
      { type: 'message', role: 'user', status: 'completed', content: [{ type: 'input_text', text: 'one' }] },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'A' }] },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'two' }] },
      { type: 'function_call', name: 'look' },
      { type: 'function_call_output', output: 'seen', id: 'fco_own' },
    ]);
    const ids = all.data.map((item: any) => item.id);
    expect(new Set(ids).size).toBe(5);
    expect((await list('')).data.map((item: any) => item.id)).toEqual(ids.toReversed());
    const page = await list(`order=asc&limit=2&after=${ids[0]}`);
    expect(page.data.map((item: any) => item.id)).toEqual(ids.slice(1, 3));
    expect(page).toMatchObject({ first_id: ids[1], last_id: ids[2], has_more: true });
    expect(await list(`after=${ids[0]}`)).toMatchObject({ data: [], first_id: null, has_more: false });
    for (const query of ['limit=0', 'limit=101', 'limit=x', 'order=up', 'after=nothing']) {
      const refused = await ask(llm, 'GET', `${id}/input_items?${query}`);
      expect([refused.status, json(refused).error.param], query).toEqual([400, query.split('=')[0]]);
    }
  });
});

describe('a response of another’s', () => {
  const gpt = (name: string, more = {}) => model(name, { provider: provider('openAI', more) });
  const claude = model('claude', { provider: ANTHROPIC });

  it.each([
    ['retrieved', 'GET', 'resp_x?include[]=a', '/v1/responses/resp_x?include[]=a'],
    ['deleted', 'DELETE', 'resp_x', '/v1/responses/resp_x'],
    ['cancelled', 'POST', 'resp_x/cancel', '/v1/responses/resp_x/cancel'],
    ['listed', 'GET', 'resp_x/input_items', '/v1/responses/resp_x/input_items'],
  ])('is %s where it is, if there is one place', async (_, method, path, sent) => {
    for (const llm of [
      llmBench({ models: [claude, gpt('gpt-a'), gpt('gpt-b')] }),
      llmBench({ providers: [[ANTHROPIC, provider('openAI')]] }),
    ]) {
      await ask(llm, method, path);
      expect(llm.flights[0]?.call).toMatchObject({ method, path: sent });
    }
  });

  it.each([
    ['nobody keeps any', [claude]],
    ['several may have it', [gpt('a'), gpt('b', { hostOverride: 'other.test:443', hostOverrideTls: true })]],
  ])('is not found where %s', async (_, models) => {
    const llm = llmBench({ models });
    const exchange = await ask(llm, 'GET', 'resp_x');
    expect([exchange.status, json(exchange).error.code]).toEqual([404, 'response_not_found']);
    expect(llm.flights).toEqual([]);
  });

  it('is not shown to a key that may not use every model', async () => {
    const llm = llmBench({ models: [gpt('a')] });
    const limited = await ask(llm, 'GET', 'resp_x', (exchange) => {
      exchange.apiKey = { id: 'k', metadata: {}, allowedModels: ['a'] };
    });
    expect(limited.status).toBe(404);
  });
});

describe('counting a request’s tokens', () => {
  const url = '/v1/responses/input_tokens';
  const count = (llm: LlmBench, body: object) => serve(llm, { url, body: JSON.stringify(body) });

  it.each([
    ['a model', { models: [model('m', { provider: ANTHROPIC })] }],
    ['a backend', { providers: [[ANTHROPIC]] }],
  ])('is done here where the provider of %s has no such request', async (_, options) => {
    const llm = llmBench(options);
    const exchange = await count(llm, { model: 'm', input: 'How many?', instructions: 'Count.' });
    // The test's counter finds one token a text; framing is three a message and three for the answer.
    expect([exchange.status, json(exchange)]).toEqual([200, { object: 'response.input_tokens', input_tokens: 4 + 9 }]);
    expect(llm.flights).toEqual([]);
    const id = await stored(llm, { input: 'x' });
    const longer = await count(llm, { model: 'm', input: 'y', previous_response_id: id });
    expect(json(longer).input_tokens).toBe(6 + 12);
    const foreign = await count(llm, { model: 'm', input: 'y', previous_response_id: 'resp_x' });
    expect([foreign.status, json(foreign).error.param]).toEqual([400, 'previous_response_id']);
  });

  it('is left to a provider that can', async () => {
    const body = { model: 'm', input: 'x' };
    for (const llm of [llmBench({ models: [model('m')] }), llmBench({ providers: [[provider('openAI')]] })]) {
      await count(llm, body);
      expect(llm.flights[0]?.call.path).toBe(url);
      expect(llm.flights[0]?.json).toEqual(body);
    }
  });
});
