import type { X509Certificate } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { ErrorDialect } from './errors/render.ts';
import type { GatewayError } from './errors/table.ts';
import type { LlmFacts } from './facts/llm.ts';
import type { MessageHook } from './facts/realtime.ts';
import type { DownstreamUpgrade } from './facts/upgrade.ts';
import type { HeaderList } from './headers.ts';

/** TLS facts of a downstream connection. */
export interface DownstreamTls {
  readonly sni: string;
  readonly alpn: string;
  /** Subject alternative names of a verified client certificate (mTLS), e.g. `URI:spiffe://…`, `DNS:…`; empty without one. */
  readonly clientSans: readonly string[];
  /** The verified client certificate; absent without one. */
  readonly clientCertificate?: X509Certificate;
}

/** Receives a request body as it arrives. Chunks belong to the receiver (a driver copies where its memory is borrowed). */
export interface BodySink {
  onChunk(chunk: Buffer): void;
  /** The body is complete. `trailers`: flat, lower-case names. */
  onEnd(trailers: string[]): void;
  /** The body will not be complete: the client went away, or broke its framing. */
  onError(error: Error): void;
}

/**
 * The client's half of an exchange, as a driver gives it. One of `readBody` and `bodyStream` is called at most once.
 * The reply is writeHead, write*, end; `abort` breaks it off at any point. Calls after the end or an abort do nothing.
 */
export interface Downstream {
  readonly httpVersion: '1.0' | '1.1' | '2';
  readonly remoteAddress: string;
  /** `remoteAddress` where it is known already; '' where a driver would have to ask for it. */
  readonly knownAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  /** Address of ours that the client connected to; absent where the driver can't tell. */
  readonly localAddress?: string;
  readonly tls: DownstreamTls | null;
  /** False where the request has no body at all (no content-length, or 0, and no transfer-encoding). */
  readonly hasBody: boolean;
  /** Declared content-length in bytes, or -1. */
  readonly contentLength: number;
  /** What the client wants to switch to, null for nearly every request. */
  readonly upgrade: DownstreamUpgrade | null;

  readBody(sink: BodySink): void;
  /** The body as a stream with backpressure, for forwarding. */
  bodyStream(): Readable;
  /** Sends an interim response (103 Early Hints); 100-continue is the driver's own affair. */
  inform(status: number, headers: readonly string[]): void;
  /** `headers`: flat, lower-case names. Without content-length the driver frames the body itself. */
  writeHead(status: number, headers: readonly string[]): void;
  /** True: go on. False: taken, but wait for `onDrain` before the next. */
  write(chunk: Buffer): boolean;
  end(chunk?: Buffer | string, trailers?: readonly string[]): void;
  /** Resets the stream or closes the connection without completing the reply. */
  abort(): void;
  /** Bytes accepted by `write` that the client's socket has not taken. */
  readonly bufferedBytes: number;
  onDrain: (() => void) | null;
  /** The client went away before the reply was complete. Called at most once, never after `end` has been flushed. */
  onAbort: (() => void) | null;
}

/** How a request ended. Every exchange ends exactly once, with one of these. */
export type EndCause = 'complete' | 'error' | 'client_gone' | 'upstream_gone' | 'timeout';

/** Names of what an exchange was routed to, for logs, metrics and CEL. '' where not (yet) known. */
export interface Routed {
  bind: string;
  gateway: string;
  listener: string;
  route: string;
  routeRule: string;
  backend: string;
  /** `ip:port` that served the last attempt. */
  endpoint: string;
}

/** The key that authenticated a request, without its secret. */
export interface ApiKeyIdentity {
  /** Names the key in logs: metadata.name, else the first 8 hex digits of the key's SHA-256. */
  readonly id: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Model patterns the key is limited to (at most one `*`); null = all. */
  readonly allowedModels: readonly string[] | null;
  /** A key that is limited to some models may use files and batches all the same. */
  readonly allowsBatches?: boolean;
}

/** The head of a response on its way to the client; response policies edit it. */
export interface ResponseHead {
  status: number;
  headers: HeaderList;
}

/** Bytes of a body, for expressions. */
export interface BodyBytes {
  readonly bytes: Buffer;
  /** False: it is longer than could be held, `bytes` is how it begins. */
  readonly complete: boolean;
}

