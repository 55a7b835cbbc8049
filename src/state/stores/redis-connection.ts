import type { ConnectionOptions } from 'node:tls';
import { Redis } from 'ioredis';
import { errorText, type Logger } from '../../telemetry/log.ts';
import { SCRIPTS } from './redis-scripts.ts';
import { StoreError } from './store.ts';

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://` (TLS), with user, password and database number where there are any. */
  readonly url: string;
  /** For `rediss://`: certificates and the like; the server's name is the URL's host. */
  readonly tls?: ConnectionOptions | undefined;
  /** Until when a call must have been answered, milliseconds. */
  readonly timeoutMs: number;
  /** Shown in Redis's list of clients. */
  readonly name: string;
  readonly log: Logger;
  /** Told whenever there is a connection again after one was lost. */
  readonly onReconnected?: () => void;
}

/** Calls waiting for a connection or an answer at once; past it they are refused. */
const MAX_WAITING = 4096;
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5000;
/** What the client rejects calls with that were under way when their connection ended. */
const LOST = new Set(['MaxRetriesPerRequestError', 'AbortError']);
/** A trouble that goes on is said again after this long, milliseconds. */
const SAY_AGAIN_MS = 60_000;

/**
 * One connection to Redis, made at the first call and remade with growing, jittered pauses. A call waits for it while it is being
 * made; while it is known to be down calls are refused at once. Nothing is sent twice: what was under way when a connection ended is
 * rejected.
 */
export class RedisConnection {
  readonly #options: RedisConnectionOptions;
  readonly #redis: Redis;
  readonly #secrets: readonly string[];
  #connecting: Promise<void> | null = null;
  #waiting = 0;
  /** Connections in a row that ended before a call was answered. */
  #failures = 0;
  #wasReady = false;
  #closed = false;
  #trouble = '';
  #saidAt = Number.NEGATIVE_INFINITY;

