import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../src/exchange.ts';
import { authorization } from '../../../src/policies/authorization.ts';
import type { UpstreamCall } from '../../../src/upstream/call.ts';
import { fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, expressions } from '../../support/policy.ts';

const YES = 'request.method == "GET"';
const NO = 'request.method == "POST"';
/** Fails: there is no token. */
const FAILS = 'jwt.sub == "a"';

function allowed(rules: unknown[], exchange: Exchange = fakeExchange()): boolean {
  const policy = compilePolicy(authorization, { rules });
  try {
    policy.onRequest?.(exchange);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'forbidden', status: 403 });
    return false;
  }
}

describe('authorization', () => {
  it.each<[string, unknown[], boolean]>([
    ['no rules', [], true],
    ['an allow that holds', [YES], true],
    ['an allow that does not', [NO], false],
    ['an allow that fails', [FAILS], false],
    ['one allow of several', [NO, FAILS, { allow: YES }], true],
    ['an expression that is no bool', ['request.method'], false],
    ['a deny that holds', [{ deny: YES }], false],
    ['a deny that does not', [{ deny: NO }], true],
    ['a deny that fails', [{ deny: FAILS }], true],
    ['a deny before an allow', [YES, { deny: YES }], false],
    ['a deny that does not hold beside an allow that does not', [NO, { deny: NO }], false],
    ['a require that holds', [{ require: YES }], true],
    ['a require that does not', [{ require: NO }], false],
    ['a require that fails', [{ require: FAILS }], false],
    ['one require of several that does not', [{ require: YES }, { require: NO }, YES], false],
    ['a require that holds beside an allow that does not', [{ require: YES }, NO], false],
    ['all of them', [{ deny: NO }, { require: YES }, NO, YES], true],
  ])('%s', (_, rules, expected) => {
    expect(allowed(rules)).toBe(expected);
  });

  it('reads the body that was held, and has it held only for that', () => {
    const rules = ['json(request.body).kind == "public"'];
    const exchange = fakeExchange({ body: '{}' });
    exchange.heldBody = Buffer.from('{"kind":"public"}');
    expect(allowed(rules, exchange)).toBe(true);
    exchange.heldBody = Buffer.from('not json');
    expect(allowed(rules, exchange)).toBe(false);
    expect(compilePolicy(authorization, { rules }).readsBody).toBe(true);
    expect(compilePolicy(authorization, { rules: [YES] }).readsBody).toBe(false);
  });

  it('is asked of each call at a backend', async () => {
    const policy = compilePolicy(authorization, { rules: [NO] }, { level: 'backend' });
    expect(policy.onRequest).toBeUndefined();
    expect(() => policy.onUpstream?.({} as UpstreamCall, fakeExchange())).toThrow(
      expect.objectContaining({ code: 'forbidden' }),
    );
  });

  it('counts what failed', () => {
    const errors: string[] = [];
    const policy = compilePolicy(
      authorization,
      { rules: [YES, { deny: FAILS }] },
      { services: { cel: expressions(errors) } },
    );
    policy.onRequest?.(fakeExchange());
    expect(errors).toEqual(['authorization']);
  });
});
