import type { GatewayError } from '../errors/table.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { Attempt } from './attempt.ts';
import type { Dispatch, UpstreamCall } from './call.ts';
import { sendWithRetries } from './retried-flight.ts';

/** What every attempt of a worker shares. */
export class AttemptContext {
  readonly metrics: Metrics;
  readonly log: Logger;

  constructor(metrics: Metrics, log: Logger) {
    this.metrics = metrics;
    this.log = log;
  }

  failed(call: UpstreamCall, endpoint: string, error: GatewayError): void {
    const routed = call.auxiliary === true ? '' : call.exchange.routed.backend;
    const backend = routed !== '' ? routed : call.cluster.spec.key;
    this.metrics.upstreamFailures.inc({ backend, code: error.code });
    const cause = error.cause instanceof Error ? error.cause.message : undefined;
    this.log.debug('upstream attempt failed', { backend, endpoint, code: error.code, cause });
  }

  /** A receiver threw where there is nobody left to tell: its request has ended, the connection and the others must not suffer. */
  broken(error: unknown): void {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.log.error('the receiver of an upstream response failed', { reason });
  }
}

/**
 * The plain dispatch: one attempt a call, or several where the call itself says so (`failover`). It runs `call.prepare`, picks an endpoint of `call.cluster`, sends, and gives the sink what
 * comes back; the sink is never called before the dispatch has returned. Everything is synchronous as long as `prepare` is and the
 * cluster's addresses are known.
 *
 * Two failures are made good here, because nothing of the request can have been executed or executing it twice does no harm: a
 * connection that could not be opened, by the cluster's other endpoints; and a kept-alive connection that the server closed before
 * the first byte of an answer, once, on a new connection, where the method is idempotent (RFC 9110 §9.2.2) or the request
 * carries an idempotency key, and its body can be sent again.
 */
export function createDispatch(services: { readonly metrics: Metrics; readonly log: Logger }): Dispatch {
  const context = new AttemptContext(services.metrics, services.log);
  const once: Dispatch = (call, sink) => {
    const attempt = new Attempt(call, sink, context);
    attempt.start();
    return attempt;
  };
  return (call, sink) => (call.failover ? sendWithRetries(call, sink, once, call.failover) : once(call, sink));
}
