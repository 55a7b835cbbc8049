import type { Socket } from 'node:net';
import type { DownstreamTls } from '../../exchange.ts';
import type { ListenOptions } from './driver.ts';
import { plainAddress } from './remote-address.ts';

/** What one listening port's connections share. */
export interface PortState {
  readonly options: ListenOptions;
  readonly scheme: 'http' | 'https';
  readonly connections: Set<Connection>;
  draining: boolean;
}

/** A connection in whatever state: not yet recognised, HTTP/1 or HTTP/2. One object a connection, swept by its port. */
export interface Connection {
  readonly socket: Socket;
  /** Bytes of replies waiting to be sent. */
  readonly pendingBytes: number;
  /** Enforces the time-outs that need no precision; `now` as performance.now(). */
  sweep(now: number): void;
  /** Closes it as soon as nothing is under way. */
  drain(): void;
  destroy(): void;
  /** Its socket has closed: what was under way ends. */
  closed(): void;
}

/** Where a connection comes from, read once: node makes a system call a connection for each of them. */
export class Peer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly localAddress: string;
  readonly tls: DownstreamTls | null;

  constructor(socket: Socket, tls: DownstreamTls | null) {
    this.remoteAddress = plainAddress(socket.remoteAddress ?? '');
    this.remotePort = socket.remotePort ?? 0;
    this.localPort = socket.localPort ?? 0;
    this.localAddress = plainAddress(socket.localAddress ?? '');
    this.tls = tls;
  }
}

/**
 * Notices that something which should move stands still. `mark` is any number that changes when there is progress.
 */
export class Stall {
  #mark = -1;
  #since = 0;

  /** Milliseconds since `mark` last changed. */
  forMs(mark: number, now: number): number {
    if (mark !== this.#mark) {
      this.#mark = mark;
      this.#since = now;
    }
    return now - this.#since;
  }

  clear(): void {
    this.#mark = -1;
  }
}

/**
 * Bytes the kernel has not taken of what the socket was given. Node tells only whole writes apart; the handle's own queue
 * (which node:http's time-outs use too) also shows that part of a large one went.
 */
export function unsentMark(socket: Socket): number {
  const handle = (socket as { _handle?: { writeQueueSize?: number } | null })._handle;
  return socket.writableLength + (handle?.writeQueueSize ?? 0);
}
