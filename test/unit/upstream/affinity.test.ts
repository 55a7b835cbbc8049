import { describe, expect, it } from 'vitest';
import { hashText, mix, pickByAffinity } from '../../../src/upstream/affinity.ts';

const candidates = (names: string[], inFlight: Record<string, number> = {}) =>
  names.map((name) => ({ name, id: hashText(name), inFlight: inFlight[name] ?? 0 }));
const hashes = Array.from({ length: 2000 }, (_, i) => hashText(`conversation ${i}`));
const nameFor = (names: string[], hash: number, load?: Record<string, number>) =>
  pickByAffinity(candidates(names, load), hash)?.name;

describe('a choice by affinity', () => {
  it('spreads kinds evenly', () => {
    const counts = new Map<string, number>();
    for (const hash of hashes) {
      const name = nameFor(['a', 'b', 'c', 'd'], hash) ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 500)).toBeLessThan(100);
    expect(counts.size).toBe(4);
  });

  it('is the same whatever the order, and moves only the share of who has gone', () => {
    for (const hash of hashes) {
      const before = nameFor(['a', 'b', 'c', 'd'], hash);
      expect(nameFor(['d', 'b', 'a', 'c'], hash)).toBe(before);
      if (before !== 'b') expect(nameFor(['a', 'c', 'd'], hash)).toBe(before);
    }
  });

  it('passes over who has much more than the mean, and always to the same other', () => {
    const hash = hashes.find((one) => nameFor(['a', 'b', 'c'], one) === 'a') as number;
    expect(nameFor(['a', 'b', 'c'], hash, { a: 7 })).toBe('a');
    expect(nameFor(['a', 'b', 'c'], hash, { a: 20, b: 18, c: 18 })).toBe('a');
    const next = nameFor(['b', 'c'], hash);
    expect(nameFor(['a', 'b', 'c'], hash, { a: 40, b: 5, c: 5 })).toBe(next);
  });

  it('finds somebody however the load lies, and nobody among none', () => {
    for (const load of [{ a: 1e6 }, { a: 1e6, b: 1e6 }, { a: 8, b: 8 }])
      expect(nameFor(['a', 'b'], 1, load)).toMatch(/a|b/);
    expect(pickByAffinity([], 1)).toBeNull();
  });

  it('mixes all bits', () => {
    const low = new Set(Array.from({ length: 256 }, (_, i) => mix(i << 24, 1) & 0xff));
    expect(low.size).toBeGreaterThan(120);
  });
});
