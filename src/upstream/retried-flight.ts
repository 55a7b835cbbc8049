import type { ErrorCode, GatewayError } from '../errors/table.ts';
import type { Dispatch, Flight, ResponseSink, RetryRules, UpstreamCall } from './call.ts';
import { retryAfterMs } from './retry-after.ts';

/** The delay doubles no further than this, ms. */
const MAX_BACKOFF_MS = 60_000;
/** A Retry-After longer than this is the client's to wait for, where no deadline says otherwise. */
const MAX_RETRY_AFTER_MS = 10_000;
/** Of a refused response so many bytes are read, for so long (ms), to keep its connection; past it the connection is closed. */
const MAX_DISCARDED_BYTES = 64 * 1024;
const MAX_DISCARDING_MS = 1000;

/** Failures to get a response at all; they are always tried again, whatever the rules say of statuses. */
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
 * Sends a call again whose attempt failed, as long as nothing of a response has reached the sink. Each attempt picks its endpoint anew,
 * and is prepared from the call as it came. A call whose body is a stream is sent once.
 */
export function sendWithRetries(call: UpstreamCall, sink: ResponseSink, next: Dispatch, rules: RetryRules): Flight {
  const repeatable = call.body === null || Buffer.isBuffer(call.body);
  return repeatable ? new RetriedFlight(call, sink, next, rules).begin() : next(call, sink);
}

/** One request over its attempts; the sink sees only the last. */
class RetriedFlight implements Flight {
  readonly call: UpstreamCall;
  readonly sink: ResponseSink;
  readonly #next: Dispatch;
  readonly #rules: RetryRules;
  #made = 0;
  #current: Try | null = null;
  #timer: NodeJS.Timeout | null = null;
  #ended = false;
  /** The call as it came: `prepare` edits it for each attempt anew. */
  #original: Pick<UpstreamCall, 'method' | 'path' | 'authority' | 'headers' | 'body' | 'cluster'> | null;

  constructor(call: UpstreamCall, sink: ResponseSink, next: Dispatch, rules: RetryRules) {
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
    this.#current?.abort();
    this.#current = null;
  }

  /** Whether a response of this status is given up in favour of another attempt. */
  refuses(status: number, headers: readonly string[]): boolean {
    return this.#rules.refuses(status, headers) && this.#again(retryAfterMs(headers));
  }

  /** Whether a failed attempt is followed by another. */
  recovers(error: GatewayError): boolean {
    return RETRIED_ERRORS.has(error.code) && this.#again(0);
  }

  /** A response is on its way: the body is needed no longer. */
  answered(): void {
    this.#original = null;
  }

  /** Schedules the next attempt, if there is one left and it could still matter. */
  #again(retryAfter: number): boolean {
    const { attempts, backoffMs, elsewhere } = this.#rules;
    if (this.#ended || this.#made >= attempts || elsewhere?.() === false) return false;
    const backoff = Math.min(backoffMs * 2 ** Math.min(this.#made - 1, 16), Math.max(backoffMs, MAX_BACKOFF_MS));
    // What one says of itself doesn't concern another.
    const asked = elsewhere === undefined ? retryAfter : 0;
    const delay = Math.max(backoff * (0.5 + Math.random() / 2), asked);
    const { deadline } = this.call;
    if (deadline !== undefined ? performance.now() + delay >= deadline : asked > MAX_RETRY_AFTER_MS) return false;
    this.#timer = setTimeout(nextTry, delay, this);
    return true;
  }

  next(): void {
    this.#timer = null;
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
  #discarding: NodeJS.Timeout | null = null;

  constructor(owner: RetriedFlight) {
    this.#owner = owner;
  }

  abort(): void {
    if (this.#discarding !== null) clearTimeout(this.#discarding);
    this.flight?.abort();
  }

  onHead(status: number, headers: string[]): void {
    if (this.#owner.refuses(status, headers)) {
      this.#refused = true;
      this.#discarding = setTimeout(stopDiscarding, MAX_DISCARDING_MS, this);
      this.#discarding.unref();
    } else {
      this.#owner.answered();
      this.#owner.sink.onHead(status, headers);
    }
    this.#headed = true;
  }

  onData(chunk: Buffer): boolean {
    if (!this.#refused) return this.#owner.sink.onData(chunk);
    this.#discarded += chunk.length;
    if (this.#discarded > MAX_DISCARDED_BYTES) this.abort();
    return true;
  }

  onEnd(trailers: string[]): void {
    if (!this.#refused) this.#owner.sink.onEnd(trailers);
    else if (this.#discarding !== null) clearTimeout(this.#discarding);
  }

  onError(error: GatewayError): void {
    if (this.#discarding !== null) clearTimeout(this.#discarding);
    if (this.#refused || (!this.#headed && this.#owner.recovers(error))) return;
    this.#owner.sink.onError(error);
  }
}

function stopDiscarding(attempt: Try): void {
  attempt.abort();
}
