import type { StoreKey } from './key.ts';
import type { Store, StreamPage } from './store.ts';

export interface TailOptions {
  /** Begin after this event's id; with the oldest where it is left out. */
  readonly after?: string | undefined;
  /** Ends the iteration without an error. */
  readonly signal: AbortSignal;
  /** Looks again after this long although nothing was announced, milliseconds. */
  readonly pollMs?: number;
}

/**
 * A stream's events as they come, page after page, each once and in order. The channel only says when to look: what was not
 * announced is found all the same, and a slow consumer costs nothing but its place. A page that says `missed` comes also where it
 * has no events. Throws the StoreError of a call that failed; go on from the last id then.
 */
export async function* tail(store: Store, key: StoreKey, options: TailOptions): AsyncGenerator<StreamPage, void> {
  const { signal, pollMs = 5000 } = options;
  let { after } = options;
  const bell = new Bell();
  const ring = (): void => bell.ring();
  const unsubscribe = await store.subscribe(key, { message: ring, lost: ring });
  signal.addEventListener('abort', ring);
  let told = false;
  try {
    while (!signal.aborted) {
      bell.reset();
      const page = await store.read(key, { after });
      if (signal.aborted) return;
      const last = page.events.at(-1);
      if (last !== undefined || (page.missed && !told)) yield page;
      // Said once: the event it was read after will not come back.
      told = last === undefined && page.missed;
      if (last === undefined) await bell.rung(pollMs);
      else after = last.id;
    }
  } finally {
    signal.removeEventListener('abort', ring);
    unsubscribe();
  }
}

/** Rung or not; can be waited for. */
class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  reset(): void {
    this.#rung = false;
  }

  /** Resolves once it has rung since the last reset, or after `ms`. */
  async rung(ms: number): Promise<void> {
    if (this.#rung) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#wake = null;
  }
}
