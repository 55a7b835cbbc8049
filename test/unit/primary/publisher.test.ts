import { describe, expect, it } from 'vitest';
import { Publisher } from '../../../src/primary/publisher.ts';
import { Turns } from '../../../src/primary/turns.ts';
import type { Backend, Resource } from '../../../src/resources/types.ts';
import { SnapshotFullError } from '../../../src/state/shared/snapshot-log.ts';
import { SnapshotReader } from '../../../src/state/shared/snapshot-reader.ts';
import { encode } from '../../../src/xds/changes.ts';

function backend(name: string, host = 'h'): Backend {
  return {
    kind: 'backend',
    key: `backend/default/${name}`,
    name,
    namespace: 'default',
    target: { kind: 'host', host, port: 80 },
    policies: {},
  };
}

function publisher(maxBytes = 16 * 1024 * 1024) {
  let published = 0;
  const generations: { generation: number; buffer: SharedArrayBuffer }[] = [];
  const made = new Publisher({
    maxBytes,
    turns: new Turns(),
    onPublished: () => published++,
    onGeneration: (generation, buffer) => generations.push({ generation, buffer }),
  });
  return { publisher: made, generations, published: () => published };
}

function read(reader: SnapshotReader, into: Map<string, Resource>): Map<string, Resource> {
  for (let next = reader.read(); next !== null; next = reader.read()) {
    for (const { key, value } of next.changes) {
      if (value === null) into.delete(key);
      else into.set(key, JSON.parse(Buffer.from(value).toString()));
    }
  }
  return into;
}

