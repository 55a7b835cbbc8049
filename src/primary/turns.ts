import { setTimeout as sleep, setImmediate as yieldToOthers } from 'node:timers/promises';
import type { Pause } from '../xds/delta.ts';

/** How long this thread works at a time while nobody waits for anything but the work, ms. */
const ALONE_MS = 5;
/** And where there is traffic, ms: a worker whose core it works on waits for so long. */
const BESIDE_TRAFFIC_MS = 1;
/** Workers say once a second that they have requests, ms. */
const RECENT_MS = 2_000;

/**
 * Keeps long work in this thread from requests. Workers have threads of their own but not always cores of their own: where all cores
 * are busy a request waits, at each thread it passes, for as long as another has the core.
 */
export class Turns {
  readonly #coreOfItsOwn: boolean;
  #trafficAt = Number.NEGATIVE_INFINITY;

  /** `coreOfItsOwn`: there are more cores than workers. */
  constructor({ coreOfItsOwn = false } = {}) {
    this.#coreOfItsOwn = coreOfItsOwn;
  }

  /** A worker has requests. */
  leaveTime(): void {
    this.#trafficAt = performance.now();
  }

  /** Whether there is traffic. */
  get besideTraffic(): boolean {
    return performance.now() - this.#trafficAt < RECENT_MS;
  }

  /** What a piece of work that begins now asks for pauses: beside traffic it rests for as long as it took, unless it takes nobody's core. */
  begin(): Pause {
    let began = performance.now();
    return () => {
      const worked = performance.now() - began;
      if (worked < BESIDE_TRAFFIC_MS) return null;
      const leavesTime = !this.#coreOfItsOwn && this.besideTraffic;
      if (!leavesTime && worked < ALONE_MS) return null;
      const rest = leavesTime ? sleep(Math.round(worked)) : yieldToOthers();
      return rest.then(() => {
        began = performance.now();
      });
    };
  }
}
