import type { Listener, Route } from '../resources/types.ts';
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
  /** The route, or its text until somebody asks for it: of many routes few are in use, and texts are no work for the garbage collector. */
  #resource: Route | string;
  #dependencies: Set<string> | null = null;
  #programs: Map<string, RouteProgram> | null = null;

  constructor(resource: Route) {
    this.key = resource.key;
    this.order = resource.order;
    this.#resource = resource;
  }

  get resource(): Route {
    if (typeof this.#resource === 'string') this.#resource = JSON.parse(this.#resource) as Route;
    return this.#resource;
  }

  get dependencies(): Set<string> {
    this.#dependencies ??= new Set();
    return this.#dependencies;
  }

  get programs(): Map<string, RouteProgram> {
    this.#programs ??= new Map();
    return this.#programs;
  }

  /** Keeps the route as its JSON until it is asked for again. */
  shelve(text: string): void {
    this.#resource = text;
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
