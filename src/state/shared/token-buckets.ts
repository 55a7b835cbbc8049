/**
 * Local rate limits, exact over all worker threads.
 *
 *   KeyedRows, a row's data:
 *   ┌─────────────┬──────────────────┬──────────────────┬──────────────┬───────────────────────────┐
 *   │ level 0 i64 │ fill, even  8 i64│ fill, odd  16 i64│ size  24 i64 │ outstanding 32 i64 × thread│
 *   └─────────────┴──────────────────┴──────────────────┴──────────────┴───────────────────────────┘
 *   level         52 … 15  tokens in use          14 … 0  number of the last refill counted in
 *   fill          62 … 15  unix ms of it, plus 1   14 … 0  number of the refill       (0: there has been none)
 *   size          maxTokens as last configured
 *   outstanding   tokens of a thread's open leases; written by that thread, cleared by the primary when it ends
 *
 * A row says how much is *in use*; the balance is maxTokens less that, so an empty row is a full bucket and memory of zeros
 * needs no setting up. In use above maxTokens is debt. What a bucket is allowed (maxTokens, tokensPerFill, fillInterval) is
 * no part of the row: each thread brings it along from its own plan, so a changed limit holds with the plan that has it.
 *
 * Refills come as agentgateway's: each full interval since the first use adds tokensPerFill, up to maxTokens. Refill number
 * q+1 is decided by one compare-and-swap on the fill cell of its parity, which says until when it reaches; the winner's
 * value is then what everybody counts in, together with the level's number, in one compare-and-swap of the level. So each
 * interval is credited once, whoever is interrupted where, and a take that sees level q+1 sees its tokens. A thread that
 * has seen refill q remembers until when nothing new can be due: then a take is one load and one compare-and-swap.
 *
 * `level` stays below 2^53 so that it is a JavaScript number without loss; that limits a bucket to 2^37 tokens
 * (larger maxTokens count as that) and as much debt.
 */
import { KeyedRows } from './keyed-rows.ts';

/** Words of 8 bytes in a row. */
const LEVEL = 0;
const FILL = 1;
const SIZE = 3;
const OUTSTANDING = 4;

const NUMBERS = 1 << 15;
const NUMBER_BITS = 15n;
const NUMBER_MASK = BigInt(NUMBERS - 1);
const MAX_LEVEL = 2 ** 38 - 1;
const MAX_TOKENS = 2 ** 37;

/** A clock that was set back by more than an interval and this starts the refill schedule anew. */
const CLOCK_SLACK_MS = 1000;

/** `localRateLimit`'s numbers: the bucket's size, and what is added every interval (milliseconds, at least 1). */
export interface BucketSpec {
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
}

export interface TakeResult {
  readonly ok: boolean;
  /** maxTokens. */
  readonly limit: number;
  /** Tokens left, never below 0. */
  readonly remaining: number;
  /** Milliseconds until a refill makes room; 0 where `ok`, Infinity where none ever will (tokensPerFill 0). */
  readonly retryAfterMs: number;
}

/** No row is left for another bucket. */
export class BucketTableFullError extends Error {
  override readonly name = 'BucketTableFullError';
  readonly code = 'bucket_table_full';
  constructor(rows: number) {
    super(`All ${rows} rows for rate limits are in use.`);
  }
}

export class TokenBuckets {
  readonly #rows: KeyedRows;
  readonly #cells: BigInt64Array;
  readonly #worker: number;
  /** Lets go of the rows of buckets that were dropped with the plan that had them. */
  readonly #dropped: FinalizationRegistry<string>;

  /** Makes the memory for `rows` buckets; `workers` threads and the primary may open it. */
  static create(size: { rows: number; workers: number }): SharedArrayBuffer {
    return KeyedRows.create({ ...size, rowBytes: (OUTSTANDING + size.workers + 1) * 8 });
  }

  /** `worker`: the worker's index; the primary opens it with the number of workers. */
  static open(buffer: SharedArrayBuffer, worker: number): TokenBuckets {
    return new TokenBuckets(buffer, worker);
  }

