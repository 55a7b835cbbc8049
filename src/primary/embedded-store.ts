import type { StoreStats } from '../state/stores/engine.ts';
import { StoreHost } from '../state/stores/host.ts';
import type { StoreHandle } from '../state/stores/protocol.ts';
import type { StoreLimits } from '../state/stores/store.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface EmbeddedStoreOptions {
  /** The store thread's entry file. */
  readonly entry: URL;
  /** The database's file; null keeps everything in memory. */
  readonly path: string | null;
  readonly limits: StoreLimits;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** The store thread as the primary has it: nothing waits for it, and what it counts is told in metrics. */
export class EmbeddedStore {
  readonly #host: StoreHost;
  readonly #metrics: Metrics;
  readonly #path: string | null;
  readonly #log: Logger;
  /** What this life of the thread had evicted when it last said so. */
  #evicted = 0;

  constructor({ entry, path, limits, metrics, log }: EmbeddedStoreOptions) {
    this.#metrics = metrics;
    this.#path = path;
    this.#log = log;
    this.#host = new StoreHost({
      entry,
      path,
      limits,
      log,
      onStats: (stats) => this.#note(stats),
      onRestart: () => {
        this.#evicted = 0;
        metrics.storeRestarts.inc();
      },
    });
  }

  /** Returns at once: requests that need no store are served without it, and a store that can't be opened is tried again. */
  start(): void {
    this.#host.start().then(
      (engine) => {
        if (this.#path !== null) this.#log.info('the store is open', { engine, path: this.#path });
      },
      // The host has said why.
      () => {},
    );
  }

  connect(): StoreHandle {
    return this.#host.connect();
  }

  close(): Promise<void> {
    return this.#host.close();
  }

  #note({ entries, bytes, evicted }: StoreStats): void {
    this.#metrics.storeEntries.set(entries);
    this.#metrics.storeBytes.set(bytes);
    this.#metrics.storeEvicted.inc(evicted - this.#evicted);
    this.#evicted = evicted;
  }
}
