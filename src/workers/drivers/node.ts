/**
 * The `node` driver: node:http and node:http2 on one port. The protocol is told by ALPN under TLS and, in cleartext, by the
 * connection's first bytes (HTTP/2's preface, RFC 9113 §3.4); that look costs a connection a little and a request nothing.
 */
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Exchange } from '../../exchange.ts';
import type { Driver, Listening, ListenOptions } from './driver.ts';
import { Accepted } from './node-accepted.ts';
import type { Connection, PortState } from './node-connection.ts';
import { Peer } from './node-connection.ts';
import { Http1Connection } from './node-http1.ts';
import { Http1Downstream } from './node-http1-downstream.ts';
import { Http1UpgradeDownstream } from './node-http1-upgrade.ts';
import { Http2Connection, http2Options, refuseStream } from './node-http2.ts';
import { Http2Downstream } from './node-http2-downstream.ts';
import { Http2UpgradeDownstream } from './node-http2-upgrade.ts';
import { GatewayRequest } from './node-request.ts';
import { readTlsFacts, TlsServers } from './node-tls.ts';
import { REFUSALS, Refusal } from './refusals.ts';
import { CheckedHead, checkHttp1Head, checkHttp2Head } from './request-head.ts';
import { listenOn } from './reuse-port.ts';
import { serve } from './serve.ts';

export const nodeDriver: Driver = {
  name: 'node',
  async listen(options: ListenOptions): Promise<Listening> {
    const port = new NodePort(options);
    await port.open();
    return port;
  },
};

const CONNECTION = Symbol('connection');
const ACCEPTED = Symbol('accepted');

/** Sockets and sessions carry what the driver knows of them: a property is the cheapest way from a request to there. */
interface Tagged {
  [CONNECTION]?: Http1Connection | Http2Connection;
  [ACCEPTED]?: Accepted;
}

const DRAIN_POLL_MS = 50;
const ALLOWED = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

class NodePort implements Listening, PortState {
  readonly driver = 'node';
  readonly options: ListenOptions;
  readonly scheme: 'http' | 'https';
  readonly connections = new Set<Connection>();
  draining = false;
  port = 0;
  readonly #http: http.Server;
  readonly #http2: http2.Http2Server;
  readonly #serveHttp1: (this: http.Server, socket: Socket) => void;
  readonly #tls: TlsServers | null;
  #sweeper: NodeJS.Timeout | null = null;
  #promoting: Accepted | null = null;
  #drained: (() => void)[] = [];

