import type { Replier } from '../adapters/adapter.ts';
import { renderError } from '../errors/render.ts';
import { GatewayError } from '../errors/table.ts';
import {
  type EndCause,
  type Exchange,
  grpcStatusOf,
  type HeldResponse,
  type LocalReply,
  type ResponseHead,
} from '../exchange.ts';
import type { DownstreamUpgrade, UpgradedConnection } from '../facts/upgrade.ts';
import { HeaderList } from '../headers.ts';
import type { MemoryBudget } from '../state/shared/memory-budget.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Recorder } from '../telemetry/record.ts';
import { serverTiming } from '../telemetry/server-timing.ts';
import { capturePart, holdPart } from './holding.ts';
import type { Plan } from './plan.ts';
import type { PlannedListener } from './planned.ts';
import type { Refusal, RouteProgram, Step, WeightedBackend } from './program.ts';
import { liftCredential } from './websocket-credential.ts';

/**
 * A request's way through the house: listener → its policies → route → its policies → backend. Everything that can be decided
 * when a snapshot is compiled was decided there; while every policy is synchronous the whole way is one call stack.
 */
export class Pipeline {
  readonly #plan: Plan;
  readonly #reply: Replier;

  constructor(plan: Plan, reply: Replier) {
    this.#plan = plan;
    this.#reply = reply;
  }

  /** Serves an exchange of the bind with this key to its end. Never throws. */
  serve(exchange: Exchange, bindKey: string): void {
    exchange.downstream.onAbort = () => this.#reply.finish(exchange, 'client_gone');
    if (exchange.downstream.upgrade !== null) liftCredential(exchange.headers);
    try {
      exchange.routed.bind = bindKey;
      const listener = this.#plan.listener(bindKey, exchange.host);
      if (listener === null) throw new GatewayError('route_not_found', 'No listener serves this host.');
      if (exchange.downstream.tls !== null && this.#misdirected(exchange, bindKey, listener))
        throw new GatewayError('misdirected');
      exchange.routed.gateway = listener.resource.gateway;
      exchange.routed.listener = listener.resource.name;
      const program = this.#plan.listenerProgram(listener);
      refuse(program.refusal);
      for (const hook of program.onResponse) exchange.onResponse(hook);
      this.#run(exchange, program.steps, 0, () => this.#route(exchange, listener));
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  /** A connection opened for one listener's certificate must not reach another's routes (RFC 9110 §15.5.20). */
  #misdirected(exchange: Exchange, bindKey: string, listener: PlannedListener): boolean {
    const sni = exchange.downstream.tls?.sni ?? '';
    return sni !== '' && this.#plan.listener(bindKey, sni) !== listener;
  }

  #route(exchange: Exchange, listener: PlannedListener): void {
    const selected = this.#plan.select(listener, exchange);
    if (selected === null) throw new GatewayError('route_not_found');
    exchange.matchedPrefix = selected.prefix;
    exchange.routed.route = selected.route.resource.name;
    exchange.routed.routeRule = selected.route.resource.ruleName;
    const program = this.#plan.routeProgram(selected, listener);
    if (program.errorDialect !== null) exchange.errorDialect = program.errorDialect;
    refuse(program.refusal);
    for (const hook of program.onResponse) exchange.onResponse(hook);
    this.#run(exchange, program.steps, 0, () => this.#forward(exchange, program));
  }

  #forward(exchange: Exchange, program: RouteProgram): void {
    const chosen = choose(program);
    if (chosen === null) throw new GatewayError('invalid_backend');
    exchange.routed.backend = chosen.name;
    exchange.backendType = chosen.type;
    refuse(chosen.refusal);
    if (chosen.steps.length > 0) this.#run(exchange, chosen.steps, 0, () => this.#handle(exchange, chosen));
    else this.#handle(exchange, chosen);
  }

  #handle(exchange: Exchange, { backend, context }: WeightedBackend): void {
    if (backend === null) throw new GatewayError('invalid_backend');
    const pending = backend.handle(exchange, context);
    if (pending instanceof Promise) pending.catch((error) => this.#fail(exchange, error));
  }

