import type { Measured } from './scrape.ts';

/** What one node has answered since a roll-out began, from what is read of its metrics. */
export class Measurement {
  #first: Measured | null = null;
  #last: Measured | null = null;
  #requests = 0;
  #errors = 0;
  /** Why the last reading failed; '' where it did not. */
  fault = '';

  /** Was read at least once after the first time: then there is something to say. */
  get measured(): boolean {
    return this.#first !== this.#last;
  }

  get since(): Measured {
    return { requests: this.#requests, errors: this.#errors };
  }

  get before(): Measured {
    return this.#first ?? { requests: 0, errors: 0 };
  }

  take(now: Measured): void {
    this.fault = '';
    const last = this.#last;
    this.#last = now;
    if (last === null) {
      this.#first = now;
      return;
    }
    // Counters that have fallen began anew: the process did.
    const anew = now.requests < last.requests;
    this.#requests += anew ? now.requests : now.requests - last.requests;
    this.#errors += anew ? now.errors : Math.max(0, now.errors - last.errors);
  }
}
