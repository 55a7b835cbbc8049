import type { Listener, Resource, Route } from '../resources/types.ts';
import type { Dependent } from './dependencies.ts';
import type { ListenerProgram, RouteProgram } from './program.ts';
import type { Routable, Router } from './router.ts';

/**
 * A route in the tables. Programs are compiled with the first request that needs one, and again after a dependency changed: one
 * a listener it serves (and, in a route group, a way that leads to it), since each brings policies of its own.
 */
export class PlannedRoute implements Dependent, Routable {
  readonly key: string;
  readonly order: number;
  #resource: Route | null;
  readonly #read: ((key: string) => Resource | null) | null;
  /** Kept, so that the route itself needn't be read again to see that it stays where it is. */
  readonly #place: string;
  #dependencies: Set<string> | null = null;
  #programs: Map<string, RouteProgram> | null = null;

  /** `read`: where the route can be had again. Of many routes few are in use, and the others needn't be kept. */
  constructor(resource: Route, read: ((key: string) => Resource | null) | null) {
    this.key = resource.key;
    this.order = resource.order;
    this.#resource = resource;
    this.#read = read;
    this.#place = placeOf(resource);
  }

  get resource(): Route {
    if (this.#resource === null) this.recall(this.#read?.(this.key) ?? null);
    return this.#resource as unknown as Route;
  }

  /** Lets go of the route until it is asked for, if it can be had again. */
  shelve(): void {
    if (this.#read !== null) this.#resource = null;
  }

  /** Whether another would stand at the same place in the tables. */
  standsWhere(other: Route): boolean {
    return this.#place === placeOf(other);
  }

  /** Another in this one's place, in the tables too. */
  replace(resource: Route): void {
    this.#resource = resource;
    this.invalidate();
  }

  /** What the route was, where something else is in its place by now. */
  recall(resource: Resource | null): void {
    if (this.#resource !== null) return;
    if (resource?.kind !== 'route') throw new Error(`the route ${this.key} is lost`);
    this.#resource = resource;
  }

  get dependencies(): Set<string> {
    this.#dependencies ??= new Set();
    return this.#dependencies;
  }

  get programs(): Map<string, RouteProgram> {
    this.#programs ??= new Map();
    return this.#programs;
  }

  invalidate(): void {
    this.#programs?.clear();
  }

  get hostnames(): readonly string[] {
    return this.resource.hostnames;
  }

  get matches(): Route['matches'] {
    return this.resource.matches;
  }
}

/** Keys of the listeners, or of the group, that a route belongs to. */
export function holdersOf({ groupKey, listenerKeys }: Route): readonly string[] {
  return groupKey === '' ? listenerKeys : [groupKey];
}

/** Equal for routes that stand at the same place in the tables. */
function placeOf(route: Route): string {
  return JSON.stringify([holdersOf(route), route.hostnames, route.matches, route.order]);
}

/** A listener in the tables, with the routes that attach to it. */
export class PlannedListener implements Dependent {
  resource: Listener;
  readonly dependencies = new Set<string>();
  readonly router: Router<PlannedRoute>;
  program: ListenerProgram | null = null;

  constructor(resource: Listener, router: Router<PlannedRoute>) {
    this.resource = resource;
    this.router = router;
  }

  invalidate(): void {
    this.program = null;
  }
}

/** The route that serves a request, and the routes that delegated to it, outermost first. */
export interface SelectedRoute {
  readonly route: PlannedRoute;
  readonly parents: readonly PlannedRoute[];
  /** See Selection.prefix. */
  readonly prefix: string;
}
