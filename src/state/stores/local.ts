import type { Logger } from '../../telemetry/log.ts';
import type { StoreEngine, StoreStats } from './engine.ts';
import type { StoreKey } from './key.ts';
import {
  type AppendOptions,
  type ChannelListener,
  checkedAfter,
  checkedLength,
  checkedLimit,
  checkedWrite,
  checkSize,
  newVersion,
  type PutOptions,
  type ReadOptions,
  type Store,
  type StoredValue,
  StoreError,
  type StoreLimits,
  type StreamPage,
  type Unsubscribe,
} from './store.ts';
import { Subscriptions } from './subscriptions.ts';

export interface LocalStoreOptions {
  readonly engine: StoreEngine;
  readonly limits: StoreLimits;
  readonly log: Logger;
  /** How often expired entries are swept up, milliseconds; SWEEP_MS by default. */
  readonly sweepMs?: number;
  /** Told after each sweep. */
  readonly onStats?: ((stats: StoreStats) => void) | undefined;
}

/** How often expired entries are swept up where nothing else is said, milliseconds. */
export const SWEEP_MS = 250;
/** Entries one sweep looks at: some milliseconds of this thread. */
const SWEEP_ENTRIES = 500;

const encoder = new TextEncoder();

/** A store in this thread, which owns the engine. */
export class LocalStore implements Store {
  readonly #engine: StoreEngine;
  readonly #limits: StoreLimits;
  readonly #log: Logger;
  readonly #onStats: ((stats: StoreStats) => void) | undefined;
  readonly #subscriptions: Subscriptions;
  readonly #sweeps: NodeJS.Timeout;
  #closed = false;

  constructor(options: LocalStoreOptions) {
    this.#engine = options.engine;
    this.#limits = options.limits;
    this.#log = options.log;
    this.#onStats = options.onStats;
    this.#subscriptions = new Subscriptions({ log: options.log, begin: async () => {}, end: () => {} });
    this.#sweeps = setInterval(() => this.#sweep(), options.sweepMs ?? SWEEP_MS);
    this.#sweeps.unref();
  }

  async get(key: StoreKey): Promise<StoredValue | null> {
    return this.#open().get(key);
  }

  async put(key: StoreKey, value: Uint8Array, options: PutOptions = {}): Promise<string> {
    const ttlMs = checkedWrite(value, options, this.#limits);
    const version = newVersion();
    this.#open().put(key, value, version, ttlMs);
    return version;
  }

  async compareAndSet(
    key: StoreKey,
    expected: string | null,
    value: Uint8Array,
    options: PutOptions = {},
  ): Promise<string> {
    const ttlMs = checkedWrite(value, options, this.#limits);
    const version = newVersion();
    if (this.#open().compareAndSet(key, expected, value, version, ttlMs)) return version;
    throw new StoreError('conflict', 'the record is not at the expected version');
  }

  async delete(key: StoreKey): Promise<boolean> {
    return this.#open().delete(key);
  }

  async append(key: StoreKey, value: Uint8Array, options: AppendOptions): Promise<string> {
    const ttlMs = checkedWrite(value, options, this.#limits);
    const id = this.#open().append(key, value, checkedLength(options.maxLength), ttlMs);
    this.#announce(key, encoder.encode(id));
    return id;
  }

  async read(key: StoreKey, options: ReadOptions = {}): Promise<StreamPage> {
    return this.#open().read(key, checkedAfter(options), checkedLimit(options));
  }

  async trim(key: StoreKey, maxLength: number): Promise<number> {
    return this.#open().trim(key, checkedLength(maxLength, 0));
  }

  async publish(key: StoreKey, message: Uint8Array): Promise<void> {
    checkSize(message, this.#limits);
    this.#open();
    this.#announce(key, new Uint8Array(message));
  }

  async subscribe(key: StoreKey, listener: ChannelListener): Promise<Unsubscribe> {
    this.#open();
    return this.#subscriptions.add(key, listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweeps);
    this.#subscriptions.clear();
    this.#engine.close();
  }

  #open(): StoreEngine {
    if (this.#closed) throw new StoreError('unavailable', 'the store is closed');
    return this.#engine;
  }

  /** Later, as any other store would: nobody is called back while still calling. */
  #announce(key: StoreKey, message: Uint8Array): void {
    queueMicrotask(() => this.#subscriptions.deliver(key, message));
  }

  #sweep(): void {
    try {
      this.#engine.sweep(SWEEP_ENTRIES);
      this.#onStats?.(this.#engine.stats());
    } catch (error) {
      this.#log.error('expired records could not be removed from the store', { error });
    }
  }
}
