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
            const groups = virtualGroups(virtual.routing as DrawnRouting, resolve, null, () => (i + 0.5) / sum);
            drawn[Number(groups.pick({} as RouteContext, { model: 'virtual', affinity: null }).model)]!++;
          }
          expect(drawn).toEqual(weights);
        },
      ),
    );
  });

  describe('over the turns of a conversation', () => {
    const targets = [
      { model: 'x', weight: 6 },
      { model: 'y', weight: 3 },
      { model: 'z', weight: 1 },
    ];
    const bench = (more: object = {}) =>
      llmBench({ models: [model('*')], virtualModels: [weighted(targets)], ...more });
    const first = (i: number) => ({ role: 'user', content: `Question ${i}` });
    const turns = (i: number, length = 1) => [
      first(i),
      ...Array.from({ length }, () => [{ role: 'assistant', content: 'So.' }, first(-1)]).flat(),
    ];
    const asked = async (llm: ReturnType<typeof llmBench>, messages: object[], more: object = {}) => {
      await serve(llm, { ...ask, body: JSON.stringify({ model: 'virtual', messages, ...more }) });
      return llm.flights.at(-1)!.json.model as string;
    };

    it('keeps to one from the second on, and all conversations together to the weights', async () => {
      const llm = bench();
      const went = new Map<string, number>();
      for (let i = 0; i < 2000; i++) {
        const model = await asked(llm, turns(i));
        went.set(model, (went.get(model) ?? 0) + 1);
        if (i % 50 === 0) for (const length of [2, 5]) expect(await asked(llm, turns(i, length))).toBe(model);
      }
      // Six standard deviations of what chance would give.
      for (const { model, weight } of targets) {
        const share = weight / 10;
        const off = Math.abs((went.get(model) ?? 0) - 2000 * share);
        expect(off).toBeLessThan(6 * Math.sqrt(2000 * share * (1 - share)));
      }
    });

    it('draws the first by chance, however often it is asked', async () => {
      const llm = bench();
      const went = new Set<string>();
      for (let i = 0; i < 300; i++) went.add(await asked(llm, [first(1)]));
      expect(went).toEqual(new Set(['x', 'y', 'z']));
    });

    it('moves only the share by which a weight changes', async () => {
      const [before, after] = [
        bench(),
        bench({ virtualModels: [weighted(targets.map((one) => (one.model === 'z' ? { ...one, weight: 11 } : one)))] }),
      ];
      let moved = 0;
      for (let i = 0; i < 300; i++) {
        const [was, is] = [await asked(before, turns(i)), await asked(after, turns(i))];
        if (was === is) continue;
        expect(is).toBe('z');
        moved++;
      }
      expect(moved).toBeGreaterThan(0);
    });

    it('draws each by chance where the route is against affinity', async () => {
      const llm = bench({ values: { ai: { prefixAffinity: false } } });
      const went = new Set<string>();
      for (let i = 0; i < 300; i++) went.add(await asked(llm, turns(1)));
      expect(went).toEqual(new Set(['x', 'y', 'z']));
    });

    it('follows a session from the first on', async () => {
      const llm = bench({ values: { sessionAffinity: { source: 'request.headers["x-session"]' } } });
      const of = async (session: string, i: number) => {
        const body = JSON.stringify({ model: 'virtual', messages: [first(i)] });
        await serve(llm, { ...ask, body, headers: ['x-session', session] });
        return llm.flights.at(-1)!.json.model as string;
      };
      const went = new Set<string>();
      for (let i = 0; i < 60; i++) {
        const model = await of(`s${i}`, i);
        expect(await of(`s${i}`, i + 1000)).toBe(model);
        went.add(model);
      }
      expect(went.size).toBeGreaterThan(1);
    });
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
