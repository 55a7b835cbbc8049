/**
 * Rows of shared memory that threads find by name: each thread that asks for the same key gets the same row.
 *
 *   byte 0     header, 64 bytes
 *   ┌──────────┬─────────────┬──────────────┬──────────────┬─────────────┬───────────┐
 *   │ rows u32 │ threads u32 │ row bytes u32│ – u32        │ control u64 │ stamp u64 │  …
 *   └──────────┴─────────────┴──────────────┴──────────────┴─────────────┴───────────┘
 *   byte 64    pending  u64 × threads         the key word a thread is about to claim a row for
 *              keys     u64 × rows            whose the row is, see below
 *              idle     u32 × rows            unix second at which the last holder let go
 *              held     u32 × rows × threads  how often each thread holds the row, so that a dead thread's holds come back
 *              (to the next multiple of 64)
 *              data     row bytes × rows      all zero while the row is free
 *
 *   a key word      63        62        61 … 12           11 … 0
 *   taken         │ 1 │ hash of the key, 51 bits       │ holders │    holders 0: idle, may be given to another key
 *   being cleaned │ 0 │ 1 │ stamp                      │ thread  │
 *   free          │ 0 │ 0 │ stamp                      │ 0       │
 *
 *   the control word     63 … 32    31 … 12        11 … 0
 *                      │ claims   │ row + 1, or 0 │ thread │
 *
 * Finding, holding and letting go are one compare-and-swap on the key word. Claiming a free row must not give two rows to
 * one key when two threads ask for it at the same moment, so claims are numbered by the control word: a thread looks for
 * the key, writes what it wants into its pending cell, and announces row and thread in the control word, which only succeeds
 * if nobody has claimed anything since it looked. Whoever finds an announcement finishes it (the words it writes are all
 * known), so that a thread that dies half-way holds up nobody. A free word carries a stamp that is never used again: a
 * late helper's compare-and-swap fails.
 *
 * A key is looked for within PROBES rows behind its home, so a lookup is bounded and freeing leaves no graves. A row whose
 * last holder has gone keeps its data (a reload finds its state again) until a new key needs the room; then the row
 * that has been idle longest is cleaned. Names that come and go therefore never fill the table, only names in use do.
 *
 * 51 bits of SHA-256 stand for the key: with 4,096 keys two of them meet with a probability of 4 in 10^9. A thread that
 * dies between two instructions of `acquire` leaves one holder too many, which costs that one row, never a wrong count.
 */
import { createHash } from 'node:crypto';

const HEADER_BYTES = 64;
const ROWS = 0;
const THREADS = 1;
const ROW_BYTES = 2;
const CONTROL = 2;
const STAMP = 3;

const TAKEN = 1n << 63n;
const CLEANING = 1n << 62n;
const LOW_BITS = 12n;
const LOW = (1n << LOW_BITS) - 1n;
const HASH_BITS = 51;
const ROW_MASK = (1n << 20n) - 1n;
const CLAIMS_SHIFT = 32n;

/** Rows behind a key's home that are searched for it. */
const PROBES = 128;
export const MAX_ROWS = 1 << 19;
export const MAX_THREADS = 1 << 11;

const alignTo = (bytes: number, unit: number): number => Math.ceil(bytes / unit) * unit;

function layout(rows: number, threads: number) {
  const keys = HEADER_BYTES + threads * 8;
  const idle = keys + rows * 8;
  const held = idle + rows * 4;
  const data = alignTo(held + rows * threads * 4, 64);
  return { pending: HEADER_BYTES, keys, idle, held, data };
}

export class KeyedRows {
  readonly buffer: SharedArrayBuffer;
  readonly rows: number;
  readonly threads: number;
  readonly #thread: number;
  readonly #rowBytes: number;
  readonly #dataStart: number;
  readonly #words: BigUint64Array;
  readonly #keys: BigUint64Array;
  readonly #pending: BigUint64Array;
  readonly #idle: Int32Array;
  readonly #held: Int32Array;
  /** What this thread holds: key → row and how often. */
  readonly #mine = new Map<string, { row: number; count: number }>();

