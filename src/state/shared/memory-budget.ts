/**
 * A process-wide budget of something that is held for a while: bytes of request bodies, streams being drained.
 *
 *   SharedArrayBuffer, one row of 16 bytes a budget:
 *   ┌──────────────┬──────────────┐
 *   │ used   f0 i64│ limit  f1 i64│   used: atomic add / subtract by any thread; limit: written once, before workers start
 *   └──────────────┴──────────────┘
 *
 * `take` adds first and gives back what goes past the limit, so the sum of what holders were granted never exceeds it.
 */
const ROW_WORDS = 2;
const USED = 0;
const LIMIT = 1;

/** Rows of the process's budgets. */
export const BUDGET = { bodies: 0, drains: 1 } as const;
const ROWS = Object.keys(BUDGET).length;

export class MemoryBudget {
  readonly #cells: BigInt64Array;
  readonly #used: number;

  private constructor(cells: BigInt64Array, row: number) {
    this.#cells = cells;
    this.#used = row * ROW_WORDS + USED;
  }

  /** Makes the buffer with each budget's limit. */
  static create(limits: Record<keyof typeof BUDGET, number>): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(ROWS * ROW_WORDS * 8);
    const cells = new BigInt64Array(buffer);
    for (const name of Object.keys(BUDGET) as (keyof typeof BUDGET)[]) {
      cells[BUDGET[name] * ROW_WORDS + LIMIT] = BigInt(limits[name]);
    }
    return buffer;
  }

  static open(buffer: SharedArrayBuffer, row: number): MemoryBudget {
    return new MemoryBudget(new BigInt64Array(buffer), row);
  }

  /** Takes `amount`, or nothing and says false where that would go past the limit. */
  take(amount: number): boolean {
    const limit = this.#cells[this.#used - USED + LIMIT] as bigint;
    const before = Atomics.add(this.#cells, this.#used, BigInt(amount));
    if (before + BigInt(amount) <= limit) return true;
    Atomics.sub(this.#cells, this.#used, BigInt(amount));
    return false;
  }

  give(amount: number): void {
    Atomics.sub(this.#cells, this.#used, BigInt(amount));
  }

  get used(): number {
    return Number(Atomics.load(this.#cells, this.#used));
  }
}
