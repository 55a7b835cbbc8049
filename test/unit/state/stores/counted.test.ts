import { describe, expect, it } from 'vitest';
import { CountedStore } from '../../../../src/state/stores/counted.ts';
import { LocalStore } from '../../../../src/state/stores/local.ts';
import { MemoryEngine } from '../../../../src/state/stores/memory-engine.ts';
import { DEFAULT_LIMITS, type Store } from '../../../../src/state/stores/store.ts';
import { Metrics } from '../../../../src/telemetry/metrics.ts';
import { bytes, freshKey, recorder } from './contract.ts';
import { testLog } from './support.ts';

describe('a counted store', () => {
  it('does what the store does, and counts each call by its outcome', async () => {
    const metrics = new Metrics();
    const limits = { ...DEFAULT_LIMITS, maxValueBytes: 10 };
    const inner = new LocalStore({ engine: new MemoryEngine({ maxBytes: 1 << 20 }), limits, log: testLog().log });
    const store: Store = new CountedStore(inner, metrics);
    const key = freshKey();
    const heard = recorder();
    const unsubscribe = await store.subscribe(key, heard);
    const version = await store.put(key, bytes('a'), { ttlMs: 60_000 });
    expect(await store.get(key)).toMatchObject({ version });
    await store.compareAndSet(key, version, bytes('b'));
    await expect(store.compareAndSet(key, version, bytes('c'))).rejects.toMatchObject({ code: 'conflict' });
    await expect(store.put(key, bytes('x'.repeat(11)))).rejects.toMatchObject({ code: 'too_large' });
    await expect(store.put(key, bytes('x'), { ttlMs: -1 })).rejects.toThrow(RangeError);
    await store.append(key, bytes('e'), { maxLength: 3 });
    expect((await store.read(key)).events).toHaveLength(1);
    expect(await store.trim(key, 0)).toBe(1);
    await store.publish(key, bytes('said'));
    await expect.poll(() => heard.heard).toContain('said');
    unsubscribe();
    expect(await store.delete(key)).toBe(true);
    await store.close();
    await expect(store.get(key)).rejects.toMatchObject({ code: 'unavailable' });
    const { values } = await metrics.storeCalls.get();
    const counted = values.map(({ labels, value }) => `${labels.call} ${labels.outcome} ${value}`);
    expect(counted.sort()).toEqual(
      [
        'append ok 1',
        'compareAndSet conflict 1',
        'compareAndSet ok 1',
        'delete ok 1',
        'get ok 1',
        'get unavailable 1',
        'publish ok 1',
        'put invalid 1',
        'put ok 1',
        'put too_large 1',
        'read ok 1',
        'subscribe ok 1',
        'trim ok 1',
      ].sort(),
    );
  });
});
