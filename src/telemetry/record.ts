import type { Exchange, Routed } from '../exchange.ts';
import { type Cost, inputTokens, type LlmFacts, outputTokens, type Usage } from '../facts/llm.ts';
import type { AccessLog } from './access-log.ts';
import type { CounterSeries, Histogram, HistogramSeries } from './families.ts';
import type { Metrics } from './metrics.ts';
import { outcome, timePerOutputTokenMs } from './outcome.ts';
import { savedByCache } from './savings.ts';

/** Methods that get a label of their own; a client may send any token. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE']);
/** Routes of one name that are told apart at a time. */
const MAX_SAME_NAME = 256;
/** Outcomes (method × status × reason) a route holds; past it statuses are counted by their class (`4xx`). */
const MAX_OUTCOMES = 128;
/** Combinations of operation, provider and models a route holds; past it models are `other`. */
const MAX_MODELS_PER_ROUTE = 256;
/** Model names that get a label of their own in one thread. */
const MAX_MODEL_NAMES = 1000;
const MAX_MODEL_LENGTH = 128;
/** Route names whose series are held; past it all are let go and found again in the families. */
const MAX_ROUTE_NAMES = 20_000;
const OTHER = 'other';
/** agentgateway's value for a label that isn't known. */
const UNKNOWN = 'unknown';

/** Series of one place requests are routed to. */
class RouteSeries {
  readonly routed: Routed;
  readonly labels: Record<'bind' | 'gateway' | 'listener' | 'route' | 'route_rule', string>;
  readonly backend: string;
  readonly processing: HistogramSeries;
  readonly responseBytes: CounterSeries;
  readonly retries: CounterSeries;
  readonly outcomes = new Map<string, OutcomeSeries>();
  readonly models = new Map<string, ModelSeries>();

  constructor(routed: Routed, metrics: Metrics) {
    this.routed = { ...routed };
    this.backend = known(routed.backend);
    this.labels = {
      bind: known(routed.bind),
      gateway: known(routed.gateway),
      listener: known(routed.listener),
      route: known(routed.route),
      route_rule: known(routed.routeRule),
    };
    const labels = { backend: this.backend, ...this.labels };
    this.processing = metrics.requestProcessing.labels(labels);
    this.responseBytes = metrics.responseBytes.labels(labels);
    this.retries = metrics.retries.labels(labels);
  }

  serves(routed: Routed): boolean {
    const mine = this.routed;
    return (
      mine.backend === routed.backend &&
      mine.routeRule === routed.routeRule &&
      mine.listener === routed.listener &&
      mine.gateway === routed.gateway &&
      mine.bind === routed.bind
    );
  }
}

interface OutcomeSeries {
  readonly requests: CounterSeries;
  readonly duration: HistogramSeries;
}

/** Series of one model on one route; those of usage buckets are made when first needed. */
interface ModelSeries {
  readonly labels: Record<string, string>;
  readonly duration: HistogramSeries;
  firstToken: HistogramSeries | null;
  perOutputToken: HistogramSeries | null;
  cost: CounterSeries | null;
  costSaved: CounterSeries | null;
  readonly tokens: Map<keyof Usage, HistogramSeries>;
}

/** gen_ai_token_type values of the usage buckets. */
const TOKEN_TYPES: Record<keyof Usage, string> = {
  input: 'input',
  cachedInput: 'input_cache_read',
  cacheWrite: 'input_cache_write',
  output: 'output',
  reasoning: 'reasoning',
};
const USAGE_BUCKETS = Object.keys(TOKEN_TYPES) as (keyof Usage)[];

/**
 * Accounts for each exchange at its end: counts it, and writes its line. Series are found by the route's names, once, and
 * then held; labels a client can choose (method, status, model) are bounded.
 */
export class Recorder {
  readonly #metrics: Metrics;
  readonly #accessLog: AccessLog | null;
  /** By route name; the few routes that share a name are told apart by their other names. */
  readonly #routes = new Map<string, RouteSeries[]>();
  readonly #modelNames = new Set<string>();
  readonly #pricesFound: CounterSeries;
  readonly #pricesUnknown: CounterSeries;
  #open = 0;

  constructor(metrics: Metrics, accessLog: AccessLog | null) {
    this.#metrics = metrics;
    this.#accessLog = accessLog;
    this.#pricesFound = metrics.costLookups.labels({ status: 'found' });
    this.#pricesUnknown = metrics.costLookups.labels({ status: 'unknown' });
  }

  /** Exchanges that have begun and not ended; one may outlive its connection, to be accounted for. */
  get open(): number {
    return this.#open;
  }

  /** To be called once an exchange, before anything else. */
  begin(): void {
    this.#open++;
  }

  /** To be called once an exchange, after its end (`exchange.endCause` is set). */
  end(exchange: Exchange): void {
    this.#open--;
    const route = this.#route(exchange.routed);
    const seconds = exchange.elapsedMs() / 1000;
    const ended = this.#outcome(route, exchange);
    ended.requests.inc();
    ended.duration.observe(seconds);
    if (exchange.upstreamStartMs >= 0) route.processing.observe(exchange.upstreamStartMs / 1000);
    if (exchange.bytesSent > 0) route.responseBytes.inc(exchange.bytesSent);
    if (exchange.attempts > 1) route.retries.inc(exchange.attempts - 1);
    if (exchange.llm !== null) this.#llm(route, exchange, exchange.llm, seconds);
    this.#accessLog?.write(exchange);
  }

