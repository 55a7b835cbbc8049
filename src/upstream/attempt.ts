import type { Duplex } from 'node:stream';
import { errors } from 'undici';
import { GatewayError } from '../errors/table.ts';
import type { AttemptObserver, Flight, ResponseSink, UpstreamCall } from './call.ts';
import type { AttemptContext } from './dispatch.ts';
import type { Endpoint } from './endpoint.ts';
import { ConnectError, toGatewayError } from './failures.ts';
import type { Outcome } from './health.ts';
import { FramingError, responseHeaders, responseTrailers } from './hop-headers.ts';
import { LiveCluster } from './live-cluster.ts';
import type { Lane, SendOptions } from './pools.ts';
import { canBeSentAgain, requestHeaders } from './request-headers.ts';
import { retryAfterMs } from './retry-after.ts';
import { sendUpgrade, type UpgradeHandler } from './upgrade.ts';

/** A response may start this long after the request was sent, ms, where nothing is configured: models think long. */
const HEAD_TIMEOUT_MS = 600_000;
/** The same for a switch of protocols, which no model has to think about. */
const HANDSHAKE_TIMEOUT_MS = 30_000;
/** Endpoints tried for one attempt while their connections fail. */
const MAX_ENDPOINTS = 4;
/** Interim responses before the final one; more is a server that never answers. */
const MAX_INFORMATIONAL = 16;
/** Thrown to undici to take back a request that was given up before it was written; the connection stays. */
const GIVEN_UP = new Error('the request was given up');

/** How many parser callbacks are on the stack: the parser can't be resumed from inside itself, whichever connection it is for. */
let parsing = 0;

/**
 * One attempt, which is at once the Flight its caller holds and the handler undici calls, so that a request costs one object. Errors of
 * either side end it exactly once; after `abort` nothing reaches the sink.
 */
export class Attempt implements Flight, UpgradeHandler {
  readonly #call: UpstreamCall;
  readonly #sink: ResponseSink;
  readonly #context: AttemptContext;
  lane: Lane | null = null;
  #cluster: LiveCluster | null = null;
  #endpoint: Endpoint | null = null;
  #observer: AttemptObserver | null = null;
  #observesData = false;
  #options: SendOptions | null = null;
  #abort: ((error?: Error) => void) | null = null;
  #resume: (() => void) | null = null;
  #timer: NodeJS.Timeout | null = null;
  #startedAt = 0;
  #status = 0;
  #informational = 0;
  /** The dispatch has returned, so that the sink may be called. */
  #returned = false;
  #waiting = false;
  #reused = false;
  #responding = false;
  #received = false;
  #resent = false;
  #inData = false;
  #resumeAfterData = false;
  #paused = false;
  #done = false;

  constructor(call: UpstreamCall, sink: ResponseSink, context: AttemptContext) {
    this.#call = call;
    this.#sink = sink;
    this.#context = context;
  }

