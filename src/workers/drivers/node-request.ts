import { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { BodySink } from '../../exchange.ts';
import { readTrailers } from './trailers.ts';

/** Who gets a request's body: no body, nobody asked yet, a stream's reader, a sink, nobody any more. */
export const BODY = { none: 0, pending: 1, stream: 2, sink: 3, discard: 4 } as const;
type BodyMode = (typeof BODY)[keyof typeof BODY];

/**
 * node:http's request. Its parser hands a body over by `push`; where a sink reads it, or nobody, the stream's machinery is
 * left out: for a short body that is half of what it costs.
 */
export class GatewayRequest extends IncomingMessage {
  bodyMode: BodyMode = BODY.none;
  sink: BodySink | null = null;

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    switch (this.bodyMode) {
      case BODY.sink:
        if (chunk === null) this.#endSink();
        else this.sink?.onChunk(chunk as Buffer);
        return true;
      case BODY.pending:
      case BODY.stream:
        return super.push(chunk, encoding);
      default:
        return true;
    }
  }

  /** Sends the body to `sink`, with what came before. */
  readInto(sink: BodySink): void {
    if (this.bodyMode !== BODY.pending) return;
    this.sink = sink;
    let chunk = this.read() as Buffer | null;
    while (chunk !== null) {
      sink.onChunk(chunk);
      chunk = this.read() as Buffer | null;
    }
    this.bodyMode = BODY.sink;
    if (this.complete) this.#endSink();
    else this.socket.resume();
  }

  #endSink(): void {
    const sink = this.sink;
    this.sink = null;
    this.bodyMode = BODY.discard;
    sink?.onEnd(readTrailers(this.rawTrailers));
  }

  /** Lets the rest of the body go by. */
  discard(): void {
    const mode = this.bodyMode;
    if (mode === BODY.none || mode === BODY.discard) return;
    const unfinished = mode === BODY.stream && !(this.complete && this.readableLength === 0);
    this.bodyMode = BODY.discard;
    this.sink = null;
    if (unfinished && !this.destroyed) this.destroy();
    if (!this.complete && !this.socket.destroyed) this.socket.resume();
  }

  /** Called by node:http when a reply is finished and its request was not read. */
  _dump(): void {
    this.discard();
  }

  /**
   * A consumer that destroys the body (an upstream that failed) must not take the client's connection with it, as node's own
   * does: the client is still to be told.
   */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.socket.destroyed && !this.complete) this.aborted = true;
    else this.discard();
    callback(this.listenerCount('error') > 0 ? error : null);
  }
}

const endEmitted = Object.getOwnPropertyDescriptor(Readable.prototype, 'readableEnded')?.get;

/** True as soon as nothing reads this as a stream: node:http then lets go of it without waiting for an `end`. */
Object.defineProperty(GatewayRequest.prototype, 'readableEnded', {
  get(this: GatewayRequest): boolean {
    return this.bodyMode === BODY.none || this.bodyMode === BODY.discard || endEmitted?.call(this) === true;
  },
});

const NO_HEADERS = Object.freeze({});

/** node:http looks only for `expect`; the object of all fields that it would build for that is never needed. */
Object.defineProperty(GatewayRequest.prototype, 'headers', {
  get(this: GatewayRequest): { expect?: string } {
    const raw = this.rawHeaders;
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string;
      if (name.length === 6 && name.toLowerCase() === 'expect') return { expect: raw[i + 1] as string };
    }
    return NO_HEADERS;
  },
});

/** Plain properties, since IncomingMessage's constructor writes before a subclass has fields of its own. */
interface Asked {
  upgradeAsked?: boolean;
}

/**
 * node:http hands over the connection of whatever request its parser calls an upgrade. Only those that can be granted are: any other
 * wish (h2c, say) is passed over and its request served as if it had none (RFC 9110 §7.8).
 */
Object.defineProperty(GatewayRequest.prototype, 'upgrade', {
  get(this: GatewayRequest & Asked): boolean {
    return this.upgradeAsked === true && (this.method === 'CONNECT' || asksForWebSocket(this));
  },
  set(this: Asked, asked: boolean | null) {
    this.upgradeAsked = asked === true;
  },
});

/** RFC 6455 §4.1: a GET of HTTP/1.1 without a body that brings a key. */
function asksForWebSocket({ method, httpVersionMinor, rawHeaders }: GatewayRequest): boolean {
  if (method !== 'GET' || httpVersionMinor !== 1) return false;
  let asked = false;
  let keyed = false;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (name === 'content-length' || name === 'transfer-encoding') return false;
    if (name === 'sec-websocket-key') keyed = true;
    if (name === 'upgrade') asked = (rawHeaders[i + 1] as string).trim().toLowerCase() === 'websocket';
  }
  return asked && keyed;
}
