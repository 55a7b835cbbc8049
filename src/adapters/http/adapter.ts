import type { Readable } from 'node:stream';
import type { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import type { BackendTarget } from '../../resources/types.ts';
import type { Flight, ResponseSink, UpstreamCall } from '../../upstream/call.ts';
import type { Cluster } from '../../upstream/cluster.ts';
import type { Adapter, AdapterServices, CompiledBackend, RouteContext } from '../adapter.ts';
import { forwardedHeaders } from '../forwarded-headers.ts';
import { DEFAULT_MAX_BUFFER_BYTES, holdBody } from '../hold-body.ts';

/** Plain HTTP: the request goes to one cluster and the response comes back, both as streams. */
export const httpAdapter: Adapter = {
  kinds: ['host', 'unix', 'service'],
  compile: (target, scope, services) => new HttpBackend(target, scope, services),
};

class HttpBackend implements CompiledBackend {
  readonly #services: AdapterServices;
  readonly #target: BackendTarget;
  readonly #scope: string;
  /** The route's backendTLS decides which cluster it is, so it is made with the first request of a route context. */
  readonly #clusters = new WeakMap<RouteContext, Cluster>();

  constructor(target: BackendTarget, scope: string, services: AdapterServices) {
    this.#target = target;
    this.#scope = scope;
    this.#services = services;
  }

  handle(exchange: Exchange, context: RouteContext): void | Promise<void> {
    const { downstream, heldBody } = exchange;
    if (heldBody !== null)
      return this.#send(exchange, context, downstream.hasBody || heldBody.length > 0 ? heldBody : null);
    if (context.holdBody && downstream.hasBody) return this.#handleHeld(exchange, context);
    this.#send(exchange, context, downstream.hasBody ? downstream.bodyStream() : null);
  }

  async #handleHeld(exchange: Exchange, context: RouteContext): Promise<void> {
    const body = await holdBody(exchange, context.maxBufferBytes ?? DEFAULT_MAX_BUFFER_BYTES, this.#services.bodies);
    this.#send(exchange, context, body);
  }

  #send(exchange: Exchange, context: RouteContext, body: Buffer | Readable | null): void {
    if (exchange.endCause !== null) return;
    const hooks = context.hooks;
    if (hooks.onResponse !== null) exchange.onResponse(hooks.onResponse);
    const call: UpstreamCall = {
      exchange,
      method: exchange.method,
      path: exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`,
      authority: exchange.authority,
      headers: forwardedHeaders(exchange),
      body,
      cluster: this.#cluster(context),
      prepare: hooks.prepare,
      headTimeoutMs: 0,
    };
    new Forward(exchange, context, call);
  }

  #cluster(context: RouteContext): Cluster {
    let cluster = this.#clusters.get(context);
    if (cluster === undefined) {
      const { tls, policies } = context.hooks;
      // Routes to the same address share its endpoints, unless they speak to it in their own way.
      const key = tls === null && policies.health === undefined ? targetKey(this.#target) : this.#scope;
      cluster = this.#services.cluster({ key, target: this.#target, tls, policies });
      this.#clusters.set(context, cluster);
    }
    return cluster;
  }
}

function targetKey(target: BackendTarget): string {
  return JSON.stringify(target);
}

/** A response on its way from the upstream to the client, with backpressure from the one to the other. */
class Forward implements ResponseSink {
  readonly #exchange: Exchange;
  readonly #context: RouteContext;
  readonly #flight: Flight;

  constructor(exchange: Exchange, context: RouteContext, call: UpstreamCall) {
    this.#exchange = exchange;
    this.#context = context;
    exchange.downstream.onAbort = () => this.#clientGone();
    this.#flight = context.dispatch(call, this);
  }

  onHead(status: number, headers: string[]): void {
    this.#context.reply.head(this.#exchange, status, headers);
  }

  onData(chunk: Buffer): boolean {
    if (this.#context.reply.data(this.#exchange, chunk)) return true;
    this.#exchange.downstream.onDrain ??= () => this.#flight.resume();
    return false;
  }

  onEnd(trailers: string[]): void {
    this.#context.reply.end(this.#exchange, trailers);
  }

  onError(error: GatewayError): void {
    this.#context.reply.error(this.#exchange, error);
  }

  #clientGone(): void {
    this.#flight.abort();
    this.#context.reply.finish(this.#exchange, 'client_gone');
  }
}