describe('publisher', () => {
  it('publishes what differs, and nothing where nothing does', () => {
    const { publisher: made, published } = publisher();
    expect(made.publish([backend('a'), backend('b')])).toBe(2);
    const reader = new SnapshotReader(made.attach(0));
    const state = read(reader, new Map());
    expect([...state.values()]).toEqual([backend('a'), backend('b')]);
    expect(made.publish([backend('a'), backend('b')])).toBe(0);
    expect(published()).toBe(1);
    expect(made.publish([backend('b', 'other'), backend('c')])).toBe(3);
    expect(
      reader
        .read()
        ?.changes.map(({ key }) => key)
        .toSorted(),
    ).toEqual(['a', 'b', 'c'].map((name) => `backend/default/${name}`));
    expect(made.version).toBe(2);
  });

  it('refuses what does not fit, and changes nothing', () => {
    const { publisher: made } = publisher(64 * 1024);
    made.publish([backend('a')]);
    const large = Array.from({ length: 1000 }, (_, i) => backend(`b${i}`));
    expect(() => made.publish(large)).toThrow(SnapshotFullError);
    const reader = new SnapshotReader(made.attach(0));
    expect([...read(reader, new Map()).values()]).toEqual([backend('a')]);
    expect(made.publish([backend('c')])).toBe(2);
  });

  it('compacts what is superseded, and wipes a generation once every worker has moved or is gone', () => {
    const { publisher: made, generations } = publisher();
    made.publish([backend('a', 'first')]);
    const old = made.attach(0);
    made.attach(1);
    made.attach(2);
    const reader = new SnapshotReader(old);
    const state = read(reader, new Map());
    for (let i = 0; generations.length === 0; i++) made.publish([backend('a', 'x'.repeat(100_000) + i)]);
    const { generation, buffer } = generations[0]!;
    expect(made.attach(3)).toBe(buffer);
    expect(made.retiring).toBe(1);
    read(reader, state);
    reader.moveTo(buffer);
    read(reader, state);
    made.moved(0, generation);
    made.moved(1, generation);
    expect(Buffer.from(old).includes('first')).toBe(true);
    made.detach(2);
    expect(made.retiring).toBe(0);
    expect(new Uint8Array(old).every((byte) => byte === 0)).toBe(true);
    made.publish([backend('z')]);
    expect([...read(reader, state).values()]).toEqual([backend('z')]);
  });

  it('makes room by compaction where the log is full of what is superseded', () => {
    const { publisher: made, generations } = publisher(64 * 1024);
    for (let i = 0; i < 10; i++) made.publish([backend('a', 'x'.repeat(20_000) + i)]);
    expect(generations.length).toBeGreaterThan(0);
    const reader = new SnapshotReader(made.attach(0));
    expect(read(reader, new Map()).get('backend/default/a')).toEqual(backend('a', `${'x'.repeat(20_000)}9`));
  });

  it('puts a delta into force, beside what a file holds', async () => {
    const { publisher: made } = publisher();
    made.publish([backend('file')]);
    const reader = new SnapshotReader(made.attach(0));
    expect(await made.apply({ changed: [backend('a'), backend('b')].map(encode), removed: [] })).toEqual(new Map());
    expect(made.version).toBe(2);
    // The same again is nothing; a file's own change leaves the others.
    await made.apply({ changed: [encode(backend('a'))], removed: ['backend/default/never'] });
    expect(made.version).toBe(2);
    expect(made.publish([backend('file', 'other')])).toBe(1);
    await made.apply({ changed: [encode(backend('b', 'other'))], removed: ['backend/default/a'] });
    const state = read(reader, new Map());
    expect([...state.values()]).toEqual([backend('file', 'other'), backend('b', 'other')]);
    expect([...made.resources()]).toEqual(expect.arrayContaining([...state.values()]));
  });

  it('lets neither side touch what is of the other', async () => {
    const { publisher: made } = publisher();
    made.publish([backend('file')]);
    const faults = await made.apply({
      changed: [backend('file', 'other'), backend('given')].map(encode),
      removed: ['backend/default/file'],
    });
    expect([...faults.keys()]).toEqual(['backend/default/file']);
    expect(() => made.publish([backend('file'), backend('given', 'other')])).toThrow('backend/default/given');
    const state = read(new SnapshotReader(made.attach(0)), new Map());
    expect([...state.values()]).toEqual([backend('file'), backend('given')]);
    // What one has let go of the other may have.
    await made.apply({ changed: [], removed: ['backend/default/given'] });
    made.publish([backend('given', 'other')]);
    expect(await made.apply({ changed: [encode(backend('file', 'new'))], removed: [] })).toEqual(new Map());
    expect([...read(new SnapshotReader(made.attach(0)), new Map()).values()]).toEqual([
      backend('given', 'other'),
      backend('file', 'new'),
    ]);
  });

  it('publishes a large delta as versions of bounded size, in the order given, removals last', async () => {
    const { publisher: made, published } = publisher();
    const many = Array.from({ length: 1000 }, (_, i) => backend(`b${i}`, 'x'.repeat(i === 500 ? 100_000 : 10)));
    await made.apply({ changed: many.map(encode), removed: [] });
    await made.apply({ changed: [], removed: many.map(({ key }) => key) });
    const reader = new SnapshotReader(made.attach(0));
    const keys: string[] = [];
    let versions = 0;
    for (let next = reader.read(); next !== null; next = reader.read(), versions++) {
      const bytes = next.changes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
      expect(next.changes.length).toBeLessThanOrEqual(32);
      expect(next.changes.length === 1 || bytes <= 32 * 1024).toBe(true);
      for (const { key, value } of next.changes) keys.push(value === null ? `-${key}` : key);
    }
    expect(keys).toEqual([...many.map(({ key }) => key), ...many.map(({ key }) => `-${key}`)]);
    expect(published()).toBeGreaterThan(0);
    expect(published()).toBeLessThanOrEqual(versions);
    expect(versions).toBeGreaterThan(30);
  });

  it('refuses of a delta what does not fit, says so, and takes the rest', async () => {
    const { publisher: made } = publisher(64 * 1024);
    const large = backend('large', 'x'.repeat(80_000));
    const faults = await made.apply({ changed: [backend('a'), large, backend('b')].map(encode), removed: [] });
    expect([...faults.keys()]).toEqual([large.key]);
    expect(faults.get(large.key)).toMatch(/snapshotMaxBytes/);
    const state = read(new SnapshotReader(made.attach(0)), new Map());
    expect([...state.values()]).toEqual([backend('a'), backend('b')]);
  });
});