  constructor(options: ListenOptions) {
    const { limits } = options;
    this.options = options;
    this.scheme = options.tls === null ? 'http' : 'https';
    this.#http = http.createServer({
      IncomingMessage: GatewayRequest,
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headTimeoutMs,
      connectionsCheckingInterval: sweepInterval(limits.headTimeoutMs),
      // Bodies have an idle time-out of their own: a large one may take long.
      requestTimeout: 0,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      // Checked with everything else in framing.ts, which also counts what node would drop in silence.
      requireHostHeader: false,
      insecureHTTPParser: false,
    });
    this.#http.maxHeadersCount = 0;
    this.#http.on('request', (req: GatewayRequest, res) => this.#onRequest(req, res));
    this.#http.on('checkContinue', (req: GatewayRequest, res) => this.#onRequest(req, res));
    this.#http.on('checkExpectation', (req: GatewayRequest, res) => this.#onRequest(req, res));
    this.#http.on('connect', (req) => {
      // node:http has let go of the socket.
      req.socket.on('error', () => req.socket.destroy());
      const connection = (req.socket as Tagged)[CONNECTION];
      if (connection instanceof Http1Connection) connection.refuse(REFUSALS.method, null);
    });
    this.#http.on('upgrade', (req: GatewayRequest, socket: Socket, behind: Buffer) =>
      this.#onUpgrade(req, socket, behind),
    );
    this.#http.on('clientError', (error, socket) => this.#onClientError(error, socket as Socket));
    this.#serveHttp1 = this.#http.listeners('connection')[0] as (this: http.Server, socket: Socket) => void;
    this.#http.removeAllListeners('connection');
    this.#http.on('connection', (socket: Socket) => this.#accept(socket));

    this.#http2 = http2.createServer(http2Options(limits));
    this.#http2.on('session', (session: http2.ServerHttp2Session) => this.#onSession(session));
    // The fourth argument is the flat list as it was sent; the types leave it out.
    const onStream = (stream: http2.ServerHttp2Stream, _: unknown, flags: number, raw: string[]): void =>
      this.#onStream(stream, flags, raw);
    this.#http2.on('stream', onStream as (stream: http2.ServerHttp2Stream) => void);
    this.#http2.on('sessionError', () => {});
    this.#tls =
      options.tls === null
        ? null
        : new TlsServers(
            limits.handshakeTimeoutMs,
            (socket) => this.#onSecure(socket),
            (reason) => options.onRejected(0, reason),
          );
  }

  async open(): Promise<void> {
    await listenOn(this.#http, this.options);
    // Accept errors (no descriptors left) pass; the port goes on.
    this.#http.on('error', () => {});
    this.port = (this.#http.address() as AddressInfo).port;
    const { headTimeoutMs, bodyIdleTimeoutMs, sendIdleTimeoutMs, handshakeTimeoutMs } = this.options.limits;
    const shortest = Math.min(...[headTimeoutMs, bodyIdleTimeoutMs, sendIdleTimeoutMs, handshakeTimeoutMs]);
    this.#sweeper = setInterval(() => this.#sweep(), sweepInterval(shortest));
    this.#sweeper.unref();
  }

  get pendingBytes(): number {
    let bytes = 0;
    for (const connection of this.connections) bytes += connection.pendingBytes;
    return bytes;
  }

  get openConnections(): number {
    return this.connections.size;
  }

  drain(): Promise<void> {
    if (!this.draining) {
      this.draining = true;
      this.#stopListening();
      for (const connection of this.connections) connection.drain();
      const poll = setInterval(() => {
        for (const connection of this.connections) connection.drain();
        if (this.connections.size === 0) clearInterval(poll);
      }, DRAIN_POLL_MS);
    }
    if (this.connections.size === 0) {
      this.#release();
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  close(): void {
    this.draining = true;
    this.#stopListening();
    for (const connection of [...this.connections]) connection.destroy();
    if (this.connections.size === 0) this.#release();
  }

  /** http.Server's own `close` also cuts connections whose last reply is complete but not sent yet. */
  #stopListening(): void {
    if (this.#http.listening) NetServer.prototype.close.call(this.#http);
  }

  #release(): void {
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#sweeper = null;
    // Stops node's own timer; there is no connection left that it could cut.
    this.#http.close();
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.connections) connection.sweep(now);
  }

  #accept(socket: Socket): void {
    const accepted = new Accepted(socket, this, this.#tls !== null);
    (socket as Tagged)[ACCEPTED] = accepted;
    this.connections.add(accepted);
    this.options.onConnection(1);
    socket.on('close', () => {
      accepted.closed();
      this.connections.delete(accepted.current);
      this.options.onConnection(-1);
      if (this.draining && this.connections.size === 0) this.#release();
    });
    accepted.look((first) => {
      if (this.#tls === null) {
        if (first === 'h2') this.#beginHttp2(accepted, socket, new Peer(socket, null));
        else this.#beginHttp1(accepted, socket, new Peer(socket, null));
      } else {
        this.#tls.accept(socket, this.options.tls?.(first) ?? null);
      }
    });
  }

  #onSecure(socket: TLSSocket): void {
    const raw = (socket as { _parent?: Tagged })._parent;
    const accepted = raw?.[ACCEPTED];
    if (accepted === undefined) {
      socket.destroy();
      return;
    }
    const peer = new Peer(socket, readTlsFacts(socket));
    if (socket.alpnProtocol === 'h2') this.#beginHttp2(accepted, socket, peer);
    else this.#beginHttp1(accepted, socket, peer);
  }

  #beginHttp1(accepted: Accepted, socket: Socket, peer: Peer): void {
    const connection = new Http1Connection(socket, peer, this);
    (socket as Tagged)[CONNECTION] = connection;
    this.#promote(accepted, connection);
    this.#serveHttp1.call(this.#http, socket);
  }

  #beginHttp2(accepted: Accepted, socket: Socket, peer: Peer): void {
    this.#promoting = accepted;
    accepted.peer = peer;
    // Emits `session` before it returns.
    this.#http2.emit('connection', socket);
    this.#promoting = null;
  }

  #onSession(session: http2.ServerHttp2Session): void {
    const accepted = this.#promoting;
    if (accepted === null || accepted.peer === null) {
      session.destroy();
      return;
    }
    const connection = new Http2Connection(accepted.socket, session, accepted.peer, this);
    (session as Tagged)[CONNECTION] = connection;
    session.on('error', () => {});
    session.on('close', () => connection.closed());
    this.#promote(accepted, connection);
    if (this.draining) connection.drain();
  }

  #promote(accepted: Accepted, connection: Http1Connection | Http2Connection): void {
    this.connections.delete(accepted.current);
    accepted.current = connection;
    this.connections.add(connection);
  }

  #onRequest(req: GatewayRequest, res: http.ServerResponse): void {
    const connection = (req.socket as Tagged)[CONNECTION];
    if (!(connection instanceof Http1Connection) || connection.closing) return;
    const { options } = this;
    const head =
      req.httpVersionMajor !== 1 || req.httpVersionMinor > 1
        ? REFUSALS.version
        : checkHttp1Head(
            req.method as string,
            req.url as string,
            req.httpVersionMinor,
            req.rawHeaders,
            this.scheme,
            options.limits.maxHeaderCount,
          );
    if (head instanceof Refusal) {
      connection.refuse(head, res);
      return;
    }
    const downstream = new Http1Downstream(connection, req, res, head);
    connection.begin(downstream);
    if (head.path === '*') answerAsterisk(downstream);
    else serve(options, new Exchange(downstream, head));
  }

  /** The client wants to go on in another protocol. node:http has let go of the socket. */
  #onUpgrade(req: GatewayRequest, socket: Socket, behind: Buffer): void {
    socket.on('error', () => socket.destroy());
    const connection = (socket as Tagged)[CONNECTION];
    // Behind requests that are not answered yet there is no place for it: nobody but a smuggler sends it there.
    if (!(connection instanceof Http1Connection) || !connection.isFree) {
      socket.destroy();
      return;
    }
    const { options } = this;
    const head = checkHttp1Head(
      'GET',
      req.url as string,
      1,
      req.rawHeaders,
      this.scheme,
      options.limits.maxHeaderCount,
    );
    if (head instanceof Refusal) {
      connection.refuse(head, null);
      return;
    }
    const downstream = new Http1UpgradeDownstream(connection, req, head, behind);
    connection.begin(downstream);
    serve(options, new Exchange(downstream, head));
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    // Bytes behind `connection: close`: the reply to what came before ends the connection.
    if (error.code === 'HPE_CLOSED_CONNECTION') return;
    const connection = (socket as Tagged)[CONNECTION];
    const refusal = refusalOf(error);
    if (!(connection instanceof Http1Connection) || refusal === null) socket.destroy();
    else connection.refuse(refusal, null);
  }

  #onStream(stream: http2.ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    const connection = (stream.session as Tagged | undefined)?.[CONNECTION];
    if (!(connection instanceof Http2Connection)) {
      stream.destroy();
      return;
    }
    const hasBody = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) === 0;
    const { options } = this;
    const head = checkHttp2Head(raw, this.scheme, hasBody, options.limits.maxHeaderCount);
    if (!(head instanceof CheckedHead)) {
      options.onRejected(head.status, head.reason);
      refuseStream(stream, head);
      return;
    }
    const downstream =
      head.upgrade === ''
        ? new Http2Downstream(connection, stream, head)
        : new Http2UpgradeDownstream(connection, stream, head);
    connection.begin(downstream);
    if (head.path === '*') answerAsterisk(downstream);
    else serve(options, new Exchange(downstream, head));
  }
}