  /** Runs steps from `index` on, then `next`; leaves the call stack only where a step is asynchronous. */
  #run(exchange: Exchange, steps: readonly Step[], index: number, next: () => void): void {
    for (let i = index; i < steps.length; i++) {
      const result = steps[i]?.(exchange);
      if (result === undefined) continue;
      if (!(result instanceof Promise)) return this.#answer(exchange, result);
      result
        .then((reply) => {
          if (exchange.endCause !== null) return;
          if (reply === undefined) this.#run(exchange, steps, i + 1, next);
          else this.#answer(exchange, reply);
        })
        .catch((error) => this.#fail(exchange, error));
      return;
    }
    next();
  }

  #answer(exchange: Exchange, reply: LocalReply): void {
    this.#reply.local(exchange, reply.status, reply.headers, reply.body);
  }

  /** A listener's policy refused before a route was chosen: the one that would have been says the client's language. */
  #findDialect(exchange: Exchange): void {
    const listener = this.#plan.listener(exchange.routed.bind, exchange.host);
    const selected = listener === null ? null : this.#plan.select(listener, exchange);
    if (listener === null || selected === null) return;
    try {
      exchange.errorDialect = this.#plan.routeProgram(selected, listener).errorDialect ?? 'plain';
    } catch {
      // A route that can't be compiled has no language; the error to tell is the first one.
    }
  }

  #fail(exchange: Exchange, error: unknown): void {
    if (exchange.routed.route === '') this.#findDialect(exchange);
    this.#reply.error(
      exchange,
      error instanceof GatewayError ? error : new GatewayError('internal', undefined, { cause: error }),
    );
  }
}

function refuse(refusal: Refusal | null): void {
  if (refusal !== null) throw new GatewayError(refusal.code, refusal.message);
}

/** A backend by weight; null where there is none to choose. */
function choose({ backends, totalWeight }: RouteProgram): WeightedBackend | null {
  const first = backends[0];
  if (first === undefined || totalWeight === 0) return null;
  if (backends.length === 1) return first;
  let point = Math.random() * totalWeight;
  for (const backend of backends) {
    point -= backend.weight;
    if (point < 0) return backend;
  }
  return first;
}

/** The one way back to the client; ends each exchange exactly once. */
export class PipelineReplier implements Replier {
  readonly #recorder: Recorder;
  readonly #log: Logger;
  readonly #serverTiming: boolean;
  readonly #bodies: MemoryBudget;

  /** `bodies`: the budget of what is held of responses. */
  constructor(recorder: Recorder, log: Logger, options: { serverTiming: boolean; bodies: MemoryBudget }) {
    this.#recorder = recorder;
    this.#log = log;
    this.#serverTiming = options.serverTiming;
    this.#bodies = options.bodies;
  }

  head(exchange: Exchange, status: number, headers: string[]): void {
    if (exchange.endCause !== null) return;
    const held = exchange.heldResponse;
    if (held !== null) held.head = { status, headers };
    else this.#writeHead(exchange, this.#edited(exchange, status, headers));
  }

