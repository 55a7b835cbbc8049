import { describe, expect, it } from 'vitest';
import { Publisher } from '../../../src/primary/publisher.ts';
import type { Backend, Resource } from '../../../src/resources/types.ts';
import { SnapshotFullError, SnapshotReader } from '../../../src/state/shared/snapshot-log.ts';

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
    onPublished: () => published++,
    onGeneration: (generation, buffer) => generations.push({ generation, buffer }),
  });
  return { publisher: made, generations, published: () => published };
}

function read(reader: SnapshotReader, into: Map<string, Resource>): Map<string, Resource> {
  for (let next = reader.read(); next !== null; next = reader.read()) {
    for (const { key, value } of next.changes) {
      if (value === null) into.delete(key);
      else into.set(key, JSON.parse(new TextDecoder().decode(value)));
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
});
