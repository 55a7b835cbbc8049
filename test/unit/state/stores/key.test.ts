import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { storeKey } from '../../../../src/state/stores/key.ts';

describe('storeKey', () => {
  it('begins with the tenant as a hash tag', () => {
    expect(storeKey('acme', 'mcp-session', '42')).toBe('{acme}:mcp-session:42');
    expect(storeKey('https://issuer.example|sub', 'cache', 'a b:c/é')).toBe(
      '{https://issuer.example|sub}:cache:a b:c/é',
    );
  });

  it('is never the same for different things, and always one hash tag and valid UTF-8', () => {
    const awkward = fc.oneof(
      fc.string({
        unit: fc.constantFrom('{', '}', ':', '%', '\0', '\n', 'a', '\ud800', '\udc00', '😀', '0'),
        minLength: 1,
      }),
      fc.string({ minLength: 1, maxLength: 20 }),
      fc.nat(300).map((length) => '%'.repeat(length + 1)),
    );
    const name = fc.tuple(awkward, fc.constantFrom('a', 'b-1'), awkward);
    fc.assert(
      fc.property(name, name, (one, two) => {
        const [a, b] = [storeKey(...one), storeKey(...two)];
        expect(a === b).toBe(one.join('\u0001') === two.join('\u0001') && one.every((part, at) => part === two[at]));
        expect(a).toMatch(/^\{[^{}]+\}:[^{}]+$/);
        expect(Buffer.from(a).toString()).toBe(a);
        expect(Buffer.byteLength(a)).toBeLessThan(1500);
      }),
    );
  });

  it('names long things by a digest that no short one can have', () => {
    const long = storeKey('t'.repeat(1000), 'cache', 'i'.repeat(100_000));
    expect(long.length).toBeLessThan(120);
    expect(storeKey('t'.repeat(1000), 'cache', 'i'.repeat(100_001))).not.toBe(long);
    const [, digest] = /\{(%h[^}]+)\}/.exec(long) ?? [];
    expect(storeKey(digest!, 'cache', 'x')).not.toContain(digest);
  });

  it('refuses to leave anything out', () => {
    expect(() => storeKey('', 'cache', 'x')).toThrow(/tenant/);
    expect(() => storeKey('acme', 'cache', '')).toThrow(/id/);
    for (const kind of ['', 'A', 'a:b', '1', 'a'.repeat(65)]) expect(() => storeKey('acme', kind, 'x')).toThrow(/kind/);
  });
});
