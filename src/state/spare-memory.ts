import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** So many changes leave enough behind to be worth it. */
const MANY_CHANGES = 2_000;
/**
 * How long nothing may change before each collection, ms. A first set comes in several parts; and V8 makes the young generation small
 * again only in a collection before which, since the last, little was allocated for 5 s.
 */
const QUIET_MS = [1_000, 6_000, 6_000];

/**
 * Gives back what a large configuration leaves behind on its way through this thread: several times the configuration, which V8 would
 * keep until as much again is allocated. That stops the thread for a tenth of a second, so it waits for a moment when nobody does.
 */
export class SpareMemory {
  readonly #idle: () => boolean;
  #changes = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `idle`: whether this thread has nothing else to do. */
  constructor(idle: () => boolean = () => true) {
    this.#idle = idle;
  }

  /** So many resources were read. */
  used(changes: number): void {
    this.#changes += changes;
    if (this.#changes >= MANY_CHANGES) this.#collectLater(QUIET_MS);
  }

  #collectLater([quietMs, ...others]: readonly number[]): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (quietMs === undefined) return;
    const timer = setTimeout(() => {
      if (this.#idle()) {
        this.#changes = 0;
        collector()();
        this.#collectLater(others);
      } else timer.refresh();
    }, quietMs);
    this.#timer = timer.unref();
  }
}

let collect: (() => void) | null = null;

/** V8 hands its collector out to new contexts alone. */
function collector(): () => void {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  return collect;
}
