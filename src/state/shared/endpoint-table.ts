/**
 * What all workers know of the endpoints they send to: load, latency, failures, evictions.
 *
 *   KeyedRows, a row's data, words of 4 bytes:
 *   ┌───────────┬────────────┬────────┬──────────┬───────────────┬───────────┬─────────────────┬────────────────────────┐
 *   │ ewma 0 f32│ failures 1 │ load 2 │ illness 3│ evicted? 4 i32│ evictions │ until 8 i64     │ in flight 10 i32 × thread│
 *   └───────────┴────────────┴────────┴──────────┴───────────────┴───────────┴─────────────────┴────────────────────────┘
 *   ewma       latency in ms as float bits, 0 = no sample; compare-and-swap by any thread
 *   failures   consecutive, i32; atomic add, set to 0 by a success
 *   load       what the endpoint says of itself, float bits; one writer (who scrapes)
 *   illness    1 less the health, float bits: a new row of zeros is healthy; compare-and-swap by any thread
 *   evicted?   1 while `until` has anything to say, so that a pick reads 4 bytes in the common case
 *   evictions  word 5, i32: without a success between; 6 and 7 are free
 *   until      unix ms; written before `evicted?`
 *   in flight  one cell a thread, written by that thread alone; the endpoint's number is their sum, and the primary can set a
 *              dead thread's cell to 0
 */
import { KeyedRows } from './keyed-rows.ts';

const EWMA = 0;
const FAILURES = 1;
const LOAD = 2;
const ILLNESS = 3;
const EVICTED = 4;
const EVICTIONS = 5;
const UNTIL = 8;
const IN_FLIGHT = 10;

/** Weight of a new sample, for latency and health alike. */
const ALPHA = 0.3;
/** Health closer to 1 than this is 1, so that a healthy endpoint's successes write nothing. */
const WELL = 1e-3;

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);

function toBits(value: number): number {
  floats[0] = value;
  return bits[0] as number;
}

function toFloat(word: number): number {
  bits[0] = word;
  return floats[0] as number;
}

export class EndpointTable {
  readonly #rows: KeyedRows;
  readonly #thread: number;
  readonly #open = new Map<string, EndpointRow>();
  #overflows = 0;

  /** Makes the memory for `rows` endpoints; `workers` threads and the primary may open it. */
  static create(size: { rows: number; workers: number }): SharedArrayBuffer {
    return KeyedRows.create({ ...size, rowBytes: (IN_FLIGHT + size.workers + 1) * 4 });
  }

  /** `worker`: the worker's index; the primary opens it with the number of workers. */
  static open(buffer: SharedArrayBuffer, worker: number): EndpointTable {
    return new EndpointTable(buffer, worker);
  }

  private constructor(buffer: SharedArrayBuffer, worker: number) {
    this.#rows = new KeyedRows(buffer, worker);
    this.#thread = worker;
  }

