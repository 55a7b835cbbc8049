import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Traffic } from '../../../src/workers/traffic.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('there is traffic from a request on until a second after it was looked at', () => {
  let open = 0;
  const traffic = new Traffic(() => open);
  expect(traffic.present).toBe(false);
  traffic.begin();
  vi.advanceTimersByTime(60_000);
  expect(traffic.present).toBe(true);
  vi.advanceTimersByTime(999);
  expect(traffic.present).toBe(true);
  vi.advanceTimersByTime(1);
  expect(traffic.present).toBe(false);
  open = 1;
  vi.advanceTimersByTime(60_000);
  expect(traffic.present).toBe(true);
});
