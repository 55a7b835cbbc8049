import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { Socket } from 'node:net';
import type { UpgradedConnection } from '../../facts/upgrade.ts';
import type { DriverLimits } from './driver.ts';
import type { Connection, Peer, PortState } from './node-connection.ts';
import type { Http2Downstream } from './node-http2-downstream.ts';
import type { Refusal } from './refusals.ts';

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

/** Answers a stream that is refused. */
export function refuseStream(stream: ServerHttp2Stream, refusal: Refusal): void {
  stream.on('error', () => {});
  if (stream.destroyed) return;
  stream.respond({ ':status': refusal.status, 'content-type': 'text/plain; charset=utf-8' });
  stream.end(`${refusal.message}\n`);
  // node resets a stream whose request nobody reads once its reply is out.
}
