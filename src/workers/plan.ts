import type { Exchange } from '../exchange.ts';
import type { SimpleBackend } from '../resources/schema/backend-ref.ts';
import type { Bind, Listener, PolicyMap, Resource, Route } from '../resources/types.ts';
import type { BackendHooks } from '../upstream/call.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { Compiler, type CompilerServices } from './compiler.ts';
import { Dependencies } from './dependencies.ts';
import { HostTable } from './hostnames.ts';
import { PlannedListener, PlannedRoute, type SelectedRoute } from './planned.ts';
import type { ListenerProgram, RouteProgram } from './program.ts';
import { Router } from './router.ts';
import { TargetedPolicies } from './targeted-policies.ts';

/** One change of a snapshot: the resource under `key`, or null where it is gone. */
export interface ResourceChange {
  readonly key: string;
  readonly resource: Resource | null;
}

const NO_ROUTES: readonly PlannedRoute[] = [];
/** Route groups may delegate to one another; this many deep and no deeper. */
const MAX_DELEGATION = 8;

/**
 * A snapshot as this worker executes it. Changes are applied in place and synchronously, so a request sees all of a version or
 * nothing of it, and keeps the programs it was given. Work is in proportion to what changed: tables are updated entry by
 * entry, and programs that depend on a changed resource are compiled anew when next used.
 */
export class Plan {
  readonly #resources = new Map<string, Resource>();
  readonly #routes = new Map<string, PlannedRoute>();
  readonly #listeners = new Map<string, PlannedListener>();
  readonly #groups = new Map<string, Router<PlannedRoute>>();
  /** Bind key → its listeners by hostname. */
  readonly #binds = new Map<string, HostTable<PlannedListener>>();
  readonly #targeted = new TargetedPolicies();
  readonly #dependencies = new Dependencies();
  readonly #compiler: Compiler;

  constructor(services: CompilerServices) {
    this.#compiler = new Compiler(services, {
      resources: this.#resources,
      targeted: this.#targeted,
      dependencies: this.#dependencies,
    });
  }

  resource(key: string): Resource | undefined {
    return this.#resources.get(key);
  }

  binds(): Bind[] {
    return [...this.#resources.values()].filter((resource) => resource.kind === 'bind');
  }

  listenersOf(bindKey: string): Listener[] {
    const listeners = [...this.#listeners.values()].map(({ resource }) => resource);
    return listeners.filter((listener) => listener.bindKey === bindKey);
  }

  /** Applies one version's changes. */
  apply(changes: readonly ResourceChange[]): void {
    // Listeners before routes, which attach to them; and what goes before what comes, which may take its hostname.
    for (const { key } of changes) this.#unlist(key);
    for (const { key, resource } of changes) {
      this.#dependencies.changed(key);
      const before = this.#resources.get(key);
      if (resource === null) this.#resources.delete(key);
      else this.#resources.set(key, resource);
      if (resource?.kind === 'listener') this.#addListener(resource);
      else this.#forgetListener(key);
      this.#retarget(before, resource);
    }
    for (const { key, resource } of changes) this.#replaceRoute(key, resource?.kind === 'route' ? resource : null);
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
    if (listener.program === null) listener.program = this.#compiler.listener(listener);
    return listener.program;
  }

  routeProgram({ route, parents }: SelectedRoute, listener: PlannedListener): RouteProgram {
    const key =
      parents.length === 0 ? listener.resource.key : [listener, ...parents].map((way) => way.resource.key).join(' ');
    let program = route.programs.get(key);
    if (program === undefined) {
      program = this.#compiler.route(route, parents, listener);
      route.programs.set(key, program);
    }
    return program;
  }

  /** See Compiler.hooks. */
  hooks(policies: PolicyMap, scope: string): BackendHooks {
    return this.#compiler.hooks(policies, scope);
  }

  /** See Compiler.referenced. */
  referenced(reference: SimpleBackend): Cluster {
    return this.#compiler.referenced(reference);
  }

  /** Takes a listener's hostname out of its bind's table; its routes stay for when it comes back in this version. */
  #unlist(key: string): void {
    const planned = this.#listeners.get(key);
    if (planned !== undefined) this.#binds.get(planned.resource.bindKey)?.delete(planned.resource.hostname);
  }

  #addListener(resource: Listener): void {
    const { key, bindKey, hostname } = resource;
    const planned = this.#listeners.get(key);
    const listener = planned ?? new PlannedListener(resource);
    listener.resource = resource;
    listener.invalidate();
    let hosts = this.#binds.get(bindKey);
    if (hosts === undefined) {
      hosts = new HostTable();
      this.#binds.set(bindKey, hosts);
    }
    hosts.getOrAdd(hostname, () => listener);
    if (planned !== undefined) return;
    this.#listeners.set(key, listener);
    // Routes that were published before their listener.
    for (const route of this.#routes.values()) {
      if (route.resource.listenerKeys.includes(key)) listener.router.add(route);
    }
  }

  #forgetListener(key: string): void {
    const listener = this.#listeners.get(key);
    if (listener === undefined) return;
    this.#listeners.delete(key);
    this.#dependencies.forget(listener);
  }

  #retarget(before: Resource | undefined, after: Resource | null): void {
    const policies = [before, after].map((resource) => (resource?.kind === 'policy' ? resource : null));
    for (const name of this.#targeted.replace(policies[0] ?? null, policies[1] ?? null))
      this.#dependencies.changed(name);
  }

  #replaceRoute(key: string, resource: Route | null): void {
    const before = this.#routes.get(key);
    if (before !== undefined) {
      for (const router of this.#routersOf(before.resource)) router.remove(before);
      this.#routes.delete(key);
      this.#dependencies.forget(before);
    }
    if (resource === null) return;
    const route = new PlannedRoute(resource);
    this.#routes.set(key, route);
    for (const router of this.#routersOf(resource)) router.add(route);
  }

  #routersOf({ groupKey, listenerKeys }: Route): Router<PlannedRoute>[] {
    if (groupKey === '') return listenerKeys.flatMap((key) => this.#listeners.get(key)?.router ?? []);
    let group = this.#groups.get(groupKey);
    if (group === undefined) {
      group = new Router();
      this.#groups.set(groupKey, group);
    }
    return [group];
  }
}