/** A response that policies want to see, or to write, whole: nothing of it is sent before its end has come. */
export interface HeldResponse {
  /** Bytes that may be held. */
  readonly limit: number;
  /** False: its body is replaced without anybody reading it, and not kept. */
  readonly reads: boolean;
  /** The head, from when it came. */
  head: { readonly status: number; readonly headers: string[] } | null;
  readonly chunks: Buffer[];
  bytes: number;
  /** Why it can't be held; it is told instead. */
  error: GatewayError | null;
  /** The whole body once it has come, which response policies may replace. */
  body: Buffer | null;
}

/** What passes of a response's body, kept for the access log as far as there is room. */
export interface ResponseCapture {
  readonly limit: number;
  readonly chunks: Buffer[];
  bytes: number;
  complete: boolean;
}

/** A value in a line of the access log. */
export type LogValue = string | number | boolean | readonly unknown[] | { readonly [name: string]: unknown };

/** What configuration changes about the access-log line of a request; asked at its end. */
export interface LogEdits {
  /** False: no line is written. */
  keeps(exchange: Exchange): boolean;
  /** Names of fields that are left out. */
  readonly removed: ReadonlySet<string>;
  /** Fields put behind the others. */
  added(exchange: Exchange): readonly (readonly [name: string, value: LogValue])[];
}

/** Kinds of backends, as expressions name them. */
export type BackendType = 'ai' | 'mcp' | 'static' | 'dynamic' | 'service' | 'unknown';

/** One request and its reply, as all rooms see it. Made by a driver, owned by one worker thread. */
export class Exchange {
  readonly downstream: Downstream;
  /** performance.now() at the request's first byte known to us, milliseconds. */
  readonly startedAt: number;
  /** Date.now() at the same moment. */
  readonly startedAtUnixMs: number;

  method: string;
  /** Path as received, undecoded, beginning with '/'. Policies may rewrite it; `originalPath` stays. */
  path: string;
  readonly originalPath: string;
  /** The `pathPrefix` of the match that chose the route ('/' included); '' where it matched exactly or by regex. */
  matchedPrefix = '';
  /** Query as received, without '?'; '' if none. Policies may rewrite it. */
  query: string;
  readonly scheme: 'http' | 'https';
  /**
   * Host header or :authority as received (with port), lower-case; what the backend is sent as its Host. Policies may rewrite
   * it; '' = the backend's own. `host` stays.
   */
  authority: string;
  /** `authority` without its port. */
  readonly host: string;
  readonly headers: HeaderList;

  readonly routed: Routed = {
    bind: '',
    gateway: '',
    listener: '',
    route: '',
    routeRule: '',
    backend: '',
    endpoint: '',
  };

  /** Who asks (DESIGN §1): set once after authentication; `anonymous` until then. */
  principal = 'anonymous';
  /** Whose data this is: every cache, affinity, session and fair-share key begins with it. */
  tenant = 'anonymous';
  apiKey: ApiKeyIdentity | null = null;
  /** The key itself, which expressions may ask for by name (`unredacted`). */
  apiKeySecret: string | null = null;
  /** Name of the header the client's credential came in, once a policy used it; such a header is not forwarded. */
  credentialHeader: string | null = null;

  /** The language errors are rendered in. */
  errorDialect: ErrorDialect | ((exchange: Exchange) => ErrorDialect) = 'plain';
  llm: LlmFacts | null = null;

  /** The request's body, where a policy needed it before the backend does: it is sent in the client's stead. Null: not held. */
  heldBody: Buffer | null = null;
  /** Facts that transformations keep for later expressions; null = none. */
  metadata: Record<string, unknown> | null = null;
  /** What was chosen to serve it; 'unknown' until then. */
  backendType: BackendType = 'unknown';
  /** Null: the response passes as it comes. */
  heldResponse: HeldResponse | null = null;
  responseCapture: ResponseCapture | null = null;
  /** What an LLM request says is read when its answer has come, or later. */
  keepsLlmRequest = false;
  /** The head of the response, from before response policies see it. */
  response: ResponseHead | null = null;
  /** The gRPC status that came behind the response's body; null without one. */
  grpcStatus: number | null = null;
  /** Milliseconds from start until our head was sent; -1 where nobody asks for it. */
  headSentMs = -1;
  logEdits: LogEdits | null = null;

  /** What the client was sent. 0 until the head was written. */
  status = 0;
  bytesSent = 0;
  bytesReceived = 0;
  attempts = 0;
  endCause: EndCause | null = null;
  error: GatewayError | null = null;
  /** Milliseconds from start until the upstream's head arrived; -1 without one. */
  upstreamHeadMs = -1;
  /** Milliseconds from start until the request was handed to the upstream; -1 if never. */
  upstreamStartMs = -1;

