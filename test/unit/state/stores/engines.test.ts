import { spawn } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ENTRY_BYTES, type EngineOptions, EVENT_BYTES, type StoreEngine } from '../../../../src/state/stores/engine.ts';
import { loadLibsql } from '../../../../src/state/stores/libsql.ts';
import { MemoryEngine } from '../../../../src/state/stores/memory-engine.ts';
import { SqliteEngine } from '../../../../src/state/stores/sqlite-engine.ts';
import { parseEventId, StoreError } from '../../../../src/state/stores/store.ts';
import { bytes, text } from './contract.ts';
import { folder } from './support.ts';

const open = loadLibsql();
const MINUTE = 60_000;

const engines: Record<string, (options: EngineOptions) => StoreEngine> = {
  memory: (options) => new MemoryEngine(options),
  sqlite: (options) => new SqliteEngine({ ...options, open, path: null }),
};

/** Bytes an entry of a one-letter key takes with a value of that length. */
const entry = (length: number): number => 2 + ENTRY_BYTES + length;

for (const [name, make] of Object.entries(engines)) {
  describe(`the ${name} engine`, () => {
    let now: number;
    let engine: StoreEngine;
    const start = (maxBytes: number): void => {
      now = 1_000_000;
      engine = make({ maxBytes, now: () => now });
    };
    const put = (key: string, length: number, ttlMs: number | null = 10 * MINUTE): void =>
      engine.put(key, new Uint8Array(length), key, ttlMs);
    const held = (keys: string): string => [...keys].filter((key) => engine.get(key) !== null).join('');

    afterEach(() => engine.close());

    it('makes room by removing what was used longest ago', () => {
      start(3 * entry(100));
      for (const key of 'abc') {
        put(key, 100);
        now += 15_000;
      }
      engine.get('a');
      now += 15_000;
      put('d', 100);
      expect(held('abcd')).toBe('acd');
      expect(engine.stats()).toEqual({ entries: 3, bytes: 3 * entry(100), expired: 0, evicted: 1 });
    });

    it('never removes what has no end, and refuses what then has no room, changing nothing', () => {
      start(3 * entry(100));
      put('a', 100, null);
      put('b', 100, null);
      put('c', 100);
      put('d', 100);
      expect(held('abcd')).toBe('abd');
      expect(() => put('e', 101)).toThrow(StoreError);
      expect(() => put('e', 101)).toThrow(/full/);
      expect(() => put('a', 1000, null)).toThrow(/full/);
      expect(held('abde')).toBe('abd');
      expect(engine.get('a')?.value.length).toBe(100);
      expect(engine.stats()).toMatchObject({ entries: 3, bytes: 3 * entry(100), evicted: 1 });
      // What takes the place of something may be as large as that and what may go.
      put('a', 200, null);
      expect(held('abd')).toBe('ab');
      engine.delete('b');
      put('a', 1);
      expect(engine.stats()).toMatchObject({ entries: 1, bytes: entry(1) });
    });

    it('counts a stream’s events, and removes it whole', () => {
      start(10 * entry(100));
      for (let n = 0; n < 5; n++) engine.append('s', new Uint8Array(50), 3, MINUTE);
      const { bytes: three } = engine.stats();
      engine.trim('s', 1);
      const { bytes: one } = engine.stats();
      expect(three - one).toBe(2 * (50 + EVENT_BYTES));
      now += 15_000;
      put('big', 9 * entry(100));
      expect(engine.read('s', null, 10).events).toEqual([]);
      expect(engine.stats()).toMatchObject({ entries: 1, evicted: 1 });
      engine.delete('big');
      expect(engine.stats()).toMatchObject({ entries: 0, bytes: 0 });
    });

    it('sweeps up what has expired, a bounded part at a time', () => {
      start(1_000_000);
      for (let n = 0; n < 25; n++) put(String(n), 1, MINUTE);
      put('stays', 1, null);
      put('later', 1, 2 * MINUTE);
      engine.append('stream', bytes('x'), 5, MINUTE);
      engine.sweep(1000);
      expect(engine.stats().expired).toBe(0);
      now += MINUTE;
      engine.sweep(10);
      expect(engine.stats().expired).toBeGreaterThan(0);
      expect(engine.stats().expired).toBeLessThanOrEqual(10);
      for (let n = 0; n < 5; n++) engine.sweep(10);
      expect(engine.stats()).toMatchObject({ entries: 2, expired: 26 });
      expect(held('ab')).toBe('');
      expect(engine.get('stays')).not.toBeNull();
    });

    it('gives growing ids although the clock goes back', () => {
      start(1_000_000);
      const ids: string[] = [];
      for (const step of [0, 0, -5000, 3000, 3000]) {
        now += step;
        ids.push(engine.append('s', bytes('x'), 10, null));
      }
      const positions = ids.map((id) => parseEventId(id)!);
      for (const [at, { ms, seq }] of positions.slice(1).entries()) {
        const before = positions[at]!;
        expect(ms > before.ms || (ms === before.ms && seq > before.seq)).toBe(true);
      }
      expect(engine.read('s', null, 10).events.map(({ id }) => id)).toEqual(ids);
    });
  });
}

type Step = { op: string; key: string; size: number; ttl: number | null; wait: number; most: number };

const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom('put', 'get', 'delete', 'swap', 'swapStale', 'append', 'append', 'read', 'trim', 'sweep'),
  key: fc.constantFrom('a', 'b', 'c', 'd'),
  size: fc.integer({ min: 0, max: 300 }),
  ttl: fc.constantFrom(null, 5_000, 50_000),
  // Use is written down every ten seconds: with longer steps both agree about what was used last.
  wait: fc.constantFrom(11_000, 12_000, 60_000),
  most: fc.integer({ min: 1, max: 4 }),
});

