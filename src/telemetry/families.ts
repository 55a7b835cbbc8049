import type { Metric, Registry } from 'prom-client';

/**
 * Metric families whose series can be held on to. prom-client hashes and validates the labels at every increment (about a
 * microsecond each, ten times an LLM request); here the labels are resolved once into a series, and counting is an addition.
 * A family also knows which of its series changed since it was last drained, so that a worker pushes what changed and not
 * everything it ever counted. Families stand in a prom-client Registry, which renders them.
 */

/** Series a family holds at most; whatever comes later is counted under labels that all say `other`. */
const MAX_SERIES = 50_000;
const OVERFLOW = 'other';
const SEPARATOR = '\u0000';

export type LabelValues<Label extends string> = Partial<Record<Label, string | number>>;

/** What changed in a family since the last drain; plain data, made to be posted to another thread. */
export interface FamilyDelta {
  name: string;
  /** Label values of series that are new, in the order of the family's label names; ids go on from the last push. */
  series: string[][];
  /**
   * Per changed series its id, then: counter: increase; gauge: value; histogram: increase of the sum, then of each bucket
   * (not cumulative), the last being the one above every bound.
   */
  values: Float64Array;
}

/** One value of a family in prom-client's form. */
interface Sample {
  metricName?: string;
  labels: Record<string, string | number>;
  value: number;
}

interface Tracked {
  readonly id: number;
  readonly values: readonly string[];
  dirty: boolean;
}

/** A family of either type; `Series` is what one combination of labels counts in. */
export abstract class Family<Label extends string, Series extends Tracked> {
  abstract readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator = 'sum';
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  readonly #byKey = new Map<string, Series>();
  readonly #series: Series[] = [];
  /** Series up to here have been announced by a drain. */
  #announced = 0;
  #dirty: Series[] = [];

