import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type SnapshotChange, SnapshotFullError, SnapshotWriter } from '../../../src/state/shared/snapshot-log.ts';
import { SnapshotReader } from '../../../src/state/shared/snapshot-reader.ts';
import { nextMessage, random, start } from './workers/run.ts';

const text = (value: string): Uint8Array => Buffer.from(value);
const MIB = 1024 * 1024;

/** What a reader's consumer has after applying everything it was given. */
class Follower {
  readonly reader: SnapshotReader;
  readonly state = new Map<string, string>();
  delivered = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.reader = new SnapshotReader(buffer);
  }

  /** Everything there is, or so many versions. */
  read(versions = Number.POSITIVE_INFINITY): void {
    for (let n = 0; n < versions; n++) {
      const read = this.reader.read();
      if (read === null) return;
      for (const { key, value, before } of read.changes) {
        this.delivered++;
        const known = before === 0 ? undefined : Buffer.from(this.reader.valueAt(before) ?? []).toString('hex');
        expect(known).toBe(this.state.get(key));
        if (value === null) expect(this.state.delete(key)).toBe(true);
        else this.state.set(key, Buffer.from(value).toString('hex'));
      }
      this.check();
    }
  }

  /** Values can be looked up, wherever they are by now. */
  check(): void {
    for (const [key, value] of this.state) {
      expect(Buffer.from(this.reader.value(key) ?? []).toString('hex')).toBe(value);
    }
  }
}

