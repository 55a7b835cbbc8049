import { type buildConnector, Client } from 'undici';
import { joinHostPort } from '../resources/host-port.ts';
import { type ConnectOptions, Connector } from './connect.ts';

/** What a pool sends: undici's options, with the same fields each time. */
export interface SendOptions {
  readonly method: string;
  readonly path: string;
  readonly headers: string[];
  readonly body: Buffer | import('node:stream').Readable | null;
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
  /** Constant a pool: undici closes a TLS connection whose next request has another name. */
  readonly servername: string;
}

/** The events of one request, in undici's raw form; `lane` is set before the first. */
export interface PoolHandler {
  lane: Lane | null;
  onConnect(abort: (error?: Error) => void): void;
  onResponseStarted(): void;
  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean;
  onData(chunk: Buffer): boolean;
  onComplete(trailers: (Buffer | string)[] | null): void;
  onError(error: Error): void;
}

export interface PoolOptions extends ConnectOptions {
  /** Names what the pool connects to; equal keys share a pool. */
  readonly key: string;
  /** Connections at one time; 0 = no limit. */
  readonly maxConnections: number;
  /** Idle time after which a connection is closed where the server gives no hint, ms. */
  readonly idleTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

/** Requests that wait for one of a limited pool's connections; past it they are refused at once. */
const MAX_WAITING = 1024;
/** Lanes without a connection that are kept, so that a server which closes each time does not cost a new client each time. */
const MAX_SPARE = 4;
/** A server's keep-alive hint is undercut by this much, so that it is always us who close first, ms. */
const HINT_MARGIN_MS = 1000;

/** One connection at a time to the pool's address, and whether it is in use. */
export class Lane {
  readonly client: Client;
  connected = false;
  /** Requests written on the present connection. */
  served = 0;
  busy = false;
  /** Set by the handler where the request was refused before it was queued: no drain will follow. */
  refused = false;
  /** Place in the pool's idle list; -1 = not in it. */
  idleIndex = -1;

  constructor(client: Client) {
    this.client = client;
  }
}

/**
 * The connections to one endpoint, one request on each at a time. The connection used last is taken first: it is the least likely
 * to have been closed by the server meanwhile, and the others can idle out.
 */
export class Pool {
  readonly key: string;
  readonly servername: string;
  readonly #options: PoolOptions;
  readonly #connector: Connector;
  readonly #origin: string;
  /** Connected and free, last used last. */
  readonly #idle: Lane[] = [];
  /** Free, without a connection. */
  readonly #spare: Lane[] = [];
  readonly #waiting: { options: SendOptions; handler: PoolHandler }[] = [];
  #waitingHead = 0;
  #lanes = 0;
  #retired = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: PoolOptions) {
    this.key = options.key;
    this.#options = options;
    this.#connector = new Connector(options);
    const { host, port, tls } = options;
    // Where undici gets no name it takes the Host header's; the connector uses its own.
    this.servername = tls === null || tls.servername === '' ? 'endpoint.invalid' : tls.servername;
    const scheme = tls === null ? 'http' : 'https';
    this.#origin = port < 0 ? `${scheme}://localhost` : `${scheme}://${joinHostPort(host, port)}`;
  }

  /** Opens a connection of its own to the pool's address, in the pool's way; it counts for no limit and is never pooled. */
  open(callback: buildConnector.Callback): void {
    this.#connector.connect({} as buildConnector.Options, callback);
  }

  /** Connections and connections being opened. */
  get size(): number {
    return this.#lanes - this.#spare.length;
  }

  /** Bytes of a response's head. */
  get maxHeaderBytes(): number {
    return this.#options.maxHeaderBytes;
  }

  get idle(): number {
    return this.#idle.length;
  }

  get waiting(): number {
    return this.#waiting.length - this.#waitingHead;
  }

  /**
   * Sends a request on a free connection, a new one, or, where the pool is at its limit, the next to become free.
   *
   * @param fresh not on a connection that has served before, as long as the limit allows
   * @returns `refused` where too many wait already; the handler is not called then
   */
  send(options: SendOptions, handler: PoolHandler, fresh: boolean): 'sent' | 'waiting' | 'refused' {
    let lane = fresh ? undefined : this.#idle.pop();
    if (lane !== undefined) lane.idleIndex = -1;
    else lane = this.#spare.pop();
    if (lane === undefined) {
      const limit = this.#options.maxConnections;
      if (limit > 0 && this.#lanes >= limit) {
        lane = this.#idle.pop();
        if (lane === undefined) return this.#wait(options, handler);
        lane.idleIndex = -1;
      } else lane = this.#open();
    }
    this.#give(lane, options, handler);
    return 'sent';
  }

