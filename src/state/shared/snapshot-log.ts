/**
 * Every resource as bytes, by key and version: written by the primary, read by all workers.
 *
 *   growable SharedArrayBuffer, one generation
 *   ┌────────────────┬─────────────┬─────────────┬───────────┬───────────────────────── …
 *   │ generation 0   │ length 4    │ – 8         │ publish 16│ publish │ publish │
 *   └────────────────┴─────────────┴─────────────┴───────────┴───────────────────────── …
 *     i32              i32, in units of 8 bytes: how far the log is readable; stored last, atomically
 *
 *   publish, a multiple of 8 bytes
 *   ┌───────────────┬──────────────┬───────────────────── …
 *   │ version 0 f64 │ length 8 f64 │ record │ record │        length: bytes, these 16 included
 *   └───────────────┴──────────────┴───────────────────── …
 *   record, a multiple of 8 bytes
 *   ┌───────────────┬──────────────┬────────────────┬──────────┬────────────┬─────┐
 *   │ version 0 f64 │ key bytes u32│ value bytes u32│ key UTF-8│ value      │ pad │   value bytes 0xffffffff: the key is removed
 *   └───────────────┴──────────────┴────────────────┴──────────┴────────────┴─────┘
 *
 * The writer puts a whole publish behind the readable part and then stores the length: a reader, which looks at nothing
 * behind the length it loaded, sees all of a publish or none of it. Nothing readable is ever changed.
 *
 * Superseded records are left behind by compaction: the live ones, each with the version it had, are written as the first
 * publish of a new generation, which the primary hands to the workers by message. A reader finishes the old generation first, which
 * ends at just the version of that first publish; so it has all of it, and passes over it at no cost. When all readers have
 * moved, `retire` overwrites the old generation with zeros, for records may be secret and the memory lives until the last
 * thread's garbage collector has seen to it. While both exist the log takes up to twice its maximum.
 *
 * Readers are woken by a message on the worker's control port, not by Atomics.waitAsync: the hand-over of a generation
 * has to be a message anyway, and on one port the two stay in order. A publish is rare and a message costs microseconds.
 */
const GENERATION = 0;
const LENGTH = 1;
const HEADER_BYTES = 16;
const UNIT = 8;

const PUBLISH_BYTES = 16;
const PUBLISH_LENGTH = 8;

const RECORD_BYTES = 16;
const KEY_LENGTH = 8;
const VALUE_LENGTH = 12;
const REMOVED = 0xffffffff;

const INITIAL_BYTES = 64 * 1024;
/** Less than this left behind is not worth a compaction. */
const COMPACT_MIN_BYTES = 1024 * 1024;

const alignUp = (bytes: number): number => Math.ceil(bytes / UNIT) * UNIT;

