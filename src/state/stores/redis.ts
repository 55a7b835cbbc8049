import type { ConnectionOptions } from 'node:tls';
import type { Logger } from '../../telemetry/log.ts';
import type { StoreKey } from './key.ts';
import { RedisConnection, type RedisConnectionOptions } from './redis-connection.ts';
import { type ChannelSource, RedisSubscriber } from './redis-subscriber.ts';
import {
  type AppendOptions,
  type ChannelListener,
  checkedAfter,
  checkedLength,
  checkedLimit,
  checkedWrite,
  checkSize,
  eventId,
  newVersion,
  PAGE_BYTES,
  type PutOptions,
  parseEventId,
  type ReadOptions,
  type Store,
  type StoredValue,
  StoreError,
  type StoreLimits,
  type StreamEvent,
  type StreamPage,
  type Unsubscribe,
  VERSION_LENGTH,
} from './store.ts';

export interface RedisStoreOptions {
  /** `redis://` or `rediss://` (TLS), with user, password and database number where there are any. */
  readonly url: string;
  readonly tls?: ConnectionOptions | undefined;
  readonly limits: StoreLimits;
  readonly log: Logger;
  /** Before every key and channel, so that others may use the same Redis; `sluice:` by default. Letters, digits and `:._-` only. */
  readonly prefix?: string | undefined;
  /** Hears the channels; without it the store makes a connection of its own for that when it needs one. */
  readonly subscriber?: ChannelSource | undefined;
}

/**
 * A store in Redis 6 or later, or Valkey, shared by everyone who uses the same one. A record is a string: the version's 16 bytes,
 * then the value; a stream is a Stream whose entries have one field. `<prefix>v{tenant}…`, `s` and `c` are values, streams and
 * channels.
 */
export class RedisStore implements Store {
  readonly #options: RedisStoreOptions;
  readonly #limits: StoreLimits;
  readonly #prefix: string;
  readonly #connection: RedisConnection;
  #ownSubscriber: RedisSubscriber | null = null;
  #closed = false;

