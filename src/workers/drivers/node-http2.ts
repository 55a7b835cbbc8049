import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { BodySink, Downstream, DownstreamTls } from '../../exchange.ts';
import type { DownstreamUpgrade, UpgradedConnection } from '../../facts/upgrade.ts';
import { BodyReader } from './body-reader.ts';
import type { DriverLimits } from './driver.ts';
import type { CheckedHead, Refusal } from './framing.ts';
import { isBodyless, readTrailers, responseFields, sendableFields } from './framing.ts';
import { grouped } from './grouped.ts';
import { HeadFlusher } from './head-flusher.ts';
import type { Connection, Peer, PortState } from './node-connection.ts';
import { Stall } from './node-connection.ts';

/** Reply bytes of one stream waiting for the client above which `write` asks to wait. */
const SEND_HIGH_WATER = 128 * 1024;
/** Larger chunks are cut, so that progress within them shows. */
const WRITE_SLICE = 64 * 1024;
export const MAX_CONCURRENT_STREAMS = 128;
/** Streams a client may reset in one window before it is sent away ("rapid reset", CVE-2023-44487). */
const MAX_RESETS = 200;
const RESET_WINDOW_MS = 10_000;
/** What upgraded streams have to say at the end is sent within so long. */
const GOODBYE_MS = 300;

/** Options of the HTTP/2 server: everything a peer can make grow has a limit here, or one inside nghttp2. */
export function http2Options(limits: DriverLimits): import('node:http2').ServerOptions {
  return {
    settings: {
      maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
      maxHeaderListSize: limits.maxHeaderBytes,
      initialWindowSize: 256 * 1024,
      enablePush: false,
      // RFC 8441: WebSockets over a stream.
      enableConnectProtocol: true,
    },
    // Beyond our own limit, so that a head just above it is told 431 and only a flood is cut off.
    maxHeaderListPairs: limits.maxHeaderCount + 64,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    maxOutstandingPings: 10,
    // MiB, headers, queued frames and unsent data together.
    maxSessionMemory: 32,
  };
}

/** An HTTP/2 connection. */
export class Http2Connection implements Connection {
  readonly socket: Socket;
  readonly session: ServerHttp2Session;
  readonly peer: Peer;
  readonly port: PortState;
  readonly #streams = new Set<Http2Downstream>();
  #idleSince = performance.now();
  #served = false;
  #resets = 0;
  #resetsSince = 0;
  #going = false;
  /** Streams that speak another protocol now. */
  readonly upgraded = new Set<UpgradedConnection>();

  constructor(socket: Socket, session: ServerHttp2Session, peer: Peer, port: PortState) {
    this.socket = socket;
    this.session = session;
    this.peer = peer;
    this.port = port;
  }

