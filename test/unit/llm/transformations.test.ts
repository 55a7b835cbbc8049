import { describe, expect, it } from 'vitest';
import { activationOf, Expressions, gatewayEnvironment } from '../../../src/cel/index.ts';
import { failedExpressions, llmBench, model, provider, serve } from '../../support/llm.ts';

const CHAT = '/v1/chat/completions';

async function sentWith(ai: object, body: object, url = CHAT) {
  const llm = llmBench({ providers: [[provider('openAI')]], values: { ai } });
  const exchange = await serve(llm, { url, body: JSON.stringify(body), headers: ['x-team', 'blue'] });
  return { exchange, llm, sent: llm.flights[0]?.json };
}

describe('members computed by expressions', () => {
  const ask = { model: 'm', messages: [], max_tokens: 900, user: 'u' };

  it.each<[string, Record<string, string>, object]>([
    ['the body', { max_tokens: 'llmRequest.max_tokens > 100 ? 100 : llmRequest.max_tokens' }, { max_tokens: 100 }],
    ['the request', { user: 'request.headers["x-team"]' }, { user: 'blue' }],
    ['structures', { metadata: '{"a": [1, 2.5, true], "n": null}' }, { metadata: { a: [1, 2.5, true], n: null } }],
    ['null, which removes', { user: 'null' }, { user: undefined }],
    ['what fails, which removes', { user: 'llmRequest.nothing.there' }, { user: undefined }],
    ['the model', { model: '"other-" + llmRequest.model' }, { model: 'other-m' }],
    ['the model the client named', { user: 'metadata.agentgateway_user_model' }, { user: 'm' }],
    [
      'the body as it came, whatever else is computed',
      { user: '"x"', safety: 'llmRequest.user' },
      { user: 'x', safety: 'u' },
    ],
  ])('come of %s', async (_, transformations, expected) => {
    const { sent } = await sentWith({ transformations }, ask);
    expect(sent).toEqual({ ...ask, ...expected });
  });

  it('come behind overrides and before defaults', async () => {
    const ai = {
      overrides: { a: 1, b: 1, seed: 5 },
      transformations: { b: '2', c: '2', d: 'null', e: 'null' },
      defaults: { c: 3, d: 3, e: 3, f: 3, user: 'd' },
    };
    const { sent } = await sentWith(ai, { ...ask, e: 0 });
    expect(sent).toEqual({ ...ask, a: 1, b: 2, c: 2, d: 3, e: 3, f: 3, seed: 5 });
  });

  it('leave the rest of the bytes as the client wrote them', async () => {
    const llm = llmBench({ providers: [[provider('openAI')]], values: { ai: { transformations: { n: '7' } } } });
    const body = '{ "unknown" : [1.0, {"a":"\\u00e9"}],\n"model":"m" ,"n":1e2 }';
    await serve(llm, { url: CHAT, body });
    expect(llm.flights[0]!.sent).toBe(body.replace('1e2', '7'));
  });

  it('and later expressions find the model that the client named', async () => {
    const { exchange } = await sentWith({ modelAliases: { m: 'other' } }, ask);
    exchange.metadata = { set: 'before' };
    const expressions = new Expressions(gatewayEnvironment(), () => {});
    expect(expressions.compile('metadata', 'test').plain(activationOf(exchange))).toEqual({
      set: 'before',
      agentgateway_user_model: 'm',
    });
  });

  it('are counted where they fail', async () => {
    const { llm } = await sentWith({ transformations: { user: 'llmRequest.nothing.there' } }, ask);
    expect(await failedExpressions(llm)).toEqual([{ policy: 'ai', value: 1 }]);
  });

  it.each<[string, string, string, object]>([
    ['of embeddings', 'openAI', '/v1/embeddings', { model: 'm', input: 'a' }],
    [
      'of embeddings that are told texts for tokens',
      'gemini',
      '/v1/embeddings',
      { model: 'gemini-embedding-001', input: [1, 2] },
    ],
    ['of counted tokens', 'anthropic', '/v1/messages/count_tokens', { model: 'm', messages: [] }],
  ])('are computed once for a request %s', async (_, name, url, body) => {
    const values = { ai: { transformations: { user: 'llmRequest.nothing.there' } } };
    const llm = llmBench({ providers: [[provider(name)]], values });
    await serve(llm, { url, body: JSON.stringify(body) });
    expect(llm.flights).toHaveLength(1);
    expect(await failedExpressions(llm)).toEqual([{ policy: 'ai', value: 1 }]);
  });

  it('decide whether the answer is a stream', async () => {
    const { sent, exchange } = await sentWith({ transformations: { stream: 'true' } }, ask);
    expect(sent).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(exchange.llm.streaming).toBe(true);
  });

  it('read no body that is no JSON in full', async () => {
    const llm = llmBench({
      providers: [[provider('openAI')]],
      values: { ai: { transformations: { n: 'llmRequest.a' } } },
    });
    await serve(llm, { url: CHAT, body: '{"model":"m","a":[1 2]}' });
    expect(llm.flights[0]!.sent).toBe('{"model":"m","a":[1 2]}');
  });

  it("are made of the client's body before it is converted", async () => {
    const ai = { transformations: { max_tokens: 'llmRequest.max_completion_tokens', max_completion_tokens: 'null' } };
    const llm = llmBench({ providers: [[provider('anthropic')]], values: { ai } });
    const body = { model: 'claude-x', messages: [{ role: 'user', content: 'hi' }], max_completion_tokens: 77 };
    await serve(llm, { url: CHAT, body: JSON.stringify(body) });
    expect(llm.flights[0]!.json).toMatchObject({ model: 'claude-x', max_tokens: 77 });
  });
});