/** `OPTIONS *` asks the server as a whole and is no route's affair (RFC 9110 §9.3.7). */
function answerAsterisk(downstream: Http1Downstream | Http2Downstream): void {
  downstream.writeHead(200, ['allow', ALLOWED, 'content-length', '0']);
  downstream.end();
}

/** What the parser's error is to the client; null where the connection itself failed. */
function refusalOf(error: NodeJS.ErrnoException): Refusal | null {
  const code = error.code ?? '';
  if (code === 'HPE_HEADER_OVERFLOW') return REFUSALS.headTooLarge;
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return REFUSALS.body;
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return REFUSALS.headTimeout;
  // The input ended within a message: nobody is there to be told.
  if (code === 'HPE_INVALID_EOF_STATE') return null;
  if (code === 'HPE_UNEXPECTED_CONTENT_LENGTH' || code === 'HPE_INVALID_CONTENT_LENGTH') return REFUSALS.framing;
  if (code === 'HPE_INVALID_TRANSFER_ENCODING') return REFUSALS.framing;
  return code.startsWith('HPE_') ? REFUSALS.syntax : null;
}

/** A quarter of the time-out is precise enough: between 25 ms and 1 s. */
function sweepInterval(timeoutMs: number): number {
  return timeoutMs <= 0 ? 1000 : Math.max(25, Math.min(1000, Math.ceil(timeoutMs / 4)));
}
