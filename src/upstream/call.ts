import type { Duplex, Readable } from 'node:stream';
import type { GatewayError } from '../errors/table.ts';
import type { Exchange, ResponseHead } from '../exchange.ts';
import type { PolicyMap } from '../resources/types.ts';
import type { Cluster, UpstreamTls } from './cluster.ts';
import type { SigningScope } from './credentials/aws/sigv4.ts';

/**
 * How bytes leave: the seam between who decides (pipeline, adapters, policies) and who sends (`dispatch.ts`). It is narrow
 * on purpose: another client than undici would implement Dispatch and nothing else.
 */
export interface UpstreamCall {
  readonly exchange: Exchange;
  method: string;
  /** Path with query, as it goes on the request line. */
  path: string;
  /** Host header sent; '' = the endpoint's own. */
  authority: string;
  /** Flat, lower-case names, without `host` and without hop-by-hop fields. Content-length is set by the dispatch where the
   *  body is a Buffer; a stream keeps the client's own content-length field if there is one. */
  headers: string[];
  /** A Buffer can be sent again (retry); a stream can't. */
  body: Buffer | Readable | null;
  cluster: Cluster;
  /** Runs on each attempt before it is sent (backend credentials …). */
  prepare: ((call: UpstreamCall, exchange: Exchange) => void | Promise<void>) | null;
  /** Set by a step of `prepare`, for its own attempt: runs once all of them have, on the call as it will be sent (signatures). */
  sign?: ((call: UpstreamCall) => Promise<void>) | null;
  /** What a signature is to be good for, where who directs the call knows it (Bedrock). */
  signingScope?: SigningScope | null;
  /** Milliseconds until the response head must have arrived; 0 = the cluster's default. */
  headTimeoutMs: number;
  /** Milliseconds without a byte of the response's body; absent = the cluster's default, 0 = no limit. */
  bodyIdleTimeoutMs?: number;
  /** performance.now() after which nobody waits for the response any more: a retry that could not answer by then is not made. */
  deadline?: number;
  /** Addresses earlier attempts were sent to: the next is sent elsewhere where it can be. Kept by the dispatch once it is there. */
  tried?: string[];
  /** Who is told what becomes of an attempt; set by a step of `prepare`, for its own attempt. */
  observer?: AttemptObserver | null;
  /** Which of several credentials an attempt is to show, by its place among them; absent: they take turns. */
  credential?: number;
  /** Calls of one kind go to one endpoint, as long as it serves; null or 0: no such kind. */
  affinity?: AffinityKey | null;
  /** Further attempts that the plain dispatch makes; who retries by other rules leaves it out. */
  failover?: RetryRules | null;
  /** The request asks to go on in another protocol (it has no body then). */
  upgrade?: CallUpgrade;
  /** True for a copy or a side call: the exchange's own facts (attempts, endpoint, times) are left alone. */
  auxiliary?: boolean;
}

/** Told of one attempt: `begin` once it is prepared, `end` once whatever happened after that. */
export interface AttemptObserver {
  begin(): void;
  /** `headers`: flat, lower-case names. `elapsedMs`: since it was sent. True: the body's beginning is wanted too. */
  head(status: number, headers: readonly string[], elapsedMs: number): boolean;
  /** Only where `head` asked for it. */
  data(chunk: Buffer): void;
  end(): void;
}

/** What is alike in requests that should go the same way; computed when first asked for. */
export interface AffinityKey {
  /** 32 bits, unsigned; 0 = nothing to go by. */
  readonly hash: number;
  /** Nobody will ask any more: what it would be computed from can go. */
  release?(): void;
}

/** When a call is sent again. */
export interface RetryRules {
  /** In all, the first included. */
  readonly attempts: number;
  /** Delay before the second attempt, ms; it doubles with each further one, with jitter. */
  readonly backoffMs: number;
  /** Whether a response is given up for another attempt. */
  refuses(status: number, headers: readonly string[]): boolean;
  /** Given where attempts go to somebody else each: whether there is anybody left. Retry-After is not waited for then. */
  readonly elsewhere?: () => boolean;
}

/**
 * A wish to switch protocols (RFC 9110 §7.8). Where the upstream grants it, the sink gets the head with status 101 and the end, and the
 * connection lies here; where it doesn't, the sink gets its answer like any other. Nothing goes to the upstream before its 101.
 */
export interface CallUpgrade {
  /** `websocket`. */
  readonly protocol: string;
  /** The new protocol's bytes, those that came behind the head first. From the head on it belongs to the sink's owner, who ends it. */
  stream: Duplex | null;
}

/** Where a response goes. After onEnd or onError nothing more is called. */
export interface ResponseSink {
  /** `headers`: flat, lower-case names, hop-by-hop fields removed. */
  onHead(status: number, headers: string[]): void;
  /** Chunk belongs to the receiver. False: pause until `flight.resume()`. */
  onData(chunk: Buffer): boolean;
  /** `trailers`: flat, lower-case names. */
  onEnd(trailers: string[]): void;
  onError(error: GatewayError): void;
}

/** A request under way. */
export interface Flight {
  /** Goes on after a sink's onData returned false. */
  resume(): void;
  /** Ends it: nothing more is called on the sink; the connection is closed unless the response was complete. */
  abort(): void;
}

/** The sink is never called before the dispatch has returned. */
export type Dispatch = (call: UpstreamCall, sink: ResponseSink) => Flight;

/** Backend-level policies of one backend or provider, compiled: what an adapter applies to the calls it makes. */
export interface BackendHooks {
  /** Goes into `UpstreamCall.prepare`; null where nothing is configured. */
  readonly prepare: UpstreamCall['prepare'];
  /** Runs on the backend's response head; the adapter registers it with `exchange.onResponse`. */
  readonly onResponse: ((head: ResponseHead, exchange: Exchange) => void) | null;
  /** From backendTLS; null = cleartext unless the adapter knows better. */
  readonly tls: UpstreamTls | null;
  /** True where a hook reads the body of the call, which must be held then. */
  readonly holdBody?: boolean;
  /** The policies themselves, for what the upstream executes by name (health, tcp …). */
  readonly policies: PolicyMap;
}
