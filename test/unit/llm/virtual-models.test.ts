import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RouteContext } from '../../../src/adapters/adapter.ts';
import { type DrawnRouting, type ResolveModel, virtualGroups } from '../../../src/adapters/llm/virtual-models.ts';
import type { VirtualModel } from '../../../src/resources/types.ts';
import type { Dispatch } from '../../../src/upstream/call.ts';
import { failedExpressions, llmBench, model, provider, serve } from '../../support/llm.ts';

const weighted = (targets: { model: string; weight: number }[]): VirtualModel => ({
  name: 'virtual',
  routing: { kind: 'weighted', targets },
});
const failover = (...targets: [string, number][]): VirtualModel => ({
  name: 'virtual',
  routing: { kind: 'failover', targets: targets.map(([name, priority]) => ({ model: name, priority })) },
});

const ask = { url: '/v1/chat/completions', body: '{"model":"virtual","messages":[]}' };

/** Two providers at addresses of their own, each model with its entry. */
const MODELS = [
  model('fast', { provider: provider('openAI', { name: 'a', hostOverride: 'a.test:80' }) }),
  model('big-*', { provider: provider('openAI', { name: 'b', hostOverride: 'b.test:80' }), visibility: 'internal' }),
];

/** The address a call goes to. */
const hostOf = (call: { cluster: { spec: { target: unknown } } }) =>
  (call.cluster.spec.target as { host: string }).host;

/** Sends a second attempt where the first is answered with 503. */
const retryOnce: (next: Dispatch) => Dispatch = (next) => (call, sink) => {
  let again = false;
  return next(call, {
    onHead(status, headers) {
      if (status === 503 && !again) {
        again = true;
        next(call, sink);
      } else sink.onHead(status, headers);
    },
    onData: (chunk) => again || sink.onData(chunk),
    onEnd: (trailers) => {
      if (!again) sink.onEnd(trailers);
    },
    onError: (error) => sink.onError(error),
  });
};

describe('a weighted model', () => {
  it('draws each target as often as its weight says', () => {
    const resolve: ResolveModel = (name) => ({ target: { active: true, keys: () => [] } as never, model: name });
    fc.assert(
      fc.property(
        fc
          .array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 5 })
          .filter((all) => all.some((w) => w > 0)),
        (weights) => {
          const virtual = weighted(weights.map((weight, i) => ({ model: String(i), weight })));
          const sum = weights.reduce((a, b) => a + b);
          const drawn = weights.map(() => 0);
          for (let i = 0; i < sum; i++) {
            const groups = virtualGroups(virtual.routing as DrawnRouting, resolve, () => (i + 0.5) / sum);
            drawn[Number(groups.pick({} as RouteContext, { model: 'virtual', affinity: null }).model)]!++;
          }
          expect(drawn).toEqual(weights);
        },
      ),
    );
  });

  it('asks the provider for the target, internal ones too, and answers for the name it was asked by', async () => {
    const llm = llmBench({ models: MODELS, virtualModels: [weighted([{ model: 'big-7b', weight: 1 }])] });
    const exchange = await serve(llm, ask);
    expect(llm.flights[0]!.json.model).toBe('big-7b');
    expect(hostOf(llm.flights[0]!.call)).toBe('b.test');
    expect(exchange.llm).toMatchObject({ clientModel: 'virtual', requestModel: 'big-7b' });
  });
});

