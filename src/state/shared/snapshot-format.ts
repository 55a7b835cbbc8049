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
 * ends at just the version of that first publish; so it has all of it, and only goes through it to learn where each value is now. When
 * all readers have moved, `retire` overwrites the old generation with zeros, for records may be secret, and keeps its memory for the
 * next: threads would let go of it only as their garbage collectors please. The log takes up to twice its maximum.
 *
 * Readers are woken by a message on the worker's control port, not by Atomics.waitAsync: the hand-over of a generation
 * has to be a message anyway, and on one port the two stay in order. A publish is rare and a message costs microseconds.
 */
export const GENERATION = 0;
export const LENGTH = 1;
export const HEADER_BYTES = 16;
export const UNIT = 8;

export const PUBLISH_BYTES = 16;
export const PUBLISH_LENGTH = 8;

export const RECORD_BYTES = 16;
export const KEY_LENGTH = 8;
export const VALUE_LENGTH = 12;
export const REMOVED = 0xffffffff;

const alignUp = (bytes: number): number => Math.ceil(bytes / UNIT) * UNIT;

export function recordBytes(keyLength: number, valueLength: number): number {
  return alignUp(RECORD_BYTES + keyLength + valueLength);
}

/** The two ways to look at a generation's bytes. */
export interface SnapshotLog {
  readonly view: DataView;
  readonly bytes: Buffer;
}

export function openLog(buffer: SharedArrayBuffer, end: number): SnapshotLog {
  return { view: new DataView(buffer, 0, end), bytes: Buffer.from(buffer, 0, end) };
}

export function versionAt({ view }: SnapshotLog, at: number): number {
  return view.getFloat64(at, true);
}

export function keyAt({ view, bytes }: SnapshotLog, at: number): string {
  const start = at + RECORD_BYTES;
  return bytes.toString('utf8', start, start + view.getUint32(at + KEY_LENGTH, true));
}

/** No copy: it is there as long as the generation is. */
export function valueAt({ view }: SnapshotLog, at: number): Uint8Array | null {
  const length = view.getUint32(at + VALUE_LENGTH, true);
  const start = at + RECORD_BYTES + view.getUint32(at + KEY_LENGTH, true);
  return length === REMOVED ? null : new Uint8Array(view.buffer, start, length);
}

export function endOf({ view }: SnapshotLog, at: number): number {
  const length = view.getUint32(at + VALUE_LENGTH, true);
  return at + recordBytes(view.getUint32(at + KEY_LENGTH, true), length === REMOVED ? 0 : length);
}
