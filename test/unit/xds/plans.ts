import type { Adapter, AdapterServices } from '../../../src/adapters/adapter.ts';
import { POLICIES } from '../../../src/policies/registry.ts';
import type { PolicyServices } from '../../../src/policies/services.ts';
import type { BackendTarget, Resource, Route, RouteMatch } from '../../../src/resources/types.ts';
import { BUDGET, MemoryBudget } from '../../../src/state/shared/memory-budget.ts';
import { TokenBuckets } from '../../../src/state/shared/token-buckets.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import type { Recorder } from '../../../src/telemetry/record.ts';
import type { Cluster, ClusterSpec } from '../../../src/upstream/cluster.ts';
import { Credentials } from '../../../src/upstream/credentials/credentials.ts';
import { PipelineReplier } from '../../../src/workers/pipeline.ts';
import { Plan } from '../../../src/workers/plan.ts';
import type { PlannedListener } from '../../../src/workers/planned.ts';
import type { ListenerProgram, RouteProgram } from '../../../src/workers/program.ts';
import { type FakeRequest, fakeExchange } from '../../support/exchange.ts';
import { expressions } from '../../support/policy.ts';

/** A plan with the policies that there are, whose backends remember what they were compiled for. */
export class Planned {
  readonly plan: Plan;

  constructor(resources: readonly Resource[]) {
    const log = { error() {}, warn() {}, info() {}, debug() {} };
    const metrics = new Metrics();
    const bodies = MemoryBudget.open(MemoryBudget.create({ bodies: 1 << 20, drains: 1 }), BUDGET.bodies);
    const adapter: Adapter = {
      kinds: ['host', 'unix', 'service', 'ai', 'llm', 'routeGroup'],
      compile: (target, scope) =>
        Object.assign({ handle() {} }, { compiledFor: { target: this.#shown(target), scope } }),
    };
    const cluster = (spec: ClusterSpec) => ({ spec }) as unknown as Cluster;
    const policyServices = {
      buckets: TokenBuckets.open(TokenBuckets.create({ rows: 64, workers: 1 }), 0),
      metrics,
      log,
      cel: expressions(),
      credentials: new Credentials({ metrics, log }),
      dispatch: () => ({ resume() {}, abort() {} }),
      cluster: (reference) => this.plan.referenced(reference),
    } as PolicyServices;
    this.plan = new Plan({
      policies: POLICIES,
      adapters: new Map(adapter.kinds.map((kind) => [kind, adapter])),
      policyServices,
      adapterServices: { bodies } as AdapterServices,
      dispatch: () => ({ resume() {}, abort() {} }),
      reply: new PipelineReplier({ end() {} } as unknown as Recorder, log, { serverTiming: false, bodies }),
      cluster,
    });
    this.plan.apply(resources.map((resource) => ({ key: resource.key, resource })));
  }

  /** What becomes of a request: the listener and route that serve it, and all there is to see of their programs. */
  outcome(bindKey: string, request: FakeRequest): unknown {
    const exchange = fakeExchange(request);
    const listener = this.plan.listener(bindKey, exchange.host);
    if (listener === null) return null;
    const selected = this.plan.select(listener, exchange);
    return {
      listener: { key: listener.resource.key, program: shownListener(this.plan.listenerProgram(listener)) },
      route: selected === null ? null : this.#route(selected, listener),
    };
  }

  #route(selected: NonNullable<ReturnType<Plan['select']>>, listener: PlannedListener): unknown {
    return {
      key: selected.route.key,
      parents: selected.parents.map(({ key }) => key),
      prefix: selected.prefix,
      program: shownRoute(this.plan.routeProgram(selected, listener)),
    };
  }

  /** A model router is what its resource says. */
  #shown(target: BackendTarget): unknown {
    return target.kind === 'llm' ? this.plan.resource(target.key) : target;
  }
}

function shownListener({ steps, onResponse, refusal }: ListenerProgram): unknown {
  return { steps: steps.length, onResponse: onResponse.length, refusal };
}

function shownRoute(program: RouteProgram): unknown {
  return {
    ...(shownListener(program) as object),
    totalWeight: program.totalWeight,
    backends: program.backends.map(({ name, type, weight, steps, refusal, backend, context }) => ({
      name,
      type,
      weight,
      steps: steps.length,
      refusal,
      backend: (backend as { compiledFor?: unknown } | null)?.compiledFor ?? null,
      effective: { policies: context.values },
      holdBody: context.holdBody,
      maxBufferBytes: context.maxBufferBytes,
      policies: context.hooks.policies,
      tls: context.hooks.tls,
    })),
  };
}

/** Requests that the routes among the resources are for, and some that they are not for, with the ports they come to. */
export function requestsFor(resources: readonly Resource[]): { bindKey: string; request: FakeRequest }[] {
  const requests: FakeRequest[] = [{}, { url: '/nowhere?else=1', host: 'unknown.example.net' }];
  for (const resource of resources) {
    if (resource.kind !== 'route') continue;
    for (const match of resource.matches)
      for (const host of hostsOf(resource, resources)) requests.push(requestFor(match, host));
  }
  const binds = resources.flatMap((resource) => (resource.kind === 'bind' ? [resource.key] : []));
  return binds.flatMap((bindKey) => requests.map((request) => ({ bindKey, request })));
}

function hostsOf(route: Route, resources: readonly Resource[]): string[] {
  const listeners = resources.flatMap((one) =>
    one.kind === 'listener' && route.listenerKeys.includes(one.key) ? [one.hostname] : [],
  );
  return [...new Set([...route.hostnames, ...listeners, 'example.com'])].map(
    (host) => host.replace('*', 'any') || 'any.example.com',
  );
}

function requestFor({ path, method, headers, query }: RouteMatch, host: string): FakeRequest {
  const text =
    'exact' in path ? path.exact : 'pathPrefix' in path ? path.pathPrefix : path.regex.replaceAll(/\[[^\]]*\]\+/g, '1');
  const values = query.map(({ name, value }) => `${name}=${'exact' in value ? value.exact : '1'}`);
  return {
    host,
    url: `${text || '/'}${values.length === 0 ? '' : `?${values.join('&')}`}`,
    method: method || 'GET',
    headers: headers.flatMap(({ name, value }) => [name, 'exact' in value ? value.exact : '1']),
  };
}
