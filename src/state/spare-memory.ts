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
  readonly #patienceMs: number;
  readonly #ofProcess: boolean;
  #changes = 0;
  #waitsSince = 0;
  #timer: NodeJS.Timeout | null = null;

  /**
   * `idle`: whether nobody would wait. `patienceMs`: after how long, ms, it is done although somebody does. `ofProcess`: what the process
   * has freed goes back to the system with it.
   */
  constructor({
    idle,
    patienceMs = Number.POSITIVE_INFINITY,
    ofProcess = false,
  }: { idle: () => boolean; patienceMs?: number; ofProcess?: boolean }) {
    this.#idle = idle;
    this.#patienceMs = patienceMs;
    this.#ofProcess = ofProcess;
  }

  /** So many resources were read. */
  used(changes: number): void {
    this.#changes += changes;
    if (this.#changes < MANY_CHANGES) return;
    if (this.#timer === null) this.#waitsSince = performance.now();
    this.#collectLater(QUIET_MS);
  }

  #collectLater([quietMs, ...others]: readonly number[]): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (quietMs === undefined) return;
    const timer = setTimeout(() => {
      if (!this.#idle() && performance.now() - this.#waitsSince < this.#patienceMs) {
        timer.refresh();
        return;
      }
      this.#changes = 0;
      collector()();
      this.#waitsSince = performance.now();
      if (this.#ofProcess) setTimeout(trim, TRIM_LATER_MS).unref();
      this.#collectLater(others);
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

let mallocTrim: ((pad: number) => void) | null = null;

/**
 * glibc keeps what is freed below something that is still in use: after a large response of a control plane some tens of megabytes
 * (malloc_trim(3)). Other C libraries don't have the function.
 */
function trim(): void {
  mallocTrim ??= findMallocTrim();
  mallocTrim(0);
}

function findMallocTrim(): (pad: number) => void {
  try {
    return loadLibC()?.func('int malloc_trim(size_t pad)') ?? (() => undefined);
  } catch {
    return () => undefined;
  }
}
