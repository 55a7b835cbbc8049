import { describe, expect, it } from 'vitest';
import { EndpointTable } from '../../../src/state/shared/endpoint-table.ts';
import { Endpoint } from '../../../src/upstream/endpoint.ts';
import { Health } from '../../../src/upstream/health.ts';

/** One endpoint as two workers know it. */
function twoWorkers(eviction: object) {
  const buffer = EndpointTable.create({ rows: 8, workers: 2 });
  const one = (worker: number): Worker => {
    const row = EndpointTable.open(buffer, worker).endpoint('one');
    let evicted = 0;
    const health = new Health({ health: { eviction } }, () => {
      evicted++;
    });
    return {
      row,
      fail: (retryAfter = 0) =>
        health.record(new Endpoint('1:1', '', {} as never, row), 'server_error', true, retryAfter),
      succeed: () => health.record(new Endpoint('1:1', '', {} as never, row), 'ok', true, 0),
      pass: () => void row.evict(Date.now() - 1),
      lastsMs: () => row.evictedUntil - Date.now(),
      evicted: () => evicted,
    };
  };
  return [one(0), one(1)] as const;
}

interface Worker {
  row: { evictions: number };
  fail(retryAfter?: number): void;
  succeed(): void;
  /** Lets the eviction pass. */
  pass(): void;
  lastsMs(): number;
  evicted(): number;
}

describe('evictions in a row', () => {
  it('double, whichever worker sees the failures, up to 5 minutes', () => {
    const [a, b] = twoWorkers({ duration: '10s' });
    const lasted: number[] = [];
    for (let i = 0; i < 7; i++) {
      const worker = i % 2 === 0 ? a : b;
      worker.fail();
      lasted.push(Math.round(worker.lastsMs() / 1000));
      worker.pass();
    }
    expect(lasted).toEqual([10, 20, 40, 80, 160, 300, 300]);
    expect(a.evicted() + b.evicted()).toBe(7);
  });

  it('begin anew after a healthy answer, but not after one from before the eviction', () => {
    const [a, b] = twoWorkers({ duration: '10s' });
    a.fail();
    b.succeed();
    expect(a.row.evictions).toBe(1);
    a.pass();
    b.succeed();
    expect(a.row.evictions).toBe(0);
    a.fail();
    expect(Math.round(a.lastsMs() / 1000)).toBe(10);
  });

  it('are counted once where both workers see one', () => {
    const [a, b] = twoWorkers({ duration: '10s' });
    a.fail();
    b.fail();
    expect(a.row.evictions).toBe(1);
    expect(Math.round(b.lastsMs() / 1000)).toBe(10);
  });

  it('last as long as the endpoint asks, or as configured where that is longer than any back-off', () => {
    const [a] = twoWorkers({ duration: '10s' });
    a.fail(60_000);
    expect(Math.round(a.lastsMs() / 1000)).toBe(60);
    const [long] = twoWorkers({ duration: '1h' });
    long.fail();
    long.pass();
    long.fail();
    expect(Math.round(long.lastsMs() / 1000)).toBe(3600);
  });
});