  /**
   * Makes the memory. `workers` is how many workers share it; the primary is one thread more, its index is `workers`.
   * Throws RangeError for sizes the words above have no room for.
   */
  static create(size: { rows: number; workers: number; rowBytes: number }): SharedArrayBuffer {
    const threads = size.workers + 1;
    if (!(size.rows >= 1 && size.rows <= MAX_ROWS)) throw new RangeError(`rows must be 1 to ${MAX_ROWS}`);
    if (!(threads >= 1 && threads <= MAX_THREADS)) throw new RangeError(`workers must be 0 to ${MAX_THREADS - 1}`);
    const rowBytes = alignTo(size.rowBytes, 64);
    const buffer = new SharedArrayBuffer(layout(size.rows, threads).data + size.rows * rowBytes);
    new Uint32Array(buffer, 0, 3).set([size.rows, threads, rowBytes]);
    return buffer;
  }

  /** `thread`: the worker's index, or `workers` for the primary. No two living threads may use the same one. */
  constructor(buffer: SharedArrayBuffer, thread: number) {
    const head = new Uint32Array(buffer, 0, 3);
    this.buffer = buffer;
    this.rows = head[ROWS] ?? 0;
    this.threads = head[THREADS] ?? 0;
    this.#rowBytes = head[ROW_BYTES] ?? 0;
    if (!(thread >= 0 && thread < this.threads)) throw new RangeError(`no such thread: ${thread} of ${this.threads}`);
    this.#thread = thread;
    const at = layout(this.rows, this.threads);
    this.#dataStart = at.data;
    this.#words = new BigUint64Array(buffer, 0, HEADER_BYTES / 8);
    this.#pending = new BigUint64Array(buffer, at.pending, this.threads);
    this.#keys = new BigUint64Array(buffer, at.keys, this.rows);
    this.#idle = new Int32Array(buffer, at.idle, this.rows);
    this.#held = new Int32Array(buffer, at.held, this.rows * this.threads);
  }

  /** Byte offset of a row's data in `buffer`, a multiple of 64. */
  offset(row: number): number {
    return this.#dataStart + row * this.#rowBytes;
  }