  constructor(name: string, help: string, labelNames: readonly Label[], registry: Registry) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    // The registry calls nothing of a metric but what is defined here: name, help, type and get().
    registry.registerMetric(this as unknown as Metric);
  }

  protected abstract create(id: number, values: readonly string[]): Series;
  protected abstract samples(series: Series, labels: Record<string, string>, into: Sample[]): void;
  /** Numbers a changed series takes in a delta, its id aside. */
  protected abstract readonly width: number;
  protected abstract take(series: Series, into: Float64Array, at: number): void;
  protected abstract add(series: Series, from: Float64Array, at: number): void;

  /** The series of these labels, made when new; hold on to it where it is counted often. */
  labels(labels: LabelValues<Label> = {}): Series {
    const values = this.labelNames.map((name) => String(labels[name] ?? ''));
    return this.seriesOf(values);
  }

  /** The series of label values given in the order of `labelNames`. */
  seriesOf(values: readonly string[]): Series {
    const key = values.join(SEPARATOR);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    if (this.#series.length >= MAX_SERIES && values.some((value) => value !== OVERFLOW)) {
      return this.seriesOf(values.map(() => OVERFLOW));
    }
    const series = this.create(this.#series.length, values);
    this.#byKey.set(key, series);
    this.#series.push(series);
    return series;
  }

  /** Marks a series as changed. */
  protected touch(series: Series): void {
    if (series.dirty) return;
    series.dirty = true;
    this.#dirty.push(series);
  }

  /** What changed since the last call, or null. */
  drain(): FamilyDelta | null {
    if (this.#dirty.length === 0) return null;
    const stride = this.width + 1;
    const values = new Float64Array(this.#dirty.length * stride);
    let at = 0;
    for (const series of this.#dirty) {
      series.dirty = false;
      values[at] = series.id;
      this.take(series, values, at + 1);
      at += stride;
    }
    this.#dirty = [];
    const fresh: string[][] = [];
    for (; this.#announced < this.#series.length; this.#announced++) {
      fresh.push([...(this.#series[this.#announced] as Series).values]);
    }
    return { name: this.name, series: fresh, values };
  }

  /**
   * Adds a delta of another thread's family of the same name. `known` maps that thread's series ids to series here and is
   * extended by the delta's new ones.
   */
  merge(delta: FamilyDelta, known: Series[]): void {
    for (const values of delta.series) known.push(this.seriesOf(values));
    const stride = this.width + 1;
    for (let at = 0; at + stride <= delta.values.length; at += stride) {
      const series = known[delta.values[at] as number];
      if (series !== undefined) this.add(series, delta.values, at + 1);
    }
  }

  /** The family in prom-client's form, as its Registry asks for it. */
  async get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Sample[] }> {
    const values: Sample[] = [];
    for (const series of this.#series) {
      const labels: Record<string, string> = {};
      for (let i = 0; i < this.labelNames.length; i++) {
        const value = series.values[i];
        if (value !== undefined && value !== '') labels[this.labelNames[i] as string] = value;
      }
      this.samples(series, labels, values);
    }
    return { name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values };
  }
}

/** One combination of labels of a counter. */
export class CounterSeries implements Tracked {
  readonly id: number;
  readonly values: readonly string[];
  readonly #touch: (series: CounterSeries) => void;
  dirty = false;
  total = 0;
  /** `total` when it was last drained. */
  drained = 0;

  constructor(id: number, values: readonly string[], touch: (series: CounterSeries) => void) {
    this.id = id;
    this.values = values;
    this.#touch = touch;
  }

  inc(by = 1): void {
    this.total += by;
    if (!this.dirty) this.#touch(this);
  }
}

export class Counter<Label extends string = string> extends Family<Label, CounterSeries> {
  override readonly type = 'counter';
  protected override readonly width = 1;
  readonly #touch = (series: CounterSeries) => this.touch(series);

  inc(by?: number): void;
  inc(labels: LabelValues<Label>, by?: number): void;
  inc(labels?: LabelValues<Label> | number, by?: number): void {
    if (typeof labels === 'object') this.labels(labels).inc(by);
    else this.labels().inc(labels);
  }

  protected override create(id: number, values: readonly string[]): CounterSeries {
    return new CounterSeries(id, values, this.#touch);
  }

  protected override samples(series: CounterSeries, labels: Record<string, string>, into: Sample[]): void {
    into.push({ labels, value: series.total });
  }

  protected override take(series: CounterSeries, into: Float64Array, at: number): void {
    into[at] = series.total - series.drained;
    series.drained = series.total;
  }

  protected override add(series: CounterSeries, from: Float64Array, at: number): void {
    series.inc(from[at]);
  }
}

/** One combination of labels of a gauge. */
export class GaugeSeries implements Tracked {
  readonly id: number;
  readonly values: readonly string[];
  readonly #touch: (series: GaugeSeries) => void;
  dirty = false;
  value = 0;

  constructor(id: number, values: readonly string[], touch: (series: GaugeSeries) => void) {
    this.id = id;
    this.values = values;
    this.#touch = touch;
  }

  set(value: number): void {
    if (value === this.value && this.dirty) return;
    this.value = value;
    this.#touch(this);
  }

  inc(by = 1): void {
    this.set(this.value + by);
  }

  dec(by = 1): void {
    this.set(this.value - by);
  }
}

export class Gauge<Label extends string = string> extends Family<Label, GaugeSeries> {
  override readonly type = 'gauge';
  protected override readonly width = 1;
  readonly #touch = (series: GaugeSeries) => this.touch(series);

  set(value: number): void;
  set(labels: LabelValues<Label>, value: number): void;
  set(labels: LabelValues<Label> | number, value = 0): void {
    if (typeof labels === 'object') this.labels(labels).set(value);
    else this.labels().set(labels);
  }

  inc(labels: LabelValues<Label> = {}, by = 1): void {
    this.labels(labels).inc(by);
  }

  dec(labels: LabelValues<Label> = {}, by = 1): void {
    this.labels(labels).dec(by);
  }

  protected override create(id: number, values: readonly string[]): GaugeSeries {
    return new GaugeSeries(id, values, this.#touch);
  }

  protected override samples(series: GaugeSeries, labels: Record<string, string>, into: Sample[]): void {
    into.push({ labels, value: series.value });
  }

  protected override take(series: GaugeSeries, into: Float64Array, at: number): void {
    into[at] = series.value;
  }

  /** A gauge's delta is the other thread's value: whoever merges several threads adds differences (`totals.ts`). */
  protected override add(series: GaugeSeries, from: Float64Array, at: number): void {
    series.set(from[at] as number);
  }
}

/** One combination of labels of a histogram. */
export class HistogramSeries implements Tracked {
  readonly id: number;
  readonly values: readonly string[];
  readonly #bounds: readonly number[];
  readonly #touch: (series: HistogramSeries) => void;
  dirty = false;
  sum = 0;
  /** Observations by bucket, not cumulative; one more than there are bounds. */
  readonly counts: Float64Array;
  /** `sum` and `counts` when they were last drained. */
  drainedSum = 0;
  readonly drainedCounts: Float64Array;

  constructor(
    id: number,
    values: readonly string[],
    bounds: readonly number[],
    touch: (series: HistogramSeries) => void,
  ) {
    this.id = id;
    this.values = values;
    this.#bounds = bounds;
    this.#touch = touch;
    this.counts = new Float64Array(bounds.length + 1);
    this.drainedCounts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += value;
    if (!this.dirty) this.#touch(this);
  }

  /** Adds what another thread observed. */
  addCounts(from: Float64Array, at: number): void {
    this.sum += from[at] as number;
    for (let i = 0; i < this.counts.length; i++) {
      this.counts[i] = (this.counts[i] as number) + (from[at + 1 + i] as number);
    }
    if (!this.dirty) this.#touch(this);
  }
}

export class Histogram<Label extends string = string> extends Family<Label, HistogramSeries> {
  override readonly type = 'histogram';
  /** Upper bounds, ascending, +Inf left out. */
  readonly buckets: readonly number[];
  protected override readonly width: number;
  readonly #touch = (series: HistogramSeries) => this.touch(series);

  constructor(
    name: string,
    help: string,
    labelNames: readonly Label[],
    buckets: readonly number[],
    registry: Registry,
  ) {
    super(name, help, labelNames, registry);
    this.buckets = buckets;
    this.width = buckets.length + 2;
  }

  observe(value: number): void;
  observe(labels: LabelValues<Label>, value: number): void;
  observe(labels: LabelValues<Label> | number, value = 0): void {
    if (typeof labels === 'object') this.labels(labels).observe(value);
    else this.labels().observe(labels);
  }

  protected override create(id: number, values: readonly string[]): HistogramSeries {
    return new HistogramSeries(id, values, this.buckets, this.#touch);
  }

  protected override samples(series: HistogramSeries, labels: Record<string, string>, into: Sample[]): void {
    let count = 0;
    for (let i = 0; i < series.counts.length; i++) {
      count += series.counts[i] as number;
      const le = this.buckets[i] ?? '+Inf';
      into.push({ metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: count });
    }
    into.push({ metricName: `${this.name}_sum`, labels, value: series.sum });
    into.push({ metricName: `${this.name}_count`, labels, value: count });
  }

  protected override take(series: HistogramSeries, into: Float64Array, at: number): void {
    into[at] = series.sum - series.drainedSum;
    series.drainedSum = series.sum;
    for (let i = 0; i < series.counts.length; i++) {
      into[at + 1 + i] = (series.counts[i] as number) - (series.drainedCounts[i] as number);
    }
    series.drainedCounts.set(series.counts);
  }

  protected override add(series: HistogramSeries, from: Float64Array, at: number): void {
    series.addCounts(from, at);
  }
}

export type AnyFamily = Counter | Gauge | Histogram;