describe('both engines', () => {
  it('do the same, whatever they are told', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(700, 1500, 100_000), (steps, maxBytes) => {
        let now = 1_000_000;
        const pair = Object.values(engines).map((make) => make({ maxBytes, now: () => now }));
        try {
          for (const [at, one] of steps.entries()) {
            now += one.wait;
            const [memory, sqlite] = pair.map((engine) => outcome(engine, one, String(at)));
            expect(sqlite).toEqual(memory);
            const [a, b] = pair.map((engine) => engine.stats());
            expect({ ...b, expired: 0 }).toEqual({ ...a, expired: 0 });
            expect(a!.bytes).toBeLessThanOrEqual(maxBytes);
          }
        } finally {
          for (const engine of pair) engine.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});

function outcome(engine: StoreEngine, { op, key, size, ttl, most }: Step, version: string): unknown {
  const value = new Uint8Array(size).fill(size % 251);
  // Both have swept before they are compared: one may meet what has ended earlier than the other.
  engine.sweep(1000);
  engine.sweep(1000);
  try {
    switch (op) {
      case 'put':
        return engine.put(key, value, version, ttl) ?? 'put';
      case 'get': {
        const found = engine.get(key);
        return found && [found.version, [...found.value]];
      }
      case 'delete':
        return engine.delete(key);
      case 'swap':
        return engine.compareAndSet(key, engine.get(key)?.version ?? null, value, version, ttl);
      case 'swapStale':
        return engine.compareAndSet(key, 'stale', value, version, ttl);
      case 'append':
        return engine.append(key, value, most, ttl);
      case 'read': {
        const all = engine.read(key, null, 100);
        const { events, missed } = engine.read(key, parseEventId(all.events[0]?.id ?? '5-5'), most);
        return [all.events.map(({ id }) => id), missed, events.map((event) => [event.id, [...event.value]])];
      }
      case 'trim':
        return engine.trim(key, most - 1);
      default:
        return 'sweep';
    }
  } catch (error) {
    return (error as StoreError).message;
  }
}

describe('a database in a file', () => {
  let files: ReturnType<typeof folder>;
  beforeEach(() => {
    files = folder();
  });
  afterEach(() => files.remove());

  const engineAt = (path: string, maxBytes = 1_000_000): SqliteEngine => new SqliteEngine({ open, path, maxBytes });

  it('has what was written after it was opened again, and the same counts', () => {
    const path = files.path('state.db');
    const before = engineAt(path);
    before.put('a', bytes('one'), 'version-1', null);
    before.put('b', bytes('two'), 'version-2', 1);
    const id = before.append('s', bytes('event'), 5, MINUTE);
    const { bytes: held, entries } = before.stats();
    before.close();
    const after = engineAt(path);
    expect(after.stats()).toMatchObject({ bytes: held, entries });
    expect(after.get('a')).toMatchObject({ version: 'version-1' });
    expect(text(after.get('a')?.value)).toBe('one');
    expect(after.read('s', null, 5).events.map((event) => [event.id, text(event.value)])).toEqual([[id, 'event']]);
    after.close();
  });

  it('has them also where the one before never closed it, and lets nobody else read the file', () => {
    const path = files.path('state.db');
    const before = engineAt(path);
    before.put('a', bytes('one'), 'version-1', null);
    const after = engineAt(path);
    expect(text(after.get('a')?.value)).toBe('one');
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o077).toBe(0);
    after.close();
    before.close();
  });

  it('is whole after its process was killed while it wrote, with all that was acknowledged', async () => {
    const path = files.path('state.db');
    const child = spawn(process.execPath, [fileURLToPath(new URL('threads/writer.mjs', import.meta.url)), path]);
    const left = new Promise((resolve) => child.once('exit', resolve));
    let acknowledged = 0;
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      acknowledged += chunk.toString().split('\n').length - 1;
      if (acknowledged >= 200) child.kill('SIGKILL');
    }
    await left;
    const after = engineAt(path, 100_000_000);
    for (let n = 0; n < acknowledged; n++) expect(after.get(`value-${n}`)?.version).toBe(String(n));
    const { events } = after.read('stream', null, 1000);
    expect(events.map(({ value }) => Number(text(value).trim()))).toEqual([...events.keys()]);
    expect(events.length).toBeGreaterThanOrEqual(Math.min(acknowledged, 1000));
    after.close();
    const database = open(path, { timeout: 0 });
    expect(database.prepare('PRAGMA integrity_check').all([])).toMatchObject([{ integrity_check: 'ok' }]);
    database.close();
  });

  it('counts also what another process has written', () => {
    const path = files.path('state.db');
    const [one, two] = [engineAt(path), engineAt(path)];
    one.put('a', bytes('one'), 'version-1', null);
    two.put('b', bytes('two'), 'version-2', null);
    one.sweep(10);
    expect(one.stats().entries).toBe(2);
    one.close();
    two.close();
  });

  it('says which file can’t be opened, and why', () => {
    const garbage = files.path('garbage.db');
    writeFileSync(garbage, 'this is no database. '.repeat(1000));
    expect(() => engineAt(garbage)).toThrow(/garbage\.db: .*not a database/);
    expect(() => engineAt(files.path('missing/state.db'))).toThrow(/missing\/state\.db: .*ENOENT/);
    const newer = files.path('newer.db');
    const database = open(newer, { timeout: 0 });
    database.exec('PRAGMA user_version = 7');
    database.close();
    expect(() => engineAt(newer)).toThrow(/version 7/);
  });
});
