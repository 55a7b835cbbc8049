import type { Exchange } from '../exchange.ts';
import type { SimpleBackend } from '../resources/schema/backend-ref.ts';
import type { Bind, Listener, PolicyMap, Resource } from '../resources/types.ts';
import type { BackendHooks } from '../upstream/call.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { Compiler, type CompilerServices } from './compiler.ts';
import { Dependencies } from './dependencies.ts';
import { ListenerTable } from './listener-table.ts';
import { holdersOf, PlannedListener, PlannedRoute, type SelectedRoute } from './planned.ts';
import type { ListenerProgram, RouteProgram } from './program.ts';
import { Router } from './router.ts';
import { TargetedPolicies } from './targeted-policies.ts';

/** One change of a snapshot: the resource under `key`, or null where it is gone. */
export interface ResourceChange {
  readonly key: string;
  readonly resource: Resource | null;
  /** For a plan that reads routes again: what was under `key` before. */
  readonly before?: () => Resource | null;
}

/** Kinds that say which ports are listened on, and how. */
const LISTENING: ReadonlySet<Resource['kind']> = new Set(['bind', 'listener', 'frontend']);
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
  /** The routes of each listener and each route group by its key, whether it is there or not. */
  readonly #routers = new Map<string, Router<PlannedRoute>>();
  readonly #binds = new Map<string, Bind>();
  /** The listeners of each bind by its key, whether it is there or not. */
  readonly #tables = new Map<string, ListenerTable>();
  #listeningVersion = 0;
  readonly #targeted = new TargetedPolicies();
  readonly #dependencies = new Dependencies();
  readonly #compiler: Compiler;
  readonly #read: ((key: string) => Resource | null) | null;

  /** `read`: where resources that were applied can be had again; without it all are kept. */
  constructor(services: CompilerServices, read: ((key: string) => Resource | null) | null = null) {
    this.#read = read;
    this.#compiler = new Compiler(services, {
      resources: this.#resources,
      targeted: this.#targeted,
      dependencies: this.#dependencies,
    });
  }

  resource(key: string): Resource | undefined {
    return this.#resources.get(key);
  }

  /** Changes with whatever says which ports are listened on, and how. */
  get listeningVersion(): number {
    return this.#listeningVersion;
  }

  binds(): Bind[] {
    return [...this.#binds.values()];
  }

  listenersOf(bindKey: string): Listener[] {
    return [...(this.#tables.get(bindKey)?.listeners ?? [])].map(({ resource }) => resource);
  }

  /** Applies one version's changes. Services and workloads are the clusters' affair. */
  apply(all: readonly ResourceChange[]): void {
    const changes = all.filter(({ key }) => !key.startsWith('workload/') && !key.startsWith('service/'));
    // Listeners before routes, which attach to them; and what goes before what comes, which may take its hostname.
    const tables = new Set<ListenerTable>();
    for (const { key } of changes) this.#unlist(key, tables);
    for (const { key, resource } of changes) {
      this.#dependencies.changed(key);
      const before = this.#resources.get(key);
      if (resource === null || resource.kind === 'route') this.#resources.delete(key);
      else this.#resources.set(key, resource);
      for (const one of [before, resource]) if (one && LISTENING.has(one.kind)) this.#listeningVersion++;
      if (resource?.kind === 'bind') this.#binds.set(key, resource);
      else this.#binds.delete(key);
      if (resource?.kind === 'listener') this.#addListener(resource);
      else this.#forgetListener(key);
      this.#retarget(before, resource);
    }
    for (const table of tables) table.settle();
    for (const change of changes) this.#replaceRoute(change);
  }

  /** The listener of a bind that serves `host`, or null. */
  listener(bindKey: string, host: string): PlannedListener | null {
    return this.#tables.get(bindKey)?.first(host) ?? null;
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
      found = this.#routers.get(target.key)?.select(exchange) ?? null;
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

  /** Takes a listener out of its bind's table; its routes stay for when it comes back in this version. */
  #unlist(key: string, tables: Set<ListenerTable>): void {
    const planned = this.#listeners.get(key);
    const table = planned === undefined ? undefined : this.#tables.get(planned.resource.bindKey);
    if (planned === undefined || table === undefined) return;
    table.remove(planned);
    if (table.empty) this.#tables.delete(planned.resource.bindKey);
    else tables.add(table);
  }

  #addListener(resource: Listener): void {
    const { key, bindKey } = resource;
    const listener = this.#listeners.get(key) ?? new PlannedListener(resource, this.#router(key));
    listener.resource = resource;
    listener.invalidate();
    this.#listeners.set(key, listener);
    let table = this.#tables.get(bindKey);
    if (table === undefined) {
      table = new ListenerTable();
      this.#tables.set(bindKey, table);
    }
    table.add(listener);
  }

  #forgetListener(key: string): void {
    const listener = this.#listeners.get(key);
    if (listener === undefined) return;
    this.#listeners.delete(key);
    this.#dependencies.forget(listener);
    this.#forgetRouter(key);
  }

  #retarget(before: Resource | undefined, after: Resource | null): void {
    const policies = [before, after].map((resource) => (resource?.kind === 'policy' ? resource : null));
    for (const name of this.#targeted.replace(policies[0] ?? null, policies[1] ?? null))
      this.#dependencies.changed(name);
  }

  #replaceRoute({ key, resource, before: readBefore }: ResourceChange): void {
    const before = this.#routes.get(key);
    if (before !== undefined) {
      this.#dependencies.forget(before);
      if (resource?.kind === 'route' && before.standsWhere(resource)) {
        before.replace(resource);
        before.shelve();
        return;
      }
      if (readBefore !== undefined) before.recall(readBefore());
      for (const holder of holdersOf(before.resource)) {
        this.#router(holder).remove(before);
        this.#forgetRouter(holder);
      }
      this.#routes.delete(key);
    }
    if (resource?.kind !== 'route') return;
    const route = new PlannedRoute(resource, this.#read);
    this.#routes.set(key, route);
    for (const holder of holdersOf(resource)) this.#router(holder).add(route);
    route.shelve();
  }

  #router(holder: string): Router<PlannedRoute> {
    let router = this.#routers.get(holder);
    if (router === undefined) {
      router = new Router();
      this.#routers.set(holder, router);
    }
    return router;
  }

  #forgetRouter(holder: string): void {
    if (!this.#listeners.has(holder) && this.#routers.get(holder)?.empty) this.#routers.delete(holder);
  }
}