describe('SnapshotLog', () => {
  it('delivers each publish whole, once, with keys, values and versions', () => {
    const writer = new SnapshotWriter({ maxBytes: MIB });
    const reader = new SnapshotReader(writer.buffer);
    expect(reader.read()).toBeNull();
    expect(
      writer.publish([
        { key: 'route/ä', value: text('1') },
        { key: 'b', value: text('') },
      ]),
    ).toBe(2);
    expect(reader.read()).toEqual({
      version: 1,
      changes: [
        { key: 'route/ä', value: new Uint8Array([49]), version: 1, before: 0 },
        { key: 'b', value: new Uint8Array(0), version: 1, before: 0 },
      ],
    });
    expect(reader.read()).toBeNull();
    writer.publish([{ key: 'b', value: null }]);
    const before = expect.any(Number);
    expect(reader.read()).toEqual({ version: 2, changes: [{ key: 'b', value: null, version: 2, before }] });
    expect(reader.version).toBe(2);
  });

  it('publishes only what differs', () => {
    const writer = new SnapshotWriter({ maxBytes: MIB });
    const state = new Map(Array.from({ length: 1000 }, (_, n) => [`route/${n}`, text(`value ${n}`)]));
    const changes = (): SnapshotChange[] => [...state].map(([key, value]) => ({ key, value }));
    writer.publish(changes());
    const before = writer.bytes;
    expect(writer.publish(changes())).toBe(0);
    expect([writer.bytes, writer.version]).toEqual([before, 1]);

    state.set('route/7', text('another'));
    const gone = ['route/8', 'never'].map((key) => ({ key, value: null }));
    state.delete('route/8');
    const reader = new SnapshotReader(writer.buffer);
    reader.read();
    expect([writer.has('route/8'), writer.has('never')]).toEqual([true, false]);
    expect(writer.publish([...changes(), ...gone])).toBe(2);
    expect(reader.read()?.changes.map(({ key }) => key)).toEqual(['route/7', 'route/8']);
    expect([writer.has('route/8'), writer.version]).toEqual([false, 2]);
    expect(writer.bytes - before).toBeLessThan(120);
  });

  it('hands a new reader every version, and after a compaction everything as one', () => {
    const writer = new SnapshotWriter({ maxBytes: MIB });
    for (let n = 1; n <= 10; n++) {
      writer.publish([
        { key: 'a', value: text(`${n}`) },
        { key: 'gone', value: n % 2 === 1 ? text('x') : null },
      ]);
    }
    const follower = new Follower(writer.buffer);
    follower.read(9);
    expect(follower.reader.version).toBe(9);
    follower.read();
    expect([...follower.state]).toEqual([['a', Buffer.from('10').toString('hex')]]);
    const reader = new SnapshotReader(writer.compact().buffer);
    const whole = { version: 10, changes: [{ key: 'a', value: new Uint8Array(text('10')), version: 10, before: 0 }] };
    expect([reader.read(), reader.read()]).toEqual([whole, null]);
  });

  it('refuses a publish that does not fit, whole', () => {
    const writer = new SnapshotWriter({ initialBytes: 256, maxBytes: 4096 });
    const reader = new SnapshotReader(writer.buffer);
    writer.publish([{ key: 'kept', value: text('v') }]);
    const { bytes, liveBytes } = writer;
    const tooMuch = [
      { key: 'small', value: text('s') },
      { key: 'large', value: new Uint8Array(5000) },
    ];
    expect(() => writer.publish(tooMuch)).toThrow(SnapshotFullError);
    expect([writer.version, writer.bytes, writer.liveBytes]).toEqual([1, bytes, liveBytes]);
    expect([...writer.keys()]).toEqual(['kept']);
    expect(reader.read()?.changes).toHaveLength(1);
    expect(writer.publish([{ key: 'small', value: text('s') }])).toBe(1);
    expect(reader.read()?.changes).toEqual([{ key: 'small', value: new Uint8Array(text('s')), version: 2, before: 0 }]);
  });

  it('says whether compaction would make room, and it does', () => {
    const writer = new SnapshotWriter({ maxBytes: 4096 });
    const fill = (n: number) => [{ key: 'k', value: new Uint8Array(1500).fill(n) }];
    writer.publish(fill(1));
    writer.publish(fill(2));
    let refusal: unknown;
    try {
      writer.publish(fill(3));
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({ code: 'snapshot_full', fitsCompacted: true, maxBytes: 4096 });
    writer.compact().retire();
    expect(writer.publish(fill(3))).toBe(1);
    expect(writer.get('k')).toEqual(new Uint8Array(1500).fill(3));
  });

  it('asks for compaction when more is superseded than live', () => {
    const writer = new SnapshotWriter({ maxBytes: 64 * MIB });
    for (let n = 0; n < 40; n++) writer.publish([{ key: 'k', value: new Uint8Array(64 * 1024).fill(n) }]);
    expect(writer.shouldCompact).toBe(true);
    const { generation } = writer;
    const compaction = writer.compact();
    expect(compaction.generation).toBe(generation + 1);
    expect(writer.bytes).toBe(writer.liveBytes);
    expect(writer.shouldCompact).toBe(false);
  });

  it('reads a generation to its end before it moves, and nothing twice', () => {
    const writer = new SnapshotWriter({ maxBytes: MIB });
    const reader = new SnapshotReader(writer.buffer);
    writer.publish(['a', 'b', 'c', 'd'].map((key) => ({ key, value: text(key) })));
    reader.read();
    writer.publish([
      { key: 'b', value: text('changed') },
      { key: 'c', value: null },
    ]);
    const { buffer, retire } = writer.compact();
    writer.publish([{ key: 'e', value: text('new') }]);
    const again = writer.compact();
    writer.publish([{ key: 'f', value: text('newest') }]);
    reader.moveTo(buffer);
    reader.moveTo(again.buffer);
    const reads = [];
    for (let read = reader.read(); read !== null; read = reader.read()) {
      reads.push([reader.generation, read.version, ...read.changes.map(({ key }) => key)]);
    }
    expect(reads).toEqual([
      [1, 2, 'b', 'c'],
      [2, 2],
      [2, 3, 'e'],
      [3, 3],
      [3, 4, 'f'],
    ]);
    expect(reader.value('b')).toEqual(new Uint8Array(text('changed')));
    expect([reader.value('c'), reader.value('never')]).toEqual([null, null]);
    retire();
    again.retire();
    expect(reader.read()).toBeNull();
  });

  it('moves to a large generation step by step, and needs the one before until the last', () => {
    const writer = new SnapshotWriter({ maxBytes: 64 * MIB });
    const follower = new Follower(writer.buffer);
    writer.publish(Array.from({ length: 2500 }, (_, n) => ({ key: `key/${n}`, value: text(`value ${n}`) })));
    follower.read();
    const { buffer } = writer.compact();
    writer.publish([{ key: 'key/7', value: text('new') }]);
    follower.reader.moveTo(buffer);
    const generations: number[] = [];
    for (let n = 0; n < 4; n++) {
      follower.read(1);
      generations.push(follower.reader.generation);
    }
    expect(generations).toEqual([1, 1, 2, 2]);
    expect(follower.state.get('key/7')).toBe(Buffer.from('new').toString('hex'));
  });

  it('leaves nothing of a retired generation, and a reader that is still there reads nothing', () => {
    const writer = new SnapshotWriter({ maxBytes: MIB });
    const old = writer.buffer;
    const reader = new SnapshotReader(old);
    writer.publish([{ key: 'tls', value: text('-----BEGIN PRIVATE KEY-----') }]);
    expect(Buffer.from(old).includes('PRIVATE')).toBe(true);
    const { retire } = writer.compact();
    retire();
    expect(new Uint8Array(old).every((byte) => byte === 0)).toBe(true);
    expect(reader.read()).toBeNull();
    expect(Buffer.from(writer.get('tls') ?? []).toString()).toBe('-----BEGIN PRIVATE KEY-----');
  });

  it('uses the memory of a retired generation for the next but one', () => {
    const writer = new SnapshotWriter({ maxBytes: MIB });
    const first = writer.buffer;
    writer.publish([{ key: 'a', value: text('1') }]);
    const second = writer.compact();
    second.retire();
    writer.publish([{ key: 'b', value: new Uint8Array(100_000).fill(1) }]);
    const third = writer.compact();
    expect(third.buffer).toBe(first);
    // Nobody has let go of the second yet: the fourth is a new one.
    expect([first, second.buffer]).not.toContain(writer.compact().buffer);
    const follower = new Follower(third.buffer);
    follower.read();
    expect([...follower.state.keys()]).toEqual(['a', 'b']);
  });

  it('refuses a key that UTF-8 cannot say', () => {
    const writer = new SnapshotWriter({ maxBytes: MIB });
    expect(() => writer.publish([{ key: '\ud800', value: text('x') }])).toThrow(TypeError);
    expect(writer.version).toBe(0);
  });

  it('agrees with a Map for any publishes, compactions, late readers and lazy ones', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'dd', 'é', '');
    const value = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: null });
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ publish: fc.array(fc.record({ key, value }), { maxLength: 5 }) }) },
      { weight: 2, arbitrary: fc.record({ read: fc.nat(3), versions: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.constant({ compact: true }) },
      { weight: 1, arbitrary: fc.constant({ join: true }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const writer = new SnapshotWriter({ initialBytes: 64, maxBytes: 8192 });
        const model = new Map<string, string>();
        const followers = [new Follower(writer.buffer)];
        const retirements: { generation: number; retire(): void }[] = [];
        const apply = (changes: readonly SnapshotChange[]): void => {
          try {
            writer.publish(changes);
          } catch (error) {
            if (error instanceof SnapshotFullError) return;
            throw error;
          }
          for (const one of changes) {
            if (one.value === null) model.delete(one.key);
            else model.set(one.key, Buffer.from(one.value).toString('hex'));
          }
        };
        for (const one of steps) {
          if ('publish' in one) apply(one.publish);
          else if ('read' in one) followers[one.read % followers.length]?.read(one.versions);
          else if ('join' in one) followers.push(new Follower(writer.buffer));
          else {
            const compaction = writer.compact();
            for (const follower of followers) follower.reader.moveTo(compaction.buffer);
            retirements.push(compaction);
            expect(writer.bytes).toBe(writer.liveBytes);
          }
          const oldest = Math.min(...followers.map(({ reader }) => reader.generation));
          while ((retirements[0]?.generation ?? Number.POSITIVE_INFINITY) <= oldest) retirements.shift()?.retire();
        }
        for (const follower of [...followers, new Follower(writer.buffer)]) {
          follower.read();
          follower.check();
          expect(follower.state).toEqual(model);
          expect(follower.reader.version).toBe(writer.version);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('SnapshotLog between threads', () => {
  const workers: ReturnType<typeof start>[] = [];
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  });

  it('shows readers whole publishes only, through growth and compaction', async () => {
    const writer = new SnapshotWriter({ initialBytes: 256, maxBytes: 64 * MIB });
    const next = random(7);
    const group = ['group/a', 'group/b', 'group/c', 'group/d'];
    const lastVersion = 6000;
    const readers = 2;
    const waiting = new Map<number, number>();
    const retirements = new Map<number, () => void>();
    const publish = (): void => {
      const size = 1 + Math.floor(next() * 700);
      // Never the byte of the publish before, so that each one differs.
      const byte = 1 + (writer.version % 250);
      const changes = group.map((key) => ({ key, value: new Uint8Array(size).fill(byte) }));
      const extra = `extra/${Math.floor(next() * 50)}`;
      writer.publish([...changes, { key: extra, value: writer.get(extra) === null ? text(extra) : null }]);
    };
    publish();
    const readies: Promise<unknown>[] = [];
    const done = Array.from({ length: readers }, () => {
      const worker = start('snapshot.mjs', { buffer: writer.buffer, group, lastVersion });
      workers.push(worker);
      readies.push(nextMessage(worker));
      return new Promise<{ faults: string[]; reads: number; moves: number; state: [string, string][] }>(
        (resolve, reject) => {
          worker.on('error', reject);
          worker.on('message', (message) => {
            if (message.type === 'done') resolve(message);
            else if (message.type === 'moved') {
              const left = (waiting.get(message.generation) ?? 0) - 1;
              waiting.set(message.generation, left);
              if (left === 0) retirements.get(message.generation)?.();
            }
          });
        },
      );
    });
    await Promise.all(readies);
    let compactions = 0;
    while (writer.version < lastVersion) {
      for (let n = 0; n < 50 && writer.version < lastVersion; n++) publish();
      if (writer.shouldCompact && writer.version < lastVersion - 100) {
        const { generation, buffer, retire } = writer.compact();
        compactions++;
        waiting.set(generation, readers);
        retirements.set(generation, retire);
        for (const worker of workers) worker.postMessage({ type: 'generation', generation, snapshot: buffer });
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    const results = await Promise.all(done);
    const expected = [...writer.keys()].sort().map((key) => [key, Buffer.from(writer.get(key) ?? []).toString('hex')]);
    expect(compactions).toBeGreaterThan(1);
    for (const { faults, reads, moves, state } of results) {
      expect(faults).toEqual([]);
      expect(reads).toBeGreaterThan(10);
      expect(moves).toBeGreaterThan(0);
      expect(state).toEqual(expected);
    }
  });
});