  /** Takes a request out of the queue; false where it is not in it. */
  forget(handler: PoolHandler): boolean {
    for (let i = this.#waitingHead; i < this.#waiting.length; i++) {
      if (this.#waiting[i]?.handler !== handler) continue;
      this.#waiting.splice(i, 1);
      return true;
    }
    return false;
  }

  /**
   * Closes a connection whose request was given up. The whole client goes: left alone it would open a new connection only to find
   * that nobody wants it.
   */
  discard(lane: Lane): void {
    if (!lane.busy) return;
    lane.busy = false;
    this.#lanes--;
    void lane.client.destroy();
    const next = this.#nextWaiting();
    if (next !== undefined) this.#give(this.#open(), next.options, next.handler);
    else this.#checkEmpty();
  }

  /** Closes each connection as soon as it is free; `onEmpty` runs once none is left. `revive` takes it back. */
  retire(onEmpty: () => void): void {
    this.#retired = true;
    this.#onEmpty = onEmpty;
    for (const lane of [...this.#idle, ...this.#spare]) this.#drop(lane);
    this.#idle.length = 0;
    this.#spare.length = 0;
    this.#checkEmpty();
  }

  revive(): void {
    this.#retired = false;
    this.#onEmpty = null;
  }

  #wait(options: SendOptions, handler: PoolHandler): 'waiting' | 'refused' {
    if (this.waiting >= MAX_WAITING) return 'refused';
    this.#waiting.push({ options, handler });
    return 'waiting';
  }

  #give(lane: Lane, options: SendOptions, handler: PoolHandler): void {
    lane.busy = true;
    lane.refused = false;
    handler.lane = lane;
    lane.client.dispatch(options as never, handler as never);
    if (lane.refused) this.#free(lane);
  }

  #open(): Lane {
    const { idleTimeoutMs, maxHeaderBytes } = this.#options;
    const client = new Client(this.#origin, {
      connect: this.#connector.connect,
      pipelining: 1,
      keepAliveTimeout: idleTimeoutMs,
      keepAliveMaxTimeout: idleTimeoutMs,
      keepAliveTimeoutThreshold: HINT_MARGIN_MS,
      maxHeaderSize: maxHeaderBytes,
    });
    const lane = new Lane(client);
    this.#lanes++;
    client.on('connect', () => {
      lane.connected = true;
      lane.served = 0;
    });
    client.on('disconnect', () => {
      lane.connected = false;
      lane.served = 0;
      if (lane.idleIndex >= 0) this.#idleLaneClosed(lane);
    });
    client.on('drain', () => this.#free(lane));
    return lane;
  }

  #free(lane: Lane): void {
    if (!lane.busy) return;
    lane.busy = false;
    const next = this.#nextWaiting();
    if (next !== undefined) this.#give(lane, next.options, next.handler);
    else if (this.#retired) this.#drop(lane);
    else if (lane.connected) {
      lane.idleIndex = this.#idle.length;
      this.#idle.push(lane);
    } else if (this.#spare.length < MAX_SPARE) this.#spare.push(lane);
    else this.#drop(lane);
  }

  #nextWaiting(): { options: SendOptions; handler: PoolHandler } | undefined {
    const next = this.#waiting[this.#waitingHead];
    if (next === undefined) return undefined;
    this.#waitingHead++;
    if (this.#waitingHead > 64 && this.#waitingHead * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#waitingHead);
      this.#waitingHead = 0;
    }
    return next;
  }

  #idleLaneClosed(lane: Lane): void {
    const last = this.#idle.pop();
    if (last !== undefined && last !== lane) {
      this.#idle[lane.idleIndex] = last;
      last.idleIndex = lane.idleIndex;
    }
    lane.idleIndex = -1;
    if (this.#spare.length < MAX_SPARE) this.#spare.push(lane);
    else this.#drop(lane);
  }

  #drop(lane: Lane): void {
    lane.idleIndex = -1;
    this.#lanes--;
    void lane.client.destroy();
    this.#checkEmpty();
  }

  #checkEmpty(): void {
    if (this.#lanes > 0 || this.#onEmpty === null) return;
    const onEmpty = this.#onEmpty;
    this.#onEmpty = null;
    onEmpty();
  }
}

/** All pools of a worker: those of equal key are one, shared by every cluster that has the endpoint. */
export class Pools {
  readonly #pools = new Map<string, { pool: Pool; holders: number }>();

  /** Takes hold of the pool of `options.key`. */
  acquire(options: PoolOptions): Pool {
    const entry = this.#pools.get(options.key);
    if (entry === undefined) {
      const pool = new Pool(options);
      this.#pools.set(options.key, { pool, holders: 1 });
      return pool;
    }
    if (entry.holders === 0) entry.pool.revive();
    entry.holders++;
    return entry.pool;
  }

  /** Lets go of a pool; the last holder's leave closes its connections as they become free. */
  release(pool: Pool): void {
    const entry = this.#pools.get(pool.key);
    if (entry === undefined || entry.pool !== pool || entry.holders === 0) return;
    entry.holders--;
    if (entry.holders > 0) return;
    pool.retire(() => {
      if (entry.holders === 0) this.#pools.delete(pool.key);
    });
  }

  get size(): number {
    return this.#pools.size;
  }
}
