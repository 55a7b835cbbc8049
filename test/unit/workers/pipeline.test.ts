import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Adapter, AdapterServices } from '../../../src/adapters/adapter.ts';
import { GatewayError } from '../../../src/errors/table.ts';
import type { Exchange } from '../../../src/exchange.ts';
import { definePolicy, type PolicyDefinition } from '../../../src/policies/definition.ts';
import { localRateLimit } from '../../../src/policies/local-rate-limit.ts';
import type { PolicyServices } from '../../../src/policies/services.ts';
import type { Listener, Resource, Route, TargetedPolicy } from '../../../src/resources/types.ts';
import { BUDGET, MemoryBudget } from '../../../src/state/shared/memory-budget.ts';
import { TokenBuckets } from '../../../src/state/shared/token-buckets.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import type { Recorder } from '../../../src/telemetry/record.ts';
import { Pipeline, PipelineReplier } from '../../../src/workers/pipeline.ts';
import { Plan } from '../../../src/workers/plan.ts';
import { type FakeDownstream, type FakeRequest, fakeExchange } from '../../support/exchange.ts';

/** A policy that leaves its value as a mark on the exchange's `x-marks` header, so that tests see what ran in which order. */
function marking(
  name: string,
  phase: PolicyDefinition['phase'],
  options: Partial<PolicyDefinition> = {},
): PolicyDefinition {
  return definePolicy<string>({
    name,
    phase,
    schema: z.string(),
    summary: '',
    levels: ['gateway', 'route', 'backend'],
    protects: false,
    compile: (value) => ({
      onRequest: (exchange) => {
        mark(exchange, `${name}:${value}`);
        return undefined;
      },
    }),
    ...(options as object),
  });
}

function mark(exchange: Exchange, text: string): void {
  exchange.headers.add('x-mark', text);
}

function marks(exchange: Exchange): string[] {
  return exchange.headers.getAll('x-mark');
}

const answer: PolicyDefinition = definePolicy<number>({
  name: 'answer',
  phase: 'respond',
  schema: z.number(),
  summary: '',
  levels: ['route'],
  protects: false,
  compile: (status) => ({ onRequest: () => ({ status, headers: [], body: 'answered' }) }),
});
const joined = marking('joined', 'limit', { merge: (general, specific) => `${general}+${specific}` });
const slow = marking('slow', 'limit', {
  compile: (value) => ({
    onRequest: async (exchange) => {
      await Promise.resolve();
      mark(exchange, `slow:${value}`);
      return undefined;
    },
  }),
});
const refusing: PolicyDefinition = definePolicy<string>({
  name: 'refusing',
  phase: 'authorization',
  schema: z.string(),
  summary: '',
  levels: ['gateway', 'route'],
  protects: true,
  compile: () => ({
    onRequest: () => {
      throw new GatewayError('forbidden');
    },
  }),
});
const tagging: PolicyDefinition = definePolicy<string>({
  name: 'tagging',
  phase: 'request',
  schema: z.string(),
  summary: '',
  levels: ['gateway', 'route', 'backend'],
  protects: false,
  compile: (value) => ({ onResponse: (head) => head.headers.add('x-tag', value) }),
});
const failing: PolicyDefinition = definePolicy({
  name: 'failing',
  phase: 'request',
  schema: z.unknown(),
  summary: '',
  levels: ['route'],
  protects: false,
  compile: () => ({
    onResponse: () => {
      throw new Error('a bug');
    },
  }),
});
const REGISTRY = new Map(
  [
    marking('last', 'rewrite'),
    marking('first', 'authentication'),
    joined,
    slow,
    answer,
    refusing,
    tagging,
    failing,
    localRateLimit,
    marking('guard', 'authorization', { protects: true, compile: undefined } as never),
    marking('half', 'request', { inactiveParts: () => [{ path: ['nested', 'guard'], protects: true }] }),
  ].map((policy) => [policy.name, policy]),
);

