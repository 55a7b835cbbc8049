import { isWellFormed } from '../../resources/json.ts';
import {
  endOf,
  GENERATION,
  HEADER_BYTES,
  KEY_LENGTH,
  LENGTH,
  openLog,
  PUBLISH_BYTES,
  PUBLISH_LENGTH,
  RECORD_BYTES,
  REMOVED,
  recordBytes,
  UNIT,
  VALUE_LENGTH,
  valueAt,
} from './snapshot-format.ts';

/** The snapshot log's writing end; see snapshot-format.ts. */
const INITIAL_BYTES = 64 * 1024;
/** Less than this left behind is not worth a compaction. */
const COMPACT_MIN_BYTES = 1024 * 1024;

/** `value` null: the key is gone. */
export interface SnapshotChange {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** A publish that does not fit below the maximum; nothing of it was written. */
export class SnapshotFullError extends Error {
  override readonly name = 'SnapshotFullError';
  readonly code = 'snapshot_full';
  /** Bytes the log would have. */
  readonly neededBytes: number;
  readonly maxBytes: number;
  /** True where a compaction makes room. */
  readonly fitsCompacted: boolean;

  constructor(neededBytes: number, maxBytes: number, fitsCompacted: boolean) {
    super(`The configuration needs ${neededBytes} bytes; config.snapshotMaxBytes allows ${maxBytes}.`);
    this.neededBytes = neededBytes;
    this.maxBytes = maxBytes;
    this.fitsCompacted = fitsCompacted;
  }
}

export interface Compaction {
  readonly generation: number;
  readonly buffer: SharedArrayBuffer;
  /** Overwrites the generation before; call it once every reader has moved (or ended). */
  retire(): void;
}

/** The one writer. */
export class SnapshotWriter {
  readonly #maxBytes: number;
  /** Key → byte offset of its last record. */
  readonly #live = new Map<string, number>();
  #buffer: SharedArrayBuffer;
  #generation = 1;
  #version = 0;
  /** Bytes readable, header included. */
  #length = HEADER_BYTES;
  /** What a generation of only the live records takes. */
  #liveBytes = HEADER_BYTES + PUBLISH_BYTES;
  /** Memory of a retired generation, for the next: threads let go of it only as their garbage collectors please. */
  #spare: SharedArrayBuffer | null = null;

  constructor(size: { initialBytes?: number; maxBytes: number }) {
    this.#maxBytes = size.maxBytes;
    this.#buffer = makeGeneration(this.#generation, size.initialBytes ?? INITIAL_BYTES, size.maxBytes);
  }

