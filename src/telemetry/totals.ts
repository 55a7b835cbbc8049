import {
  Counter,
  type CounterSeries,
  type FamilyDelta,
  Gauge,
  type GaugeSeries,
  type HistogramSeries,
} from './families.ts';
import type { Metrics } from './metrics.ts';

/**
 * Adds up what several threads push, into the families of `metrics`. Counters and histograms only ever grow, also past the
 * end of a thread; a gauge is the sum over the threads that live.
 */
export class MetricTotals {
  readonly metrics: Metrics;

  constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  /** One thread's life: its pushes go into `apply`, its death into `end`. */
  life(): ThreadMetrics {
    return new ThreadMetrics(this.metrics);
  }
}

/** A gauge of one thread: the series it is summed into, and what of the sum is this thread's. */
interface GaugePart {
  readonly series: GaugeSeries;
  value: number;
}

export class ThreadMetrics {
  readonly #metrics: Metrics;
  /** By family: this thread's series ids → series of the totals. */
  readonly #counters = new Map<string, CounterSeries[]>();
  readonly #histograms = new Map<string, HistogramSeries[]>();
  readonly #gauges = new Map<string, GaugePart[]>();
  #ended = false;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Takes a push. Families this process doesn't have are passed over. */
  apply(deltas: readonly FamilyDelta[]): void {
    if (this.#ended) return;
    for (const delta of deltas) {
      const family = this.#metrics.families.get(delta.name);
      if (family === undefined) continue;
      if (family instanceof Gauge) this.#applyGauge(family, delta);
      else if (family instanceof Counter) family.merge(delta, listOf(this.#counters, delta.name));
      else family.merge(delta, listOf(this.#histograms, delta.name));
    }
  }

  /** The thread is gone: its gauges no longer count, all else stays. */
  end(): void {
    this.#ended = true;
    for (const parts of this.#gauges.values()) {
      for (const part of parts) part.series.dec(part.value);
    }
    this.#gauges.clear();
    this.#counters.clear();
    this.#histograms.clear();
  }

  #applyGauge(family: Gauge, delta: FamilyDelta): void {
    const parts = listOf(this.#gauges, delta.name);
    for (const values of delta.series) parts.push({ series: family.seriesOf(values), value: 0 });
    for (let at = 0; at + 2 <= delta.values.length; at += 2) {
      const part = parts[delta.values[at] as number];
      if (part === undefined) continue;
      const value = delta.values[at + 1] as number;
      part.series.inc(value - part.value);
      part.value = value;
    }
  }
}

function listOf<Item>(lists: Map<string, Item[]>, name: string): Item[] {
  let list = lists.get(name);
  if (list === undefined) {
    list = [];
    lists.set(name, list);
  }
  return list;
}