  /** Throws TypeError for a URL that can't be used; the message doesn't show it. */
  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    const target = parseRedisUrl(options.url);
    this.#secrets = target.password === undefined ? [] : [target.password, encodeURIComponent(target.password)];
    const { tls, ...address } = target;
    this.#redis = new Redis({
      ...address,
      ...(tls ? { tls: { ...options.tls } } : {}),
      scripts: SCRIPTS,
      // RESP2 needs no handshake, and proxies know it.
      protocol: 2,
      disableClientInfo: true,
      connectionName: options.name,
      lazyConnect: true,
      connectTimeout: options.timeoutMs,
      // A server that has gone silent is given up, or calls would queue behind what it owes.
      socketTimeout: options.timeoutMs * 2,
      disconnectTimeout: 500,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      autoResubscribe: false,
      // A server that is still loading says so in each answer.
      enableReadyCheck: false,
      retryStrategy: () => backoffMs(this.#failures++),
      // After a failover the old primary is a replica: look for the new one under the same name.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
    });
    this.#redis.on('error', (error: unknown) => this.#report(error));
    this.#redis.on('ready', () => {
      if (this.#wasReady) options.onReconnected?.();
      this.#wasReady = true;
    });
  }

  /** Listens to messages of channels; see RedisSubscriber. */
  onMessage(listener: (channel: string, message: Buffer) => void): void {
    this.#redis.on('messageBuffer', (channel: Buffer, message: Buffer) => listener(channel.toString(), message));
  }

  /** Runs commands; rejects with a StoreError whose message has no credentials, keys or values. */
  async call<T>(run: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreError('unavailable', 'the store is closed');
    if (this.#waiting >= MAX_WAITING) throw new StoreError('unavailable', 'too many calls are waiting for Redis');
    const { timeoutMs } = this.#options;
    let late = false;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        late = true;
        reject(new StoreError('timeout', `Redis did not answer within ${timeoutMs} ms`));
      }, timeoutMs);
    });
    const answer = async (): Promise<T> => {
      // What is late still waits in the connection: only its end or the answer takes it out of there.
      this.#waiting++;
      try {
        await this.#connected();
        if (late) throw new StoreError('timeout', 'too late to be sent');
        const value = await run(this.#redis);
        this.#failures = 0;
        this.#trouble = '';
        return value;
      } finally {
        this.#waiting--;
      }
    };
    try {
      return await Promise.race([answer(), timeout]);
    } catch (error) {
      throw this.#storeError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives the connection up for a new one. */
  reset(): void {
    if (!this.#closed) this.#redis.disconnect(true);
  }

  close(): void {
    this.#closed = true;
    this.#redis.disconnect();
  }

  async #connected(): Promise<void> {
    const { status } = this.#redis;
    if (status === 'ready') return;
    const coming = status === 'wait' || status === 'connecting' || status === 'connect';
    if (!coming) throw this.#down();
    this.#connecting ??= this.#connection(status === 'wait').finally(() => {
      this.#connecting = null;
    });
    await this.#connecting;
  }

  /** Settles once the connection that is being made is there, or is not to be had. */
  #connection(first: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const onReady = (): void => {
        this.#redis.off('close', onClose);
        resolve();
      };
      const onClose = (): void => {
        this.#redis.off('ready', onReady);
        reject(this.#down());
      };
      this.#redis.once('ready', onReady);
      this.#redis.once('close', onClose);
      // How it ends is told by the events.
      if (first) this.#redis.connect().catch(() => {});
    });
  }

  #down(): StoreError {
    const because = this.#trouble === '' ? '' : `: ${this.#trouble}`;
    return new StoreError('unavailable', `there is no connection to Redis${because}`);
  }

  #storeError(error: unknown): StoreError {
    if (error instanceof StoreError) return error;
    if (error instanceof Error && LOST.has(error.name)) return this.#down();
    return new StoreError('unavailable', `Redis: ${this.#redacted(error)}`);
  }

  /** Says each trouble once, and again when it lasts. */
  #report(error: unknown): void {
    const trouble = this.#redacted(error);
    const now = performance.now();
    if (trouble !== this.#trouble || now - this.#saidAt >= SAY_AGAIN_MS) {
      this.#options.log.warn(`Redis: ${trouble}`);
      this.#saidAt = now;
    }
    this.#trouble = trouble;
  }

  /**
   * An error's message up to its first quotation: Redis quotes what it was sent, keys and values included. The error itself is never
   * passed on, it carries the command's arguments.
   */
  #redacted(error: unknown): string {
    let text = errorText(error);
    for (const secret of this.#secrets) text = text.replaceAll(secret, '***');
    // An apostrophe inside of a word is none that quotes.
    const [plain = ''] = text.split(/(?<![a-z])['`"]|[\r\n]/u, 1);
    return plain.trim().slice(0, 200) || 'it failed without saying why';
  }
}

/** Half of a pause that doubles up to a limit, and up to as much again by chance; milliseconds. */
function backoffMs(failures: number): number {
  const most = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 10));
  return most / 2 + Math.random() * (most / 2);
}

export interface RedisTarget {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  readonly tls: boolean;
}

/** Reads `redis[s]://[[user]:password@]host[:port][/database]`. Throws TypeError; its message doesn't show the URL, which may hold a password. */
export function parseRedisUrl(text: string): RedisTarget {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new TypeError('the URL of Redis is not a URL');
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw new TypeError('the URL of Redis begins with redis:// or rediss://');
  }
  if (url.hostname === '') throw new TypeError('the URL of Redis names no host');
  if (url.search !== '' || url.hash !== '') throw new TypeError('the URL of Redis takes no query');
  const db = url.pathname.replace(/^\//, '');
  if (!/^\d{0,5}$/.test(db)) throw new TypeError('the path of the URL of Redis is the number of a database');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    ...(url.username === '' ? {} : { username: unescaped(url.username) }),
    ...(url.password === '' ? {} : { password: unescaped(url.password) }),
    db: Number(db),
    tls: url.protocol === 'rediss:',
  };
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new TypeError('the user or password in the URL of Redis is not percent-encoded');
  }
}
