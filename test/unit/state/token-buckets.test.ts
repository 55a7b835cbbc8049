import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type BucketSpec, BucketTableFullError, TokenBuckets } from '../../../src/state/shared/token-buckets.ts';
import { nextMessage, run, start } from './workers/run.ts';

const T0 = 1_700_000_000_000;
const PER_SECOND: BucketSpec = { maxTokens: 10, tokensPerFill: 4, fillIntervalMs: 1000 };

function one(spec: BucketSpec) {
  const buckets = TokenBuckets.open(TokenBuckets.create({ rows: 4, workers: 1 }), 0);
  return buckets.bucket('b', spec);
}

/** localRateLimit as a sentence: one thread, no atomics. */
class Model {
  readonly #spec: BucketSpec;
  balance: number;
  #lastFill: number | null = null;

  constructor(spec: BucketSpec) {
    this.#spec = spec;
    this.balance = spec.maxTokens;
  }

  copy(): Model {
    const copy = new Model(this.#spec);
    copy.balance = this.balance;
    copy.#lastFill = this.#lastFill;
    return copy;
  }

  /** Counts in what is due and says the balance. */
  fill(now: number): number {
    if (this.#lastFill === null) this.#lastFill = now;
    const fills = Math.floor((now - this.#lastFill) / this.#spec.fillIntervalMs);
    if (fills < 0) return this.balance;
    this.balance = Math.min(
      this.balance + fills * this.#spec.tokensPerFill,
      Math.max(this.#spec.maxTokens, this.balance),
    );
    this.#lastFill += fills * this.#spec.fillIntervalMs;
    return this.balance;
  }

  take(amount: number, now: number): boolean {
    this.fill(now);
    if (this.balance < Math.max(amount, 1)) return false;
    this.balance -= amount;
    return true;
  }

  settle(estimate: number, actual: number, now: number): void {
    this.fill(now);
    this.balance = Math.min(this.balance + estimate - actual, this.#spec.maxTokens);
  }
}

describe('TokenBuckets', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: T0 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('grants the size, refuses past it, and refills a whole interval at a time', () => {
    const bucket = one(PER_SECOND);
    for (let n = 0; n < 10; n++) expect(bucket.take(1, T0 + n).remaining).toBe(9 - n);
    expect(bucket.take(1, T0 + 300)).toEqual({ ok: false, limit: 10, remaining: 0, retryAfterMs: 700 });
    expect(bucket.take(5, T0 + 300).retryAfterMs).toBe(1700);
    expect(bucket.take(1, T0 + 999).ok).toBe(false);
    expect(bucket.take(5, T0 + 1000)).toEqual({ ok: false, limit: 10, remaining: 4, retryAfterMs: 1000 });
    expect(bucket.take(4, T0 + 1000)).toEqual({ ok: true, limit: 10, remaining: 0, retryAfterMs: 0 });
    expect(bucket.balance(T0 + 60_000)).toBe(10);
  });

  it('says never where no refill comes, and a full bucket where more is asked for than it holds', () => {
    const still = one({ maxTokens: 1, tokensPerFill: 0, fillIntervalMs: 1000 });
    expect(still.take(1, T0).ok).toBe(true);
    expect(still.take(1, T0 + 1e9).retryAfterMs).toBe(Number.POSITIVE_INFINITY);
    const small = one({ maxTokens: 2, tokensPerFill: 1, fillIntervalMs: 1000 });
    small.take(2, T0);
    expect(small.take(100, T0).retryAfterMs).toBe(2000);
  });

  it('grants nothing, not even nothing, from an empty bucket', () => {
    const bucket = one(PER_SECOND);
    expect(bucket.reserve(0, T0)).not.toBeNull();
    bucket.take(10, T0);
    expect(bucket.reserve(0, T0)).toBeNull();
    expect(bucket.take(-5, T0).ok).toBe(false);
    expect(bucket.take(Number.NaN, T0).ok).toBe(false);
    expect(bucket.balance(T0)).toBe(0);
  });

  it('settles a lease once: more makes debt, less comes back', () => {
    const bucket = one(PER_SECOND);
    const less = bucket.reserve(6, T0);
    expect(bucket.outstanding).toBe(6);
    less?.settle(2, T0);
    less?.settle(9, T0);
    expect([bucket.balance(T0), bucket.outstanding]).toEqual([8, 0]);
    const more = bucket.reserve(8, T0);
    more?.settle(13, T0);
    expect(bucket.balance(T0)).toBe(-5);
    expect(bucket.take(1, T0).retryAfterMs).toBe(2000);
    expect(bucket.take(1, T0 + 2000)).toMatchObject({ ok: true, remaining: 2 });
  });

  it('never holds more than its size, however late a lease comes back', () => {
    const bucket = one(PER_SECOND);
    const lease = bucket.reserve(10, T0);
    expect(bucket.balance(T0 + 10_000)).toBe(10);
    lease?.settle(0, T0 + 10_000);
    expect(bucket.balance(T0 + 10_000)).toBe(10);
    let granted = 0;
    while (bucket.take(1, T0 + 10_000).ok) granted++;
    expect(granted).toBe(10);
  });

  it('starts its intervals anew when the clock is set back, without a grant', () => {
    const bucket = one(PER_SECOND);
    bucket.take(10, T0);
    const back = T0 - 3_600_000;
    vi.setSystemTime(back);
    expect(bucket.take(1, back).ok).toBe(false);
    expect(bucket.take(1, back + 999).ok).toBe(false);
    expect(bucket.take(1, back + 1000).remaining).toBe(3);
  });

  it('is not misled by a caller whose time is old', () => {
    const bucket = one(PER_SECOND);
    vi.setSystemTime(T0 + 60_000);
    bucket.take(10, T0);
    bucket.take(10, T0 + 60_000);
    expect(bucket.take(1, T0).ok).toBe(false);
    expect(bucket.take(1, T0 + 60_000).ok).toBe(false);
    expect(bucket.take(1, T0 + 61_000).remaining).toBe(3);
  });

  it('keeps what is used when its spec changes', () => {
    const buffer = TokenBuckets.create({ rows: 4, workers: 2 });
    const old = TokenBuckets.open(buffer, 0).bucket('b', PER_SECOND);
    old.take(7, T0);
    const larger = TokenBuckets.open(buffer, 1).bucket('b', { maxTokens: 20, tokensPerFill: 1, fillIntervalMs: 10 });
    expect(larger.balance(T0)).toBe(13);
    expect(larger.balance(T0 + 50)).toBe(18);
    const smaller = TokenBuckets.open(buffer, 0).bucket('b', { maxTokens: 5, tokensPerFill: 1, fillIntervalMs: 10 });
    expect(smaller.balance(T0 + 50)).toBe(5);
    expect(smaller.take(6, T0 + 50).ok).toBe(false);
  });

  it('counts sizes no number of 53 bits could hold as the largest it has', () => {
    const bucket = one({ maxTokens: 1e30, tokensPerFill: 1e30, fillIntervalMs: 1 });
    expect(bucket.limit).toBe(2 ** 37);
    expect(bucket.take(2 ** 37, T0).ok).toBe(true);
    expect(bucket.take(1, T0).ok).toBe(false);
    const lease = one({ maxTokens: 5, tokensPerFill: 1, fillIntervalMs: 1 }).reserve(5, T0);
    expect(() => lease?.settle(Number.MAX_VALUE, T0)).not.toThrow();
  });

  it('gives the same row to the same key, and a typed error when all rows are in use', () => {
    const buffer = TokenBuckets.create({ rows: 3, workers: 1 });
    const worker = TokenBuckets.open(buffer, 0);
    const primary = TokenBuckets.open(buffer, 1);
    const held = ['a', 'b', 'c'].map((key) => worker.bucket(key, PER_SECOND));
    held[0]?.take(3, T0);
    expect(primary.bucket('a', PER_SECOND).balance(T0)).toBe(7);
    expect(() => worker.bucket('d', PER_SECOND)).toThrow(BucketTableFullError);
    // An open lease keeps the row after its bucket was let go of.
    const lease = held[1]?.reserve(4, T0);
    held[1]?.release();
    expect(() => worker.bucket('d', PER_SECOND)).toThrow(BucketTableFullError);
    lease?.settle(4, T0);
    const fresh = worker.bucket('d', PER_SECOND);
    expect(fresh.balance(T0)).toBe(10);
    expect(worker.usage).toEqual({ used: 3, rows: 3 });
  });

  it('finds its state again after a reload that let go of it', () => {
    const buckets = TokenBuckets.open(TokenBuckets.create({ rows: 4, workers: 1 }), 0);
    const before = buckets.bucket('a', PER_SECOND);
    before.take(9, T0);
    before.release();
    before.release();
    expect(buckets.usage.used).toBe(0);
    expect(buckets.bucket('a', PER_SECOND).balance(T0)).toBe(1);
  });

  it('lets go of the row of a bucket that nobody has any more', async () => {
    vi.useRealTimers();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const buckets = TokenBuckets.open(TokenBuckets.create({ rows: 4, workers: 1 }), 0);
    const kept = buckets.bucket('kept', PER_SECOND);
    const lease = (() => buckets.bucket('leased', PER_SECOND).reserve(1, T0))();
    (() => buckets.bucket('dropped', PER_SECOND).take(1, T0))();
    expect(buckets.usage.used).toBe(3);
    await expect
      .poll(
        () => {
          collect();
          return buckets.usage.used;
        },
        { timeout: 10_000 },
      )
      .toBe(2);
    lease?.settle(2, T0);
    expect(kept.balance(T0)).toBe(10);
  });

  it('agrees with the sequential model for any takes, leases and times', () => {
    const spec = fc.record({
      maxTokens: fc.integer({ min: 0, max: 30 }),
      tokensPerFill: fc.integer({ min: 0, max: 40 }),
      fillIntervalMs: fc.integer({ min: 1, max: 50 }),
    });
    const step = fc.record({
      wait: fc.oneof(fc.nat(3), fc.nat(60), fc.constant(100_000)),
      act: fc.constantFrom('take', 'reserve', 'settle'),
      amount: fc.nat(20),
    });
    fc.assert(
      fc.property(spec, fc.array(step, { maxLength: 80 }), (limits, steps) => {
        const buffer = TokenBuckets.create({ rows: 2, workers: 1 });
        const threads = [0, 1].map((thread) => TokenBuckets.open(buffer, thread).bucket('b', limits));
        const model = new Model(limits);
        const leases: { estimate: number; settle(actual: number, now: number): void }[] = [];
        let now = T0;
        steps.forEach(({ wait, act, amount }, at) => {
          const bucket = threads[at % 2]!;
          now += wait;
          if (act === 'take') expect(bucket.take(amount, now).ok).toBe(model.take(amount, now));
          else if (act === 'reserve') {
            const lease = bucket.reserve(amount, now);
            expect(lease !== null).toBe(model.take(amount, now));
            if (lease !== null) leases.push(lease);
          } else {
            const lease = leases.shift();
            if (lease === undefined) return;
            lease.settle(amount, now);
            model.settle(lease.estimate, amount, now);
          }
          model.fill(now);
          expect(bucket.balance(now)).toBe(model.balance);
          // What is refused is granted when it was told to come back, and not a millisecond before.
          const back = bucket.retryAfterMs(amount, now);
          const needed = Math.min(Math.max(amount, 1), limits.maxTokens);
          if (Number.isFinite(back)) expect(model.copy().fill(now + back)).toBeGreaterThanOrEqual(needed);
          if (back > 0) expect(model.copy().fill(now + Math.min(back, 1e9) - 1)).toBeLessThan(Math.max(needed, 1));
        });
      }),
      { numRuns: 500 },
    );
  });
});

describe('TokenBuckets between threads', () => {
  const started: ReturnType<typeof start>[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((worker) => worker.terminate()));
  });

  it('grants exactly the size and the refills, each once, whoever asks', async () => {
    const workers = 3;
    const spec = { maxTokens: 1_000_000, tokensPerFill: 37, fillIntervalMs: 3 };
    const buffer = TokenBuckets.create({ rows: 8, workers });
    const clock = new SharedArrayBuffer(4);
    const gate = new SharedArrayBuffer(4);
    const bucket = TokenBuckets.open(buffer, workers).bucket('shared', spec);
    // Emptied first: the refills are then never cut off by a full bucket, and what comes in must go out.
    expect(bucket.take(1_000_000, T0).ok).toBe(true);
    const results = await Promise.all(
      Array.from({ length: workers }, (_, worker) =>
        run<{ granted: number; refused: number }>('buckets-take.mjs', {
          ...{ buffer, worker, workers, spec, clock, gate },
          ...{ ops: 300_000, ticksEvery: 10, startMs: T0 },
        }),
      ),
    );
    const granted = results.reduce((sum, result) => sum + result.granted, 0);
    const ticks = new Int32Array(clock)[0] ?? 0;
    const fills = Math.floor(ticks / spec.fillIntervalMs);
    expect(results.every((result) => result.granted > 0 && result.refused > 0)).toBe(true);
    expect(granted + bucket.balance(T0 + ticks)).toBe(fills * spec.tokensPerFill);
  });

  it('charges what leases settled for, to the token, and what a dead thread left open at its estimate', async () => {
    const workers = 3;
    const spec = { maxTokens: 10_000_000, tokensPerFill: 0, fillIntervalMs: 1000 };
    const buffer = TokenBuckets.create({ rows: 8, workers });
    const gate = new SharedArrayBuffer(4);
    const primary = TokenBuckets.open(buffer, workers);
    const bucket = primary.bucket('shared', spec);
    const results = await Promise.all(
      Array.from({ length: workers }, (_, worker) => {
        const data = { buffer, worker, workers, spec, gate, ops: 100_003, nowMs: T0, keep: worker === 0 ? 3 : 0 };
        const thread = start('buckets-lease.mjs', data);
        started.push(thread);
        return nextMessage<{ used: number; outstanding: number; counted: number }>(thread);
      }),
    );
    const used = results.reduce((sum, result) => sum + result.used + result.outstanding, 0);
    for (const { outstanding, counted } of results) expect(counted).toBe(outstanding);
    expect(results[0]?.outstanding).toBeGreaterThan(0);
    await started[0]?.terminate();
    primary.clearWorker(0);
    const replacement = TokenBuckets.open(buffer, 0).bucket('shared', spec);
    expect(replacement.outstanding).toBe(0);
    expect(bucket.balance(T0)).toBe(10_000_000 - used);
  });
});
