import { decodeResource, encodeResource } from '../resources/encoding.ts';
import type { Resource } from '../resources/types.ts';
import {
  type Compaction,
  type SnapshotChange,
  SnapshotFullError,
  SnapshotWriter,
} from '../state/shared/snapshot-log.ts';
import { SpareMemory } from '../state/spare-memory.ts';
import type { EncodedChanges } from '../xds/delta.ts';
import type { Turns } from './turns.ts';

/** A version holds at most this much of a large delta, so that no worker stops for long over one. */
const SLICE_CHANGES = 32;
const SLICE_BYTES = 32 * 1024;
/** Where there is always traffic, what a large delta leaves behind is given back after this time all the same, ms. */
const PATIENCE_MS = 30_000;

export interface PublisherOptions {
  readonly maxBytes: number;
  readonly turns: Turns;
  /** There is something new to read. */
  onPublished(): void;
  /** Workers are to move to a new generation and to say `moved`. */
  onGeneration(generation: number, buffer: SharedArrayBuffer): void;
}

/**
 * Turns resources into what workers read: publishes what differs, and once enough is superseded has the log compacted and
 * the generation before wiped as soon as every worker has moved away from it.
 *
 * Resources come from two sides, which never share a key: a file, always whole (`publish`), and a control plane, by what
 * changes (`apply`).
 */
export class Publisher {
  readonly #writer: SnapshotWriter;
  readonly #options: PublisherOptions;
  /** Keys of what the file holds; every other one is the control plane's. */
  #fileKeys: ReadonlySet<string> = new Set();
  /** Generation each living worker reads. */
  readonly #reading = new Map<number, number>();
  #retiring: Compaction[] = [];
  readonly #spare: SpareMemory;
  /** Version that the workers have been told of. */
  #announced = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#writer = new SnapshotWriter({ maxBytes: options.maxBytes });
    this.#spare = new SpareMemory({
      idle: () => !options.turns.besideTraffic,
      patienceMs: PATIENCE_MS,
      ofProcess: true,
    });
  }

  get version(): number {
    return this.#writer.version;
  }

  get bytes(): number {
    return this.#writer.bytes;
  }

  /** Generations that are kept for workers that have not moved yet. */
  get retiring(): number {
    return this.#retiring.length;
  }

  /** What is in force under a key, as JSON; null = nothing. */
  get(key: string): Uint8Array | null {
    return this.#writer.get(key);
  }

  /** Everything in force, read back from what workers read. */
  *resources(): Generator<Resource> {
    for (const key of this.#writer.keys()) {
      const value = this.#writer.get(key);
      if (value !== null) yield decodeResource(value);
    }
  }

  /**
   * Makes `resources` what is in force of the file, all at once, and says how many of them changed. Throws, and nothing has
   * changed, where they do not fit (SnapshotFullError) or one has a key that the control plane has given.
   */
  publish(resources: readonly Resource[]): number {
    const changes: SnapshotChange[] = [];
    const keys = new Set<string>();
    for (const resource of resources) {
      const { key } = resource;
      if (!this.#fileKeys.has(key) && this.#writer.has(key)) {
        throw new Error(`${key} is given by the control plane already; remove it from the file, or name it otherwise`);
      }
      keys.add(key);
      changes.push({ key, value: encodeResource(resource) });
    }
    for (const key of this.#fileKeys) if (!keys.has(key)) changes.push({ key, value: null });
    const changed = this.#write(changes);
    this.#announce();
    this.#fileKeys = keys;
    this.#spare.used(changes.length);
    return changed;
  }

  /**
   * Puts a control plane's changes into force: what is new or changed in the order given, then what is removed. A small delta is one
   * version, a large one several. Resolves to the reasons why changes are not in force, by key: what the file has under the
   * same key, and what does not fit. What was in force under those keys stays.
   */
  async apply({ changed, removed }: EncodedChanges): Promise<Map<string, string>> {
    const faults = new Map<string, string>();
    const pause = this.#options.turns.begin();
    let slice: SnapshotChange[] = [];
    let bytes = 0;
    const publishSlice = async (): Promise<void> => {
      this.#applySlice(slice, faults);
      slice = [];
      bytes = 0;
      const rest = pause();
      if (rest === null) return;
      this.#announce();
      await rest;
    };
    for (const { key, json: value } of changed) {
      if (slice.length > 0 && bytes + value.length > SLICE_BYTES) await publishSlice();
      slice.push({ key, value });
      bytes += value.length;
      if (slice.length === SLICE_CHANGES) await publishSlice();
    }
    for (const key of removed) {
      slice.push({ key, value: null });
      if (slice.length === SLICE_CHANGES) await publishSlice();
    }
    this.#applySlice(slice, faults);
    this.#announce();
    this.#spare.used(changed.length + removed.length);
    return faults;
  }

  /** What a worker that starts now reads. */
  attach(index: number): SharedArrayBuffer {
    this.#reading.set(index, this.#writer.generation);
    return this.#writer.buffer;
  }

  /** The worker reads `generation` from now on. */
  moved(index: number, generation: number): void {
    this.#reading.set(index, generation);
    this.#retire();
  }

  /** The worker is gone and reads nothing any more. */
  detach(index: number): void {
    this.#reading.delete(index);
    this.#retire();
  }

  /** Publishes what of the changes is the control plane's to make. */
  #applySlice(slice: readonly SnapshotChange[], faults: Map<string, string>): void {
    const own: SnapshotChange[] = [];
    for (const change of slice) {
      if (!this.#fileKeys.has(change.key)) own.push(change);
      else if (change.value !== null)
        faults.set(change.key, `${change.key} is in the gateway's own configuration file`);
    }
    try {
      this.#write(own);
    } catch (error) {
      if (!(error instanceof SnapshotFullError)) throw error;
      if (own.length > 1) for (const change of own) this.#applySlice([change], faults);
      else for (const { key } of own) faults.set(key, error.message);
    }
  }

  /** One version of what differs; says how much that is. */
  #write(changes: readonly SnapshotChange[]): number {
    let written: number;
    try {
      written = this.#writer.publish(changes);
    } catch (error) {
      if (!(error instanceof SnapshotFullError && error.fitsCompacted)) throw error;
      this.#compact();
      written = this.#writer.publish(changes);
    }
    if (this.#writer.shouldCompact) this.#compact();
    return written;
  }

  /** Wakes whoever reads, if there is something new to read. */
  #announce(): void {
    if (this.#announced === this.#writer.version) return;
    this.#announced = this.#writer.version;
    this.#options.onPublished();
  }

  #compact(): void {
    const compaction = this.#writer.compact();
    this.#retiring.push(compaction);
    this.#options.onGeneration(compaction.generation, compaction.buffer);
    this.#retire();
  }

  #retire(): void {
    const oldest = Math.min(...this.#reading.values());
    this.#retiring = this.#retiring.filter((compaction) => {
      if (compaction.generation > oldest) return true;
      compaction.retire();
      return false;
    });
  }
}
