/** How long after the last request there is traffic still, ms. */
const RECENT_MS = 1_000;

/** Whether this worker has requests to leave time to. A request costs an addition; the clock is read by who asks. */
export class Traffic {
  readonly #open: () => number;
  #begun = 0;
  #seen = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** `open`: how many requests are under way. */
  constructor(open: () => number) {
    this.#open = open;
  }

  begin(): void {
    this.#begun++;
  }

  /** Whether a request has come since this was asked last or within a second, or is under way. */
  get present(): boolean {
    const now = performance.now();
    if (this.#begun !== this.#seen || this.#open() > 0) {
      this.#seen = this.#begun;
      this.#at = now;
    }
    return now - this.#at < RECENT_MS;
  }
}
