import { setImmediate as turn } from 'node:timers/promises';
import type { AdapterServices, CompiledBackend, RouteContext } from '../../src/adapters/adapter.ts';
import { llmAdapter } from '../../src/adapters/llm/adapter.ts';
import { Expressions, gatewayEnvironment } from '../../src/cel/index.ts';
import type { Exchange } from '../../src/exchange.ts';
import type { LlmFacts } from '../../src/facts/llm.ts';
import type { AiProvider, BackendTarget, LlmModel, LlmRouter, PolicyMap } from '../../src/resources/types.ts';
import { EndpointTable } from '../../src/state/shared/endpoint-table.ts';
import { BUDGET, MemoryBudget } from '../../src/state/shared/memory-budget.ts';
import { LocalStore } from '../../src/state/stores/local.ts';
import { MemoryEngine } from '../../src/state/stores/memory-engine.ts';
import { DEFAULT_LIMITS, type Store } from '../../src/state/stores/store.ts';
import type { Logger } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { PriceCatalog } from '../../src/telemetry/prices/catalog.ts';
import { readPrices } from '../../src/telemetry/prices/files.ts';
import { Recorder } from '../../src/telemetry/record.ts';
import type { Dispatch, Flight, ResponseSink, UpstreamCall } from '../../src/upstream/call.ts';
import type { Cluster, ClusterSpec } from '../../src/upstream/cluster.ts';
import { Credentials } from '../../src/upstream/credentials/credentials.ts';
import { GuardedFetcher } from '../../src/upstream/guarded-fetch.ts';
import { Names, SystemLookup } from '../../src/upstream/resolve.ts';
import { PipelineReplier } from '../../src/workers/pipeline.ts';
import { type FakeDownstream, type FakeRequest, fakeExchange } from './exchange.ts';

/** Read once: there are tests with a bench for each byte of an answer. */
const PRICES = readPrices(() => {}, '');
const SILENT = { error() {}, warn() {}, info() {}, debug() {} };

/** A request that reached the upstream, answered by the test. */
export class FakeFlight implements Flight {
  readonly call: UpstreamCall;
  readonly sink: ResponseSink;
  /** The body as it left; the relay lets go of it once the head has come. */
  readonly sent: string;
  aborted = false;
  resumed = 0;

  constructor(call: UpstreamCall, sink: ResponseSink) {
    this.call = call;
    this.sink = sink;
    this.sent = Buffer.isBuffer(call.body) ? call.body.toString() : '';
  }

  resume(): void {
    this.resumed++;
  }

  abort(): void {
    this.aborted = true;
  }

  header(name: string): string | undefined {
    const at = this.call.headers.findIndex((entry, i) => i % 2 === 0 && entry === name);
    return at < 0 ? undefined : this.call.headers[at + 1];
  }

  get json(): any {
    return JSON.parse(this.sent);
  }

  /** Answers whole. */
  answer(status: number, body: string, type = 'application/json'): void {
    this.sink.onHead(status, ['content-type', type, 'content-length', String(Buffer.byteLength(body))]);
    this.sink.onData(Buffer.from(body));
    this.sink.onEnd([]);
  }

  /** Begins an event stream. */
  stream(...events: string[]): void {
    this.sink.onHead(200, ['content-type', 'text/event-stream; charset=utf-8']);
    for (const event of events) this.sink.onData(Buffer.from(event));
  }
}

export interface FakeCluster extends Cluster {
  evicted: boolean;
  score: number;
}

export interface LlmBench {
  readonly backend: CompiledBackend;
  readonly context: RouteContext;
  readonly flights: FakeFlight[];
  readonly clusters: FakeCluster[];
  readonly bodies: MemoryBudget;
  readonly drains: MemoryBudget;
  readonly metrics: Metrics;
}

export interface BenchOptions {
  /** Policy values of the route. */
  values?: PolicyMap;
  models?: LlmModel[];
  virtualModels?: LlmRouter['virtualModels'];
  providers?: AiProvider[][];
  maxDrains?: number;
  bodyBudget?: number;
  maxBufferBytes?: number;
  drainTimeoutMs?: number;
  /** Default: a token for each text. */
  countTokens?: AdapterServices['countTokens'];
  /** Default: each token is its number. */
  decodeTokens?: AdapterServices['decodeTokens'];
  /** Default: one in this thread. */
  store?: Store;
  storedResponses?: { ttlMs?: number; maxBytes?: number };
  /** Default: one with the system's names. */
  fetcher?: GuardedFetcher;
  /** Default: those of the surroundings. */
  credentials?: Credentials;
  /** A real upstream in place of the one that the test plays. */
  upstream?: { dispatch: Dispatch; cluster(spec: ClusterSpec): Cluster; endpoints: EndpointTable; log?: Logger };
  /** Runs in place of the plain dispatch, e.g. a retry. */
  wrap?: (next: Dispatch) => Dispatch;
}

