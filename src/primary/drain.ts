import { setTimeout as sleep } from 'node:timers/promises';

/** The steps of an orderly end, each given by its owner. */
export interface DrainSteps {
  /** From now on balancers are told to send nothing more. */
  notReady(): void;
  /** Has the workers finish; says whether all have left in time. */
  drain(deadlineMs: number): Promise<boolean>;
  /** Closes the gateway's own servers and writes what the log still holds. */
  finish(): Promise<void>;
  /** Ends the process; every worker has left. */
  exit(): void;
  /** Ends the process although workers are still there, without waiting for anything. */
  abandon(): void;
}

export interface DrainTimes {
  /** How long listeners stay open after readiness went false, ms. */
  readonly minTerminationMs: number;
  /** How long requests in flight may take, ms, counted like the minimum from the moment the end was asked for. */
  readonly terminationMs: number;
}

/**
 * The end of the process. Readiness goes false at once and listeners stay open for the minimum, so that balancers notice
 * before connections are refused; then in-flight requests, bodies included, finish within the deadline. A second request to
 * end, while the first is being served, ends at once.
 */
export class Drain {
  readonly #steps: DrainSteps;
  readonly #times: DrainTimes;
  #begun = false;

  constructor(steps: DrainSteps, times: DrainTimes) {
    this.#steps = steps;
    this.#times = times;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Begins the end, or, when begun already, ends now. */
  async end(): Promise<void> {
    if (this.#begun) {
      this.#steps.abandon();
      return;
    }
    this.#begun = true;
    this.#steps.notReady();
    if (this.#times.minTerminationMs > 0) await sleep(this.#times.minTerminationMs);
    const left = await this.#steps.drain(Math.max(0, this.#times.terminationMs - this.#times.minTerminationMs));
    await this.#steps.finish();
    if (left) this.#steps.exit();
    else this.#steps.abandon();
  }
}
