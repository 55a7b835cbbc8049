import { expect, it } from 'vitest';
import { Turns } from '../../../src/primary/turns.ts';

function work(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

it('lets work that has lasted be interrupted, and sooner beside traffic', async () => {
  const turns = new Turns();
  const pause = turns.begin();
  work(6);
  const rest = pause();
  expect(rest).toBeInstanceOf(Promise);
  await rest;
  turns.leaveTime();
  const beside = turns.begin();
  work(2);
  let others = false;
  setTimeout(() => {
    others = true;
  });
  await beside();
  expect(others).toBe(true);
});