  /** Fields response policies registered while the request passed (cors, apiKey …), run in order before the head is sent. */
  #onResponse: ((head: ResponseHead, exchange: Exchange) => void)[] | null = null;
  #onUsage: ((exchange: Exchange) => void)[] | null = null;
  #onPromptTokens: ((exchange: Exchange, tokens: number) => void)[] | null = null;
  #onEnd: ((exchange: Exchange) => void)[] | null = null;
  #onMessage: MessageHook[] | null = null;

  constructor(
    downstream: Downstream,
    head: {
      method: string;
      path: string;
      query: string;
      scheme: 'http' | 'https';
      authority: string;
      host: string;
      headers: HeaderList;
    },
  ) {
    this.downstream = downstream;
    this.startedAt = performance.now();
    this.startedAtUnixMs = Date.now();
    this.method = head.method;
    this.path = head.path;
    this.originalPath = head.path;
    this.query = head.query;
    this.scheme = head.scheme;
    this.authority = head.authority;
    this.host = head.host;
    this.headers = head.headers;
  }

  /** Runs before the response head is sent; may edit it. */
  onResponse(hook: (head: ResponseHead, exchange: Exchange) => void): void {
    if (this.#onResponse === null) this.#onResponse = [hook];
    else this.#onResponse.push(hook);
  }

  /** Runs once, when `llm.usage` is known or estimated: a token limit settles here. */
  onUsage(hook: (exchange: Exchange) => void): void {
    if (this.#onUsage === null) this.#onUsage = [hook];
    else this.#onUsage.push(hook);
  }

  /** Runs before an LLM request is sent, where its prompt's tokens are counted ahead; throws a GatewayError to refuse it. */
  onPromptTokens(hook: (exchange: Exchange, tokens: number) => void): void {
    if (this.#onPromptTokens === null) this.#onPromptTokens = [hook];
    else this.#onPromptTokens.push(hook);
  }

  /** Whether counting the prompt's tokens ahead is of use to anybody. */
  get awaitsPromptTokens(): boolean {
    return this.#onPromptTokens !== null;
  }

  /** Called by an adapter that has counted. Throws what a hook refuses the request with. */
  runOnPromptTokens(tokens: number): void {
    const hooks = this.#onPromptTokens;
    this.#onPromptTokens = null;
    if (hooks !== null) for (const hook of hooks) hook(this, tokens);
  }

  /** Runs once, at the end, whatever its cause. */
  onEnd(hook: (exchange: Exchange) => void): void {
    if (this.#onEnd === null) this.#onEnd = [hook];
    else this.#onEnd.push(hook);
  }

  /** Sees the messages of a realtime session, hooks in the order of their registration; to be registered before it begins. */
  onMessage(hook: MessageHook): void {
    if (this.#onMessage === null) this.#onMessage = [hook];
    else this.#onMessage.push(hook);
  }

  get messageHooks(): readonly MessageHook[] {
    return this.#onMessage ?? [];
  }

  runOnResponse(head: ResponseHead): void {
    if (this.#onResponse !== null) for (const hook of this.#onResponse) hook(head, this);
  }

  /** After a response hook failed: the error reply goes out without them. */
  dropResponseHooks(): void {
    this.#onResponse = null;
  }

  /** Called by an adapter once usage is set; later calls do nothing. */
  runOnUsage(): void {
    const hooks = this.#onUsage;
    this.#onUsage = null;
    if (hooks !== null) for (const hook of hooks) hook(this);
  }

  /** Called by the pipeline at the one end of the exchange; later calls do nothing. */
  runOnEnd(cause: EndCause): boolean {
    if (this.endCause !== null) return false;
    this.endCause = cause;
    const hooks = this.#onEnd;
    this.#onEnd = null;
    if (hooks !== null) for (const hook of hooks) hook(this);
    return true;
  }

  /** Milliseconds since the exchange began. */
  elapsedMs(): number {
    return performance.now() - this.startedAt;
  }
}

/** A status as `grpc-status` gives it; null where it is none. */
export function grpcStatusOf(text: string | undefined): number | null {
  return text !== undefined && /^[0-9]{1,2}$/.test(text) ? Number(text) : null;
}

/** A reply a policy gives in the backend's stead. */
export interface LocalReply {
  status: number;
  /** Flat, lower-case names; content-length is added. */
  headers: string[];
  body: Buffer | string;
}