/** A backend kind whose clients speak OpenAI's language. */
const talking: Adapter = { kinds: ['unix'], compile: () => ({ handle() {}, errorDialect: () => 'openai' }) };

/** Answers 200 and names the host it was compiled for. */
const echo: Adapter = {
  kinds: ['host', 'service'],
  compile: (target) => ({
    handle: (exchange, context) => {
      if (context.hooks.onResponse !== null) exchange.onResponse(context.hooks.onResponse);
      context.reply.local(exchange, 200, [], target.kind === 'host' ? target.host : '');
    },
  }),
};

class House {
  readonly ended: Exchange[] = [];
  readonly errors: string[] = [];
  readonly buckets = TokenBuckets.open(TokenBuckets.create({ rows: 1, workers: 1 }), 0);
  readonly bodies = MemoryBudget.open(MemoryBudget.create({ bodies: 1 << 20, drains: 1 }), BUDGET.bodies);
  readonly services: ConstructorParameters<typeof Plan>[0];
  readonly plan: Plan;
  readonly #pipeline: Pipeline;

  constructor(...resources: Resource[]) {
    const log = { error: (message: string) => this.errors.push(message), warn() {}, info() {}, debug() {} };
    const reply = new PipelineReplier(
      { end: (exchange: Exchange) => this.ended.push(exchange) } as unknown as Recorder,
      log,
      { serverTiming: false, bodies: this.bodies },
    );
    this.services = {
      policies: REGISTRY,
      adapters: new Map([echo, talking].flatMap((adapter) => adapter.kinds.map((kind) => [kind, adapter]))),
      policyServices: { buckets: this.buckets, metrics: new Metrics() } as PolicyServices,
      adapterServices: { bodies: this.bodies } as AdapterServices,
      dispatch: () => ({ resume() {}, abort() {} }),
      reply,
      cluster: () => {
        throw new Error('no cluster here');
      },
    };
    this.plan = new Plan(this.services);
    this.#pipeline = new Pipeline(this.plan, reply);
    this.publish(...resources);
  }

  publish(...resources: Resource[]): void {
    this.plan.apply(resources.map((resource) => ({ key: resource.key, resource })));
  }

  remove(...keys: string[]): void {
    this.plan.apply(keys.map((key) => ({ key, resource: null })));
  }

  async serve(init: FakeRequest = {}): Promise<Exchange & { downstream: FakeDownstream }> {
    const exchange = fakeExchange(init);
    this.#pipeline.serve(exchange, 'bind/80');
    await new Promise((resolve) => setImmediate(resolve));
    return exchange;
  }
}

function listener(name = 'l', patch: Partial<Listener> = {}): Listener {
  return {
    kind: 'listener',
    key: `listener/80/${name}`,
    bindKey: 'bind/80',
    name,
    gateway: 'g',
    namespace: 'default',
    hostname: '',
    protocol: 'HTTP',
    tls: null,
    policies: {},
    inactive: [],
    ...patch,
  };
}

function route(name: string, patch: Partial<Route> = {}): Route {
  return {
    kind: 'route',
    key: `route/${name}`,
    listenerKeys: ['listener/80/l'],
    groupKey: '',
    name,
    namespace: 'default',
    ruleName: '',
    hostnames: [],
    matches: [{ path: { pathPrefix: '/' }, method: '', headers: [], query: [] }],
    policies: {},
    backends: [{ weight: 1, target: { kind: 'host', host: name, port: 80 }, policies: {} }],
    order: 0,
    ...patch,
  };
}

function targeted(
  name: string,
  target: TargetedPolicy['target'],
  policies: TargetedPolicy['policies'],
  phase: TargetedPolicy['phase'] = 'route',
): TargetedPolicy {
  return { kind: 'policy', key: `policy/${name}`, name, target, phase, policies, order: 0 };
}

const wholeGateway = { kind: 'gateway', gateway: 'g', namespace: 'default', listener: '', port: 0 } as const;