  #route(routed: Routed): RouteSeries {
    const sameName = this.#routes.get(routed.route);
    if (sameName !== undefined) {
      for (const candidate of sameName) if (candidate.serves(routed)) return candidate;
    }
    const route = new RouteSeries(routed, this.#metrics);
    if (sameName === undefined) {
      if (this.#routes.size >= MAX_ROUTE_NAMES) this.#routes.clear();
      this.#routes.set(routed.route, [route]);
    } else {
      if (sameName.length >= MAX_SAME_NAME) sameName.length = 0;
      sameName.push(route);
    }
    return route;
  }

  #outcome(route: RouteSeries, exchange: Exchange): OutcomeSeries {
    const method = METHODS.has(exchange.method) ? exchange.method : OTHER;
    const reason = outcome(exchange);
    const protocol = exchange.llm === null ? 'http' : 'llm';
    let key = `${protocol}${exchange.status}${method}${reason}`;
    const found = route.outcomes.get(key);
    if (found !== undefined) return found;
    let status = String(exchange.status);
    if (route.outcomes.size >= MAX_OUTCOMES) {
      status = `${Math.floor(exchange.status / 100)}xx`;
      key = `${protocol}${status}${method}${reason}`;
      const coarse = route.outcomes.get(key);
      if (coarse !== undefined) return coarse;
    }
    const labels = { backend: route.backend, protocol, method, status, reason, ...route.labels };
    const made = {
      requests: this.#metrics.requests.labels(labels),
      duration: this.#metrics.requestDuration.labels(labels),
    };
    route.outcomes.set(key, made);
    return made;
  }

  #llm(route: RouteSeries, exchange: Exchange, llm: LlmFacts, seconds: number): void {
    const usage = llm.usage;
    // Only what a provider was asked for: a refused request has no answer to time, and its model may be any string.
    if (llm.requestModel === '' || (exchange.upstreamStartMs < 0 && usage === null)) return;
    const model = this.#model(route, llm, exchange.status > 0 && exchange.status < 400);
    model.duration.observe(seconds);
    if (llm.streaming && llm.firstTokenMs >= 0) {
      model.firstToken ??= this.#metrics.timeToFirstToken.labels(model.labels);
      model.firstToken.observe(llm.firstTokenMs / 1000);
      const perToken = timePerOutputTokenMs(llm);
      if (perToken >= 0) {
        model.perOutputToken ??= this.#metrics.timePerOutputToken.labels(model.labels);
        model.perOutputToken.observe(perToken / 1000);
      }
    }
    if (usage === null) return;
    for (const bucket of USAGE_BUCKETS) {
      const tokens = usage[bucket];
      if (tokens > 0) this.#tokens(model, bucket).observe(tokens);
    }
    this.#cost(model, llm.cost);
    const saved = savedByCache(usage, llm.cost);
    if (saved > 0) {
      model.costSaved ??= this.#metrics.costSaved.labels(model.labels);
      model.costSaved.inc(saved);
    }
    if (exchange.endCause === 'client_gone' && inputTokens(usage) + outputTokens(usage) > 0) {
      const accounting = llm.usageEstimated ? 'estimated' : 'drained';
      this.#metrics.abortedStreams.inc({ accounting, ...route.labels });
    }
  }

  #cost(model: ModelSeries, cost: Cost | null): void {
    const known = cost !== null;
    (known ? this.#pricesFound : this.#pricesUnknown).inc();
    if (!known) return;
    model.cost ??= this.#metrics.cost.labels(model.labels);
    model.cost.inc(cost.total);
  }

  #tokens(model: ModelSeries, bucket: keyof Usage): HistogramSeries {
    const known = model.tokens.get(bucket);
    if (known !== undefined) return known;
    // The labels were made for the llm families, which all have them.
    const family = this.#metrics.tokenUsage as unknown as Histogram;
    const made = family.labels({ gen_ai_token_type: TOKEN_TYPES[bucket], ...model.labels });
    model.tokens.set(bucket, made);
    return made;
  }

  #model(route: RouteSeries, llm: LlmFacts, answered: boolean): ModelSeries {
    const key = `${llm.operation}\n${llm.provider}\n${llm.requestModel}\n${llm.responseModel}`;
    const found = route.models.get(key);
    if (found !== undefined) return found;
    const full = route.models.size >= MAX_MODELS_PER_ROUTE;
    const request = full ? OTHER : this.#modelName(llm.requestModel, answered);
    const response = full ? OTHER : this.#modelName(llm.responseModel, answered);
    const labels = {
      gen_ai_operation_name: llm.operation,
      gen_ai_system: known(llm.provider),
      gen_ai_request_model: request,
      gen_ai_response_model: response,
      ...route.labels,
    };
    const made: ModelSeries = {
      labels,
      duration: this.#metrics.llmDuration.labels(labels),
      firstToken: null,
      perOutputToken: null,
      cost: null,
      costSaved: null,
      tokens: new Map(),
    };
    // What was folded into `other` is found again through the families' own index, and takes no place here.
    if (!full && (request !== OTHER || llm.requestModel === OTHER)) route.models.set(key, made);
    return made;
  }

  /** A model's label: its name once a provider has answered for it, as long as there is room. */
  #modelName(name: string, answered: boolean): string {
    if (name === '') return UNKNOWN;
    if (this.#modelNames.has(name)) return name;
    if (!answered || name.length > MAX_MODEL_LENGTH || this.#modelNames.size >= MAX_MODEL_NAMES) return OTHER;
    this.#modelNames.add(name);
    return name;
  }
}

function known(value: string): string {
  return value === '' ? UNKNOWN : value;
}
