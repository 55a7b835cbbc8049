import { once } from 'node:events';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  deltaRequestType,
  deltaResponseType,
} from '../../src/xds/wire/discovery.ts';

/**
 * A control plane for tests: nothing but the wire (gRPC over HTTP/2 by hand), so that it can do all that one must not do. What
 * it answers is up to the test.
 */
export class AdsServer {
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();
  readonly #waiting: ((stream: AdsStream) => void)[] = [];
  readonly #unseen: AdsStream[] = [];
  /** All that ever came, in order. */
  readonly streams: AdsStream[] = [];
  /** Called with each stream before it is handed to `nextStream`. */
  onStream: (stream: AdsStream) => void = () => undefined;
  readonly scheme: 'http' | 'https';

  constructor(tls?: { cert: string | Buffer; key: string | Buffer; ca?: string | Buffer; requestCert?: boolean }) {
    this.scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? createServer() : createSecureServer({ ...tls, rejectUnauthorized: true });
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', () => undefined);
    });
    this.#server.on('sessionError', () => undefined);
    this.#server.on('stream', (raw, headers) => {
      const stream = new AdsStream(raw, headers);
      this.streams.push(stream);
      this.onStream(stream);
      const next = this.#waiting.shift();
      if (next === undefined) this.#unseen.push(stream);
      else next(stream);
    });
  }

  /** Listens on `port`, else on a free one; resolves to the port. */
  async listen(port = 0): Promise<number> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return this.port;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `${this.scheme}://localhost:${this.port}`;
  }

  /** The next stream that nobody has asked for yet. */
  async nextStream(): Promise<AdsStream> {
    const stream = this.#unseen.shift();
    return stream ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Sends GOAWAY on every connection. */
  goaway(code = 0, data?: string): void {
    for (const session of this.#sessions) session.goaway(code, 0, data === undefined ? undefined : Buffer.from(data));
  }

  /** Cuts every connection as a process that is killed does. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions) session.destroy();
    await closed;
  }
}

/** One stream of a client. */
export class AdsStream {
  readonly headers: IncomingHttpHeaders;
  readonly raw: ServerHttp2Stream;
  /** All that ever came, in order. */
  readonly requests: DeltaDiscoveryRequest[] = [];
  /** Called with each request. */
  onRequest: (request: DeltaDiscoveryRequest) => void = () => undefined;
  /** Whether it is over. */
  readonly closed: Promise<void>;
  readonly #unseen: DeltaDiscoveryRequest[] = [];
  readonly #waiting: ((request: DeltaDiscoveryRequest) => void)[] = [];
  #pending = Buffer.alloc(0);

  constructor(raw: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.raw = raw;
    this.headers = headers;
    raw.on('error', () => undefined);
    raw.on('data', (chunk: Buffer) => this.#take(chunk));
    this.closed = new Promise((resolve) => raw.on('close', resolve));
  }

  /** The next request that nobody has asked for yet. */
  async nextRequest(): Promise<DeltaDiscoveryRequest> {
    const request = this.#unseen.shift();
    return request ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  send(response: DeltaDiscoveryResponse): void {
    this.sendBytes(deltaResponseType().encode(response));
  }

  /** A message of these bytes; `part` of it only where a share is given. */
  sendBytes(bytes: Buffer, part = 1): void {
    if (this.raw.destroyed || this.raw.writableEnded) return;
    this.#head();
    const message = frame(bytes);
    this.raw.write(message.subarray(0, Math.floor(message.length * part)));
  }

  /** Ends the stream with a gRPC status. */
  end(code: number, message = ''): void {
    if (this.raw.destroyed || this.raw.writableEnded) return;
    if (!this.raw.headersSent) {
      this.raw.respond({ ...HEAD, 'grpc-status': String(code), 'grpc-message': message }, { endStream: true });
      return;
    }
    this.raw.on('wantTrailers', () => this.raw.sendTrailers({ 'grpc-status': String(code), 'grpc-message': message }));
    this.raw.end();
  }

  /** Resets the stream (RST_STREAM), by default with INTERNAL_ERROR. */
  reset(code = 2): void {
    this.raw.close(code);
  }

  #head(): void {
    if (!this.raw.headersSent) this.raw.respond(HEAD, { waitForTrailers: true });
  }

  #take(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 5) {
      const end = 5 + this.#pending.readUInt32BE(1);
      if (this.#pending.length < end) return;
      const request = deltaRequestType().decode(this.#pending.subarray(5, end));
      this.#pending = this.#pending.subarray(end);
      this.requests.push(request);
      this.onRequest(request);
      const next = this.#waiting.shift();
      if (next === undefined) this.#unseen.push(request);
      else next(request);
    }
  }
}

const HEAD = { ':status': 200, 'content-type': 'application/grpc' };

/** A message as gRPC frames it: uncompressed, its length, its bytes. */
function frame(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
