import { afterEach, describe, expect, it, vi } from 'vitest';
import { KeyedRows } from '../../../src/state/shared/keyed-rows.ts';
import { run } from './workers/run.ts';

describe('KeyedRows', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('gives threads the same row for the same key and cleans it for another', () => {
    const buffer = KeyedRows.create({ rows: 2, workers: 1, rowBytes: 8 });
    const worker = new KeyedRows(buffer, 0);
    const primary = new KeyedRows(buffer, 1);
    const a = worker.acquire('a');
    expect(primary.acquire('a')).toBe(a);
    const b = worker.acquire('b');
    expect(b).not.toBe(a);
    new Int32Array(buffer)[worker.offset(b) / 4] = 5;
    expect(worker.acquire('c')).toBe(-1);
    worker.release('a');
    expect(worker.acquire('c')).toBe(-1);
    worker.release('b');
    expect(worker.acquire('c')).toBe(b);
    expect(new Int32Array(buffer)[worker.offset(b) / 4]).toBe(0);
    expect(primary.acquire('a')).toBe(a);
  });

  it('cleans the row that has been idle longest, and only when no row is free', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 });
    const buffer = KeyedRows.create({ rows: 3, workers: 1, rowBytes: 8 });
    const rows = new KeyedRows(buffer, 0);
    const data = new Int32Array(buffer);
    const mark = (key: string): Int32Array => {
      const at = rows.offset(rows.acquire(key)) / 4;
      return data.subarray(at, at + 1);
    };
    for (const [n, key] of ['young', 'old', 'kept'].entries()) mark(key)[0] = n + 1;
    rows.release('old');
    vi.advanceTimersByTime(5000);
    rows.release('young');
    expect(mark('another')[0]).toBe(0);
    expect(mark('young')[0]).toBe(1);
    expect(rows.acquire('old')).toBe(-1);
  });

  it('lets names come and go without end', () => {
    const rows = new KeyedRows(KeyedRows.create({ rows: 16, workers: 1, rowBytes: 8 }), 0);
    for (let n = 0; n < 10_000; n++) {
      expect(rows.acquire(`10.0.${n >> 8}.${n & 255}`)).not.toBe(-1);
      rows.release(`10.0.${n >> 8}.${n & 255}`);
    }
    expect(rows.inUse).toBe(0);
  });

  it('counts holds of one thread', () => {
    const rows = new KeyedRows(KeyedRows.create({ rows: 1, workers: 1, rowBytes: 8 }), 0);
    rows.acquire('a');
    rows.acquire('a');
    rows.release('a');
    expect(rows.acquire('b')).toBe(-1);
    rows.release('a');
    rows.release('a');
    expect(rows.acquire('b')).toBe(0);
  });

  it('takes back what a dead thread held', () => {
    const buffer = KeyedRows.create({ rows: 2, workers: 2, rowBytes: 8 });
    const dead = new KeyedRows(buffer, 0);
    const other = new KeyedRows(buffer, 1);
    dead.acquire('a');
    const shared = dead.acquire('b');
    other.acquire('b');
    new KeyedRows(buffer, 2).clearThread(0);
    expect(other.inUse).toBe(1);
    expect(other.acquire('c')).not.toBe(-1);
    expect(new KeyedRows(buffer, 0).acquire('b')).toBe(shared);
  });

  it('refuses sizes and threads it has no room for', () => {
    expect(() => KeyedRows.create({ rows: 0, workers: 1, rowBytes: 8 })).toThrow(RangeError);
    expect(() => KeyedRows.create({ rows: 1, workers: 5000, rowBytes: 8 })).toThrow(RangeError);
    expect(() => new KeyedRows(KeyedRows.create({ rows: 1, workers: 1, rowBytes: 8 }), 2)).toThrow(RangeError);
  });
});

describe('KeyedRows between threads', () => {
  // Few rows: threads meet in them, and most claims take another key's row. Many rows: most find a free one.
  it.each([
    { rows: 12, keys: 40, hold: 5, ops: 60_000 },
    { rows: 8, keys: 9, hold: 2, ops: 60_000 },
    { rows: 8192, keys: 8000, hold: 1500, ops: 12_000 },
  ])('never has one key in two rows or two keys in one ($rows rows, $keys keys)', async ({ rows, keys, hold, ops }) => {
    const workers = 3;
    const buffer = KeyedRows.create({ rows, workers, rowBytes: 8 });
    const book = new SharedArrayBuffer((rows + keys) * 4);
    const gate = new SharedArrayBuffer(4);
    const results = await Promise.all(
      Array.from({ length: workers }, (_, worker) =>
        run<{ faults: string[]; full: number }>('rows.mjs', { buffer, book, worker, workers, keys, ops, hold, gate }),
      ),
    );
    for (const { faults } of results) expect(faults).toEqual([]);
    expect(new KeyedRows(buffer, workers).inUse).toBe(0);
  });
});
