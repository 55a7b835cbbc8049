import type { FamilyDelta } from './families.ts';
import type { Metrics } from './metrics.ts';

/** What a worker sends of its metrics: each family that changed, by what it changed. */
export type PushedMetrics = FamilyDelta[];

/**
 * Pushes what a thread's metrics changed by, at an interval and when asked (at exit). Increases are sent, not totals: the
 * receiver's counters hold whatever became of the thread that counted.
 */
export class MetricsPush {
  readonly #metrics: Metrics;
  readonly #send: (deltas: PushedMetrics, transfer: ArrayBuffer[]) => void;
  readonly #collect: (() => void) | null;
  readonly #timer: NodeJS.Timeout;

  /** `collect` runs before each push: the place to set gauges from what they show. */
  constructor(
    metrics: Metrics,
    send: (deltas: PushedMetrics, transfer: ArrayBuffer[]) => void,
    options: { intervalMs?: number; collect?: () => void } = {},
  ) {
    this.#metrics = metrics;
    this.#send = send;
    this.#collect = options.collect ?? null;
    this.#timer = setInterval(() => this.push(), options.intervalMs ?? 1000);
    this.#timer.unref();
  }

  /** Sends what changed since the last push; nothing where nothing did. */
  push(): void {
    this.#collect?.();
    const deltas: PushedMetrics = [];
    const transfer: ArrayBuffer[] = [];
    for (const family of this.#metrics.families.values()) {
      const delta = family.drain();
      if (delta === null) continue;
      deltas.push(delta);
      transfer.push(delta.values.buffer as ArrayBuffer);
    }
    if (deltas.length > 0) this.#send(deltas, transfer);
  }

  /** Pushes a last time and stops. */
  stop(): void {
    clearInterval(this.#timer);
    this.push();
  }
}