describe('order', () => {
  it('runs listener policies, then route policies by phase, asynchronous ones in their place', async () => {
    const house = new House(
      listener('l', { policies: { first: 'listener' } }),
      route('a', { policies: { last: '1', slow: '2', first: '3' } }),
    );
    const exchange = await house.serve();
    expect(marks(exchange)).toEqual(['first:listener', 'first:3', 'slow:2', 'last:1']);
    expect(exchange.downstream.text).toBe('a');
    expect(house.ended).toEqual([exchange]);
  });

  it('answers locally and goes no further', async () => {
    const house = new House(listener(), route('a', { policies: { answer: 418, last: 'no', first: 'yes' } }));
    const exchange = await house.serve();
    expect(exchange.downstream.status).toBe(418);
    expect(exchange.downstream.header('content-length')).toBe('8');
    expect(marks(exchange)).toEqual(['first:yes']);
  });

  it("runs the chosen backend's own policies last, answers included", async () => {
    const target = { kind: 'host', host: 'h', port: 1 } as const;
    const house = new House(
      listener(),
      route('a', { policies: { last: 'route' }, backends: [{ weight: 1, target, policies: { first: 'backend' } }] }),
    );
    expect(marks(await house.serve())).toEqual(['last:route', 'first:backend']);
    house.publish(route('a', { backends: [{ weight: 1, target, policies: { answer: 302 } }] }));
    expect((await house.serve()).downstream.status).toBe(302);
  });

  it('lets the more specific place win', async () => {
    const target = { kind: 'route', name: 'a', namespace: 'default', ruleName: '' } as const;
    const house = new House(
      listener(),
      route('a', { policies: { first: 'inline' } }),
      targeted('p', target, { first: 'targeted', last: 'targeted' }),
      targeted('q', wholeGateway, { last: 'gateway', slow: 'gateway' }),
    );
    expect(marks(await house.serve())).toEqual(['first:inline', 'slow:gateway', 'last:targeted']);
  });
});

describe('policies that are merged', () => {
  it('apply from every place that gives them', async () => {
    const target = { kind: 'route', name: 'a', namespace: 'default', ruleName: '' } as const;
    const house = new House(
      listener(),
      route('a', { policies: { joined: 'inline' } }),
      targeted('p', target, { joined: 'route' }),
      targeted('q', wholeGateway, { joined: 'gateway' }),
    );
    expect(marks(await house.serve())).toEqual(['joined:gateway+route+inline']);
  });
});