  /**
   * The endpoint's row, the same in all threads; `release` it as often as it was asked for. Where every row is in
   * use the answer is a row that this thread keeps to itself, and `overflows` counts it.
   */
  endpoint(key: string): EndpointRow {
    const open = this.#open.get(key);
    if (open !== undefined) {
      open.retain();
      return open;
    }
    const row = this.#rows.acquire(key);
    const forget = (): void => {
      this.#open.delete(key);
    };
    let made: EndpointRow;
    if (row === -1) {
      this.#overflows++;
      made = new EndpointRow(privateCells(), 0, 0, 1, forget, () => {});
    } else {
      const cells = this.#rows.offset(row) / 4;
      const release = (): void => this.#rows.release(key);
      made = new EndpointRow(this.#rows.buffer, cells, this.#thread, this.#rows.threads, forget, release);
    }
    this.#open.set(key, made);
    return made;
  }

  /** Takes back a dead thread's requests in flight and its holds. For the primary, before a replacement gets the index. */
  clearWorker(worker: number): void {
    const cells = new Int32Array(this.#rows.buffer);
    for (let row = 0; row < this.#rows.rows; row++) {
      Atomics.store(cells, this.#rows.offset(row) / 4 + IN_FLIGHT + worker, 0);
    }
    this.#rows.clearThread(worker);
  }

  /** Endpoints of this thread that found no room in the table and are balanced by this thread's own knowledge. */
  get overflows(): number {
    return this.#overflows;
  }

  /** Rows in use, and all there are. */
  get usage(): { used: number; rows: number } {
    return { used: this.#rows.inUse, rows: this.#rows.rows };
  }
}

function privateCells(): SharedArrayBuffer {
  return new SharedArrayBuffer((IN_FLIGHT + 2) * 4);
}

/** One endpoint. One object a thread and endpoint; `begin` and `end` frame each request sent to it. */
export class EndpointRow {
  #cells: Int32Array;
  #wide: BigInt64Array;
  #row: number;
  #firstInFlight: number;
  #lastInFlight: number;
  #mine: number;
  readonly #forget: () => void;
  readonly #letGo: () => void;
  #holders = 1;

  /** Made by EndpointTable.endpoint. `row` counts words of 4 bytes. */
  constructor(
    buffer: SharedArrayBuffer,
    row: number,
    thread: number,
    threads: number,
    forget: () => void,
    letGo: () => void,
  ) {
    this.#cells = new Int32Array(buffer);
    this.#wide = new BigInt64Array(buffer);
    this.#row = row;
    this.#firstInFlight = row + IN_FLIGHT;
    this.#lastInFlight = row + IN_FLIGHT + threads - 1;
    this.#mine = row + IN_FLIGHT + thread;
    this.#forget = forget;
    this.#letGo = letGo;
  }

  /** A request goes out. */
  begin(): void {
    Atomics.add(this.#cells, this.#mine, 1);
  }

  /** It has ended, however. */
  end(): void {
    const left = Atomics.sub(this.#cells, this.#mine, 1) - 1;
    if (left === 0 && this.#holders === 0) this.#leave();
  }

  /** Requests under way in all threads. */
  get inFlight(): number {
    let sum = 0;
    // Each cell has one writer and is read whole; a sum that is a moment old serves as well, so plain loads do.
    for (let cell = this.#firstInFlight; cell <= this.#lastInFlight; cell++) sum += this.#cells[cell] as number;
    return sum;
  }

  /** Adds a latency in milliseconds to the average; the first sets it. */
  sample(latencyMs: number): void {
    const cell = this.#row + EWMA;
    for (;;) {
      const word = Atomics.load(this.#cells, cell);
      const average = toFloat(word);
      const next = toBits(word === 0 ? latencyMs : average + ALPHA * (latencyMs - average));
      if (Atomics.compareExchange(this.#cells, cell, word, next) === word) return;
    }
  }

  /** Exponentially weighted latency in milliseconds, 0 before the first sample. */
  get ewmaMs(): number {
    return toFloat(Atomics.load(this.#cells, this.#row + EWMA));
  }

  /** An answer that counts as healthy; one from before an eviction doesn't end the row of evictions. */
  success(): void {
    const cell = this.#row + EVICTIONS;
    if (Atomics.load(this.#cells, cell) !== 0 && this.evictedUntil <= Date.now()) Atomics.store(this.#cells, cell, 0);
    if (Atomics.load(this.#cells, this.#row + FAILURES) !== 0) Atomics.store(this.#cells, this.#row + FAILURES, 0);
    if (Atomics.load(this.#cells, this.#row + ILLNESS) !== 0) this.#healthSample(0);
  }

  /** A failure; says how many there have been in a row, in all threads. */
  failure(): number {
    this.#healthSample(1);
    return Atomics.add(this.#cells, this.#row + FAILURES, 1) + 1;
  }

  get consecutiveFailures(): number {
    return Atomics.load(this.#cells, this.#row + FAILURES);
  }

  /** 1 (all answers healthy) to 0 (none), weighted towards the latest. */
  get health(): number {
    return 1 - toFloat(Atomics.load(this.#cells, this.#row + ILLNESS));
  }

  /** Sets the health, 0 to 1: what an endpoint starts with when it comes back from an eviction. */
  restoreHealth(health: number): void {
    Atomics.store(this.#cells, this.#row + ILLNESS, toBits(1 - health));
  }

  /** Keeps the endpoint from being picked until then (unix ms). True where it was not evicted already: count that one. */
  evict(untilMs: number): boolean {
    const cell = (this.#row + UNTIL) / 2;
    const before = Atomics.exchange(this.#wide, cell, BigInt(Math.ceil(untilMs)));
    Atomics.store(this.#cells, this.#row + EVICTED, 1);
    const first = Number(before) <= Date.now();
    if (first) Atomics.add(this.#cells, this.#row + EVICTIONS, 1);
    return first;
  }

  /** Evictions without a healthy answer between, in all threads. */
  get evictions(): number {
    return Atomics.load(this.#cells, this.#row + EVICTIONS);
  }

  /** Ends an eviction early. */
  restore(): void {
    Atomics.store(this.#wide, (this.#row + UNTIL) / 2, 0n);
    Atomics.store(this.#cells, this.#row + EVICTED, 0);
  }

  /** Unix ms until which it is evicted (it may be past); 0 = never was. */
  get evictedUntil(): number {
    if (Atomics.load(this.#cells, this.#row + EVICTED) === 0) return 0;
    return Number(Atomics.load(this.#wide, (this.#row + UNTIL) / 2));
  }

  /** Load the endpoint reports of itself; the unit is the scraper's affair. */
  get load(): number {
    return toFloat(Atomics.load(this.#cells, this.#row + LOAD));
  }

  set load(value: number) {
    Atomics.store(this.#cells, this.#row + LOAD, toBits(value));
  }

  retain(): void {
    this.#holders++;
  }

  /** Undoes one `endpoint(key)`. The row is let go of after the last one, once this thread's requests to it have ended. */
  release(): void {
    if (this.#holders === 0) return;
    this.#holders--;
    if (this.#holders > 0) return;
    this.#forget();
    if (Atomics.load(this.#cells, this.#mine) === 0) this.#leave();
  }

  /** From here on late calls reach memory of their own, not what may soon be another endpoint's. */
  #leave(): void {
    const cells = privateCells();
    this.#cells = new Int32Array(cells);
    this.#wide = new BigInt64Array(cells);
    this.#row = 0;
    this.#firstInFlight = IN_FLIGHT;
    this.#lastInFlight = IN_FLIGHT;
    this.#mine = IN_FLIGHT;
    this.#letGo();
  }

  #healthSample(illness: number): void {
    const cell = this.#row + ILLNESS;
    for (;;) {
      const word = Atomics.load(this.#cells, cell);
      const before = toFloat(word);
      const next = before + ALPHA * (illness - before);
      if (Atomics.compareExchange(this.#cells, cell, word, next < WELL ? 0 : toBits(next)) === word) return;
    }
  }
}