  private constructor(buffer: SharedArrayBuffer, worker: number) {
    this.#rows = new KeyedRows(buffer, worker);
    this.#cells = new BigInt64Array(buffer);
    this.#worker = worker;
    this.#dropped = new FinalizationRegistry((key) => this.#rows.release(key));
  }

  /**
   * The bucket of this name; every thread that asks gets the same one. Its row stays while a Bucket of the name is
   * reachable in any thread, and after that until the room is needed. With another maxTokens than before, a larger bucket
   * has the difference at once, a smaller one keeps its balance up to its new size.
   * Throws BucketTableFullError.
   */
  bucket(key: string, spec: BucketSpec): Bucket {
    const row = this.#rows.acquire(key);
    if (row === -1) throw new BucketTableFullError(this.#rows.rows);
    const bucket = new Bucket(this.#cells, this.#rows.offset(row) / 8, this.#worker, spec, () => {
      this.#dropped.unregister(bucket);
      this.#rows.release(key);
    });
    this.#dropped.register(bucket, key, bucket);
    return bucket;
  }

  /**
   * Settles what a thread that has ended left open: its leases stay charged at their estimate. For the primary, before a
   * replacement gets the index.
   */
  clearWorker(worker: number): void {
    for (let row = 0; row < this.#rows.rows; row++) {
      Atomics.store(this.#cells, this.#rows.offset(row) / 8 + OUTSTANDING + worker, 0n);
    }
    this.#rows.clearThread(worker);
  }

  /** Rows in use, and all there are. */
  get usage(): { used: number; rows: number } {
    return { used: this.#rows.inUse, rows: this.#rows.rows };
  }
}

/**
 * One rate limit. Times are unix milliseconds, as the caller read them not long ago: an old one grants nothing extra, it
 * just sees no refill since. Amounts are whole tokens or requests.
 */
export class Bucket {
  readonly limit: number;
  readonly #tokensPerFill: number;
  readonly #intervalMs: number;
  readonly #cells: BigInt64Array;
  readonly #row: number;
  readonly #outstanding: number;
  readonly #letGo: () => void;
  /** The refill this thread has seen last, and the span of time in which it is surely the last one. */
  #fillNumber = -1;
  #fillAt = 0;
  #fillUntil = 0;
  #openLeases = 0;
  #released = false;

  /** Made by TokenBuckets.bucket. `row` counts words of 8 bytes. */
  constructor(cells: BigInt64Array, row: number, worker: number, spec: BucketSpec, letGo: () => void) {
    this.limit = Math.min(Math.max(Math.floor(spec.maxTokens), 0), MAX_TOKENS);
    this.#tokensPerFill = Math.min(Math.max(Math.floor(spec.tokensPerFill), 0), MAX_TOKENS);
    this.#intervalMs = Math.max(Math.floor(spec.fillIntervalMs), 1);
    this.#cells = cells;
    this.#row = row;
    this.#outstanding = row + OUTSTANDING + worker;
    this.#letGo = letGo;
    const before = Number(Atomics.exchange(cells, row + SIZE, BigInt(this.limit)));
    if (before > this.limit) this.#change(this.limit - before);
  }

  /** Takes `amount`, or nothing. An amount of 0 is granted while anything is left. */
  take(amount: number, nowMs: number): TakeResult {
    const left = this.#charge(amount, nowMs);
    if (left >= 0) return { ok: true, limit: this.limit, remaining: left, retryAfterMs: 0 };
    const used = this.#used(nowMs);
    return {
      ok: false,
      limit: this.limit,
      remaining: Math.max(this.limit - used, 0),
      retryAfterMs: this.#wait(used, amount, nowMs),
    };
  }

  /**
   * Takes an estimate that `settle` corrects later; null where the bucket has not that much left. An estimate of 0 is
   * granted while anything is left.
   */
  reserve(estimate: number, nowMs: number): Lease | null {
    const tokens = wholeTokens(estimate);
    const left = this.#charge(tokens, nowMs);
    if (left < 0) return null;
    this.#openLeases++;
    const cell = this.#outstanding;
    // This thread alone writes its cell while it lives.
    Atomics.store(this.#cells, cell, Atomics.load(this.#cells, cell) + BigInt(tokens));
    return new Lease(this, tokens, left);
  }

  /** Tokens left; below 0 is debt. */
  balance(nowMs: number): number {
    return this.limit - this.#used(nowMs);
  }

  /** Milliseconds until `amount` can be granted, 0 if at once, Infinity if never; more than the bucket holds counts as all. */
  retryAfterMs(amount: number, nowMs: number): number {
    return this.#wait(this.#used(nowMs), amount, nowMs);
  }

  /** Tokens of this thread's open leases. */
  get outstanding(): number {
    return Number(Atomics.load(this.#cells, this.#outstanding));
  }

  /** Lets go of the row once the last lease is settled; the bucket must not be used any more. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (this.#openLeases === 0) this.#letGo();
  }

  /** Called by a lease, once. */
  settled(estimate: number, actual: number, nowMs: number): void {
    this.#used(nowMs);
    const difference = wholeTokens(actual) - estimate;
    if (difference !== 0) this.#change(difference);
    const cell = this.#outstanding;
    Atomics.store(this.#cells, cell, Atomics.load(this.#cells, cell) - BigInt(estimate));
    this.#openLeases--;
    if (this.#released && this.#openLeases === 0) this.#letGo();
  }

  /** Counts `amount` in and says what is left, or leaves all as it was and gives -1. */
  #charge(amount: number, nowMs: number): number {
    const whole = wholeTokens(amount);
    const needed = Math.max(whole, 1);
    for (;;) {
      const word = Atomics.load(this.#cells, this.#row + LEVEL);
      const level = Number(word);
      const used = Math.floor(level / NUMBERS);
      if (this.#stale(level - used * NUMBERS, nowMs) && this.#refill(word, nowMs)) continue;
      if (used + needed > this.limit) return -1;
      const next = BigInt(level + whole * NUMBERS);
      if (Atomics.compareExchange(this.#cells, this.#row + LEVEL, word, next) === word)
        return this.limit - used - whole;
    }
  }

  /** Tokens in use, all due refills counted in. */
  #used(nowMs: number): number {
    for (;;) {
      const word = Atomics.load(this.#cells, this.#row + LEVEL);
      const level = Number(word);
      const used = Math.floor(level / NUMBERS);
      if (!this.#stale(level - used * NUMBERS, nowMs) || !this.#refill(word, nowMs)) return used;
    }
  }

  /** Adds to what is in use (or takes away), never below 0. */
  #change(difference: number): void {
    for (;;) {
      const word = Atomics.load(this.#cells, this.#row + LEVEL);
      const level = Number(word);
      const used = Math.floor(level / NUMBERS);
      const next = Math.min(Math.max(used + difference, 0), MAX_LEVEL);
      const changed = BigInt(next * NUMBERS + (level - used * NUMBERS));
      if (Atomics.compareExchange(this.#cells, this.#row + LEVEL, word, changed) === word) return;
    }
  }

  #stale(fillNumber: number, nowMs: number): boolean {
    return (
      fillNumber !== this.#fillNumber ||
      nowMs >= this.#fillUntil ||
      nowMs < this.#fillAt - this.#intervalMs - CLOCK_SLACK_MS
    );
  }

  /**
   * One step: counts in a refill that has been decided, else decides the one that is due. True: read the level again.
   * False: nothing is due, which this thread then remembers. `word` is the level as the caller read it.
   */
  #refill(word: bigint, nowMs: number): boolean {
    const cells = this.#cells;
    const current = Number(word & NUMBER_MASK);
    const next = (current + 1) % NUMBERS;
    const nextCell = this.#row + FILL + (next & 1);
    const ahead = Atomics.load(cells, nextCell);
    const currentCell = this.#row + FILL + (current & 1);
    const here = Atomics.load(cells, currentCell);
    if (Atomics.load(cells, this.#row + LEVEL) !== word) return true;
    const first = here === 0n;
    if (!first && Number(here & NUMBER_MASK) !== current) {
      // The level's own refill is not there: only a thread held up for all 2^15 numbers can have done that. Begin anew.
      Atomics.compareExchange(cells, currentCell, here, fillWord(nowMs, current));
      return true;
    }
    const lastMs = Number(here >> NUMBER_BITS) - 1;
    if (ahead !== 0n && Number(ahead & NUMBER_MASK) === next) {
      const elapsed = Number(ahead >> NUMBER_BITS) - 1 - lastMs;
      const intervals = first ? 0 : Math.max(Math.floor(elapsed / this.#intervalMs), 0);
      const used = Math.max(Number(word >> NUMBER_BITS) - intervals * this.#tokensPerFill, 0);
      Atomics.compareExchange(cells, this.#row + LEVEL, word, BigInt(used * NUMBERS + next));
      return true;
    }
    const intervals = first ? 0 : Math.floor((nowMs - lastMs) / this.#intervalMs);
    if (first) {
      Atomics.compareExchange(cells, nextCell, ahead, fillWord(nowMs, next));
      return true;
    }
    if (intervals > 0) {
      Atomics.compareExchange(cells, nextCell, ahead, fillWord(lastMs + intervals * this.#intervalMs, next));
      return true;
    }
    if (nowMs < lastMs - this.#intervalMs - CLOCK_SLACK_MS) {
      // The caller's time may be old, for it may have waited since. A clock read now, after the refill's time, is not:
      // where that is behind too it was set back, and the schedule begins anew there. Nothing is credited for it.
      const clock = Date.now();
      if (clock < lastMs - this.#intervalMs - CLOCK_SLACK_MS) {
        Atomics.compareExchange(cells, nextCell, ahead, fillWord(clock, next));
        return true;
      }
    }
    this.#fillNumber = current;
    this.#fillAt = lastMs;
    this.#fillUntil = lastMs + this.#intervalMs;
    return false;
  }

  #wait(used: number, amount: number, nowMs: number): number {
    const missing = used + Math.min(Math.max(wholeTokens(amount), 1), this.limit) - this.limit;
    if (this.limit === 0) return Number.POSITIVE_INFINITY;
    if (missing <= 0) return 0;
    if (this.#tokensPerFill === 0) return Number.POSITIVE_INFINITY;
    const fills = Math.ceil(missing / this.#tokensPerFill);
    return Math.max(this.#fillAt + fills * this.#intervalMs - nowMs, 1);
  }
}

/** An estimate taken from a bucket, to be corrected once. An unsettled lease stays charged. */
export class Lease {
  readonly estimate: number;
  /** Tokens left in the bucket when it was granted. */
  readonly remaining: number;
  readonly #bucket: Bucket;
  #open = true;

  constructor(bucket: Bucket, estimate: number, remaining: number) {
    this.#bucket = bucket;
    this.estimate = estimate;
    this.remaining = remaining;
  }

  get limit(): number {
    return this.#bucket.limit;
  }

  /**
   * Charges `actual` in the estimate's place: more may put the bucket into debt, less is given back, never above its size.
   * The first call counts; later ones do nothing.
   */
  settle(actual: number, nowMs = Date.now()): void {
    if (!this.#open) return;
    this.#open = false;
    this.#bucket.settled(this.estimate, actual, nowMs);
  }
}

/** A bucket counts in whole tokens: a part of one counts as one, less than none (or NaN) as none. */
function wholeTokens(amount: number): number {
  return amount > 0 ? Math.ceil(amount) : 0;
}

function fillWord(ms: number, number: number): bigint {
  return (BigInt(Math.floor(ms) + 1) << NUMBER_BITS) | BigInt(number);
}
