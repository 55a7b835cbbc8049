import type { Adapter, AdapterServices, CompiledBackend, Replier } from '../adapters/adapter.ts';
import { GatewayError } from '../errors/table.ts';
import type { Exchange } from '../exchange.ts';
import type { PolicyDefinition } from '../policies/definition.ts';
import type { PolicyServices } from '../policies/services.ts';
import { backendKey } from '../resources/keys.ts';
import type { SimpleBackend } from '../resources/schema/backend-ref.ts';
import { parseHostPort } from '../resources/schema/common.ts';
import type {
  Backend,
  BackendTarget,
  Bind,
  Frontend,
  Listener,
  PolicyMap,
  Resource,
  Route,
  RouteBackend,
  TargetedPolicy,
} from '../resources/types.ts';
import type { BackendHooks, Dispatch } from '../upstream/call.ts';
import type { Cluster, ClusterSpec } from '../upstream/cluster.ts';
import { mergePolicies } from './effective-policies.ts';
import { HostTable } from './hostnames.ts';
import {
  backendHooks,
  compilePolicies,
  type ListenerProgram,
  type PolicySet,
  type Refusal,
  type RouteProgram,
  refuseUnguarded,
  type WeightedBackend,
  wrapDispatch,
} from './program.ts';
import { Router } from './router.ts';

/** What compiling needs besides the resources. */
export interface PlanServices {
  readonly policies: ReadonlyMap<string, PolicyDefinition>;
  readonly adapters: ReadonlyMap<BackendTarget['kind'], Adapter>;
  readonly policyServices: PolicyServices;
  readonly adapterServices: AdapterServices;
  readonly dispatch: Dispatch;
  readonly reply: Replier;
  cluster(spec: ClusterSpec): Cluster;
}

/**
 * A route in the tables. Programs are compiled with the first request that needs one, and again after a dependency changed: one
 * a listener it serves (and, in a route group, a way that leads to it), since each brings policies of its own.
 */
export class PlannedRoute implements Dependent {
  readonly resource: Route;
  readonly dependencies = new Set<string>();
  readonly programs = new Map<string, RouteProgram>();

  constructor(resource: Route) {
    this.resource = resource;
  }

  invalidate(): void {
    this.programs.clear();
  }

  get key(): string {
    return this.resource.key;
  }

  get hostnames(): readonly string[] {
    return this.resource.hostnames;
  }

  get matches(): Route['matches'] {
    return this.resource.matches;
  }

  get order(): number {
    return this.resource.order;
  }
}

export class PlannedListener implements Dependent {
  resource: Listener;
  readonly dependencies = new Set<string>();
  readonly router = new Router<PlannedRoute>();
  program: ListenerProgram | null = null;

  constructor(resource: Listener) {
    this.resource = resource;
  }

  invalidate(): void {
    this.program = null;
  }
}

/** The route that serves a request, and the routes that delegated to it, outermost first. */
export interface SelectedRoute {
  readonly route: PlannedRoute;
  readonly parents: readonly PlannedRoute[];
  readonly prefix: string;
}

/** Something compiled from resources: it is told when one of them changes. */
interface Dependent {
  /** Keys it was compiled from. */
  readonly dependencies: Set<string>;
  invalidate(): void;
}

/** One change of a snapshot: the resource under `key`, or null where it is gone. */
export interface ResourceChange {
  readonly key: string;
  readonly resource: Resource | null;
}

const NO_POLICIES: PolicyMap = {};
const NO_SET: PolicySet = {
  steps: [],
  onResponse: [],
  wraps: [],
  prepares: [],
  tls: null,
  holdBody: false,
  unguarded: [],
  values: {},
};
const NO_ROUTES: readonly PlannedRoute[] = [];
const LISTENER_SCOPE = 'listener';
/** Route groups may delegate to one another; this many deep and no deeper. */
const MAX_DELEGATION = 8;

/**
 * A snapshot as this worker executes it. Changes are applied in place and synchronously, so a request sees all of a version or
 * nothing of it, and keeps the programs it was given. Work is in proportion to what changed: tables are updated entry by
 * entry, and programs that depend on a changed resource are compiled anew when next used.
 */
