import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SpareMemory } from '../../../src/state/spare-memory.ts';

const collect = vi.hoisted(() => vi.fn());
vi.mock('node:vm', () => ({ runInNewContext: () => collect }));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  collect.mockReset();
});
afterEach(() => {
  vi.useRealTimers();
});

test('what a large configuration leaves behind is collected in moments when nobody waits', () => {
  let idle = false;
  const spare = new SpareMemory({ idle: () => idle });
  spare.used(1_999);
  idle = true;
  vi.advanceTimersByTime(60_000);
  expect(collect).toHaveBeenCalledTimes(0);
  idle = false;
  spare.used(1);
  vi.advanceTimersByTime(60_000);
  expect(collect).toHaveBeenCalledTimes(0);
  idle = true;
  vi.advanceTimersByTime(1_000);
  expect(collect).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(60_000);
  expect(collect).toHaveBeenCalledTimes(3);
});

test('and after some time although somebody waits', () => {
  const spare = new SpareMemory({ idle: () => false, patienceMs: 30_000 });
  spare.used(2_000);
  vi.advanceTimersByTime(29_000);
  expect(collect).toHaveBeenCalledTimes(0);
  vi.advanceTimersByTime(1_000);
  expect(collect).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(29_000);
  expect(collect).toHaveBeenCalledTimes(1);
});
