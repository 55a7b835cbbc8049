import { describe, expect, it } from 'vitest';
import { sessionAffinity } from '../../../src/policies/session-affinity.ts';
import type { AffinityKey } from '../../../src/upstream/call.ts';
import { compilePolicy, expressions } from '../../support/policy.ts';
import { callTo, fakeExchange } from '../upstream/helpers.ts';

function keyOf(source: string, headers: string[], errors: string[] = []): AffinityKey | null | undefined {
  const policy = compilePolicy(
    sessionAffinity,
    { source },
    { level: 'backend', services: { cel: expressions(errors) } },
  );
  const call = callTo({} as never, { exchange: fakeExchange(headers) });
  policy.onUpstream?.(call, call.exchange);
  return call.affinity;
}

describe('sessionAffinity', () => {
  const source = 'request.headers["x-session"]';

  it('gives requests of one value one key', () => {
    const [a, b, c] = ['one', 'one', 'two'].map((value) => keyOf(source, ['x-session', value])?.hash);
    expect(a).toBe(b);
    expect(a).not.toBe(c);
    expect(a).toBeGreaterThan(0);
  });

  it('reads the body that is about to leave', () => {
    const policy = compilePolicy(
      sessionAffinity,
      { source: 'json(request.body).user' },
      { level: 'backend', services: { cel: expressions() } },
    );
    const [a, b, c] = ['ann', 'ann', 'bob'].map((user) => {
      const call = callTo({} as never, { exchange: fakeExchange([]), body: Buffer.from(JSON.stringify({ user })) });
      policy.onUpstream?.(call, call.exchange);
      return call.affinity?.hash;
    });
    expect(a).toBeGreaterThan(0);
    expect([a === b, a === c]).toEqual([true, false]);
  });

  it.each([
    ['a number', '1 + 1'],
    ['a list', '[request.method, "x"]'],
  ])('takes %s for a value', (_, text) => {
    expect(keyOf(text, [])?.hash).toBeGreaterThan(0);
  });

  it('leaves the choice to the load where there is no value', () => {
    const errors: string[] = [];
    expect(keyOf(source, [], errors)).toBeUndefined();
    expect(keyOf('null', [])).toBeUndefined();
    expect(keyOf('""', [])).toBeUndefined();
    expect(keyOf('1 / 0', [], errors)).toBeUndefined();
    expect(errors).toContain('sessionAffinity');
  });
});