describe('refusals', () => {
  it("renders a policy's error, runs response policies on it, ends once", async () => {
    const house = new House(listener(), route('a', { policies: { refusing: '', tagging: 't' } }));
    const exchange = await house.serve();
    expect(exchange.downstream.status).toBe(403);
    expect(exchange.downstream.header('x-tag')).toBe('t');
    expect(exchange.error?.code).toBe('forbidden');
    expect(house.ended).toHaveLength(1);
  });

  it.each<[string, Resource[]]>([
    ['a listener', [listener('l', { policies: { refusing: '' } }), route('a')]],
    ['a route', [listener(), route('a', { policies: { refusing: '' } })]],
    ['what is not executed', [listener(), route('a', { policies: { guard: 'x' } })]],
  ])("speaks the language of the route's clients when %s refuses", async (_, resources) => {
    const spoken = resources.map((one) =>
      one.kind === 'route'
        ? { ...one, backends: [{ weight: 1, target: { kind: 'unix', path: '/s' } as const, policies: {} }] }
        : one,
    );
    const { downstream } = await new House(...spoken).serve();
    expect(downstream.header('content-type')).toBe('application/json');
    expect(JSON.parse(downstream.text).error.message).toEqual(expect.any(String));
  });

  it.each<[string, Resource[]]>([
    ['a route policy', [listener(), route('a', { policies: { guard: 'x' } })]],
    ['a listener policy', [listener('l', { policies: { guard: 'x' } }), route('a')]],
    ['a listener part', [listener('l', { inactive: ['guard'] }), route('a')]],
    ['a frontend policy', [{ kind: 'frontend', key: 'frontend', policies: { guard: 'x' } }, listener(), route('a')]],
    ['a targeted policy', [listener(), route('a'), targeted('p', wholeGateway, { guard: 'x' })]],
    ['a gateway-phase policy', [listener(), route('a'), targeted('p', wholeGateway, { guard: 'x' }, 'gateway')]],
    [
      'a backend policy',
      [
        listener(),
        route('a', {
          backends: [{ weight: 1, target: { kind: 'host', host: 'h', port: 1 }, policies: { guard: 'x' } }],
        }),
      ],
    ],
  ])('never serves unprotected: %s that is not executed answers 503 and names it', async (_, resources) => {
    const exchange = await new House(...resources).serve();
    expect(exchange.downstream.status).toBe(503);
    expect(exchange.downstream.text).toContain('guard');
  });

  it('names the protecting part of a policy that is executed otherwise', async () => {
    const exchange = await new House(listener(), route('a', { policies: { half: 'x' } })).serve();
    expect(exchange.downstream.status).toBe(503);
    expect(exchange.downstream.text).toContain('half.nested.guard');
  });

  it('answers 404 without listener or route, 500 without backend, 503 for a kind not executed', async () => {
    expect((await new House().serve()).downstream.status).toBe(404);
    expect((await new House(listener()).serve()).downstream.status).toBe(404);
    expect((await new House(listener(), route('a', { backends: [] })).serve()).downstream.status).toBe(500);
    const inactive = { weight: 1, target: { kind: 'inactive', name: 'mcp', value: null }, policies: {} } as const;
    const exchange = await new House(listener(), route('a', { backends: [inactive] })).serve();
    expect([exchange.downstream.status, exchange.downstream.text]).toEqual([503, expect.stringContaining('mcp')]);
  });

  it('answers 500 where a response policy fails, without its half-edited head', async () => {
    const house = new House(listener(), route('a', { policies: { tagging: 't', failing: 1 } }));
    const exchange = await house.serve();
    expect(exchange.downstream.status).toBe(500);
    expect(exchange.downstream.text).not.toContain('a bug');
    expect(house.errors).toHaveLength(1);
    expect(house.ended).toHaveLength(1);
  });

  it('serves no route without its rate limit where there is no room for it', async () => {
    const limit = [{ type: 'requests', maxTokens: 1, tokensPerFill: 1, fillInterval: '1h' }];
    const at = (path: string): Partial<Route> => ({
      matches: [{ path: { exact: path }, method: '', headers: [], query: [] }],
      policies: { localRateLimit: limit },
    });
    const house = new House(listener(), route('a', at('/a')), route('b', at('/b')));
    const statuses: number[] = [];
    for (const url of ['/a', '/b', '/a', '/b']) statuses.push((await house.serve({ url })).status);
    expect(statuses).toEqual([200, 500, 429, 500]);
    expect(house.buckets.usage).toEqual({ used: 1, rows: 1 });
    expect(house.errors).toEqual(['request failed', 'request failed']);
  });

  it('answers 421 to a host of another listener than the connection was opened for', async () => {
    const house = new House(
      listener('l', { hostname: 'a.test' }),
      listener('m', { hostname: 'b.test' }),
      route('a', { listenerKeys: ['listener/80/l', 'listener/80/m'] }),
    );
    expect((await house.serve({ host: 'b.test', sni: 'a.test' })).downstream.status).toBe(421);
    expect((await house.serve({ host: 'a.test', sni: 'a.test' })).downstream.status).toBe(200);
  });
});

