import type { Resource } from '../resources/types.ts';
import { type Compaction, SnapshotFullError, SnapshotWriter } from '../state/shared/snapshot-log.ts';

const encoder = new TextEncoder();

export interface PublisherOptions {
  readonly maxBytes: number;
  /** There is something new to read. */
  onPublished(): void;
  /** Workers are to move to a new generation and to say `moved`. */
  onGeneration(generation: number, buffer: SharedArrayBuffer): void;
}

/**
 * Turns resources into what workers read: publishes what differs, and once enough is superseded has the log compacted and
 * the generation before wiped as soon as every worker has moved away from it.
 */
export class Publisher {
  readonly #writer: SnapshotWriter;
  readonly #options: PublisherOptions;
  /** Generation each living worker reads. */
  readonly #reading = new Map<number, number>();
  #retiring: Compaction[] = [];

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#writer = new SnapshotWriter({ maxBytes: options.maxBytes });
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

  /**
   * Makes `resources` what is in force and says how many of them changed. Throws SnapshotFullError, and nothing has
   * changed, where they do not fit.
   */
  publish(resources: readonly Resource[]): number {
    const state = new Map<string, Uint8Array>();
    for (const resource of resources) state.set(resource.key, encoder.encode(JSON.stringify(resource)));
    const changes = this.#writer.diff(state);
    if (changes.length === 0) return 0;
    try {
      this.#writer.publish(changes);
    } catch (error) {
      if (!(error instanceof SnapshotFullError && error.fitsCompacted)) throw error;
      this.#compact();
      this.#writer.publish(changes);
    }
    this.#options.onPublished();
    if (this.#writer.shouldCompact) this.#compact();
    return changes.length;
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
