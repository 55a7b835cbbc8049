import {
  endOf,
  GENERATION,
  HEADER_BYTES,
  keyAt,
  LENGTH,
  openLog,
  PUBLISH_BYTES,
  PUBLISH_LENGTH,
  UNIT,
  valueAt,
  versionAt,
} from './snapshot-format.ts';
import type { SnapshotChange } from './snapshot-log.ts';

export interface VersionedChange extends SnapshotChange {
  readonly version: number;
  /** For `SnapshotReader.valueAt`: where the value is that this one takes the place of. Valid until the next read; 0 = there is none. */
  readonly before: number;
}

/** Records of a new generation that a reader goes through at one time to learn where they are. */
const RELOCATED_AT_ONCE = 1000;

/**
 * One of the snapshot log's readers (see snapshot-format.ts). It knows where each key's value is, so that who needs a value rarely needn't keep it.
 *
 * A place is the byte offset of a record, negative in every second generation: while a reader moves, places in both are in use.
 */
export class SnapshotReader {
  #buffer: SharedArrayBuffer;
  #at = HEADER_BYTES;
  #version = 0;
  /** 1 or -1: how places in the present generation are told from those in the one before. */
  #sign = 1;
  readonly #places = new Map<string, number>();
  /** Generations to move to, each when the one before has been read to its end. */
  readonly #next: SharedArrayBuffer[] = [];
  /** The generation before, while some values' places are still in it. */
  #leaving: SharedArrayBuffer | null = null;

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
  }

  /** Of the last publish read; 0 before the first. */
  get version(): number {
    return this.#version;
  }

  /** The oldest that is still needed; whoever compacted may retire those before it. */
  get generation(): number {
    return Atomics.load(new Int32Array(this.#leaving ?? this.#buffer, 0, 2), GENERATION);
  }

  /**
   * The next publish, whole, or null where all have been read. Values are views of the log, to be used before the next read. A new
   * reader's first may be a generation's first, everything there is. One without changes is a step on the way into a new generation.
   */
  read(): { version: number; changes: VersionedChange[] } | null {
    for (;;) {
      const words = new Int32Array(this.#buffer, 0, 2);
      const end = Atomics.load(words, LENGTH) * UNIT;
      if (this.#leaving !== null) {
        this.#relocate(end);
        return { version: this.#version, changes: [] };
      }
      if (end <= this.#at) {
        if (!this.#move()) return null;
        continue;
      }
      const log = openLog(this.#buffer, end);
      const publishEnd = this.#at + log.view.getFloat64(this.#at + PUBLISH_LENGTH, true);
      if (!(publishEnd > this.#at && publishEnd <= end)) return null;
      const version = log.view.getFloat64(this.#at, true);
      const places: number[] = [];
      const changes: VersionedChange[] = [];
      for (let at = this.#at + PUBLISH_BYTES; at < publishEnd; at = endOf(log, at)) {
        const key = keyAt(log, at);
        places.push(at * this.#sign);
        changes.push({ key, value: valueAt(log, at), version: versionAt(log, at), before: this.#places.get(key) ?? 0 });
      }
      // A generation that was retired meanwhile says 0: what was read may be half wiped.
      if (Atomics.load(words, LENGTH) * UNIT < end) return null;
      changes.forEach(({ key, value }, index) => {
        if (value === null) this.#places.delete(key);
        else this.#places.set(key, places[index] as number);
      });
      this.#at = publishEnd;
      this.#version = version;
      return { version, changes };
    }
  }

  /** Continues in a new generation, once what there is of the present one has been read. */
  moveTo(buffer: SharedArrayBuffer): void {
    this.#next.push(buffer);
  }

  /** What was last read under the key, or null; to be used before the next read. */
  value(key: string): Uint8Array | null {
    const place = this.#places.get(key);
    return place === undefined ? null : this.valueAt(place);
  }

  /** The value at a change's `before`; to be used before the next read. */
  valueAt(place: number): Uint8Array | null {
    const present = this.#leaving === null || Math.sign(place) === this.#sign;
    const buffer = present ? this.#buffer : (this.#leaving as SharedArrayBuffer);
    return valueAt(openLog(buffer, buffer.byteLength), Math.abs(place));
  }

  #move(): boolean {
    const next = this.#next.shift();
    if (next === undefined) return false;
    this.#sign = -this.#sign;
    // A reader that has read nothing has no places either: all that there is is new to it.
    this.#leaving = this.#version === 0 ? null : this.#buffer;
    this.#buffer = next;
    this.#at = this.#leaving === null ? HEADER_BYTES : HEADER_BYTES + PUBLISH_BYTES;
    return true;
  }

  /** Goes on through a generation's first publish, which repeats what the generation before has said. */
  #relocate(end: number): void {
    const log = openLog(this.#buffer, end);
    const publishEnd = HEADER_BYTES + log.view.getFloat64(HEADER_BYTES + PUBLISH_LENGTH, true);
    for (let n = 0; n < RELOCATED_AT_ONCE && this.#at < publishEnd; n++) {
      const key = keyAt(log, this.#at);
      // In place: the map keeps the key that others hold too.
      if (this.#places.has(key)) this.#places.set(key, this.#at * this.#sign);
      this.#at = endOf(log, this.#at);
    }
    if (this.#at >= publishEnd) this.#leaving = null;
  }
}