describe('changes', () => {
  it('sees a changed route, backend, policy and listener with the next request', async () => {
    const named = { kind: 'backend', key: 'backend//b', name: 'b', namespace: 'default', policies: {} } as const;
    const house = new House(
      listener(),
      { ...named, target: { kind: 'host', host: 'one', port: 1 } },
      route('a', { backends: [{ weight: 1, target: { kind: 'backend', key: named.key }, policies: {} }] }),
    );
    expect((await house.serve()).downstream.text).toBe('one');
    house.publish({ ...named, target: { kind: 'host', host: 'two', port: 1 } });
    expect((await house.serve()).downstream.text).toBe('two');
    house.publish(targeted('p', wholeGateway, { first: 'p' }));
    expect(marks(await house.serve())).toEqual(['first:p']);
    house.remove('policy/p');
    expect(marks(await house.serve())).toEqual([]);
    house.publish(listener('l', { policies: { last: 'now' } }));
    expect(marks(await house.serve())).toEqual(['last:now']);
    house.remove(named.key);
    expect((await house.serve()).downstream.status).toBe(500);
    house.remove('route/a');
    expect((await house.serve()).downstream.status).toBe(404);
  });

  it('attaches routes to listeners in whatever order and version they come', async () => {
    const house = new House(route('a'));
    expect((await house.serve()).downstream.status).toBe(404);
    house.publish(listener());
    expect((await house.serve()).downstream.text).toBe('a');
    house.remove('listener/80/l');
    expect((await house.serve()).downstream.status).toBe(404);
    house.publish(route('b', { key: 'route/a' }), listener());
    expect((await house.serve()).downstream.text).toBe('b');
  });

  it('puts a listener in the place of another with its hostname, in one version', async () => {
    const house = new House(listener('l', { hostname: 'a.test' }), route('a'));
    house.plan.apply([
      { key: 'listener/80/m', resource: listener('m', { hostname: 'a.test' }) },
      { key: 'listener/80/l', resource: null },
      { key: 'route/a', resource: route('a', { listenerKeys: ['listener/80/m'] }) },
    ]);
    expect((await house.serve({ host: 'a.test' })).downstream.text).toBe('a');
  });

  it('needs no route kept that can be read again, and what it was where it has changed', async () => {
    const house = new House(listener());
    const log = new Map<string, Resource>();
    const plan = new Plan(house.services, (key) => structuredClone(log.get(key) ?? null));
    const put = (key: string, resource: Resource | null): void => {
      const before = log.get(key);
      if (resource === null) log.delete(key);
      else log.set(key, resource);
      plan.apply([{ key, resource, ...(before && { before: () => before }) }]);
    };
    put('listener/80/l', listener());
    const served = (path: string): string | undefined => {
      const found = plan.listener('bind/80', 'a.test');
      return found === null ? undefined : plan.select(found, fakeExchange({ url: path }))?.route.resource.name;
    };
    const at = (path: string, name: string): Route =>
      route(name, { key: 'route/a', matches: [{ path: { exact: path }, method: '', headers: [], query: [] }] });
    put('route/a', at('/1', 'first'));
    put('route/a', at('/2', 'second'));
    expect([served('/1'), served('/2')]).toEqual([undefined, 'second']);
    put('route/a', at('/3', 'third'));
    expect([served('/2'), served('/3')]).toEqual([undefined, 'third']);
    put('route/a', null);
    expect(served('/3')).toBeUndefined();
    put('route/a', at('/4', 'fourth'));
    put('route/a', null);
    expect(served('/4')).toBeUndefined();
  });

  it('gives a hostname that is given up to the other listener that has it', async () => {
    const house = new House(listener('l', { hostname: 'a.test' }), route('a'));
    const other = route('b', { listenerKeys: ['listener/80/m'] });
    house.publish(other, listener('m', { hostname: 'a.test' }));
    expect((await house.serve({ host: 'a.test' })).downstream.text).toBe('a');
    expect(house.plan.listenersOf('bind/80').map(({ name }) => name)).toEqual(['l', 'm']);
    house.remove('listener/80/l');
    expect((await house.serve({ host: 'a.test' })).downstream.text).toBe('b');
    house.publish(listener('m', { hostname: 'a.test', bindKey: 'bind/81' }));
    expect((await house.serve({ host: 'a.test' })).downstream.status).toBe(404);
    expect(house.plan.listenersOf('bind/80')).toEqual([]);
  });

  it('moves a listener to another hostname', async () => {
    const house = new House(listener('l', { hostname: 'a.test' }), route('a'));
    house.publish(listener('l', { hostname: 'b.test' }));
    expect((await house.serve({ host: 'a.test' })).downstream.status).toBe(404);
    expect((await house.serve({ host: 'b.test' })).downstream.text).toBe('a');
  });
});