export class Plan {
  readonly #services: PlanServices;
  readonly #resources = new Map<string, Resource>();
  readonly #routes = new Map<string, PlannedRoute>();
  readonly #listeners = new Map<string, PlannedListener>();
  readonly #groups = new Map<string, Router<PlannedRoute>>();
  /** Bind key → its listeners by hostname. */
  readonly #binds = new Map<string, HostTable<PlannedListener>>();
  /** What a program was compiled from → what to compile anew when that changes. */
  readonly #dependents = new Map<string, Set<Dependent>>();
  readonly #targeted = new Map<string, TargetedPolicy[]>();
  /** What is being compiled: references that its policies resolve become dependencies of it. */
  #compiling: Dependent | null = null;
  /** Named backends compiled once and shared by the routes that name them. */
  readonly #backends = new Map<string, CompiledBackend>();

  constructor(services: PlanServices) {
    this.#services = services;
  }

  resource(key: string): Resource | undefined {
    return this.#resources.get(key);
  }

  binds(): Bind[] {
    return [...this.#resources.values()].filter((resource) => resource.kind === 'bind');
  }

  listenersOf(bindKey: string): Listener[] {
    return [...this.#listeners.values()]
      .map(({ resource }) => resource)
      .filter((listener) => listener.bindKey === bindKey);
  }

  /** Applies one version's changes. */
  apply(changes: readonly ResourceChange[]): void {
    // Listeners first: routes attach to them.
    for (const change of changes) if (isListener(change, this.#resources)) this.#applyListener(change);
    for (const change of changes) {
      if (isListener(change, this.#resources)) continue;
      this.#applyOther(change);
    }
    for (const { key, resource } of changes) {
      if (resource === null) this.#resources.delete(key);
      else this.#resources.set(key, resource);
    }
  }

  /** The listener of a bind that serves `host`, or null. */
  listener(bindKey: string, host: string): PlannedListener | null {
    return this.#binds.get(bindKey)?.first(host)?.value ?? null;
  }

  /** The route that serves the exchange on this listener, through route groups where routes delegate; null = none. */
  select(listener: PlannedListener, exchange: Exchange): SelectedRoute | null {
    let found = listener.router.select(exchange);
    let parents = NO_ROUTES;
    while (found !== null) {
      const target = found.target.resource.backends[0]?.target;
      if (target?.kind !== 'routeGroup') return { route: found.target, parents, prefix: found.prefix };
      if (parents.length === MAX_DELEGATION) return null;
      parents = [...parents, found.target];
      found = this.#groups.get(target.key)?.select(exchange) ?? null;
    }
    return null;
  }

  listenerProgram(listener: PlannedListener): ListenerProgram {
    if (listener.program === null) listener.program = this.#compileListener(listener);
    return listener.program;
  }

  routeProgram({ route, parents }: SelectedRoute, listener: PlannedListener): RouteProgram {
    const key =
      parents.length === 0 ? listener.resource.key : [listener, ...parents].map((way) => way.resource.key).join(' ');
    let program = route.programs.get(key);
    if (program === undefined) {
      this.#compiling = route;
      try {
        program = this.#compileRoute(route, parents, listener);
      } finally {
        this.#compiling = null;
      }
      route.programs.set(key, program);
    }
    return program;
  }

  /** Compiles backend-level policies of an adapter's own places (AI providers); `scope` is unique and stable. */
  hooks(policies: PolicyMap, scope: string): BackendHooks {
    const set = this.#compilePolicies(policies, 'backend', scope);
    const hooks = backendHooks([NO_SET, set]);
    const refusal = refuseUnguarded(set.unguarded);
    if (refusal === null) return hooks;
    const prepare = (): never => {
      throw new GatewayError(refusal.code, refusal.message);
    };
    return { ...hooks, prepare };
  }

  /**
   * The cluster of a simple backend reference in a policy (mirror, auxiliary service).
   * @throws GatewayError invalid_backend where it names nothing.
   */
  referenced(reference: SimpleBackend): Cluster {
    const { target, policies } = this.#referencedTarget(reference);
    const set = this.#compilePolicies(policies, 'backend', `reference/${JSON.stringify(target)}`);
    return this.#services.cluster({
      key: `reference/${JSON.stringify([target, policies])}`,
      target,
      tls: set.tls,
      policies,
    });
  }

  #referencedTarget(reference: SimpleBackend): { target: BackendTarget; policies: PolicyMap } {
    if (reference.host !== undefined) {
      const address = parseHostPort(reference.host);
      const target =
        'path' in address ? ({ kind: 'unix', ...address } as const) : ({ kind: 'host', ...address } as const);
      return { target, policies: NO_POLICIES };
    }
    if (reference.service !== undefined) {
      const slash = reference.service.name.indexOf('/');
      const [namespace, name] = [reference.service.name.slice(0, slash), reference.service.name.slice(slash + 1)];
      return { target: { kind: 'service', namespace, name, port: reference.service.port }, policies: NO_POLICIES };
    }
    const key = backendKey(reference.backend ?? '');
    if (this.#compiling !== null) this.#dependsOn(this.#compiling, key);
    const named = this.#resources.get(key) as Backend | undefined;
    if (named === undefined)
      throw new GatewayError('invalid_backend', `The backend ${reference.backend} does not exist.`);
    return { target: named.target, policies: named.policies };
  }

  #applyListener({ key, resource }: ResourceChange): void {
    this.#invalidate(key);
    const planned = this.#listeners.get(key);
    if (planned !== undefined) this.#binds.get(planned.resource.bindKey)?.delete(planned.resource.hostname);
    if (resource === null || resource.kind !== 'listener') {
      this.#listeners.delete(key);
      if (planned !== undefined) this.#forget(planned);
      return;
    }
    const listener = planned ?? new PlannedListener(resource);
    listener.resource = resource;
    this.#listeners.set(key, listener);
    let hosts = this.#binds.get(resource.bindKey);
    if (hosts === undefined) {
      hosts = new HostTable();
      this.#binds.set(resource.bindKey, hosts);
    }
    hosts.getOrAdd(resource.hostname, () => listener);
    if (planned !== undefined) return;
    // Routes that were published before their listener.
    for (const route of this.#routes.values()) {
      if (route.resource.listenerKeys.includes(key)) listener.router.add(route);
    }
  }

  #applyOther(change: ResourceChange): void {
    const { key, resource } = change;
    this.#invalidate(key);
    const kind = (resource ?? this.#resources.get(key))?.kind;
    if (kind === 'route') this.#applyRoute(change);
    else if (kind === 'policy') this.#applyTargeted(change);
    else if (kind === 'backend' || kind === 'llmRouter') this.#backends.delete(key);
  }

  #applyRoute({ key, resource }: ResourceChange): void {
    const before = this.#routes.get(key);
    if (before !== undefined) {
      for (const router of this.#routersOf(before.resource)) router.remove(before);
      this.#routes.delete(key);
      this.#forget(before);
    }
    if (resource === null || resource.kind !== 'route') return;
    const route = new PlannedRoute(resource);
    this.#routes.set(key, route);
    for (const router of this.#routersOf(resource)) router.add(route);
  }

  #routersOf(route: Route): Router<PlannedRoute>[] {
    if (route.groupKey !== '') {
      let group = this.#groups.get(route.groupKey);
      if (group === undefined) {
        group = new Router();
        this.#groups.set(route.groupKey, group);
      }
      return [group];
    }
    return route.listenerKeys.flatMap((key) => this.#listeners.get(key)?.router ?? []);
  }

  #applyTargeted({ key, resource }: ResourceChange): void {
    const before = this.#resources.get(key);
    for (const policy of [before, resource]) {
      if (policy?.kind !== 'policy') continue;
      const name = targetName(policy.target);
      const list = (this.#targeted.get(name) ?? []).filter((other) => other.key !== key);
      if (policy === resource) list.push(policy);
      list.sort((a, b) => a.order - b.order);
      if (list.length === 0) this.#targeted.delete(name);
      else this.#targeted.set(name, list);
      this.#invalidate(name);
    }
  }

  #invalidate(key: string): void {
    const dependents = this.#dependents.get(key);
    if (dependents === undefined) return;
    this.#dependents.delete(key);
    for (const dependent of dependents) {
      dependent.dependencies.delete(key);
      dependent.invalidate();
    }
  }

  #dependsOn(dependent: Dependent, key: string): void {
    dependent.dependencies.add(key);
    const set = this.#dependents.get(key);
    if (set === undefined) this.#dependents.set(key, new Set([dependent]));
    else set.add(dependent);
  }

  /** Drops the dependencies of what is no longer in the tables. */
  #forget(dependent: Dependent): void {
    for (const key of dependent.dependencies) {
      const set = this.#dependents.get(key);
      set?.delete(dependent);
      if (set?.size === 0) this.#dependents.delete(key);
    }
  }

  /** Policy maps attached from outside to a target, and the dependency on there being any. */
  #attached(dependent: Dependent, target: TargetedPolicy['target'], phase: TargetedPolicy['phase']): PolicyMap[] {
    const name = targetName(target);
    this.#dependsOn(dependent, name);
    return (this.#targeted.get(name) ?? []).filter((policy) => policy.phase === phase).map((policy) => policy.policies);
  }

  #frontend(dependent: Dependent): PolicyMap {
    this.#dependsOn(dependent, 'frontend');
    return (this.#resources.get('frontend') as Frontend | undefined)?.policies ?? NO_POLICIES;
  }

  #compilePolicies(values: PolicyMap, level: 'frontend' | 'gateway' | 'route' | 'backend', scope: string): PolicySet {
    return compilePolicies(values, level, scope, this.#services.policies, this.#services.policyServices);
  }

  #compileListener(listener: PlannedListener): ListenerProgram {
    const { resource } = listener;
    this.#dependsOn(listener, resource.key);
    const frontend = this.#compilePolicies(this.#frontend(listener), 'frontend', 'frontend');
    const maps = [
      ...this.#gatewayTargets(resource).flatMap((target) => this.#attached(listener, target, 'gateway')),
      resource.policies,
    ];
    const own = this.#compilePolicies(mergePolicies(maps), 'gateway', `${LISTENER_SCOPE}/${resource.key}`);
    return {
      steps: [...frontend.steps, ...own.steps],
      onResponse: [...frontend.onResponse, ...own.onResponse],
      refusal: refuseUnguarded([...frontend.unguarded, ...own.unguarded, ...resource.inactive]),
    };
  }