/** A compiled LLM backend in front of an upstream that the test plays. */
export function llmBench(options: BenchOptions): LlmBench {
  const memory = MemoryBudget.create({ bodies: options.bodyBudget ?? 1 << 20, drains: options.maxDrains ?? 4 });
  const bodies = MemoryBudget.open(memory, BUDGET.bodies);
  const drains = MemoryBudget.open(memory, BUDGET.drains);
  const metrics = new Metrics();
  const flights: FakeFlight[] = [];
  const clusters = new Map<string, FakeCluster>();
  const router: LlmRouter = {
    kind: 'llmRouter',
    key: 'llm/default',
    models: options.models ?? [],
    virtualModels: options.virtualModels ?? [],
  };
  let { store } = options;
  const services: AdapterServices = {
    metrics,
    log: options.upstream?.log ?? SILENT,
    credentials: options.credentials ?? new Credentials({ metrics, log: SILENT }),
    cel: new Expressions(gatewayEnvironment({ env: {} }), (policy) => metrics.celErrors.labels({ policy }).inc()),
    endpoints: options.upstream?.endpoints ?? EndpointTable.open(EndpointTable.create({ rows: 256, workers: 1 }), 0),
    bodies,
    drains,
    drainTimeoutMs: options.drainTimeoutMs ?? 60_000,
    fetcher: options.fetcher ?? new GuardedFetcher(new Names(new SystemLookup(), 'All', () => {})),
    // Most tests store nothing.
    get store() {
      store ??= new LocalStore({
        engine: new MemoryEngine({ maxBytes: 1 << 24 }),
        limits: DEFAULT_LIMITS,
        log: SILENT,
      });
      return store;
    },
    storedResponses: { ttlMs: 60_000, maxBytes: 1 << 20, ...options.storedResponses },
    prices: new PriceCatalog(() => PRICES),
    countTokens: options.countTokens ?? (async (texts) => ({ tokens: texts.length, exact: true })),
    decodeTokens: options.decodeTokens ?? (async (lists) => lists.map((tokens) => tokens.join(' '))),
    cluster: (spec: ClusterSpec) => {
      if (options.upstream !== undefined) return options.upstream.cluster(spec);
      const cluster: FakeCluster = clusters.get(spec.key) ?? {
        spec,
        authority: 'upstream.test',
        evicted: false,
        score: 0,
        available: () => !cluster.evicted,
      };
      clusters.set(spec.key, cluster);
      return cluster;
    },
    hooks: (policies) => ({ prepare: keyOf(policies), onResponse: null, tls: null, policies }),
    resource: () => router,
  };
  const played: Dispatch = (call, sink) => {
    call.exchange.attempts++;
    call.exchange.upstreamStartMs = call.exchange.elapsedMs();
    call.prepare?.(call, call.exchange);
    const flight = new FakeFlight(call, sink);
    flights.push(flight);
    return flight;
  };
  const plain = options.upstream?.dispatch ?? played;
  const context: RouteContext = {
    dispatch: options.wrap?.(plain) ?? plain,
    hooks: { prepare: null, onResponse: null, tls: null, policies: {} },
    values: options.values ?? {},
    maxBufferBytes: options.maxBufferBytes ?? null,
    holdBody: false,
    reply: new PipelineReplier(new Recorder(metrics, null), SILENT, { serverTiming: false, bodies }),
  };
  const target: BackendTarget =
    options.providers === undefined
      ? { kind: 'llm', key: 'llm/default' }
      : { kind: 'ai', ai: { groups: options.providers } };
  return {
    backend: llmAdapter.compile(target, 'test', services),
    context,
    flights,
    get clusters() {
      return [...clusters.values()];
    },
    bodies,
    drains,
    metrics,
  };
}

/** Expressions that could not be evaluated, by the policy whose they are. */
export async function failedExpressions({ metrics }: LlmBench): Promise<{ policy: unknown; value: number }[]> {
  const { values } = await metrics.celErrors.get();
  return values.map(({ labels, value }) => ({ policy: labels.policy, value }));
}

/** Stands for backendAuth: puts a plain key, or the one of several that the call names, in as a bearer token. */
function keyOf(policies: PolicyMap): UpstreamCall['prepare'] {
  const auth = policies.backendAuth as { key?: string; keys?: string[] } | undefined;
  if (typeof auth?.key !== 'string' && auth?.keys === undefined) return null;
  return (call) => {
    call.headers.push('authorization', `Bearer ${auth.keys?.[call.credential ?? 0] ?? auth.key}`);
  };
}

export type LlmExchange = Exchange & { readonly downstream: FakeDownstream; readonly llm: LlmFacts };

/** Serves a request as the pipeline would, up to where it waits for its upstream. */
export async function serve(bench: LlmBench, request: FakeRequest, prepare?: (exchange: LlmExchange) => void) {
  const exchange = fakeExchange({ method: 'POST', ...request }) as LlmExchange;
  exchange.downstream.onAbort = () => bench.context.reply.finish(exchange, 'client_gone');
  prepare?.(exchange);
  try {
    await bench.backend.handle(exchange, bench.context);
  } catch (error) {
    bench.context.reply.error(exchange, error as never);
  }
  await turn();
  return exchange;
}

export function provider(kind: string, more: Partial<AiProvider> = {}): AiProvider {
  return {
    name: kind,
    provider: kind,
    settings: {},
    hostOverride: '',
    hostOverrideTls: false,
    pathOverride: '',
    pathPrefix: '',
    tokenize: false,
    policies: {},
    ...more,
  };
}

export function model(name: string, more: Partial<LlmModel> = {}): LlmModel {
  return {
    name,
    visibility: 'public',
    headers: [],
    provider: provider('openAI'),
    policies: {},
    passthrough: 'detect',
    inactive: [],
    ...more,
  };
}

/** Events of a chat stream, as OpenAI sends them. */
export function chatEvents(words: readonly string[], usage: object | null): string[] {
  const event = (rest: object) =>
    `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', model: 'gpt-real', ...rest })}\n\n`;
  return [
    event({ choices: [{ index: 0, delta: { role: 'assistant', content: '' } }], usage: null }),
    ...words.map((content) => event({ choices: [{ index: 0, delta: { content } }], usage: null })),
    event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: null }),
    ...(usage === null ? [] : [event({ choices: [], usage })]),
    'data: [DONE]\n\n',
  ];
}