it('gives a route on two listeners the policies of the one it was reached through', async () => {
  const both = route('a', { listenerKeys: ['listener/80/l', 'listener/80/m'] });
  const house = new House(
    listener('l', { hostname: 'a.test' }),
    listener('m', { hostname: 'b.test' }),
    both,
    targeted('p', { ...wholeGateway, listener: 'm' }, { first: 'only m' }),
  );
  expect(marks(await house.serve({ host: 'a.test' }))).toEqual([]);
  expect(marks(await house.serve({ host: 'b.test' }))).toEqual(['first:only m']);
  expect(marks(await house.serve({ host: 'a.test' }))).toEqual([]);
});

it('attaches policies from outside to named backends, sections of AI backends and services', async () => {
  const named = { kind: 'backend', key: 'backend//b', name: 'b', namespace: '', policies: {} } as const;
  const to = (target: Route['backends'][number]['target']) =>
    new House(
      listener(),
      { ...named, target: { kind: 'host', host: 'h', port: 1 } },
      route('a', { backends: [{ weight: 1, target, policies: {} }] }),
      targeted('p', { kind: 'backend', name: 'b', namespace: '', section: '' }, { tagging: 'backend' }),
      targeted('q', { kind: 'service', hostname: 's', namespace: 'n', port: 80 }, { guard: 'service' }),
    );
  expect((await to({ kind: 'backend', key: named.key }).serve()).downstream.header('x-tag')).toBe('backend');
  const service = { kind: 'service', namespace: 'n', name: 's' } as const;
  expect((await to({ ...service, port: 80 }).serve()).downstream.text).toContain('guard');
  expect((await to({ ...service, port: 81 }).serve()).downstream.text).not.toContain('guard');
});

describe('route groups', () => {
  const parent = route('parent', {
    matches: [{ path: { pathPrefix: '/team' }, method: '', headers: [], query: [] }],
    policies: { first: 'parent', last: 'parent' },
    backends: [{ weight: 1, target: { kind: 'routeGroup', key: 'routeGroup/team' }, policies: {} }],
  });
  const child = route('child', { listenerKeys: [], groupKey: 'routeGroup/team', policies: { last: 'child' } });

  it('a delegated request carries the policies of the route that delegated it', async () => {
    const exchange = await new House(listener(), parent, child).serve({ url: '/team/x' });
    expect(exchange.downstream.text).toBe('child');
    expect(marks(exchange)).toEqual(['first:parent', 'last:child']);
  });

  it('a protecting policy of the parent holds for the child', async () => {
    const guarded = { ...parent, policies: { guard: 'x' } };
    expect((await new House(listener(), guarded, child).serve({ url: '/team/x' })).downstream.status).toBe(503);
  });

  it('delegation in a circle ends', async () => {
    const circle = { ...child, backends: parent.backends };
    expect((await new House(listener(), parent, circle).serve({ url: '/team/x' })).downstream.status).toBe(404);
  });
});

it('spreads requests over backends by weight and sends none to weight 0', async () => {
  const target = (host: string) => ({ kind: 'host', host, port: 80 }) as const;
  const house = new House(
    listener(),
    route('a', {
      backends: [
        { weight: 3, target: target('three'), policies: {} },
        { weight: 0, target: target('none'), policies: {} },
        { weight: 1, target: target('one'), policies: {} },
      ],
    }),
  );
  const served: Record<string, number> = {};
  for (let i = 0; i < 800; i++) {
    const { downstream } = await house.serve();
    served[downstream.text] = (served[downstream.text] ?? 0) + 1;
  }
  expect(served.none).toBeUndefined();
  // 800 draws at 3/4: 600 ± 12 standard deviation; six of them either way.
  expect(served.three).toBeGreaterThan(528);
  expect(served.three).toBeLessThan(672);
});