  #gatewayTargets(listener: Listener): TargetedPolicy['target'][] {
    const { gateway, namespace, name } = listener;
    const port = Number(listener.bindKey.slice(listener.bindKey.indexOf('/') + 1));
    const whole = { kind: 'gateway', gateway, namespace, listener: '', port: 0 } as const;
    return [whole, { ...whole, port }, { ...whole, listener: name }, { ...whole, listener: name, port }];
  }

  /** Everything a route brings along: what is attached to it, then its own. */
  #routePolicies(dependent: Dependent, { resource }: PlannedRoute): PolicyMap[] {
    const whole = { kind: 'route', name: resource.name, namespace: resource.namespace, ruleName: '' } as const;
    const targets = resource.ruleName === '' ? [whole] : [whole, { ...whole, ruleName: resource.ruleName }];
    this.#dependsOn(dependent, resource.key);
    return [...targets.flatMap((target) => this.#attached(dependent, target, 'route')), resource.policies];
  }

  #compileRoute(route: PlannedRoute, parents: readonly PlannedRoute[], listener: PlannedListener): RouteProgram {
    const { resource } = route;
    const frontend = this.#frontend(route);
    this.#dependsOn(route, listener.resource.key);
    const maps = [
      ...this.#gatewayTargets(listener.resource).flatMap((target) => this.#attached(route, target, 'route')),
      ...parents.flatMap((parent) => this.#routePolicies(route, parent)),
      ...this.#routePolicies(route, route),
    ];
    const own = this.#compilePolicies(mergePolicies(maps), 'route', resource.key);
    const dispatch = wrapDispatch(this.#services.dispatch, own.wraps);
    const backends = resource.backends.map((backend, index) =>
      this.#compileBackend(route, backend, `${resource.key}/backend${index}`, own, dispatch, frontend),
    );
    return {
      steps: own.steps,
      onResponse: own.onResponse,
      refusal: refuseUnguarded(own.unguarded),
      backends,
      totalWeight: backends.reduce((sum, backend) => sum + backend.weight, 0),
    };
  }

  #compileBackend(
    route: PlannedRoute,
    reference: RouteBackend,
    scope: string,
    own: PolicySet,
    dispatch: Dispatch,
    frontend: PolicyMap,
  ): WeightedBackend {
    const resolved = this.#resolve(route, reference.target, scope);
    const policies = mergePolicies([resolved.policies, reference.policies]);
    const backendSet = this.#compilePolicies(policies, 'backend', scope);
    const http = frontend['frontend.http'] as { maxBufferSize?: number } | undefined;
    return {
      name: resolved.name,
      weight: reference.weight,
      backend: resolved.backend,
      refusal: resolved.refusal ?? refuseUnguarded(backendSet.unguarded),
      context: {
        dispatch: wrapDispatch(dispatch, backendSet.wraps),
        hooks: backendHooks([own, backendSet]),
        values: { ...own.values, ...policies },
        maxBufferBytes: http?.maxBufferSize ?? null,
        holdBody: own.holdBody || backendSet.holdBody,
        reply: this.#services.reply,
      },
    };
  }

  /** Follows a reference to a named backend and compiles what serves it. */
  #resolve(route: PlannedRoute, target: BackendTarget, scope: string): ResolvedBackend {
    if (target.kind === 'backend') {
      this.#dependsOn(route, target.key);
      const named = this.#resources.get(target.key) as Backend | undefined;
      if (named === undefined)
        return refused(target.key, { code: 'invalid_backend', message: `The backend ${target.key} does not exist.` });
      const attached = this.#attached(
        route,
        { kind: 'backend', name: named.name, namespace: named.namespace, section: '' },
        'route',
      );
      const inner = this.#resolve(route, named.target, named.key);
      return { ...inner, name: named.name, policies: mergePolicies([inner.policies, ...attached, named.policies]) };
    }
    if (target.kind === 'llm') this.#dependsOn(route, target.key);
    if (target.kind === 'inactive') {
      return refused(target.name, {
        code: 'not_active',
        message: `A backend of kind ${target.name} is configured but not executed by this version.`,
      });
    }
    const adapter = this.#services.adapters.get(target.kind);
    if (adapter === undefined)
      return refused(target.kind, { code: 'invalid_backend', message: 'The route has no valid backend.' });
    const shared = target.kind === 'llm' ? target.key : scope;
    let backend = this.#backends.get(shared);
    if (backend === undefined || shared === scope) {
      backend = adapter.compile(target, shared, this.#services.adapterServices);
      if (shared !== scope) this.#backends.set(shared, backend);
    }
    return { name: targetLabel(target), backend, refusal: null, policies: NO_POLICIES };
  }
}