  upgrade(exchange: Exchange, upgrade: DownstreamUpgrade, headers: string[]): UpgradedConnection | null {
    if (exchange.endCause !== null) return null;
    const head = this.#edited(exchange, 101, headers);
    if (head === null) return null;
    if (this.#serverTiming) head.headers.add('server-timing', serverTiming(exchange));
    exchange.status = 101;
    return upgrade.accept(head.headers.raw);
  }

  data(exchange: Exchange, chunk: Buffer): boolean {
    if (exchange.endCause !== null) return true;
    const held = exchange.heldResponse;
    if (held !== null) {
      holdPart(exchange, held, chunk, this.#bodies);
      return true;
    }
    if (exchange.responseCapture !== null) capturePart(exchange, chunk, this.#bodies);
    exchange.bytesSent += chunk.length;
    return exchange.downstream.write(chunk);
  }

  end(exchange: Exchange, trailers?: readonly string[]): void {
    if (exchange.endCause !== null) return;
    if (trailers !== undefined && trailers.length > 0)
      exchange.grpcStatus = grpcStatusOf(new HeaderList([...trailers]).get('grpc-status'));
    const held = exchange.heldResponse;
    if (held?.error) return this.error(exchange, held.error);
    if (held?.head) {
      const { status, headers } = held.head;
      return this.#sendWhole(exchange, held, status, headers, Buffer.concat(held.chunks, held.bytes), trailers);
    }
    exchange.downstream.end(undefined, trailers);
    this.finish(exchange, 'complete');
  }

  local(exchange: Exchange, status: number, headers: string[], body: Buffer | string): void {
    if (exchange.endCause !== null) return;
    const held = exchange.heldResponse;
    if (held !== null) return this.#sendWhole(exchange, held, status, headers, Buffer.from(body));
    if (exchange.responseCapture !== null) capturePart(exchange, Buffer.from(body), this.#bodies);
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    // RFC 9110 §8.6: neither 1xx nor 204 carries a length, and what 304 would carry isn't known here.
    if (status !== 204 && status !== 304) headers.push('content-length', String(length));
    this.#writeHead(exchange, this.#edited(exchange, status, headers));
    if (exchange.endCause !== null) return;
    exchange.bytesSent = length;
    exchange.downstream.end(body);
    this.finish(exchange, exchange.error === null ? 'complete' : endOf(exchange.error));
  }

  /** Sends a response that was held, as response policies leave it. */
  #sendWhole(
    exchange: Exchange,
    held: HeldResponse,
    status: number,
    headers: string[],
    body: Buffer,
    trailers?: readonly string[],
  ): void {
    held.body = body;
    const head = this.#edited(exchange, status, headers);
    if (head === null || exchange.endCause !== null) return;
    const sent = held.body;
    const bodiless = exchange.method === 'HEAD' || head.status === 204 || head.status === 304;
    if (!bodiless) head.headers.set('content-length', String(sent.length));
    // What a GET would be answered with isn't known once its body might have been replaced.
    else if (sent !== body) head.headers.remove('content-length');
    this.#writeHead(exchange, head);
    exchange.bytesSent = bodiless ? 0 : sent.length;
    exchange.downstream.end(bodiless ? undefined : sent, trailers);
    this.finish(exchange, exchange.error === null ? 'complete' : endOf(exchange.error));
  }

  /** The head as response policies leave it; null where one of them failed, and that was the answer. */
  #edited(exchange: Exchange, status: number, headers: string[]): ResponseHead | null {
    const head: ResponseHead = { status, headers: new HeaderList(headers) };
    exchange.response = head;
    try {
      exchange.runOnResponse(head);
      return head;
    } catch (cause) {
      // A policy that failed on the response must not let it pass half edited.
      this.error(exchange, new GatewayError('internal', undefined, { cause }));
      return null;
    }
  }

  #writeHead(exchange: Exchange, head: ResponseHead | null): void {
    if (head === null) return;
    if (this.#serverTiming) head.headers.add('server-timing', serverTiming(exchange));
    exchange.status = head.status;
    if (exchange.logEdits !== null) exchange.headSentMs = exchange.elapsedMs();
    exchange.downstream.writeHead(head.status, head.headers.raw);
  }

  error(exchange: Exchange, failure: GatewayError): void {
    if (exchange.endCause !== null) return;
    // Who was reading a response that could not be held says no more than that it was stopped.
    const error = exchange.heldResponse?.error ?? failure;
    exchange.error = error;
    if (error.code === 'internal')
      this.#log.error('request failed', { route: exchange.routed.route, cause: describe(error.cause) });
    if (exchange.status !== 0) {
      exchange.downstream.abort();
      this.finish(exchange, endOf(error));
      return;
    }
    if (error.code === 'internal') {
      exchange.dropResponseHooks();
      exchange.heldResponse = null;
    }
    const { errorDialect } = exchange;
    const rendered = renderError(error, typeof errorDialect === 'function' ? errorDialect(exchange) : errorDialect);
    const headers = [...error.headers, ...(rendered.headers ?? []), 'content-type', rendered.contentType];
    this.local(exchange, error.status, headers, rendered.body);
  }

  finish(exchange: Exchange, cause: EndCause): void {
    if (exchange.runOnEnd(cause)) this.#recorder.end(exchange);
  }
}

function endOf(error: GatewayError): EndCause {
  switch (error.code) {
    case 'upstream_timeout':
    case 'gateway_timeout':
    case 'request_timeout':
      return 'timeout';
    case 'upstream_closed':
    case 'upstream_connect':
    case 'upstream_protocol':
      return 'upstream_gone';
    default:
      return 'error';
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
