/** A reply whose head waits for a body to go out with. */
export interface HeldHead {
  flushHead(): void;
}

/**
 * Sends response heads that no body followed in the same turn: a head goes out with its first bytes in one packet where
 * there are any, and alone where the backend takes its time (an event stream). One callback a turn, however many replies.
 */
export class HeadFlusher {
  #held: HeldHead[] = [];
  readonly #flush = (): void => {
    const held = this.#held;
    this.#held = [];
    for (const reply of held) reply.flushHead();
  };

  add(reply: HeldHead): void {
    if (this.#held.push(reply) === 1) process.nextTick(this.#flush);
  }
}
