import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadLibC } from './libc.ts';

/** So many changes leave enough behind to be worth it. */
const MANY_CHANGES = 2_000;
/**
 * How long nothing may change before each collection, ms. A first set comes in several parts; and V8 makes the young generation small
 * again only in a collection before which, since the last, little was allocated for 5 s.
 */
const QUIET_MS = [1_000, 6_000, 6_000];

/** By then other threads have collected what they saw of it, too, ms. */
const TRIM_LATER_MS = 2_000;

/**
 * Gives back what a large configuration leaves behind on its way through this thread: several times the configuration, which V8 would
 * keep until as much again is allocated. That stops the thread for a tenth of a second, so it waits for a moment when nobody does.
 */
export class SpareMemory {
  readonly #idle: () => boolean;
  readonly #ofProcess: boolean;
  #changes = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `idle`: whether this thread has nothing else to do. `ofProcess`: what the process has freed goes back to the system with it. */
  constructor({ idle = () => true, ofProcess = false }: { idle?: () => boolean; ofProcess?: boolean } = {}) {
    this.#idle = idle;
    this.#ofProcess = ofProcess;
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
        if (this.#ofProcess) setTimeout(trim, TRIM_LATER_MS).unref();
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

/**
 * glibc keeps what is freed below something that is still in use: after a large response of a control plane some tens of megabytes
 * (malloc_trim(3)). Other C libraries don't have the function.
 */
function trim(): void {
  try {
    loadLibC()?.func('int malloc_trim(size_t pad)')(0);
  } catch {
    // Not glibc.
  }
}