  /** Connects at the first call. Throws TypeError for a URL or prefix that can't be used. */
  constructor(options: RedisStoreOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#prefix = options.prefix ?? 'sluice:';
    if (!/^[\w:.-]*$/.test(this.#prefix)) throw new TypeError('the prefix of Redis keys has letters, digits and :._-');
    this.#connection = new RedisConnection(this.#connectionOptions('sluice'));
  }

  async get(key: StoreKey): Promise<StoredValue | null> {
    const record = await this.#connection.call((redis) => redis.getBuffer(this.#value(key)));
    if (record === null) return null;
    if (!Buffer.isBuffer(record) || record.length < VERSION_LENGTH) throw unexpected();
    return { value: record.subarray(VERSION_LENGTH), version: record.toString('latin1', 0, VERSION_LENGTH) };
  }

  async put(key: StoreKey, value: Uint8Array, options: PutOptions = {}): Promise<string> {
    const ttlMs = checkedWrite(value, options, this.#limits);
    const { version, record } = versioned(value);
    const name = this.#value(key);
    await this.#connection.call((redis) =>
      ttlMs === null ? redis.set(name, record) : redis.set(name, record, 'PX', ttlMs),
    );
    return version;
  }

  async compareAndSet(
    key: StoreKey,
    expected: string | null,
    value: Uint8Array,
    options: PutOptions = {},
  ): Promise<string> {
    const ttlMs = checkedWrite(value, options, this.#limits);
    const { version, record } = versioned(value);
    const written = await this.#connection.call((redis) =>
      redis.sluiceCompareAndSet(this.#value(key), expected ?? '', record, argument(ttlMs)),
    );
    if (written === 1) return version;
    if (written !== 0) throw unexpected();
    throw new StoreError('conflict', 'the record is not at the expected version');
  }

  async delete(key: StoreKey): Promise<boolean> {
    return count(await this.#connection.call((redis) => redis.del(this.#value(key), this.#stream(key)))) > 0;
  }

  async append(key: StoreKey, value: Uint8Array, options: AppendOptions): Promise<string> {
    const ttlMs = argument(checkedWrite(value, options, this.#limits));
    const maxLength = checkedLength(options.maxLength);
    const event = Buffer.from(value.buffer, value.byteOffset, value.length);
    const id = await this.#connection.call((redis) =>
      redis.sluiceAppend(this.#stream(key), event, maxLength, ttlMs, this.#channel(key)),
    );
    return checkedId(id);
  }

  async read(key: StoreKey, options: ReadOptions = {}): Promise<StreamPage> {
    const after = checkedAfter(options);
    const limit = checkedLimit(options);
    // One more than asked for, the event it is read after: where it is missing, others may be.
    const from = after === null ? '-' : eventId(after);
    const page = await this.#connection.call((redis) =>
      redis.sluiceReadBuffer(this.#stream(key), from, limit + 1, PAGE_BYTES),
    );
    const events = eventsOf(page);
    const missed = after !== null && events[0]?.id !== from;
    return { events: events.slice(after === null || missed ? 0 : 1).slice(0, limit), missed };
  }

  async trim(key: StoreKey, maxLength: number): Promise<number> {
    const length = checkedLength(maxLength, 0);
    return count(await this.#connection.call((redis) => redis.xtrim(this.#stream(key), 'MAXLEN', length)));
  }

  async publish(key: StoreKey, message: Uint8Array): Promise<void> {
    checkSize(message, this.#limits);
    await this.#connection.call((redis) => redis.publish(this.#channel(key), Buffer.from(message)));
  }

  async subscribe(key: StoreKey, listener: ChannelListener): Promise<Unsubscribe> {
    if (this.#closed) throw new StoreError('unavailable', 'the store is closed');
    return this.#subscriber().subscribe(this.#channel(key), listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#ownSubscriber?.close();
    this.#connection.close();
  }

  #subscriber(): ChannelSource {
    if (this.#options.subscriber !== undefined) return this.#options.subscriber;
    this.#ownSubscriber ??= new RedisSubscriber(this.#connectionOptions('sluice-subscriber'));
    return this.#ownSubscriber;
  }

  #connectionOptions(name: string): RedisConnectionOptions {
    const { url, tls, log } = this.#options;
    return { url, tls, log, name, timeoutMs: this.#limits.timeoutMs };
  }

  #value(key: StoreKey): string {
    return `${this.#prefix}v${key}`;
  }

  #stream(key: StoreKey): string {
    return `${this.#prefix}s${key}`;
  }

  #channel(key: StoreKey): string {
    return `${this.#prefix}c${key}`;
  }
}

/** A value as it is kept, with a version of its own. */
function versioned(value: Uint8Array): { version: string; record: Buffer } {
  const version = newVersion();
  return { version, record: Buffer.concat([Buffer.from(version, 'latin1'), value]) };
}

function argument(ttlMs: number | null): string {
  return ttlMs === null ? '' : String(ttlMs);
}

/** Ids and values in turn. */
function eventsOf(page: readonly Buffer[]): StreamEvent[] {
  if (!Array.isArray(page) || page.length % 2 !== 0 || !page.every(Buffer.isBuffer)) throw unexpected();
  const events: StreamEvent[] = [];
  page.forEach((value, at) => {
    const id = page[at - 1];
    if (at % 2 === 1 && id !== undefined) events.push({ id: checkedId(id.toString('latin1')), value });
  });
  return events;
}

function checkedId(id: unknown): string {
  if (typeof id !== 'string' || parseEventId(id) === null) throw unexpected();
  return id;
}

function count(answer: unknown): number {
  if (typeof answer !== 'number') throw unexpected();
  return answer;
}

/** Something else writes to the same keys, or it is not Redis that answers. */
function unexpected(): StoreError {
  return new StoreError('unavailable', 'Redis answered with what no store has written');
}
