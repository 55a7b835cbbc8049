import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** So many changes leave enough behind to be worth it. */
const MANY_CHANGES = 2_000;
/** How long nothing may change before, ms: a first set comes in several parts. */
const QUIET_MS = 1_000;

/**
 * Gives back what a large configuration leaves behind on its way through this thread: several times the configuration, which V8 would keep
 * until as much again is allocated, and here that is never. It takes this thread a tenth of a second, and no request waits for it.
 */
export class SpareMemory {
  #changes = 0;
  #timer: NodeJS.Timeout | null = null;
  #collect: (() => void) | null = null;

  /** So many resources were read. */
  used(changes: number): void {
    this.#changes += changes;
    if (this.#changes < MANY_CHANGES) return;
    if (this.#timer !== null) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.#giveBack(), QUIET_MS).unref();
  }

  #giveBack(): void {
    this.#timer = null;
    this.#changes = 0;
    if (this.#collect === null) {
      // V8 hands its collector out to new contexts alone.
      setFlagsFromString('--expose-gc');
      this.#collect = runInNewContext('gc') as () => void;
      setFlagsFromString('--no-expose-gc');
    }
    this.#collect();
  }
}
