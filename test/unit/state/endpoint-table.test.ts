import { afterEach, describe, expect, it } from 'vitest';
import { EndpointTable } from '../../../src/state/shared/endpoint-table.ts';
import { nextMessage, start } from './workers/run.ts';

describe('EndpointTable', () => {
  it('shows every thread the same load, latency, failures and eviction', () => {
    const buffer = EndpointTable.create({ rows: 8, workers: 2 });
    const mine = EndpointTable.open(buffer, 0).endpoint('10.0.0.1:80');
    const theirs = EndpointTable.open(buffer, 1).endpoint('10.0.0.1:80');
    const other = EndpointTable.open(buffer, 1).endpoint('10.0.0.2:80');
    mine.begin();
    mine.begin();
    theirs.begin();
    expect([mine.inFlight, theirs.inFlight, other.inFlight]).toEqual([3, 3, 0]);
    mine.end();
    expect(theirs.inFlight).toBe(2);

    expect(theirs.ewmaMs).toBe(0);
    mine.sample(100);
    expect(theirs.ewmaMs).toBe(100);
    theirs.sample(200);
    expect(mine.ewmaMs).toBeCloseTo(130, 3);

    expect([mine.failure(), theirs.failure(), mine.failure()]).toEqual([1, 2, 3]);
    expect(theirs.consecutiveFailures).toBe(3);
    theirs.success();
    expect(mine.consecutiveFailures).toBe(0);

    mine.load = 0.75;
    expect(theirs.load).toBe(0.75);
    expect([other.ewmaMs, other.consecutiveFailures, other.load, other.health]).toEqual([0, 0, 0, 1]);
  });

  it('weighs health by its last answers', () => {
    const row = EndpointTable.open(EndpointTable.create({ rows: 1, workers: 1 }), 0).endpoint('e');
    row.failure();
    expect(row.health).toBeCloseTo(0.7, 5);
    row.failure();
    expect(row.health).toBeCloseTo(0.49, 5);
    row.success();
    expect(row.health).toBeCloseTo(0.643, 5);
    for (let n = 0; n < 40; n++) row.success();
    expect(row.health).toBe(1);
    row.restoreHealth(0.5);
    expect(row.health).toBe(0.5);
  });

  it('says of one eviction only that it began', () => {
    const buffer = EndpointTable.create({ rows: 8, workers: 2 });
    const row = EndpointTable.open(buffer, 0).endpoint('e');
    const same = EndpointTable.open(buffer, 1).endpoint('e');
    const until = Date.now() + 60_000;
    expect(row.evictedUntil).toBe(0);
    expect(row.evict(until)).toBe(true);
    expect(same.evict(until + 5)).toBe(false);
    expect(row.evictedUntil).toBe(until + 5);
    same.restore();
    expect(row.evictedUntil).toBe(0);
    expect(row.evict(1)).toBe(true);
    expect(row.evict(until)).toBe(true);
  });

  it('keeps a row while requests are under way, whoever let go of it', () => {
    const table = EndpointTable.open(EndpointTable.create({ rows: 1, workers: 1 }), 0);
    const row = table.endpoint('a');
    expect(table.endpoint('a')).toBe(row);
    row.begin();
    row.release();
    row.release();
    const crowded = table.endpoint('b');
    expect(table.overflows).toBe(1);
    crowded.begin();
    expect(crowded.inFlight).toBe(1);
    crowded.end();
    crowded.release();
    row.end();
    const next = table.endpoint('b');
    expect(table.overflows).toBe(1);
    // Calls on the row that was let go of don't reach its successor.
    row.begin();
    row.failure();
    expect([next.inFlight, next.consecutiveFailures]).toEqual([0, 0]);
    row.release();
    expect(table.usage).toEqual({ used: 1, rows: 1 });
  });

  it('is not filled by addresses that come and go, and remembers those that come back', () => {
    const table = EndpointTable.open(EndpointTable.create({ rows: 64, workers: 1 }), 0);
    const stays = table.endpoint('stays');
    stays.sample(42);
    for (let n = 0; n < 5000; n++) table.endpoint(`10.1.${n >> 8}.${n & 255}:80`).release();
    expect(table.overflows).toBe(0);
    expect(stays.ewmaMs).toBe(42);
    stays.release();
    expect(table.endpoint('stays').ewmaMs).toBe(42);
  });
});

describe('EndpointTable between threads', () => {
  const started: ReturnType<typeof start>[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((worker) => worker.terminate()));
  });

  it('loses no count, tears no average, and gets back what a dead thread had in flight', async () => {
    const workers = 3;
    const ops = 150_000;
    const buffer = EndpointTable.create({ rows: 8, workers });
    const gate = new SharedArrayBuffer(4);
    const primary = EndpointTable.open(buffer, workers);
    const row = primary.endpoint('10.0.0.1:80');
    const results = await Promise.all(
      Array.from({ length: workers }, (_, worker) => {
        const thread = start('endpoints.mjs', { buffer, worker, workers, gate, ops, left: worker + 1 });
        started.push(thread);
        return nextMessage<{ inFlightMax: number; inFlightMin: number; ewmaMin: number; ewmaMax: number }>(thread);
      }),
    );
    expect(row.consecutiveFailures).toBe(workers * ops);
    expect(row.inFlight).toBe(6);
    for (const seen of results) {
      expect(seen.inFlightMin).toBeGreaterThanOrEqual(0);
      // At most one each, and the ones that others have left behind already.
      expect(seen.inFlightMax).toBeLessThanOrEqual(8);
      expect(seen.ewmaMin).toBeGreaterThanOrEqual(10);
      expect(seen.ewmaMax).toBeLessThanOrEqual(20);
    }
    await started[2]?.terminate();
    primary.clearWorker(2);
    expect(row.inFlight).toBe(3);
  });
});
