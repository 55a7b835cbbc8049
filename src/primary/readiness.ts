import type { IncomingMessage, ServerResponse } from 'node:http';
import { respond, respondMethodNotAllowed } from '../servers/local-server.ts';

/** What must have happened before the gateway may be sent traffic; ready once nothing is pending. */
export class Readiness {
  readonly #pending = new Set<string>();

  /** `what` is to happen before the gateway is ready (again). */
  await(what: string): void {
    this.#pending.add(what);
  }

  /** `what` has happened. */
  done(what: string): void {
    this.#pending.delete(what);
  }

  get pending(): readonly string[] {
    return [...this.#pending];
  }

  get ready(): boolean {
    return this.#pending.size === 0;
  }
}

/** GET /healthz/ready: 200 `ready`, or 500 `not ready, pending: a, b`. */
export function readinessHandler(readiness: Readiness): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0];
    if (path !== '/healthz/ready') respond(response, 404, 'not found; the one path here is /healthz/ready\n');
    else if (request.method !== 'GET' && request.method !== 'HEAD') respondMethodNotAllowed(response, 'GET');
    else if (readiness.ready) respond(response, 200, 'ready\n');
    else respond(response, 500, `not ready, pending: ${readiness.pending.join(', ')}\n`);
  };
}
