import { describe, expect, it } from 'vitest';
import { Drain } from '../../../src/primary/drain.ts';

describe('drain', () => {
  function drain(times: { minTerminationMs: number; terminationMs: number }, drained: Promise<boolean>) {
    const steps: string[] = [];
    const made = new Drain(
      {
        notReady: () => steps.push('not ready'),
        drain: (deadlineMs) => {
          steps.push(`drain within ${deadlineMs}`);
          return drained;
        },
        finish: async () => {
          steps.push('finish');
        },
        exit: () => steps.push('exit'),
        abandon: () => steps.push('abandon'),
      },
      times,
    );
    return { drain: made, steps };
  }

  it('goes not ready, waits the minimum, drains for what is left of the deadline, and ends', async () => {
    const { drain: made, steps } = drain({ minTerminationMs: 20, terminationMs: 5000 }, Promise.resolve(true));
    const ended = made.end();
    expect(steps).toEqual(['not ready']);
    await ended;
    expect(steps).toEqual(['not ready', 'drain within 4980', 'finish', 'exit']);
  });

  it('ends without those that have not left in time', async () => {
    const { drain: made, steps } = drain({ minTerminationMs: 0, terminationMs: 10 }, Promise.resolve(false));
    await made.end();
    expect(steps).toEqual(['not ready', 'drain within 10', 'finish', 'abandon']);
  });

  it('ends at once when asked a second time', async () => {
    const { drain: made, steps } = drain({ minTerminationMs: 0, terminationMs: 5000 }, new Promise(() => {}));
    void made.end();
    await made.end();
    expect(steps).toEqual(['not ready', 'drain within 5000', 'abandon']);
  });
});
