import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { Readable } from 'node:stream';
import type { BodySink, Downstream } from '../../exchange.ts';
import { BodyReader } from './body-reader.ts';
import type { DriverLimits } from './driver.ts';
import { grouped } from './grouped.ts';
import { HeadFlusher } from './head-flusher.ts';
import { Stall } from './node-connection.ts';
import { NodeDownstream } from './node-downstream.ts';
import type { Http2Connection } from './node-http2.ts';
import { isBodyless, responseFields, sendableFields } from './reply-fields.ts';
import type { CheckedHead } from './request-head.ts';
import { readTrailers } from './trailers.ts';

/** Reply bytes of one stream waiting for the client above which `write` asks to wait. */
const SEND_HIGH_WATER = 128 * 1024;
/** Larger chunks are cut, so that progress within them shows. */
const WRITE_SLICE = 64 * 1024;

const heads = new HeadFlusher();
const ignore = (): void => {};

/** The client's half of an HTTP/2 exchange. */
export class Http2Downstream extends NodeDownstream implements Downstream {
  readonly httpVersion = '2';
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
    super(connection.peer, head);
    this.#connection = connection;
    this.#stream = stream;
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
