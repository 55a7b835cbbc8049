import { storeKey } from '../../state/stores/key.ts';
import { type Store, StoreError } from '../../state/stores/store.ts';
import type { Logger } from '../../telemetry/log.ts';

const LEASE = storeKey('control', 'rollout', 'lease');

export interface LeaseTimes {
  /** How long it holds without being renewed, ms. */
  readonly ttlMs: number;
  readonly renewMs: number;
}

export const LEASE_TIMES: LeaseTimes = { ttlMs: 10_000, renewMs: 3000 };

/** Which replica takes the steps of roll-outs. One that stops, hangs or loses the store is followed by another. */
export class Lease {
  readonly #store: Store;
  readonly #replica: string;
  readonly #log: Logger;
  readonly #times: LeaseTimes;
  readonly #now: () => number;
  #version: string | null = null;
  /** Until when it surely holds: counted from before it was written. */
  #until = 0;
  #holder = '';

  constructor(
    store: Store,
    replica: string,
    log: Logger,
    times = LEASE_TIMES,
    now: () => number = () => performance.now(),
  ) {
    this.#store = store;
    this.#replica = replica;
    this.#log = log;
    this.#times = times;
    this.#now = now;
  }

  get held(): boolean {
    return this.#now() < this.#until;
  }

  /** The replica that is known to have it; '' where none is. */
  get holder(): string {
    return this.held ? this.#replica : this.#holder;
  }

  /** Takes or renews it if it can be had; says whether it is held. Does not reject. Called each `renewMs`. */
  async renew(): Promise<boolean> {
    const held = this.held;
    try {
      if (this.#version === null) await this.#look();
      if (this.#version !== null || this.#holder === '') await this.#write();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#version = null;
      if (error.code === 'conflict') {
        this.#until = 0;
        await this.#look().catch(() => {});
      }
    }
    if (this.held !== held) {
      this.#log.info(this.held ? 'this replica leads roll-outs now' : 'another replica leads roll-outs now');
    }
    return this.held;
  }

  /** Gives it up at once. */
  async release(): Promise<void> {
    const { held } = this;
    this.#until = 0;
    if (held) await this.#store.delete(LEASE).catch(() => {});
  }

  async #look(): Promise<void> {
    const stored = await this.#store.get(LEASE);
    this.#holder = stored === null ? '' : Buffer.from(stored.value).toString();
    // Where it is this replica's own from before, it goes on with it.
    this.#version = stored !== null && this.#holder === this.#replica ? stored.version : null;
  }

  async #write(): Promise<void> {
    const begun = this.#now();
    const value = Buffer.from(this.#replica);
    const { ttlMs } = this.#times;
    this.#version = await this.#store.compareAndSet(LEASE, this.#version, value, { ttlMs });
    this.#until = begun + ttlMs;
    this.#holder = this.#replica;
  }
}
