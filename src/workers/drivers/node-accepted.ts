import type { Socket } from 'node:net';
import { MAX_CLIENT_HELLO, readClientHello } from './client-hello.ts';
import type { Connection, Peer, PortState } from './node-connection.ts';
import { REFUSALS, renderRefusal } from './refusals.ts';

/** How every HTTP/2 connection begins (RFC 9113 §3.4), as far as an HTTP/1 request could not go on. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');

/** A connection of which no protocol is known yet. */
export class Accepted implements Connection {
  readonly socket: Socket;
  readonly pendingBytes = 0;
  current: Connection = this;
  peer: Peer | null = null;
  readonly #port: PortState;
  readonly #tls: boolean;
  readonly #since = performance.now();
  #seen: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, port: PortState, tls: boolean) {
    this.socket = socket;
    this.#port = port;
    this.#tls = tls;
  }

  /** Calls `found` once with 'h1' or 'h2', or under TLS with the server name, the bytes read put back. */
  look(found: (first: string) => void): void {
    const { socket } = this;
    const onError = (): void => {
      socket.destroy();
    };
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      this.#seen = this.#seen.length === 0 ? chunk : Buffer.concat([this.#seen, chunk]);
      const first = this.#tls ? this.#readName() : readProtocol(this.#seen);
      if (first === null) return;
      socket.off('readable', onReadable);
      socket.off('end', onError);
      socket.off('error', onError);
      socket.unshift(this.#seen);
      this.#seen = Buffer.alloc(0);
      found(first);
    };
    socket.on('readable', onReadable);
    socket.on('end', onError);
    socket.on('error', onError);
  }

  #readName(): string | null {
    const hello = readClientHello(this.#seen);
    if (hello.state === 'complete') return hello.sni;
    if (hello.state === 'invalid' || this.#seen.length > MAX_CLIENT_HELLO) {
      this.#port.options.onRejected(0, 'tls_handshake');
      this.socket.destroy();
    }
    return null;
  }

  sweep(now: number): void {
    const { headTimeoutMs, handshakeTimeoutMs } = this.#port.options.limits;
    const limit = this.#tls ? handshakeTimeoutMs : headTimeoutMs;
    if (limit === 0 || now - this.#since <= limit) return;
    if (this.#tls || this.#seen.length === 0) {
      this.socket.destroy();
    } else if (this.socket.writable && !this.socket.writableEnded) {
      this.#port.options.onRejected(REFUSALS.headTimeout.status, REFUSALS.headTimeout.reason);
      this.socket.end(renderRefusal(REFUSALS.headTimeout, 'Request Timeout'), 'latin1');
    } else if (now - this.#since > 2 * limit) {
      this.socket.destroy();
    }
  }

  closed(): void {
    if (this.current !== this) this.current.closed();
  }

  /** Nothing was asked yet. */
  drain(): void {
    if (!this.#tls || performance.now() - this.#since > this.#port.options.limits.handshakeTimeoutMs)
      this.socket.destroy();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** null: the bytes may still become either. */
function readProtocol(bytes: Buffer): 'h1' | 'h2' | null {
  const length = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, length, 0, length) !== 0) return 'h1';
  return length === PREFACE.length ? 'h2' : null;
}
