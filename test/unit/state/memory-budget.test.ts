import { afterEach, describe, expect, it } from 'vitest';
import { BUDGET, MemoryBudget } from '../../../src/state/shared/memory-budget.ts';
import { nextMessage, start } from './workers/run.ts';

describe('MemoryBudget', () => {
  it('grants up to its limit over all threads', () => {
    const buffer = MemoryBudget.create({ bodies: 100, drains: 2 }, 2);
    const [a, b] = [0, 1].map((worker) => MemoryBudget.open(buffer, BUDGET.bodies, worker));
    expect(a?.take(60)).toBe(true);
    expect(b?.take(41)).toBe(false);
    expect(b?.take(40)).toBe(true);
    expect(a?.take(1)).toBe(false);
    expect(a?.used).toBe(100);
    a?.give(60);
    expect(b?.used).toBe(40);
    expect(b?.take(101)).toBe(false);
    const drains = MemoryBudget.open(buffer, BUDGET.drains, 0);
    expect([drains.take(1), drains.take(1), drains.take(1)]).toEqual([true, true, false]);
  });

  it('counts a large budget in units without losing any', () => {
    const limit = 8 * 2 ** 30;
    const buffer = MemoryBudget.create({ bodies: limit, drains: 1 });
    const budget = MemoryBudget.open(buffer, BUDGET.bodies);
    expect(budget.take(5 * 2 ** 30)).toBe(true);
    for (let n = 0; n < 1000; n++) expect(budget.take(1)).toBe(true);
    expect(budget.used).toBe(5 * 2 ** 30 + 1024);
    expect(budget.take(3 * 2 ** 30)).toBe(false);
    budget.give(1000);
    expect(budget.take(3 * 2 ** 30)).toBe(true);
    budget.give(limit);
    expect(budget.used).toBe(0);
  });

  it('refuses a thread it has no cell for', () => {
    expect(() => MemoryBudget.open(MemoryBudget.create({ bodies: 1, drains: 1 }, 2), BUDGET.bodies, 3)).toThrow(
      RangeError,
    );
  });
});

describe('MemoryBudget between threads', () => {
  const started: ReturnType<typeof start>[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((worker) => worker.terminate()));
  });

  it('never grants more than its limit, and gets back what a dead thread held', async () => {
    const workers = 3;
    const limit = 10_000;
    const buffer = MemoryBudget.create({ bodies: limit, drains: 1 }, workers);
    const gate = new SharedArrayBuffer(4);
    const granted = new SharedArrayBuffer(8);
    const results = await Promise.all(
      Array.from({ length: workers }, (_, worker) => {
        const shared = { buffer, row: BUDGET.bodies, workers, gate, granted, limit };
        const thread = start('budget.mjs', { ...shared, worker, ops: 200_000, keep: 100 });
        started.push(thread);
        return nextMessage<{ over: number; refused: number; kept: number }>(thread);
      }),
    );
    const budget = MemoryBudget.open(buffer, BUDGET.bodies, workers);
    expect(results.map(({ over }) => over)).toEqual([0, 0, 0]);
    expect(results.reduce((sum, { refused }) => sum + refused, 0)).toBeGreaterThan(0);
    expect(budget.used).toBe(results.reduce((sum, { kept }) => sum + kept, 0));
    const before = budget.used;
    await started[1]?.terminate();
    MemoryBudget.clearWorker(buffer, 1);
    expect(budget.used).toBe(before - (results[1]?.kept ?? 0));
  });
});