  start(): void {
    const call = this.#call;
    if (call.auxiliary !== true) call.exchange.attempts++;
    if (call.prepare === null) this.#choose(true);
    else {
      // An earlier attempt may have gone to somebody who is shown a signature.
      if (call.sign) call.sign = null;
      if (call.observer) call.observer = null;
      try {
        const pending = call.prepare(call, call.exchange);
        this.#observe(call);
        if (pending === undefined) this.#sign();
        else
          pending.then(
            () => {
              // Whom the attempt goes to may have been found only now.
              if (!this.#done && this.#observer === null) this.#observe(call);
              this.#sign();
            },
            (error: unknown) => this.#fail(error),
          );
      } catch (error) {
        this.#fail(error);
      }
    }
    this.#returned = true;
  }

  // Flight

  resume(): void {
    if (this.#inData) this.#resumeAfterData = true;
    else if (this.#paused) {
      if (parsing > 0) {
        setImmediate(() => this.resume());
        return;
      }
      this.#paused = false;
      this.#resume?.();
    }
  }

  abort(): void {
    if (this.#done) return;
    this.#settle();
    this.#hangUp();
  }

  // undici's handler

  onConnect(abort: (error?: Error) => void): void {
    if (this.#done) throw GIVEN_UP;
    this.#waiting = false;
    this.#abort = abort;
    const lane = this.lane;
    if (lane === null) return;
    this.#reused = lane.served > 0;
    lane.served++;
  }

  onResponseStarted(): void {
    this.#responding = true;
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (this.#done) return true;
    parsing++;
    try {
      if (status < 200) this.#inform(status, raw);
      else {
        this.#resume = resume;
        this.#head(status, responseHeaders(raw), performance.now());
      }
    } catch (error) {
      this.#break(error);
    } finally {
      parsing--;
    }
    return true;
  }

  /** For `sendUpgrade`: the upstream has switched; `call.upgrade` holds the connection. */
  onUpgrade(raw: Buffer[], connection: Duplex): void {
    if (this.#done) {
      connection.destroy();
      return;
    }
    const endpoint = this.#endpoint;
    // What goes on on the connection is load until it closes.
    endpoint?.begin();
    connection.once('close', () => endpoint?.end());
    try {
      this.#head(101, responseHeaders(raw), performance.now());
    } catch (error) {
      this.#break(error);
      return;
    }
    this.onComplete(null);
  }

  onData(chunk: Buffer): boolean {
    if (this.#done) return false;
    this.#received = true;
    if (this.#observesData) this.#observer?.data(chunk);
    this.#inData = true;
    parsing++;
    let more = false;
    try {
      more = this.#sink.onData(chunk);
    } catch (error) {
      this.#break(error);
    } finally {
      parsing--;
      this.#inData = false;
    }
    if (more || this.#resumeAfterData) {
      this.#resumeAfterData = false;
      return true;
    }
    this.#paused = true;
    return false;
  }

  onComplete(trailers: (Buffer | string)[] | null): void {
    if (this.#done) return;
    this.#settle();
    parsing++;
    try {
      this.#sink.onEnd(responseTrailers(trailers));
    } catch (error) {
      this.#context.broken(error);
    } finally {
      parsing--;
    }
  }

  onError(error: Error): void {
    const refused = error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError;
    if (refused && this.lane !== null) this.lane.refused = true;
    if (this.#done) return;
    if (this.#status !== 0) {
      // A 304 may state the length of the body it leaves out (RFC 9110 §15.4.5).
      if (this.#status === 304 && !this.#received && error instanceof errors.ResponseContentLengthMismatchError)
        this.onComplete(null);
      else this.#fail(error);
      return;
    }
    if (this.#abort === null) {
      if (!refused && this.#connectFailed(error)) return;
    } else if (this.#reused && !this.#responding && !this.#resent && canBeSentAgain(this.#call)) {
      this.#resent = true;
      this.#abort = null;
      this.#toPool(true);
      return;
    }
    this.#fail(error);
  }

  // Steps

  #observe({ observer }: UpstreamCall): void {
    this.#observer = observer ?? null;
    observer?.begin();
  }

  #sign(): void {
    const call = this.#call;
    if (!call.sign) this.#choose(true);
    else if (!this.#done) {
      call.sign(call).then(
        () => this.#choose(true),
        (error: unknown) => this.#fail(error),
      );
    }
  }

  #choose(mayWait: boolean): void {
    if (this.#done) return;
    const { cluster, tried } = this.#call;
    if (!(cluster instanceof LiveCluster)) {
      this.#fail(new GatewayError('invalid_backend'));
      return;
    }
    this.#cluster = cluster;
    const now = performance.now();
    let endpoint: Endpoint | null | undefined;
    try {
      endpoint = cluster.pick(tried ?? null, now, this.#call.affinity ?? null);
    } catch (error) {
      this.#fail(new GatewayError('invalid_backend', "The backend's TLS settings can't be used.", { cause: error }));
      return;
    }
    if (endpoint === undefined && mayWait) void cluster.settled().then(() => this.#choose(false));
    else if (endpoint === undefined || endpoint === null) this.#fail(noEndpoint(cluster));
    else this.#send(cluster, endpoint, now);
  }

  #send(cluster: LiveCluster, endpoint: Endpoint, now: number): void {
    const call = this.#call;
    this.#endpoint = endpoint;
    this.#startedAt = now;
    endpoint.begin();
    call.tried?.push(endpoint.address);
    if (call.auxiliary !== true) {
      const exchange = call.exchange;
      exchange.routed.endpoint = endpoint.address;
      if (exchange.upstreamStartMs < 0) exchange.upstreamStartMs = now - exchange.startedAt;
    }
    const headTimeoutMs = call.headTimeoutMs > 0 ? call.headTimeoutMs : cluster.headTimeoutMs;
    this.#options = {
      method: call.method,
      path: call.path,
      headers: requestHeaders(call, endpoint.authority),
      body: call.body,
      // undici's own clock is coarse; what somebody configured is timed here.
      headersTimeout: headTimeoutMs > 0 ? 0 : HEAD_TIMEOUT_MS,
      bodyTimeout: call.bodyIdleTimeoutMs ?? cluster.bodyIdleTimeoutMs,
      servername: endpoint.pool.servername,
    };
    if (headTimeoutMs > 0) this.#timer ??= setTimeout(headTimedOut, headTimeoutMs, this);
    this.#toPool(false);
  }

  #toPool(fresh: boolean): void {
    const endpoint = this.#endpoint;
    const options = this.#options;
    if (endpoint === null || options === null) return;
    const { upgrade } = this.#call;
    if (upgrade !== undefined) {
      this.#timer ??= setTimeout(headTimedOut, HANDSHAKE_TIMEOUT_MS, this);
      sendUpgrade(endpoint.pool, options, upgrade, this);
      return;
    }
    const result = endpoint.pool.send(options, this, fresh);
    if (result === 'refused') this.#fail(new GatewayError('upstream_busy'));
    else if (result === 'waiting') {
      this.#waiting = true;
      // undici's clock starts with the writing; what waits for a connection is timed here.
      if (options.headersTimeout > 0) this.#timer ??= setTimeout(headTimedOut, options.headersTimeout, this);
    }
  }

  #head(status: number, headers: string[], now: number): void {
    this.#status = status;
    this.#clearTimer();
    const elapsed = now - this.#startedAt;
    this.#endpoint?.row.sample(elapsed);
    const { exchange, auxiliary } = this.#call;
    if (this.#cluster?.health.isFailure(exchange, status, headers) === true)
      this.#record('server_error', retryAfterMs(headers));
    else this.#record('ok', 0);
    if (auxiliary !== true) exchange.upstreamHeadMs = now - exchange.startedAt;
    if (this.#observer !== null) this.#observesData = this.#observer.head(status, headers, elapsed);
    this.#sink.onHead(status, headers);
  }

  /** 103 Early Hints go on to the client (RFC 8297); other interim responses mean nothing beyond this hop. */
  #inform(status: number, raw: Buffer[]): void {
    if (++this.#informational > MAX_INFORMATIONAL) throw new FramingError('too many interim responses');
    if (status === 103 && this.#call.auxiliary !== true)
      this.#call.exchange.downstream.inform(status, responseHeaders(raw));
  }

  /** True where another endpoint takes over. */
  #connectFailed(error: Error): boolean {
    const call = this.#call;
    const cluster = this.#cluster;
    const endpoint = this.#endpoint;
    if (cluster === null || endpoint === null) return false;
    const timedOut = error instanceof ConnectError && error.code === 'TIMEOUT';
    this.#record(timedOut ? 'connect_timeout' : 'connect_failure', 0);
    call.tried ??= [endpoint.address];
    const tried = call.tried;
    if (tried.length >= MAX_ENDPOINTS) return false;
    const now = performance.now();
    const next = cluster.pick(tried, now, call.affinity ?? null);
    if (next === null || next === undefined || tried.includes(next.address)) return false;
    this.#context.failed(call, endpoint.address, toGatewayError(error, false));
    endpoint.end();
    this.#send(cluster, next, now);
    return true;
  }

  #record(outcome: Outcome, retryAfter: number): void {
    const cluster = this.#cluster;
    const endpoint = this.#endpoint;
    if (cluster !== null && endpoint !== null)
      cluster.health.record(endpoint, outcome, cluster.endpoints.length > 1, retryAfter);
  }

  /** Ends the attempt from inside a parser callback. */
  #break(error: unknown): void {
    if (this.#done) return;
    const code = error instanceof FramingError ? 'upstream_protocol' : 'internal';
    this.#fail(new GatewayError(code, undefined, { cause: error }));
    this.#hangUp();
  }

  headTimeout(): void {
    this.#timer = null;
    if (this.#done || this.#status !== 0) return;
    this.#fail(new GatewayError('upstream_timeout'));
    this.#hangUp();
  }

  /** Takes back a request that nobody waits for: out of the queue, or with its connection. */
  #hangUp(): void {
    const pool = this.#endpoint?.pool;
    if (this.#waiting) pool?.forget(this);
    if (this.#abort === null) return;
    this.#abort();
    if (this.lane !== null) pool?.discard(this.lane);
  }

  #fail(error: unknown): void {
    if (this.#done) return;
    const connected = this.#abort !== null;
    const endpoint = this.#endpoint;
    const cluster = this.#cluster;
    const bodyBroke = isBodyFailure(this.#call, error);
    const failure = bodyBroke
      ? new GatewayError('bad_request', 'The request body broke off.', { cause: error })
      : toGatewayError(error, connected);
    if (failure.status >= 500) {
      if (connected && this.#status === 0) this.#record('no_response', 0);
      if (cluster !== null) this.#context.failed(this.#call, endpoint?.address ?? '', failure);
    }
    this.#settle();
    if (bodyBroke) this.#hangUp();
    if (this.#returned) this.deliver(failure);
    else process.nextTick(deliver, this, failure);
  }

  deliver(failure: GatewayError): void {
    try {
      this.#sink.onError(failure);
    } catch (error) {
      this.#context.broken(error);
    }
  }

  #settle(): void {
    this.#done = true;
    this.#clearTimer();
    if (this.#startedAt !== 0) this.#endpoint?.end();
    this.#observer?.end();
  }

  #clearTimer(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}

function headTimedOut(attempt: Attempt): void {
  attempt.headTimeout();
}

function deliver(attempt: Attempt, failure: GatewayError): void {
  attempt.deliver(failure);
}

/** Whether it was the client's half that failed: its body ended early or was not as long as declared. */
function isBodyFailure(call: UpstreamCall, error: unknown): boolean {
  const body = call.body;
  if (body === null || Buffer.isBuffer(body)) return false;
  return body.errored !== null || error instanceof errors.RequestAbortedError;
}

function noEndpoint({ refusal }: LiveCluster): GatewayError {
  return refusal === null ? new GatewayError('no_healthy_endpoint') : new GatewayError('not_active', refusal);
}