describe('a model with failover', () => {
  const virtualModels = [failover(['big-1', 1], ['fast', 0])];

  it('begins with the lowest priority', async () => {
    const llm = llmBench({ models: MODELS, virtualModels });
    await serve(llm, ask);
    expect(llm.flights[0]!.json.model).toBe('fast');
  });

  it('passes over a provider that is evicted', async () => {
    const llm = llmBench({ models: MODELS, virtualModels });
    await serve(llm, ask);
    for (const cluster of llm.clusters) cluster.evicted = hostOf({ cluster }) === 'a.test';
    await serve(llm, ask);
    expect(llm.flights[1]!.json.model).toBe('big-1');
    expect(hostOf(llm.flights[1]!.call)).toBe('b.test');
  });

  it('goes to the next with a further attempt, asking for its own model', async () => {
    const llm = llmBench({ models: MODELS, virtualModels, wrap: retryOnce });
    const exchange = await serve(llm, ask);
    llm.flights[0]!.sink.onHead(503, []);
    expect(llm.flights.map(({ json }) => json.model)).toEqual(['fast', 'big-1']);
    expect(hostOf(llm.flights[1]!.call)).toBe('b.test');
    llm.flights[1]!.answer(200, '{"model":"big-1"}');
    expect(exchange.llm).toMatchObject({ clientModel: 'virtual', requestModel: 'big-1', responseModel: 'big-1' });
  });

  it('leaves its targets alone after three failures in a row, where nothing else is configured', async () => {
    const llm = llmBench({ models: MODELS, virtualModels });
    await serve(llm, ask);
    expect(llm.flights[0]!.call.cluster.spec.policies.health).toEqual({
      eviction: { duration: '10s', consecutiveFailures: 3 },
    });
  });

  it('keeps a conversation with one of two models of one provider, and others with the other', async () => {
    const models = [model('*', { provider: provider('openAI') })];
    const llm = llmBench({ models, virtualModels: [failover(['x', 0], ['y', 0])] });
    for (let i = 0; i < 20; i++) {
      const body = JSON.stringify({ model: 'virtual', messages: [{ role: 'user', content: `Question ${i >> 1}` }] });
      await serve(llm, { ...ask, body });
    }
    const asked = llm.flights.map(({ json }) => json.model);
    expect(new Set(asked)).toEqual(new Set(['x', 'y']));
    for (let i = 0; i < 20; i += 2) expect(asked[i]).toBe(asked[i + 1]);
  });

  it('may ask one provider for two models', async () => {
    const models = [model('*', { provider: provider('openAI') })];
    const llm = llmBench({ models, virtualModels: [failover(['x', 0], ['y', 1])], wrap: retryOnce });
    await serve(llm, ask);
    llm.flights[0]!.sink.onHead(503, []);
    expect(llm.flights.map(({ json }) => json.model)).toEqual(['x', 'y']);
  });
});

it.each([
  [
    'none of its targets serves this request',
    [model('big-*', { headers: [{ name: 'x', value: { exact: 'y' } }] })],
    404,
  ],
  ['the key may not use it', MODELS, 403],
])('is refused where %s', async (_, models, status) => {
  const llm = llmBench({ models, virtualModels: [failover(['big-1', 0])] });
  const exchange = await serve(llm, ask, (one) => {
    if (status === 403) one.apiKey = { id: 'k', metadata: {}, allowedModels: ['fast'] };
  });
  expect(exchange.status).toBe(status);
  expect(llm.flights).toEqual([]);
});

it('is listed beside the public models, to who may use it', async () => {
  const llm = llmBench({ models: MODELS, virtualModels: [failover(['big-1', 0])] });
  const names = async (allowedModels: string[] | null) => {
    const request = { url: '/v1/models', method: 'GET' };
    const exchange = await serve(llm, request, (one) => {
      one.apiKey = { id: 'k', metadata: {}, allowedModels };
    });
    return JSON.parse(exchange.downstream.text).data.map(({ id }: { id: string }) => id);
  };
  expect(await names(null)).toEqual(['virtual', 'fast']);
  expect(await names(['fast'])).toEqual(['fast']);
});

describe('a conditional model', () => {
  const conditional = (...targets: [string, string][]): VirtualModel => ({
    name: 'virtual',
    routing: { kind: 'conditional', targets: targets.map(([name, when]) => ({ model: name, when })) },
  });
  const short = 'llmRequest.max_tokens < 100';

  it.each<[string, [string, string][], object, string]>([
    [
      'the first that holds',
      [
        ['fast', short],
        ['big-1', ''],
      ],
      { max_tokens: 5 },
      'fast',
    ],
    [
      'the last, which always does',
      [
        ['fast', short],
        ['big-1', ''],
      ],
      { max_tokens: 500 },
      'big-1',
    ],
    [
      'none that fails',
      [
        ['fast', short],
        ['big-1', 'true'],
      ],
      {},
      'big-1',
    ],
    [
      'by headers',
      [
        ['fast', 'request.headers["x-tier"] == "free"'],
        ['big-1', ''],
      ],
      {},
      'fast',
    ],
    ['by the name it was asked by', [['fast', 'llmRequest.model == "virtual"']], {}, 'fast'],
  ])('asks for %s', async (_, targets, more, expected) => {
    const llm = llmBench({ models: MODELS, virtualModels: [conditional(...targets)] });
    const body = JSON.stringify({ model: 'virtual', messages: [], ...more });
    await serve(llm, { ...ask, body, headers: ['x-tier', 'free'] });
    expect(llm.flights[0]!.json.model).toBe(expected);
  });

  it('is refused where no condition holds, and conditions that fail are counted', async () => {
    const llm = llmBench({ models: MODELS, virtualModels: [conditional(['fast', short])] });
    const exchange = await serve(llm, ask);
    expect(exchange.status).toBe(400);
    expect(exchange.error?.code).toBe('virtual_model_no_matching_target');
    expect(await failedExpressions(llm)).toEqual([{ policy: 'virtualModels', value: 1 }]);
  });
});
