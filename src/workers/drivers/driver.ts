import type { Exchange } from '../../exchange.ts';
import type { ServerTls } from '../../resources/types.ts';

/** Limits a driver enforces by itself. Milliseconds and bytes. */
export interface DriverLimits {
  /** From a connection's or the next request's first byte to the end of its head. */
  headTimeoutMs: number;
  /** Without a byte of an unfinished request body. */
  bodyIdleTimeoutMs: number;
  /** Between two requests of a connection (http1IdleTimeout). */
  keepAliveTimeoutMs: number;
  maxHeaderBytes: number;
  maxHeaderCount: number;
  /** TLS handshake. */
  handshakeTimeoutMs: number;
  /** Without the client taking a byte of a reply that has bytes waiting. */
  sendIdleTimeoutMs: number;
  /** A WebSocket message, where the driver reads the frames. */
  maxMessageBytes: number;
}

export interface ListenOptions {
  /** '' = all addresses (dual stack where `ipv6`). */
  address: string;
  port: number;
  ipv6: boolean;
  /** Several sockets on the port (SO_REUSEPORT). */
  reusePort: boolean;
  /** Certificate by SNI (lower-case; '' = none sent); null refuses the handshake. Absent = cleartext. */
  tls: ((sni: string) => ServerTls | null) | null;
  limits: DriverLimits;
  /** Gets each request once its head is complete and its framing checked. */
  onExchange(exchange: Exchange): void;
  /** A request refused by the driver itself (bad syntax, too large, timed out), for metrics and log. */
  onRejected(status: number, reason: string): void;
  onConnection(delta: 1 | -1): void;
}

/** One listening port of one worker. */
export interface Listening {
  readonly port: number;
  readonly driver: 'node' | 'uws';
  /** Bytes waiting to be sent to clients of this port, for the gauge. */
  readonly pendingBytes: number;
  readonly openConnections: number;
  /** Stops accepting, closes idle connections, answers requests in flight with `connection: close`; resolves when none is left. */
  drain(): Promise<void>;
  /** Closes everything now. */
  close(): void;
}

/** An HTTP server implementation. */
export interface Driver {
  readonly name: 'node' | 'uws';
  listen(options: ListenOptions): Promise<Listening>;
}
