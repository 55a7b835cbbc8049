import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Turns } from '../../../src/primary/turns.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** After how many milliseconds of work a pause is due. */
function turn(turns: Turns): number {
  const pause = turns.begin();
  for (let ms = 0; ms < 100; ms++) {
    if (pause() !== null) return ms;
    vi.advanceTimersByTime(1);
  }
  return Number.POSITIVE_INFINITY;
}

test('work can be interrupted, and sooner for some seconds after a worker had requests', () => {
  const turns = new Turns();
  expect(turn(turns)).toBe(5);
  turns.leaveTime();
  expect(turns.besideTraffic).toBe(true);
  expect(turn(turns)).toBe(1);
  vi.advanceTimersByTime(2_000);
  expect(turns.besideTraffic).toBe(false);
  expect(turn(turns)).toBe(5);
});

test('a thread with a core of its own leaves time to nobody', () => {
  const turns = new Turns({ coreOfItsOwn: true });
  turns.leaveTime();
  expect(turn(turns)).toBe(5);
});

test('beside traffic, work rests for as long as it took', async () => {
  vi.useRealTimers();
  const turns = new Turns();
  turns.leaveTime();
  const pause = turns.begin();
  const began = performance.now();
  while (performance.now() - began < 5);
  let others = false;
  setTimeout(() => {
    others = true;
  });
  await pause();
  expect(others).toBe(true);
});
