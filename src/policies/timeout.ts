import { z } from 'zod';
import { GatewayError } from '../errors/table.ts';
import { duration, parseDuration } from '../resources/schema/common.ts';
import { duration as durationMessage, message } from '../resources/wire.ts';
import type { Dispatch, Flight, ResponseSink, UpstreamCall } from '../upstream/call.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';

const schema = z.strictObject({
  requestTimeout: duration()
    .nullish()
    .describe('Longest time for the whole request, from its arrival to the end of the response; 0 is none.'),
  backendRequestTimeout: duration()
    .nullish()
    .describe('Longest time an attempt waits for the head of the response; 0 is none.'),
});

type Value = z.infer<typeof schema>;

/** What a timer can hold. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

const timeoutMessage = message({
  requestTimeout: ['request', durationMessage],
  backendRequestTimeout: ['backend_request', durationMessage],
});

/**
 * Time limits of a route (GEP-1742). The whole-request limit counts from the request's arrival and covers the response's body: a stream
 * that is still running then is broken off. The attempt's limit covers the way to the response's head, so that it bounds each
 * try of a retry without cutting long answers.
 */
export const timeout = definePolicy({
  name: 'timeout',
  schema,
  summary: 'Limits how long a request and each of its attempts may take.',
  levels: ['route'],
  phase: 'dispatch',
  protects: false,
  wire: [{ spec: 'traffic', field: 'timeout', message: timeoutMessage }],
  faults: (value: Value) =>
    (['requestTimeout', 'backendRequestTimeout'] as const).flatMap((field) =>
      milliseconds(value[field]) > MAX_TIMEOUT_MS ? [{ path: [field], message: 'a time-out is at most 24 days' }] : [],
    ),
  compile(value): CompiledPolicy {
    const requestMs = milliseconds(value.requestTimeout);
    const attemptMs = milliseconds(value.backendRequestTimeout);
    if (requestMs === 0 && attemptMs === 0) return {};
    return { wrapDispatch: (next) => limit(next, requestMs, attemptMs) };
  },
});

/** 0 where there is none; parts of a millisecond count as one. */
function milliseconds(text: string | null | undefined): number {
  return text === null || text === undefined ? 0 : Math.ceil(parseDuration(text));
}

function limit(next: Dispatch, requestMs: number, attemptMs: number): Dispatch {
  return (call, sink) => {
    if (attemptMs > 0 && (call.headTimeoutMs === 0 || attemptMs < call.headTimeoutMs)) call.headTimeoutMs = attemptMs;
    return requestMs === 0 ? next(call, sink) : new TimedFlight(call, sink, next, requestMs);
  };
}

/** A flight that is broken off at its deadline; otherwise it hands everything through. */
class TimedFlight implements Flight, ResponseSink {
  readonly #sink: ResponseSink;
  readonly #timer: NodeJS.Timeout;
  readonly #flight: Flight;

  constructor(call: UpstreamCall, sink: ResponseSink, next: Dispatch, requestMs: number) {
    this.#sink = sink;
    const startedAt = call.exchange.startedAt;
    call.deadline = startedAt + requestMs;
    // Reading and holding the body took part of the time already; at least one millisecond remains, so that the sink is
    // not called before this returns.
    this.#timer = setTimeout(timedOut, Math.max(1, call.deadline - performance.now()), this);
    this.#flight = next(call, this);
  }

  resume(): void {
    this.#flight.resume();
  }

  abort(): void {
    clearTimeout(this.#timer);
    this.#flight.abort();
  }

  onHead(status: number, headers: string[]): void {
    this.#sink.onHead(status, headers);
  }

  onData(chunk: Buffer): boolean {
    return this.#sink.onData(chunk);
  }

  onEnd(trailers: string[]): void {
    clearTimeout(this.#timer);
    this.#sink.onEnd(trailers);
  }

  onError(error: GatewayError): void {
    clearTimeout(this.#timer);
    this.#sink.onError(error);
  }

  expire(): void {
    this.#flight.abort();
    this.#sink.onError(new GatewayError('gateway_timeout'));
  }
}

function timedOut(flight: TimedFlight): void {
  flight.expire();
}
