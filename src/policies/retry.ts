import { z } from 'zod';
import type { ErrorCode, GatewayError } from '../errors/table.ts';
import { celExpression, duration, httpStatus, parseDuration } from '../resources/schema/common.ts';
import type { Dispatch, Flight, ResponseSink, UpstreamCall } from '../upstream/call.ts';
import { retryAfterMs } from '../upstream/retry-after.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';

const schema = z.strictObject({
  attempts: z.int().min(1).max(255).default(1).describe('Attempts in all, the first included.'),
  backoff: duration()
    .nullish()
    .describe('Delay before the first retry; it doubles with each further one, with jitter.'),
  codes: z.array(httpStatus()).describe('Response status codes that are tried again.'),
  precondition: celExpression()
    .nullish()
    .describe('CEL expression on the request: where it is false, only one attempt is made.'),
  condition: celExpression().nullish().describe('CEL expression on the response: where it is true, it is tried again.'),
});

type Value = z.infer<typeof schema>;

const DEFAULT_BACKOFF_MS = 25;
/** The delay doubles no further than this, ms. */
const MAX_BACKOFF_MS = 60_000;
/** What a timer can hold, ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A Retry-After longer than this is the client's to wait for, where no deadline says otherwise. */
const MAX_RETRY_AFTER_MS = 10_000;
/** Bytes of a refused response that are read to keep its connection; past it the connection is closed. */
const MAX_DISCARDED_BYTES = 64 * 1024;

/** Failures to get a response at all; they are always tried again, whatever `codes` says. */
const RETRIED_ERRORS: ReadonlySet<ErrorCode> = new Set([
  'no_healthy_endpoint',
  'backend_credentials',
  'upstream_busy',
  'upstream_connect',
  'upstream_closed',
  'upstream_protocol',
  'upstream_timeout',
]);

/**
 * Tries a request again whose attempt failed, as long as nothing of a response has reached the client. Each attempt picks its
 * endpoint anew, one that has not failed this request where there is one, and has `timeout.backendRequestTimeout` to itself. A request
 * whose body is a stream is sent once.
 */
export const retry = definePolicy({
  name: 'retry',
  schema,
  summary: 'Sends a request again when an attempt fails.',
  levels: ['route'],
  phase: 'dispatch',
  protects: false,
  inactiveParts: (value: Value) =>
    (['precondition', 'condition'] as const)
      .filter((part) => value[part] !== undefined && value[part] !== null)
      .map((part) => ({ path: [part], protects: false })),
  faults: (value) =>
    value.backoff && parseDuration(value.backoff) > MAX_TIMER_MS
      ? [{ path: ['backoff'], message: 'a delay is at most 24 days' }]
      : [],
  compile(value): CompiledPolicy {
    // A precondition that can't be evaluated might be false: then one attempt is what it asks for.
    const unsure = value.precondition !== undefined && value.precondition !== null;
    if (value.attempts <= 1 || unsure) return {};
    const rules: Rules = {
      attempts: value.attempts,
      backoffMs: value.backoff ? parseDuration(value.backoff) : DEFAULT_BACKOFF_MS,
      codes: new Set(value.codes),
    };
    return {
      holdBody: true,
      wrapDispatch: (next) => (call, sink) =>
        call.body === null || Buffer.isBuffer(call.body)
          ? new RetriedFlight(call, sink, next, rules).begin()
          : next(call, sink),
    };
  },
});

interface Rules {
  readonly attempts: number;
  readonly backoffMs: number;
  readonly codes: ReadonlySet<number>;
}

/** One request over its attempts; the sink sees only the last. */
class RetriedFlight implements Flight {
  readonly call: UpstreamCall;
  readonly sink: ResponseSink;
  readonly #next: Dispatch;
  readonly #rules: Rules;
  #made = 0;
  #current: Try | null = null;
  #timer: NodeJS.Timeout | null = null;
  #ended = false;
  /** The call as it came: `prepare` edits it for each attempt anew. */
  readonly #original: Pick<UpstreamCall, 'method' | 'path' | 'authority' | 'headers' | 'body' | 'cluster'> | null;

  constructor(call: UpstreamCall, sink: ResponseSink, next: Dispatch, rules: Rules) {
    this.call = call;
    this.sink = sink;
    this.#next = next;
    this.#rules = rules;
    const { method, path, authority, headers, body, cluster } = call;
    this.#original =
      call.prepare === null ? null : { method, path, authority, headers: headers.slice(), body, cluster };
    call.tried ??= [];
  }

  begin(): this {
    this.#made++;
    const attempt = new Try(this);
    this.#current = attempt;
    attempt.flight = this.#next(this.call, attempt);
    return this;
  }

  resume(): void {
    this.#current?.flight?.resume();
  }

  abort(): void {
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#current?.flight?.abort();
    this.#current = null;
  }

  /** Whether a response of this status is given up in favour of another attempt. */
  refuses(status: number, headers: readonly string[]): boolean {
    return this.#rules.codes.has(status) && this.#again(retryAfterMs(headers));
  }

  /** Whether a failed attempt is followed by another. */
  recovers(error: GatewayError): boolean {
    return RETRIED_ERRORS.has(error.code) && this.#again(0);
  }

  /** Schedules the next attempt, if there is one left and it could still matter. */
  #again(retryAfter: number): boolean {
    const { attempts, backoffMs } = this.#rules;
    if (this.#ended || this.#made >= attempts) return false;
    const backoff = Math.min(backoffMs * 2 ** Math.min(this.#made - 1, 16), Math.max(backoffMs, MAX_BACKOFF_MS));
    const delay = Math.max(backoff * (0.5 + Math.random() / 2), retryAfter);
    const { deadline } = this.call;
    if (deadline !== undefined ? performance.now() + delay >= deadline : retryAfter > MAX_RETRY_AFTER_MS) return false;
    this.#timer = setTimeout(nextTry, delay, this);
    return true;
  }

  next(): void {
    this.#timer = null;
    // What was not read of the refused response by now costs its connection.
    this.#current?.flight?.abort();
    const call = this.call;
    if (this.#original !== null) {
      Object.assign(call, this.#original);
      call.headers = this.#original.headers.slice();
    }
    this.begin();
  }
}

function nextTry(flight: RetriedFlight): void {
  flight.next();
}

/** The sink of one attempt. */
class Try implements ResponseSink {
  readonly #owner: RetriedFlight;
  flight: Flight | null = null;
  #headed = false;
  #refused = false;
  #discarded = 0;

  constructor(owner: RetriedFlight) {
    this.#owner = owner;
  }

  onHead(status: number, headers: string[]): void {
    if (this.#owner.refuses(status, headers)) this.#refused = true;
    else this.#owner.sink.onHead(status, headers);
    this.#headed = true;
  }

  onData(chunk: Buffer): boolean {
    if (!this.#refused) return this.#owner.sink.onData(chunk);
    this.#discarded += chunk.length;
    if (this.#discarded > MAX_DISCARDED_BYTES) this.flight?.abort();
    return true;
  }

  onEnd(trailers: string[]): void {
    if (!this.#refused) this.#owner.sink.onEnd(trailers);
  }

  onError(error: GatewayError): void {
    if (this.#refused || (!this.#headed && this.#owner.recovers(error))) return;
    this.#owner.sink.onError(error);
  }
}