  /** What readers are given; compaction replaces it. */
  get buffer(): SharedArrayBuffer {
    return this.#buffer;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Of the last publish; 0 before the first. */
  get version(): number {
    return this.#version;
  }

  /** Bytes of the log now, and what compaction would leave of them. */
  get bytes(): number {
    return this.#length;
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** True where more than a third of a log of some size is superseded. */
  get shouldCompact(): boolean {
    const dead = this.#length - this.#liveBytes;
    return dead >= COMPACT_MIN_BYTES && dead > this.#liveBytes / 2;
  }

  keys(): IterableIterator<string> {
    return this.#live.keys();
  }

  /** A copy of the key's value, or null. */
  get(key: string): Uint8Array | null {
    const at = this.#live.get(key);
    return at === undefined ? null : (valueAt(openLog(this.#buffer, this.#length), at)?.slice() ?? null);
  }

  has(key: string): boolean {
    return this.#live.has(key);
  }

  /**
   * Makes the changes readable, all at once, as one version, and returns how many there were: what the log already says is left out,
   * of several changes of a key the last holds; where nothing remains there is no new version. Keys are well-formed Unicode
   * (TypeError otherwise). Throws SnapshotFullError and changes nothing where the log has no room.
   */
  publish(changes: readonly SnapshotChange[]): number {
    const last = new Map<string, Uint8Array | null>();
    for (const { key, value } of changes) last.set(key, value);
    const keys = new Map<string, Buffer>();
    const before = openLog(this.#buffer, this.#length);
    let bytes = PUBLISH_BYTES;
    let liveBytes = this.#liveBytes;
    for (const [key, value] of last) {
      const at = this.#live.get(key);
      const said = at === undefined ? null : valueAt(before, at);
      if (said === null || value === null ? said === value : Buffer.compare(said, value) === 0) {
        last.delete(key);
        continue;
      }
      if (!isWellFormed(key)) throw new TypeError('a snapshot key must be well-formed Unicode');
      const keyBytes = Buffer.from(key);
      keys.set(key, keyBytes);
      bytes += recordBytes(keyBytes.length, value?.length ?? 0);
      if (at !== undefined) liveBytes -= endOf(before, at) - at;
      if (value !== null) liveBytes += recordBytes(keyBytes.length, value.length);
    }
    if (last.size === 0) return 0;
    const end = this.#length + bytes;
    if (end > this.#maxBytes) {
      throw new SnapshotFullError(end, this.#maxBytes, this.#liveBytes + bytes <= this.#maxBytes);
    }
    this.#reserve(end);

    const version = this.#version + 1;
    const view = new DataView(this.#buffer);
    const memory = new Uint8Array(this.#buffer);
    let at = writePublish(view, this.#length, version, bytes);
    for (const [key, keyBytes] of keys) {
      const value = last.get(key) ?? null;
      if (value === null) this.#live.delete(key);
      else this.#live.set(key, at);
      at = writeRecord(view, memory, at, version, keyBytes, value);
    }
    commit(this.#buffer, end);
    this.#length = end;
    this.#liveBytes = liveBytes;
    this.#version = version;
    return last.size;
  }

  /** Continues in a new generation of only the live records, which keep their versions. */
  compact(): Compaction {
    const old = this.#buffer;
    const oldBytes = this.#length;
    const buffer = this.#nextGeneration();
    const from = openLog(old, oldBytes);
    const to = Buffer.from(buffer);
    let at = writePublish(new DataView(buffer), HEADER_BYTES, this.#version, this.#liveBytes - HEADER_BYTES);
    for (const [key, start] of this.#live) {
      const length = from.bytes.copy(to, at, start, endOf(from, start));
      this.#live.set(key, at);
      at += length;
    }
    commit(buffer, at);
    this.#buffer = buffer;
    this.#generation++;
    this.#length = at;
    return { generation: this.#generation, buffer, retire: () => this.#retire(old, oldBytes) };
  }

  #nextGeneration(): SharedArrayBuffer {
    const spare = this.#spare;
    if (spare === null) return makeGeneration(this.#generation + 1, this.#liveBytes, this.#maxBytes);
    this.#spare = null;
    if (spare.byteLength < this.#liveBytes) spare.grow(this.#liveBytes);
    begin(spare, this.#generation + 1);
    return spare;
  }

  #retire(buffer: SharedArrayBuffer, bytes: number): void {
    Atomics.store(new Int32Array(buffer, 0, 2), LENGTH, 0);
    new Uint8Array(buffer, 0, bytes).fill(0);
    this.#spare = buffer;
  }

  #reserve(bytes: number): void {
    const size = this.#buffer.byteLength;
    if (bytes > size) this.#buffer.grow(Math.min(Math.max(bytes, size * 2), this.#maxBytes));
  }
}

function makeGeneration(generation: number, bytes: number, maxBytes: number): SharedArrayBuffer {
  const initial = Math.min(Math.max(bytes, HEADER_BYTES + PUBLISH_BYTES), maxBytes);
  const buffer = new SharedArrayBuffer(initial, { maxByteLength: maxBytes });
  begin(buffer, generation);
  return buffer;
}

/** Makes a buffer an empty generation. */
function begin(buffer: SharedArrayBuffer, generation: number): void {
  Atomics.store(new Int32Array(buffer, 0, 2), GENERATION, generation);
  commit(buffer, HEADER_BYTES);
}

/** Makes everything before `end` readable. */
function commit(buffer: SharedArrayBuffer, end: number): void {
  Atomics.store(new Int32Array(buffer, 0, 2), LENGTH, end / UNIT);
}

function writePublish(view: DataView, at: number, version: number, bytes: number): number {
  view.setFloat64(at, version, true);
  view.setFloat64(at + PUBLISH_LENGTH, bytes, true);
  return at + PUBLISH_BYTES;
}

/** Writes one record and returns where the next begins. */
function writeRecord(
  view: DataView,
  memory: Uint8Array,
  at: number,
  version: number,
  key: Uint8Array,
  value: Uint8Array | null,
): number {
  view.setFloat64(at, version, true);
  view.setUint32(at + KEY_LENGTH, key.length, true);
  view.setUint32(at + VALUE_LENGTH, value === null ? REMOVED : value.length, true);
  memory.set(key, at + RECORD_BYTES);
  if (value !== null) memory.set(value, at + RECORD_BYTES + key.length);
  return at + recordBytes(key.length, value?.length ?? 0);
}
