import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { buildConnector } from 'undici';
import { ConnectError } from './failures.ts';
import type { ConnectGuard } from './services.ts';
import type { TlsClient } from './tls.ts';

/** Where and how a pool's connections are opened. */
export interface ConnectOptions {
  /** IP address, or a Unix socket's path where `port` is -1. */
  readonly host: string;
  readonly port: number;
  readonly tls: TlsClient | null;
  /** From the first packet to the end of the TLS handshake, ms. */
  readonly timeoutMs: number;
  /** Idle time before TCP keep-alive probes, ms; 0 = none. */
  readonly keepAliveMs: number;
  readonly guard: ConnectGuard | null;
  /** Told how long each successful opening took, ms. */
  readonly onOpened: (elapsedMs: number) => void;
}

/** Bytes a socket reads ahead while its response is paused. */
const READ_AHEAD = 64 * 1024;

/**
 * Opens the connections of one pool: always to the address the balancer chose (names are resolved before, so that what the guard
 * saw is what is connected to), within one time-out for TCP and TLS together, resuming TLS sessions.
 */
export class Connector {
  readonly #options: ConnectOptions;
  #session: Buffer | undefined;

  constructor(options: ConnectOptions) {
    this.#options = options;
  }

  /** In the form undici takes a connector. */
  connect = (_target: buildConnector.Options, callback: buildConnector.Callback): void => {
    const { host, port, guard } = this.#options;
    const refusal = guard === null || port < 0 ? null : guard(host, port);
    if (refusal !== null) {
      // Never synchronously: the client is still in the middle of asking.
      process.nextTick(callback, new ConnectError('REFUSED', refusal), null);
      return;
    }
    new Opening(this.#options, this.#session, callback, this);
  };

  keepSession(session: Buffer): void {
    this.#session = session;
  }
}

/** One connection on its way. */
class Opening {
  readonly #options: ConnectOptions;
  readonly #callback: buildConnector.Callback;
  readonly #startedAt = performance.now();
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  #settled = false;

  constructor(
    options: ConnectOptions,
    session: Buffer | undefined,
    callback: buildConnector.Callback,
    connector: Connector,
  ) {
    this.#options = options;
    this.#callback = callback;
    this.#timer = setTimeout(() => this.#timedOut(), options.timeoutMs);
    this.#timer.unref();
    this.#socket = this.#open(session, connector);
  }

  #open(session: Buffer | undefined, connector: Connector): Socket {
    const { host, port, tls, keepAliveMs } = this.#options;
    const base = {
      ...(port < 0 ? { path: host } : { host, port }),
      highWaterMark: READ_AHEAD,
      noDelay: true,
      keepAlive: keepAliveMs > 0,
      keepAliveInitialDelay: keepAliveMs,
    };
    let socket: Socket;
    if (tls === null) {
      socket = connectTcp(base);
      socket.once('connect', () => this.#opened());
    } else {
      const secure = connectTls({ ...base, ...tls.options, ...(session === undefined ? {} : { session }) });
      secure.on('session', (ticket) => connector.keepSession(ticket));
      secure.once('secureConnect', () => this.#opened());
      socket = secure;
    }
    // Stays for the socket's life: an error after the hand-over is the client's to report, and must not be unhandled before.
    socket.on('error', (error) => this.#failed(error));
    socket.once('close', () =>
      this.#failed(new ConnectError('CLOSED', 'The connection was closed while it was being opened.')),
    );
    return socket;
  }

  #opened(): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#options.onOpened(performance.now() - this.#startedAt);
    this.#callback(null, this.#socket);
  }

  #failed(error: Error): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timer);
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';
    this.#callback(
      error instanceof ConnectError ? error : new ConnectError(code, error.message, { cause: error }),
      null,
    );
  }

  #timedOut(): void {
    this.#failed(new ConnectError('TIMEOUT', `The connection was not open after ${this.#options.timeoutMs} ms.`));
    this.#socket.destroy();
  }
}
