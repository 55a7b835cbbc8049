/**
 * A process-wide budget of something that is held for a while: bytes of request bodies, streams being drained.
 *
 *   SharedArrayBuffer
 *   ┌───────────────┬───────────────┬───────────────────────────────┬────────────────────────┬────────┐
 *   │ threads 0 i32 │ – 4           │ limit 8 f64 × budget          │ held i32 × thread      │ …      │
 *   └───────────────┴───────────────┴───────────────────────────────┴────────────────────────┴────────┘
 *                                     written once, before workers      one row of cells a budget
 *                                     start
 *
 *   held   units of a thread's holdings, written by that thread; the primary sets a dead thread's cell to 0
 *   unit   1, or 64 for a budget of 2^30 and more, so that a cell never overflows; a thread's part of a unit counts as a whole
 *
 * What is used is the sum of the cells. `take` adds to its own cell first and sums up after: of those that are granted
 * at the same time, the one that sums last sees what all others added, so what is granted never exceeds the limit (two that
 * meet at the limit may both be refused). No word says the sum, so nothing is left over when a thread ends half-way.
 */
const THREADS = 0;
const LIMITS_BYTE = 8;
const WIDE_UNIT = 64;
const NARROW_MAX = 2 ** 30;

/** Rows of the process's budgets. */
export const BUDGET = { bodies: 0, drains: 1 } as const;
const ROWS = Object.keys(BUDGET).length;
const CELLS_BYTE = LIMITS_BYTE + ROWS * 8;

export class MemoryBudget {
  readonly limit: number;
  readonly #cells: Int32Array;
  readonly #first: number;
  readonly #last: number;
  readonly #mine: number;
  readonly #unit: number;
  readonly #limitUnits: number;
  /** What was taken through this object, exactly, and in units as the cell has it. */
  #held = 0;
  #heldUnits = 0;

  private constructor(buffer: SharedArrayBuffer, row: number, worker: number) {
    const threads = new Int32Array(buffer, 0, 1)[THREADS] as number;
    if (!(worker >= 0 && worker < threads)) throw new RangeError(`no such thread: ${worker} of ${threads}`);
    this.limit = new Float64Array(buffer, LIMITS_BYTE, ROWS)[row] as number;
    this.#cells = new Int32Array(buffer, CELLS_BYTE);
    this.#first = row * threads;
    this.#last = this.#first + threads - 1;
    this.#mine = this.#first + worker;
    this.#unit = this.limit < NARROW_MAX ? 1 : WIDE_UNIT;
    this.#limitUnits = Math.floor(this.limit / this.#unit);
  }

  /** Makes the buffer with each budget's limit (at most 64 GiB). The primary is one thread more, its index is `workers`. */
  static create(limits: Record<keyof typeof BUDGET, number>, workers = 1): SharedArrayBuffer {
    const threads = workers + 1;
    const buffer = new SharedArrayBuffer(CELLS_BYTE + ROWS * threads * 4);
    new Int32Array(buffer, 0, 1)[THREADS] = threads;
    const cells = new Float64Array(buffer, LIMITS_BYTE, ROWS);
    for (const name of Object.keys(BUDGET) as (keyof typeof BUDGET)[]) {
      cells[BUDGET[name]] = Math.min(Math.max(limits[name], 0), NARROW_MAX * WIDE_UNIT - 1);
    }
    return buffer;
  }

  static open(buffer: SharedArrayBuffer, row: number, worker = 0): MemoryBudget {
    return new MemoryBudget(buffer, row, worker);
  }

  /** Gives back what a thread held in every budget. For the primary, once the thread has ended. */
  static clearWorker(buffer: SharedArrayBuffer, worker: number): void {
    const threads = new Int32Array(buffer, 0, 1)[THREADS] as number;
    const cells = new Int32Array(buffer, CELLS_BYTE);
    for (let row = 0; row < ROWS; row++) Atomics.store(cells, row * threads + worker, 0);
  }

  /** Takes `amount`, or nothing and says false where that would go past the limit. */
  take(amount: number): boolean {
    if (amount > this.limit) return false;
    this.#move(amount);
    let sum = 0;
    for (let cell = this.#first; cell <= this.#last; cell++) sum += Atomics.load(this.#cells, cell);
    if (sum <= this.#limitUnits) return true;
    this.#move(-amount);
    return false;
  }

  /** Gives back what was taken through this same object. */
  give(amount: number): void {
    this.#move(-amount);
  }

  /** Held by all threads; a multiple of the unit. */
  get used(): number {
    let sum = 0;
    for (let cell = this.#first; cell <= this.#last; cell++) sum += Atomics.load(this.#cells, cell);
    return sum * this.#unit;
  }

  #move(amount: number): void {
    this.#held += amount;
    const units = this.#unit === 1 ? this.#held : Math.ceil(this.#held / this.#unit);
    Atomics.add(this.#cells, this.#mine, units - this.#heldUnits);
    this.#heldUnits = units;
  }
}
