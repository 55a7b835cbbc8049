import type { Listener, Route } from '../resources/types.ts';
import type { Dependent } from './dependencies.ts';
import type { ListenerProgram, RouteProgram } from './program.ts';
import type { Routable, Router } from './router.ts';

/**
 * A route in the tables. Programs are compiled with the first request that needs one, and again after a dependency changed: one
 * a listener it serves (and, in a route group, a way that leads to it), since each brings policies of its own.
 */
export class PlannedRoute implements Dependent, Routable {
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