interface ResolvedBackend {
  readonly name: string;
  readonly backend: CompiledBackend | null;
  readonly refusal: Refusal | null;
  readonly policies: PolicyMap;
}

function refused(name: string, refusal: Refusal): ResolvedBackend {
  return { name, backend: null, refusal, policies: NO_POLICIES };
}

function isListener({ key, resource }: ResourceChange, before: ReadonlyMap<string, Resource>): boolean {
  return (resource ?? before.get(key))?.kind === 'listener';
}

/** How logs and metrics name a backend. */
function targetLabel(target: BackendTarget): string {
  switch (target.kind) {
    case 'host':
      return `${target.host}:${target.port}`;
    case 'unix':
      return `unix:${target.path}`;
    case 'service':
      return `${target.namespace}/${target.name}:${target.port}`;
    case 'ai':
      return target.ai.groups[0]?.[0]?.name ?? 'ai';
    case 'llm':
      return target.key;
    default:
      return target.kind;
  }
}

/** Where a targeted policy is found, and the name of the dependency on it. */
function targetName(target: TargetedPolicy['target']): string {
  switch (target.kind) {
    case 'gateway':
      return `target/gateway/${target.namespace}/${target.gateway}/${target.listener}/${target.port}`;
    case 'route':
      return `target/route/${target.namespace}/${target.name}/${target.ruleName}`;
    case 'backend':
      return `target/backend/${target.namespace}/${target.name}/${target.section}`;
    case 'service':
      return `target/service/${target.namespace}/${target.hostname}/${target.port}`;
  }
}
