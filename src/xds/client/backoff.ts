/** How long to wait before the next connection. Milliseconds. */
export interface BackoffTimes {
  readonly first: number;
  readonly longest: number;
}

/** agentgateway's. */
export const BACKOFF: BackoffTimes = { first: 10, longest: 15_000 };

/** How a stream ended. */
export interface StreamEnd {
  /** Whether ends like this belong to the life of a connection: its age, a server that is replaced. */
  readonly benign: boolean;
  /** Whether the server was heard. */
  readonly heard: boolean;
  readonly livedMs: number;
}

/**
 * Doubles from stream to stream that brings nothing, with jitter, and begins anew with one that did or that lived for long. A
 * benign end is answered one step sooner; even a run of them, none of which brings anything, waits longer and longer.
 */
export class Backoff {
  readonly #times: BackoffTimes;
  readonly #random: () => number;
  #barren = 0;

  constructor(times: BackoffTimes = BACKOFF, random: () => number = Math.random) {
    this.#times = times;
    this.#random = random;
  }

  /** Ms to wait after a stream: half of it at least, the rest by chance. */
  after({ benign, heard, livedMs }: StreamEnd): number {
    const { first, longest } = this.#times;
    if (heard || livedMs > longest) this.#barren = 0;
    const full = Math.min(longest, first * 2 ** (benign ? this.#barren : this.#barren + 1));
    this.#barren = Math.min(this.#barren + 1, 30);
    return full / 2 + (this.#random() * full) / 2;
  }
}