  /** The key's row, claimed if it has none yet and held until `release`; -1 where every row it could have is in use. */
  acquire(key: string): number {
    const mine = this.#mine.get(key);
    if (mine !== undefined) {
      mine.count++;
      return mine.row;
    }
    const row = this.#claim(createHash('sha256').update(key).digest().readBigUInt64LE() >> BigInt(64 - HASH_BITS));
    if (row === -1) return -1;
    Atomics.add(this.#held, row * this.threads + this.#thread, 1);
    this.#mine.set(key, { row, count: 1 });
    return row;
  }

  /** Gives back one `acquire` of the key. */
  release(key: string): void {
    const mine = this.#mine.get(key);
    if (mine === undefined) return;
    mine.count--;
    if (mine.count > 0) return;
    this.#mine.delete(key);
    Atomics.sub(this.#held, mine.row * this.threads + this.#thread, 1);
    this.#letGo(mine.row, 1);
  }

  /** Gives back everything a thread held. For the primary, once the thread has ended and before its index is used again. */
  clearThread(thread: number): void {
    const control = Atomics.load(this.#words, CONTROL);
    if (announcedRow(control) !== -1) this.#finish(control);
    for (let row = 0; row < this.rows; row++) {
      const holds = Atomics.exchange(this.#held, row * this.threads + thread, 0);
      if (holds > 0) this.#letGo(row, holds);
      const word = Atomics.load(this.#keys, row);
      if ((word & (TAKEN | CLEANING)) === CLEANING && (word & LOW) === BigInt(thread)) this.#clean(row);
    }
  }

  /** Rows that somebody holds. */
  get inUse(): number {
    let count = 0;
    for (let row = 0; row < this.rows; row++) {
      const word = Atomics.load(this.#keys, row);
      if ((word & TAKEN) !== 0n && (word & LOW) !== 0n) count++;
    }
    return count;
  }

  #claim(hash: bigint): number {
    const wanted = TAKEN | (hash << LOW_BITS);
    const home = Number(hash % BigInt(this.rows));
    const probes = Math.min(PROBES, this.rows);
    for (;;) {
      const control = Atomics.load(this.#words, CONTROL);
      if (announcedRow(control) !== -1) {
        this.#finish(control);
        continue;
      }
      let found = -1;
      let free = -1;
      let idle = -1;
      let idleSince = 0;
      for (let probe = 0; probe < probes; probe++) {
        const row = (home + probe) % this.rows;
        const word = Atomics.load(this.#keys, row);
        if ((word & ~LOW) === wanted) {
          found = row;
          break;
        }
        if ((word & (TAKEN | CLEANING)) === 0n) {
          if (free === -1) free = row;
        } else if ((word & TAKEN) !== 0n && (word & LOW) === 0n) {
          const since = Atomics.load(this.#idle, row);
          if (idle === -1 || since < idleSince) {
            idle = row;
            idleSince = since;
          }
        }
      }
      if (found !== -1) {
        const word = Atomics.load(this.#keys, found);
        const same = (word & ~LOW) === wanted;
        if (same && Atomics.compareExchange(this.#keys, found, word, word + 1n) === word) return found;
      } else if (free !== -1) {
        Atomics.store(this.#pending, this.#thread, wanted | 1n);
        const announced = announce(control, free, this.#thread);
        if (Atomics.compareExchange(this.#words, CONTROL, control, announced) === control) {
          this.#finish(announced);
          return free;
        }
      } else if (idle !== -1) {
        this.#recycle(idle);
      } else {
        return -1;
      }
    }
  }

  /** Carries out an announced claim, whoever's it is. */
  #finish(control: bigint): void {
    const row = announcedRow(control);
    const word = Atomics.load(this.#pending, Number(control & LOW));
    const found = Atomics.load(this.#keys, row);
    // Unchanged: what was read between belongs to this announcement.
    if (Atomics.load(this.#words, CONTROL) !== control) return;
    if ((found & (TAKEN | CLEANING)) === 0n) Atomics.compareExchange(this.#keys, row, found, word);
    Atomics.compareExchange(this.#words, CONTROL, control, (control >> CLAIMS_SHIFT) << CLAIMS_SHIFT);
  }

  #letGo(row: number, holds: number): void {
    for (;;) {
      const word = Atomics.load(this.#keys, row);
      const next = word - BigInt(holds);
      if ((next & LOW) === 0n) Atomics.store(this.#idle, row, Math.floor(Date.now() / 1000));
      if (Atomics.compareExchange(this.#keys, row, word, next) === word) return;
    }
  }

  #recycle(row: number): void {
    const word = Atomics.load(this.#keys, row);
    if ((word & TAKEN) === 0n || (word & LOW) !== 0n) return;
    const cleaning = CLEANING | BigInt(this.#thread);
    if (Atomics.compareExchange(this.#keys, row, word, cleaning) === word) this.#clean(row);
  }

  /** Only the thread that the row's word names, or the primary after that thread's end, may come here. */
  #clean(row: number): void {
    new Uint8Array(this.buffer, this.offset(row), this.#rowBytes).fill(0);
    const stamp = Atomics.add(this.#words, STAMP, 1n) + 1n;
    Atomics.store(this.#keys, row, (stamp << LOW_BITS) & ~(TAKEN | CLEANING));
  }
}

/** The row an announcement is about, or -1 where none is open. */
function announcedRow(control: bigint): number {
  return Number((control >> LOW_BITS) & ROW_MASK) - 1;
}

function announce(control: bigint, row: number, thread: number): bigint {
  const claims = BigInt.asUintN(32, (control >> CLAIMS_SHIFT) + 1n);
  return (claims << CLAIMS_SHIFT) | (BigInt(row + 1) << LOW_BITS) | BigInt(thread);
}