/** `value` null: the key is gone. */
export interface SnapshotChange {
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface VersionedChange extends SnapshotChange {
  readonly version: number;
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

/** Where a key's last record is. */
interface Live {
  version: number;
  /** Byte offset and length of the value. */
  start: number;
  length: number;
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
  readonly #live = new Map<string, Live>();
  #buffer: SharedArrayBuffer;
  #generation = 1;
  #version = 0;
  /** Bytes readable, header included. */
  #length = HEADER_BYTES;
  /** What a generation of only the live records takes. */
  #liveBytes = HEADER_BYTES + PUBLISH_BYTES;

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

  /** True where more than half of a log of some size is superseded. */
  get shouldCompact(): boolean {
    const dead = this.#length - this.#liveBytes;
    return dead >= COMPACT_MIN_BYTES && dead > this.#liveBytes;
  }

  keys(): IterableIterator<string> {
    return this.#live.keys();
  }

  /** A copy of the key's value, or null. */
  get(key: string): Uint8Array | null {
    const live = this.#live.get(key);
    return live === undefined ? null : new Uint8Array(this.#buffer, live.start, live.length).slice();
  }

  has(key: string): boolean {
    return this.#live.has(key);
  }

  /** Those of the changes that would change anything. */
  differing(changes: readonly SnapshotChange[]): SnapshotChange[] {
    return changes.filter(({ key, value }) => this.#differs(key, value));
  }

  /**
   * Makes the changes readable, all at once, as one version, and returns it. What the log already says is left out, of
   * several changes of a key the last holds; where nothing remains there is no new version. Keys are well-formed Unicode
   * (TypeError otherwise). Throws SnapshotFullError and changes nothing where the log has no room.
   */
  publish(changes: readonly SnapshotChange[]): number {
    const last = new Map<string, Uint8Array | null>();
    for (const { key, value } of changes) last.set(key, value);
    const keys = new Map<string, Buffer>();
    let bytes = PUBLISH_BYTES;
    let liveBytes = this.#liveBytes;
    for (const [key, value] of last) {
      if (!this.#differs(key, value)) {
        last.delete(key);
        continue;
      }
      if (/\p{Surrogate}/u.test(key)) throw new TypeError('a snapshot key must be well-formed Unicode');
      const keyBytes = Buffer.from(key);
      keys.set(key, keyBytes);
      bytes += recordBytes(keyBytes.length, value?.length ?? 0);
      const live = this.#live.get(key);
      if (live !== undefined) liveBytes -= recordBytes(keyBytes.length, live.length);
      if (value !== null) liveBytes += recordBytes(keyBytes.length, value.length);
    }
    if (last.size === 0) return this.#version;
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
      const start = at + RECORD_BYTES + keyBytes.length;
      at = writeRecord(view, memory, at, version, keyBytes, value);
      if (value === null) this.#live.delete(key);
      else this.#live.set(key, { version, start, length: value.length });
    }
    commit(this.#buffer, end);
    this.#length = end;
    this.#liveBytes = liveBytes;
    this.#version = version;
    return version;
  }

  /** Continues in a new generation of only the live records, which keep their versions. */
  compact(): Compaction {
    const old = this.#buffer;
    const buffer = makeGeneration(this.#generation + 1, Math.min(this.#liveBytes * 2, this.#maxBytes), this.#maxBytes);
    const from = new Uint8Array(old);
    const view = new DataView(buffer);
    const memory = new Uint8Array(buffer);
    let at = writePublish(view, HEADER_BYTES, this.#version, this.#liveBytes - HEADER_BYTES);
    for (const [key, live] of this.#live) {
      const keyBytes = Buffer.from(key);
      const start = at + RECORD_BYTES + keyBytes.length;
      at = writeRecord(view, memory, at, live.version, keyBytes, from.subarray(live.start, live.start + live.length));
      live.start = start;
    }
    commit(buffer, at);
    this.#buffer = buffer;
    this.#generation++;
    this.#length = at;
    return { generation: this.#generation, buffer, retire: () => wipe(old) };
  }

  #differs(key: string, value: Uint8Array | null): boolean {
    const live = this.#live.get(key);
    if (value === null || live === undefined) return value !== null || live !== undefined;
    if (live.length !== value.length) return true;
    return Buffer.compare(Buffer.from(this.#buffer, live.start, live.length), value) !== 0;
  }

  #reserve(bytes: number): void {
    const size = this.#buffer.byteLength;
    if (bytes > size) this.#buffer.grow(Math.min(Math.max(bytes, size * 2), this.#maxBytes));
  }
}

/** One of the readers. */
export class SnapshotReader {
  #buffer: SharedArrayBuffer;
  #at = HEADER_BYTES;
  #version = 0;
  /** Generations to move to, each when the one before has been read to its end. */
  readonly #next: SharedArrayBuffer[] = [];

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
  }

  /** Of the last publish read; 0 before the first. */
  get version(): number {
    return this.#version;
  }

  /** The one being read; whoever compacted may retire those before it. */
  get generation(): number {
    return Atomics.load(new Int32Array(this.#buffer, 0, 2), GENERATION);
  }

  /** The next publish, whole, or null where all have been read. A new reader's first may be a generation's first, everything there is. */
  read(): { version: number; changes: VersionedChange[] } | null {
    for (;;) {
      const words = new Int32Array(this.#buffer, 0, 2);
      const end = Atomics.load(words, LENGTH) * UNIT;
      if (end <= this.#at) {
        const next = this.#next.shift();
        if (next === undefined) return null;
        this.#buffer = next;
        this.#at = HEADER_BYTES;
        continue;
      }
      const view = new DataView(this.#buffer, 0, end);
      const publishEnd = this.#at + view.getFloat64(this.#at + PUBLISH_LENGTH, true);
      if (!(publishEnd > this.#at && publishEnd <= end)) return null;
      const version = view.getFloat64(this.#at, true);
      // A new generation's first publish repeats what the generation before has said.
      const changes = version > this.#version ? readRecords(this.#buffer, view, this.#at, publishEnd) : null;
      // A generation that was retired meanwhile says 0: what was read may be half wiped.
      if (Atomics.load(words, LENGTH) * UNIT < end) return null;
      this.#at = publishEnd;
      if (changes === null) continue;
      this.#version = version;
      return { version, changes };
    }
  }

  /** Continues in a new generation, once what there is of the present one has been read. */
  moveTo(buffer: SharedArrayBuffer): void {
    this.#next.push(buffer);
  }
}

/** The records of the publish at `at`; values are copies. */
function readRecords(buffer: SharedArrayBuffer, view: DataView, at: number, end: number): VersionedChange[] {
  const bytes = Buffer.from(buffer, 0, end);
  const changes: VersionedChange[] = [];
  let record = at + PUBLISH_BYTES;
  while (record < end) {
    const version = view.getFloat64(record, true);
    const keyLength = view.getUint32(record + KEY_LENGTH, true);
    const valueLength = view.getUint32(record + VALUE_LENGTH, true);
    const start = record + RECORD_BYTES + keyLength;
    const key = bytes.toString('utf8', record + RECORD_BYTES, start);
    const removed = valueLength === REMOVED;
    const value = removed ? null : new Uint8Array(buffer, start, valueLength).slice();
    changes.push({ key, value, version });
    record = alignUp(start + (removed ? 0 : valueLength));
  }
  return changes;
}

function makeGeneration(generation: number, bytes: number, maxBytes: number): SharedArrayBuffer {
  const initial = Math.min(Math.max(bytes, HEADER_BYTES + PUBLISH_BYTES), maxBytes);
  const buffer = new SharedArrayBuffer(initial, { maxByteLength: maxBytes });
  const words = new Int32Array(buffer, 0, 2);
  Atomics.store(words, GENERATION, generation);
  commit(buffer, HEADER_BYTES);
  return buffer;
}

/** Makes everything before `end` readable. */
function commit(buffer: SharedArrayBuffer, end: number): void {
  Atomics.store(new Int32Array(buffer, 0, 2), LENGTH, end / UNIT);
}

function wipe(buffer: SharedArrayBuffer): void {
  Atomics.store(new Int32Array(buffer, 0, 2), LENGTH, 0);
  new Uint8Array(buffer).fill(0);
}

function recordBytes(keyLength: number, valueLength: number): number {
  return alignUp(RECORD_BYTES + keyLength + valueLength);
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
