import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { delay } from '../../../src/policies/delay.ts';
import { fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, faultPaths } from '../../support/policy.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('delay', () => {
  it.each([
    ['500ms', 500],
    ['2s', 2000],
    ['1m30s', 90_000],
    ['250', 250],
    ['duration("1.5s")', 1500],
    ['request.path == "/" ? 40 : 0', 40],
  ])('%s waits %i ms', async (duration, ms) => {
    const waiting = compilePolicy(delay, { duration }).onRequest?.(fakeExchange());
    let passed = false;
    void Promise.resolve(waiting).then(() => {
      passed = true;
    });
    await vi.advanceTimersByTimeAsync(ms - 1);
    expect(passed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(passed).toBe(true);
  });

  it.each(['0', '0s', '-5', 'duration("-1s")', '"1s"', 'jwt.sub', '0.0 / 0.0'])('%s does not wait', (duration) => {
    expect(compilePolicy(delay, { duration }).onRequest?.(fakeExchange())).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('waits no longer than a timer can', () => {
    void compilePolicy(delay, { duration: '1e300' }).onRequest?.(fakeExchange());
    expect(vi.getTimerCount()).toBe(1);
  });

  it('has the body held only where its expression reads it', () => {
    expect(compilePolicy(delay, { duration: 'size(request.body)' }).readsBody).toBe(true);
    expect(compilePolicy(delay, { duration: 'size(request.path)' }).readsBody).toBe(false);
  });

  it('ends, and leaves no timer behind, when the client goes away', async () => {
    const exchange = fakeExchange();
    const waiting = compilePolicy(delay, { duration: '1h' }).onRequest?.(exchange);
    expect(vi.getTimerCount()).toBe(1);
    exchange.runOnEnd('client_gone');
    await expect(waiting).resolves.toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    [{ duration: '1000h' }, ['duration']],
    [{ duration: '' }, ['schema']],
    [{}, ['schema']],
    [{ duration: '500h' }, []],
  ])('faults of %j', (value, paths) => {
    expect(faultPaths(delay, value)).toEqual(paths);
  });
});
