import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { isObject } from '../../resources/json.ts';
import { storeKey } from '../../state/stores/key.ts';
import { type Store, type StoredValue, StoreError } from '../../state/stores/store.ts';
import type { Logger } from '../../telemetry/log.ts';
import { EMPTY_RECORD, type FleetRecord } from '../rollout/record.ts';

const zip = promisify(gzip);
const unzip = promisify(gunzip);
/** What a record may expand to, bytes. */
const MAX_BYTES = 256 * 1024 * 1024;

const RECORD = storeKey('control', 'rollout', 'record');
/** Changes of others that collide with one of ours before it is given up. */
const ATTEMPTS = 8;

/** The record of roll-outs as this replica knows it. */
export class Ledger {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #onChange: () => void;
  #record: FleetRecord | null = null;
  #version: string | null = null;
  #unsubscribe: (() => void) | null = null;
  /** Reads and changes take turns: none may put back what another has moved on from. */
  #turns: Promise<unknown> = Promise.resolve();
  /** Said once for each time the store is lost. */
  #lost = false;

  constructor(store: Store, log: Logger, onChange: () => void) {
    this.#store = store;
    this.#log = log;
    this.#onChange = onChange;
  }

  /** Null until it was read for the first time. */
  get record(): FleetRecord | null {
    return this.#record;
  }

  get reachable(): boolean {
    return !this.#lost;
  }

  /** Reads the record, and listens for changes of others; where that fails, `refresh` goes on trying. */
  async open(): Promise<void> {
    await this.refresh();
    await this.#subscribe();
  }

  /** Reads the record again. Does not reject: what was known stays. */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#refresh());
  }

  async #refresh(): Promise<void> {
    try {
      await this.#take(await this.#store.get(RECORD));
      if (this.#lost) this.#log.info('the state can be reached again');
      this.#lost = false;
      if (this.#unsubscribe === null) await this.#subscribe();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (!this.#lost) this.#log.error('the state can not be reached; nodes keep what they have', { error });
      this.#lost = true;
    }
  }

  /**
   * Changes the record as `change` says, which may be asked several times and returns the same object where nothing is to change. Throws
   * StoreError where that can't be done.
   */
  update(change: (record: FleetRecord) => FleetRecord): Promise<FleetRecord> {
    return this.#inTurn(() => this.#update(change));
  }

  async #update(change: (record: FleetRecord) => FleetRecord): Promise<FleetRecord> {
    for (let attempt = 1; ; attempt++) {
      if (this.#record === null || attempt > 1) await this.#take(await this.#store.get(RECORD));
      const before = this.#record ?? EMPTY_RECORD;
      const after = change(before);
      if (after === before) return before;
      try {
        const value = await zip(JSON.stringify(after));
        this.#version = await this.#store.compareAndSet(RECORD, this.#version, value);
        this.#record = after;
        this.#onChange();
        await this.#store.publish(RECORD, Buffer.from(this.#version)).catch(() => {});
        return after;
      } catch (error) {
        if (!(error instanceof StoreError && error.code === 'conflict') || attempt === ATTEMPTS) throw error;
      }
    }
  }

  close(): void {
    this.#unsubscribe?.();
  }

  #inTurn<Result>(step: () => Promise<Result>): Promise<Result> {
    const turn = this.#turns.then(step);
    this.#turns = turn.catch(() => {});
    return turn;
  }

  async #subscribe(): Promise<void> {
    try {
      this.#unsubscribe = await this.#store.subscribe(RECORD, {
        message: (bytes) => {
          if (Buffer.from(bytes).toString() !== this.#version) void this.refresh();
        },
        lost: () => void this.refresh(),
      });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  async #take(stored: StoredValue | null): Promise<void> {
    const version = stored?.version ?? null;
    if (this.#record !== null && version === this.#version) return;
    this.#record = stored === null ? EMPTY_RECORD : await read(stored.value);
    this.#version = version;
    this.#onChange();
  }
}

/** Throws StoreError for what is no record: nothing is to be made of it, and nothing written over it. */
async function read(value: Uint8Array): Promise<FleetRecord> {
  try {
    const record: unknown = JSON.parse((await unzip(value, { maxOutputLength: MAX_BYTES })).toString());
    if (isObject(record) && isObject(record.gateways)) return record as unknown as FleetRecord;
  } catch {
    // Said below.
  }
  throw new StoreError('unavailable', 'what is stored as the record of roll-outs is none that this version can read');
}
