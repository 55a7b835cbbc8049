import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { BodySink, Downstream } from '../../exchange.ts';
import { grouped } from './grouped.ts';
import { HeadFlusher } from './head-flusher.ts';
import { NodeDownstream } from './node-downstream.ts';
import type { Http1Connection } from './node-http1.ts';
import { BODY, type GatewayRequest } from './node-request.ts';
import { responseFields, sendableFields } from './reply-fields.ts';
import type { CheckedHead } from './request-head.ts';

/** Reply bytes waiting for the client above which `write` asks to wait; what node's own mark of 16 KiB says is ignored below. */
const SEND_HIGH_WATER = 256 * 1024;

const heads = new HeadFlusher();

/** The client's half of an HTTP/1 exchange. */
export class Http1Downstream extends NodeDownstream implements Downstream {
  readonly #connection: Http1Connection;
  readonly #request: GatewayRequest;
  readonly #response: ServerResponse;
  #expectsContinue: boolean;
  #headWritten = false;
  #bodyBegun = false;
  #done = false;
  #waiting = false;

  constructor(connection: Http1Connection, request: GatewayRequest, response: ServerResponse, head: CheckedHead) {
    super(connection.peer, head);
    this.#connection = connection;
    this.#request = request;
    this.#response = response;
    this.#expectsContinue = head.expectsContinue && head.hasBody;
    if (head.hasBody) request.bodyMode = BODY.pending;
  }

  get httpVersion(): '1.0' | '1.1' {
    return this.#request.httpVersionMinor === 0 ? '1.0' : '1.1';
  }
  get bufferedBytes(): number {
    return this.#response.writableLength;
  }
  get headSent(): boolean {
    return this.#headWritten;
  }
  /** The request body is not complete yet. */
  get isReceiving(): boolean {
    return this.hasBody && !this.#request.complete;
  }

  readBody(sink: BodySink): void {
    if (!this.hasBody) {
      sink.onEnd([]);
      return;
    }
    if (this.#done) return;
    this.#continue();
    this.#request.readInto(sink);
  }

  bodyStream(): Readable {
    const request = this.#request;
    if (request.bodyMode === BODY.pending) {
      request.bodyMode = BODY.stream;
      this.#continue();
    }
    return request;
  }

  #continue(): void {
    if (!this.#expectsContinue || this.#headWritten) return;
    this.#expectsContinue = false;
    if (!this.#request.complete) this.#response.writeContinue();
  }

  inform(status: number, headers: readonly string[]): void {
    if (this.#closed || this.#headWritten || this.#request.httpVersionMinor === 0) return;
    if (status === 103 && headers.includes('link'))
      this.#response.writeEarlyHints(grouped(sendableFields(headers)) as { link: string | string[] });
    else if (status === 102) this.#response.writeProcessing();
  }

  writeHead(status: number, headers: readonly string[]): void {
    if (this.#closed || this.#headWritten) return;
    this.#headWritten = true;
    const response = this.#response;
    // Without its 100 the body will not come, and what comes next can't be told from it (RFC 9110 §10.1.1).
    if (this.#connection.mustClose || (this.#expectsContinue && !this.#request.complete)) {
      this.#connection.closing = true;
      response.shouldKeepAlive = false;
    }
    const fields = responseFields(status, headers) as string[];
    try {
      response.writeHead(status, fields);
    } catch {
      response.writeHead(status, sendableFields(fields));
    }
    heads.add(this);
  }

  /** Sends the head if nothing that carries it was sent in the turn it was written in. */
  flushHead(): void {
    if (this.#closed || this.#bodyBegun) return;
    this.#response.flushHeaders();
  }

  write(chunk: Buffer): boolean {
    if (this.#closed) return true;
    this.#bodyBegun = true;
    const response = this.#response;
    if (response.write(chunk) || response.writableLength < SEND_HIGH_WATER) return true;
    if (!this.#waiting) {
      this.#waiting = true;
      response.once('drain', () => {
        this.#waiting = false;
        if (!this.#done) this.onDrain?.();
      });
    }
    return false;
  }

  end(chunk?: Buffer | string, trailers?: readonly string[]): void {
    if (this.#closed) return;
    const request = this.#request;
    const response = this.#response;
    if (trailers !== undefined && trailers.length > 0) addTrailers(response, trailers);
    this.#done = true;
    this.#connection.finished(this);
    if (this.isReceiving) this.#connection.leaveOver(request);
    if (chunk === undefined) response.end();
    else response.end(chunk);
  }

  abort(): void {
    if (this.#done) return;
    this.#done = true;
    this.#connection.finished(this);
    this.#request.sink = null;
    const socket = this.#connection.socket;
    // A body that ends with the connection would look complete to its reader.
    if (this.#request.httpVersionMinor === 0 && this.#headWritten && socket.resetAndDestroy !== undefined)
      socket.resetAndDestroy();
    else socket.destroy();
  }

  /** Nothing of a reply was sent, and now nothing will be: the connection goes on in another protocol. False where it is too late. */
  leave(): boolean {
    if (this.#closed || this.#headWritten) return false;
    this.#done = true;
    this.#connection.finished(this);
    return true;
  }

  /** The connection is gone, or can't carry the rest. */
  clientGone(): void {
    if (this.#done) return;
    this.#done = true;
    const sink = this.#request.sink;
    this.#request.sink = null;
    sink?.onError(new Error('the client closed the connection before its request was complete'));
    this.onAbort?.();
  }

  /** Nothing can be sent any more; between a socket's end and its `close` event node would throw at a write. */
  get #closed(): boolean {
    return this.#done || this.#response.destroyed || this.#connection.socket.destroyed;
  }
}

function addTrailers(response: ServerResponse, trailers: readonly string[]): void {
  const pairs: [string, string][] = [];
  const fields = sendableFields(trailers);
  for (let i = 0; i < fields.length; i += 2) pairs.push([fields[i] as string, fields[i + 1] as string]);
  response.addTrailers(pairs);
}
