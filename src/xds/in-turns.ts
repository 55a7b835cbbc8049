import type { Pause } from './delta.ts';

/** Does `step` with each of `items`, with a pause wherever one is due. */
export async function inTurns<Item>(items: Iterable<Item>, pause: Pause, step: (item: Item) => void): Promise<void> {
  for (const item of items) {
    // Not awaited where none is due: there are tens of thousands of items.
    const rest = pause();
    if (rest !== null) await rest;
    step(item);
  }
}
