import { setTimeout as sleep, setImmediate as yieldToOthers } from 'node:timers/promises';
import type { Pause } from '../xds/delta.ts';

/** How long this thread works at a time while nobody waits for anything but the work, ms. */
const ALONE_MS = 5;
/** And where there is traffic, ms: a worker whose core it works on waits for so long. */
const BESIDE_TRAFFIC_MS = 1;

/**
 * Keeps long work in this thread from requests. Workers have threads of their own but not always cores of their own: where all cores
 * are busy a request waits, at each thread it passes, for as long as another has the core.
 */
export class Turns {
  readonly #coreOfItsOwn: boolean;
  #besideTraffic = false;

  /** `coreOfItsOwn`: there are more cores than workers. */
  constructor({ coreOfItsOwn = false } = {}) {
    this.#coreOfItsOwn = coreOfItsOwn;
  }

  /** From now on there is traffic to leave time to: work rests for as long as it takes, unless it takes nobody's core. */
  leaveTime(): void {
    this.#besideTraffic = !this.#coreOfItsOwn;
  }

  /** What a piece of work that begins now asks for pauses. */
  begin(): Pause {
    let began = performance.now();
    return () => {
      const worked = performance.now() - began;
      if (worked < (this.#besideTraffic ? BESIDE_TRAFFIC_MS : ALONE_MS)) return null;
      const rest = this.#besideTraffic ? sleep(Math.round(worked)) : yieldToOthers();
      return rest.then(() => {
        began = performance.now();
      });
    };
  }
}