describe('members computed of the body as the provider gets it', () => {
  const finalTransformations = {
    max_tokens: 'llmRequest.max_tokens * 2',
    top_k: '5',
    temperature: 'null',
    system: 'llmRequest.system + "!"',
  };
  const body = {
    model: 'claude-x',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'hi' },
    ],
    temperature: 0.5,
    max_tokens: 10,
  };

  it('are in its own words', async () => {
    const llm = llmBench({ providers: [[provider('anthropic')]], values: { ai: { finalTransformations } } });
    await serve(llm, { url: CHAT, body: JSON.stringify(body) });
    expect(llm.flights[0]!.json).toEqual({
      model: 'claude-x',
      max_tokens: 20,
      top_k: 5,
      system: 'Be brief.!',
      messages: [{ role: 'user', content: 'hi' }],
    });
  });

  it('leave the bytes of a body that is not converted', async () => {
    const ai = { finalTransformations: { n: 'llmRequest.n + 1' }, overrides: { n: 5 } };
    const llm = llmBench({ providers: [[provider('openAI')]], values: { ai } });
    await serve(llm, { url: CHAT, body: '{ "a" : 1e0,"n": 4,"model":"m"}' });
    expect(llm.flights[0]!.sent).toBe('{ "a" : 1e0,"n": 6,"model":"m"}');
  });

  it('are of the body of each attempt', async () => {
    const llm = llmBench({
      models: [
        model('a', { provider: provider('openAI', { name: 'one', hostOverride: 'one.test:80' }) }),
        model('b', { provider: provider('anthropic', { name: 'two', hostOverride: 'two.test:80' }) }),
      ],
      virtualModels: [
        {
          name: 'v',
          routing: {
            kind: 'failover',
            targets: [
              { model: 'a', priority: 0 },
              { model: 'b', priority: 1 },
            ],
          },
        },
      ],
      values: { ai: { finalTransformations: { seen: 'llmRequest.model' } } },
      wrap: (next) => (call, sink) => {
        next(call, { ...sink, onHead: () => {} });
        return next(call, sink);
      },
    });
    await serve(llm, { url: CHAT, body: JSON.stringify({ ...body, model: 'v' }) });
    expect(llm.flights.map(({ json }) => json.seen)).toEqual(['a', 'b']);
  });
});

describe('the model that comes of pins, expressions, aliases and patterns', () => {
  const strip = { transformations: { model: 'llmRequest.model.stripPrefix("openai/")' } };
  const weighted = {
    name: 'fast',
    routing: { kind: 'weighted' as const, targets: [{ model: 'openai/gpt-9', weight: 1 }] },
  };

  it.each<[string, string, object, { pinned?: string; alias?: Record<string, string> }, string]>([
    ['openai/*', 'openai/gpt-4o', strip, {}, 'gpt-4o'],
    ['*', 'gpt-4o', strip, {}, 'gpt-4o'],
    ['openai/*', 'fast', strip, {}, 'gpt-9'],
    ['openai/*', 'openai/gpt-4o', strip, { pinned: 'gpt-pinned' }, 'gpt-pinned'],
    ['openai/*', 'openai/gpt-4o', strip, { pinned: 'openai/gpt-pinned' }, 'gpt-pinned'],
    ['openai/*', 'openai/gpt-4o', strip, { alias: { 'gpt-4o': 'gpt-4o-real' } }, 'gpt-4o-real'],
    ['openai/*', 'openai/gpt-4o', strip, { alias: { 'openai/*': 'never', 'gpt-4*': 'by-pattern' } }, 'by-pattern'],
    ['openai/*', 'openai/gpt-4o', { overrides: { model: 'over' } }, { pinned: 'gpt-pinned' }, 'over'],
    ['*', 'm', { overrides: { model: 'over' }, ...strip }, {}, 'm'],
    ['*', 'm', { transformations: { model: 'null' }, defaults: { model: 'fallback' } }, {}, 'fallback'],
    ['*', 'm', { transformations: { model: '7' }, defaults: { model: 'fallback' } }, {}, ''],
    ['*', 'm', { transformations: { model: 'null' } }, {}, ''],
  ])('entry %s, asked %s, %o, %o', async (name, asked, ai, { pinned, alias }, expected) => {
    const settings = pinned === undefined ? {} : { model: pinned };
    const policies = { ai: { ...ai, ...(alias !== undefined && { modelAliases: alias }) } };
    const llm = llmBench({
      models: [model(name, { provider: provider('openAI', { settings }), policies })],
      virtualModels: [weighted],
    });
    const exchange = await serve(llm, { url: CHAT, body: JSON.stringify({ model: asked, messages: [] }) });
    expect(llm.flights[0]?.json.model ?? '').toBe(expected);
    expect(exchange.error?.code ?? '').toBe(expected === '' ? 'missing_model' : '');
    expect(exchange.llm.clientModel).toBe(asked);
  });

  it('may be in the path', async () => {
    const llm = llmBench({
      models: [
        model('g/*', {
          provider: provider('gemini'),
          policies: { ai: { transformations: { model: 'llmRequest.model.stripPrefix("g/")' } } },
        }),
      ],
    });
    await serve(llm, { url: '/v1beta/models/g%2Fgemini-9:generateContent', body: '{"contents":[]}' });
    expect(llm.flights[0]!.call.path).toContain('/models/gemini-9:generateContent');
    expect(llm.flights[0]!.sent).toBe('{"contents":[]}');
  });
});