  get pendingBytes(): number {
    let bytes = this.socket.writableLength;
    for (const stream of this.#streams) bytes += stream.bufferedBytes;
    return bytes;
  }

  begin(downstream: Http2Downstream): void {
    this.#served = true;
    this.#streams.add(downstream);
  }

  /** The stream is closed. `reset`: by its client, before the reply was complete. */
  ended(downstream: Http2Downstream, reset: boolean): void {
    this.#streams.delete(downstream);
    if (this.#streams.size === 0) this.#idleSince = performance.now();
    if (reset) this.#countReset();
  }

  #countReset(): void {
    const now = performance.now();
    if (now - this.#resetsSince > RESET_WINDOW_MS) {
      this.#resetsSince = now;
      this.#resets = 0;
    }
    this.#resets++;
    if (this.#resets !== MAX_RESETS) return;
    this.port.options.onRejected(0, 'reset_flood');
    this.session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.session.destroy();
  }

  closed(): void {
    for (const stream of [...this.#streams]) stream.clientGone();
    this.#streams.clear();
  }

  sweep(now: number): void {
    const limits = this.port.options.limits;
    if (this.#streams.size === 0) {
      const idle = this.#served ? limits.keepAliveTimeoutMs : limits.headTimeoutMs;
      if (idle > 0 && now - this.#idleSince > idle) this.drain();
      // A peer that does not answer the goodbye is not waited for.
      if (idle > 0 && now - this.#idleSince > idle + limits.headTimeoutMs) this.destroy();
      return;
    }
    for (const stream of this.#streams) stream.sweep(now, limits);
  }

  drain(): void {
    if (this.#going || this.session.destroyed) return;
    this.#going = true;
    // GOAWAY; the streams under way are finished first.
    this.session.close();
  }

  destroy(): void {
    const closing = [...this.upgraded].filter(({ onClose }) => onClose !== null);
    if (closing.length === 0) {
      this.session.destroy();
      this.socket.destroy();
      return;
    }
    for (const connection of closing) connection.onClose?.();
    this.upgraded.clear();
    setTimeout(() => this.destroy(), GOODBYE_MS);
  }
}

const heads = new HeadFlusher();
const ignore = (): void => {};

/** The client's half of an HTTP/2 exchange. */
export class Http2Downstream implements Downstream {
  readonly httpVersion = '2';
  readonly hasBody: boolean;
  readonly contentLength: number;
  readonly upgrade: DownstreamUpgrade | null = null;
  onDrain: (() => void) | null = null;
  onAbort: (() => void) | null = null;
  readonly #connection: Http2Connection;
  readonly #stream: ServerHttp2Stream;
  readonly #isHead: boolean;
  #expectsContinue: boolean;
  /** The head, until something is sent with it. */
  #held: OutgoingHttpHeaders | null = null;
  #headWritten = false;
  #status = 0;
  #done = false;
  #closed = false;
  #waiting = false;
  #sink: BodySink | null = null;
  #reading = false;
  #received = 0;
  #accepted = 0;
  #requestTrailers: string[] = [];
  #replyTrailers: readonly string[] | null = null;
  readonly #receiving = new Stall();
  readonly #sending = new Stall();

  constructor(connection: Http2Connection, stream: ServerHttp2Stream, head: CheckedHead) {
    this.#connection = connection;
    this.#stream = stream;
    this.hasBody = head.hasBody;
    this.contentLength = head.contentLength;
    this.#isHead = head.method === 'HEAD';
    this.#expectsContinue = head.expectsContinue;
    stream.on('error', ignore);
    stream.on('close', () => {
      this.#closed = true;
      connection.ended(this, !this.#done);
      this.clientGone();
    });
    if (head.hasBody) {
      stream.on('trailers', (_headers: IncomingHttpHeaders, _flags: number, raw?: string[]) => {
        this.#requestTrailers = readTrailers(raw ?? []);
      });
    }
  }

  get remoteAddress(): string {
    return this.#connection.peer.remoteAddress;
  }

  get knownAddress(): string {
    return this.#connection.peer.remoteAddress;
  }
  get remotePort(): number {
    return this.#connection.peer.remotePort;
  }
  get localPort(): number {
    return this.#connection.peer.localPort;
  }
  get localAddress(): string {
    return this.#connection.peer.localAddress;
  }
  get tls(): DownstreamTls | null {
    return this.#connection.peer.tls;
  }
  get bufferedBytes(): number {
    return this.#stream.writableLength;
  }

  readBody(sink: BodySink): void {
    if (!this.hasBody) {
      sink.onEnd([]);
      return;
    }
    if (this.#done || this.#reading) return;
    this.#reading = true;
    this.#sink = sink;
    this.#continue();
    const stream = this.#stream;
    stream.on('data', (chunk: Buffer) => {
      this.#received += chunk.length;
      this.#sink?.onChunk(chunk);
    });
    stream.on('end', () => {
      // An aborted stream ends too.
      if (stream.aborted) return;
      const reader = this.#sink;
      this.#sink = null;
      reader?.onEnd(this.#requestTrailers);
    });
  }

  bodyStream(): Readable {
    const reader = new BodyReader(this);
    this.readBody(reader);
    return reader;
  }

  /** For BodyReader: flow control keeps what is not read here with the client. */
  pauseBody(): void {
    this.#stream.pause();
  }

  resumeBody(): void {
    if (!this.#stream.destroyed) this.#stream.resume();
  }

  #continue(): void {
    if (!this.#expectsContinue || this.#headWritten || this.#stream.destroyed) return;
    this.#expectsContinue = false;
    this.#stream.additionalHeaders({ ':status': 100 });
  }

  inform(status: number, headers: readonly string[]): void {
    if (this.#done || this.#headWritten || this.#stream.destroyed || status < 102 || status > 199) return;
    this.#stream.additionalHeaders({ ...grouped(sendableFields(headers)), ':status': status });
  }

  writeHead(status: number, headers: readonly string[]): void {
    if (this.#done || this.#headWritten) return;
    this.#headWritten = true;
    this.#status = status;
    const fields = grouped(sendableFields(responseFields(status, headers))) as OutgoingHttpHeaders;
    fields[':status'] = status;
    // There is none in HTTP/2, whatever the status.
    if (status === 426) delete fields.upgrade;
    this.#held = fields;
    heads.add(this);
  }

  flushHead(): void {
    if (this.#done) return;
    if (isBodyless(this.#isHead ? 'HEAD' : '', this.#status)) return;
    this.#sendHead({ waitForTrailers: true });
  }

  #sendHead(options: { endStream?: boolean; waitForTrailers?: boolean }): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    if (options.waitForTrailers === true) {
      stream.on('wantTrailers', () => {
        const trailers = this.#replyTrailers;
        stream.sendTrailers(trailers === null ? {} : grouped(sendableFields(trailers)));
      });
    }
    stream.respond(held, options);
  }

  write(chunk: Buffer): boolean {
    if (this.#done || this.#stream.destroyed || chunk.length === 0) return true;
    if (isBodyless(this.#isHead ? 'HEAD' : '', this.#status)) return true;
    if (this.#held !== null) this.#sendHead({ waitForTrailers: true });
    const stream = this.#stream;
    this.#accepted += chunk.length;
    for (let at = 0; at < chunk.length; at += WRITE_SLICE) {
      stream.write(chunk.length <= WRITE_SLICE ? chunk : chunk.subarray(at, at + WRITE_SLICE));
    }
    if (stream.writableLength < SEND_HIGH_WATER) return true;
    if (!this.#waiting) {
      this.#waiting = true;
      stream.once('drain', () => {
        this.#waiting = false;
        if (!this.#done) this.onDrain?.();
      });
    }
    return false;
  }

  end(chunk?: Buffer | string, trailers?: readonly string[]): void {
    if (this.#done) return;
    this.#sink = null;
    const stream = this.#stream;
    const bodyless = isBodyless(this.#isHead ? 'HEAD' : '', this.#status);
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const hasTrailers = trailers !== undefined && trailers.length > 0;
    if (!bodyless && bytes !== undefined && bytes.length > WRITE_SLICE) this.write(bytes);
    this.#done = true;
    if (stream.destroyed) return;
    if (hasTrailers) this.#replyTrailers = trailers;
    const empty = bytes === undefined || bytes.length === 0;
    if (bodyless || (empty && this.#held !== null && !hasTrailers)) this.#sendHead({ endStream: true });
    else {
      this.#sendHead(hasTrailers ? { waitForTrailers: true } : {});
      if (bytes === undefined || bytes.length > WRITE_SLICE) stream.end();
      else stream.end(bytes);
    }
  }

  abort(): void {
    if (this.#done) return;
    this.#done = true;
    this.#sink = null;
    if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** Nothing of a reply was sent, and now nothing will be: the stream goes on in another protocol. False where it is too late. */
  leave(): boolean {
    if (this.#done || this.#headWritten || this.#stream.destroyed) return false;
    this.#done = true;
    return true;
  }

  clientGone(): void {
    if (this.#done) return;
    this.#done = true;
    const sink = this.#sink;
    this.#sink = null;
    sink?.onError(new Error('the client reset the stream before its request was complete'));
    this.onAbort?.();
  }

  sweep(now: number, limits: DriverLimits): void {
    if (this.#closed) return;
    const stream = this.#stream;
    // RFC 9113 §8.1: a reply that is complete before its request says so, and the rest is not sent. Only once the last of
    // the reply is out: a reset drops what is not.
    if (this.#done && this.hasBody && !stream.readableEnded && stream.state.localClose === 1) {
      stream.close(constants.NGHTTP2_NO_ERROR);
      return;
    }
    const waiting = stream.writableLength;
    if (waiting === 0) this.#sending.clear();
    else if (this.#sending.forMs(this.#accepted - waiting, now) > limits.sendIdleTimeoutMs)
      stream.close(constants.NGHTTP2_CANCEL);
    if (!this.hasBody || this.#done || stream.readableEnded || stream.isPaused()) this.#receiving.clear();
    else if (this.#receiving.forMs(this.#received, now) > limits.bodyIdleTimeoutMs) this.#timeOutBody();
  }

  #timeOutBody(): void {
    this.#connection.port.options.onRejected(408, 'body_timeout');
    const answerable = !this.#headWritten && !this.#stream.headersSent;
    this.clientGone();
    if (answerable) this.#stream.respond({ ':status': 408 }, { endStream: true });
    this.#stream.close(answerable ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
  }
}

/** Answers a stream that is refused. */
export function refuseStream(stream: ServerHttp2Stream, refusal: Refusal): void {
  stream.on('error', ignore);
  if (stream.destroyed) return;
  stream.respond({ ':status': refusal.status, 'content-type': 'text/plain; charset=utf-8' });
  stream.end(`${refusal.message}\n`);
  // node resets a stream whose request nobody reads once its reply is out.
}
