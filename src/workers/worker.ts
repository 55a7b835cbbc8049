import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { parentPort, threadId, workerData } from 'node:worker_threads';
import type { Adapter, AdapterServices } from '../adapters/adapter.ts';
import { httpAdapter } from '../adapters/http/adapter.ts';
import { llmAdapter } from '../adapters/llm/adapter.ts';
import { TokenCounter } from '../adapters/llm/tokens/pool.ts';
import { Expressions, gatewayEnvironment } from '../cel/index.ts';
import { POLICIES } from '../policies/registry.ts';
import type { PolicyServices } from '../policies/services.ts';
import { decodeResource } from '../resources/encoding.ts';
import type { BackendTarget, Resource } from '../resources/types.ts';
import { Mailbox } from '../state/mailbox.ts';
import type { FromWorker, ToWorker, WorkerBoot } from '../state/messages.ts';
import { EndpointTable } from '../state/shared/endpoint-table.ts';
import { LineRingWriter } from '../state/shared/line-ring.ts';
import { BUDGET, MemoryBudget } from '../state/shared/memory-budget.ts';
import { SnapshotReader, type VersionedChange } from '../state/shared/snapshot-reader.ts';
import { TokenBuckets } from '../state/shared/token-buckets.ts';
import { SpareMemory } from '../state/spare-memory.ts';
import { openConfiguredStore } from '../state/stores/configured.ts';
import { CountedStore } from '../state/stores/counted.ts';
import { AccessLog } from '../telemetry/access-log.ts';
import { LevelLogger } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { MetricsPush } from '../telemetry/metrics-push.ts';
import { PriceCatalog } from '../telemetry/prices/catalog.ts';
import { readPrices } from '../telemetry/prices/files.ts';
import { Recorder } from '../telemetry/record.ts';
import { Clusters } from '../upstream/clusters.ts';
import { Credentials } from '../upstream/credentials/credentials.ts';
import { createDispatch } from '../upstream/dispatch.ts';
import { GuardedFetcher } from '../upstream/guarded-fetch.ts';
import { Names, SystemLookup } from '../upstream/resolve.ts';
import { Binds } from './binds.ts';
import { chooseDriver } from './drivers/select.ts';
import { Pipeline, PipelineReplier } from './pipeline.ts';
import { Plan } from './plan.ts';
import { Traffic } from './traffic.ts';

/**
 * One worker thread: replays the snapshot log into a plan, listens on its binds and serves. It owns its connections and nothing
 * else; what must outlive it is in shared memory or with the primary.
 */
const boot = workerData as WorkerBoot;
const { settings, index } = boot;

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

const log = new LevelLogger(settings.logLevel, (record) => send({ type: 'log', ...record }));
const metrics = new Metrics();
const accessLog = new AccessLog({
  format: settings.logFormat,
  sink: new LineRingWriter(boot.lines),
  announce: () => send({ type: 'lines' }),
});
const recorder = new Recorder(metrics, accessLog);
const traffic = new Traffic(() => recorder.open);
const bodies = MemoryBudget.open(boot.memory, BUDGET.bodies, index);
const reply = new PipelineReplier(recorder, log, { serverTiming: settings.serverTiming, bodies });

const cel = new Expressions(gatewayEnvironment({ customFunctions: settings.customFunctions }), (policy, error) => {
  metrics.celErrors.labels({ policy }).inc();
  log.debug('an expression failed', { policy, error: error.message });
});

const reader = new SnapshotReader(boot.snapshot);

/** What was last read under a key. */
function readAgain(key: string): Resource | null {
  return decode(reader.value(key));
}

function decode(value: Uint8Array | null): Resource | null {
  return value && decodeResource(value);
}

const upstream = {
  settings,
  read: readAgain,
  self: settings.self,
  endpoints: EndpointTable.open(boot.endpoints, index),
  metrics,
  log,
  cel,
};
const clusters = new Clusters(upstream);
const dispatch = createDispatch(upstream);
const credentials = new Credentials({ metrics, log });

const policyServices: PolicyServices = {
  buckets: TokenBuckets.open(boot.buckets, index),
  metrics,
  log,
  credentials,
  cel,
  dispatch,
  cluster: (reference) => plan.referenced(reference),
};
const prices = new PriceCatalog(() => readPrices((message) => log.warn(message)));
const tokens = new TokenCounter(new URL('../adapters/llm/tokens/task.js', import.meta.url));
const store = new CountedStore(await openConfiguredStore(settings, boot.store, log), metrics);
const adapterServices: AdapterServices = {
  metrics,
  log,
  credentials,
  cel,
  endpoints: upstream.endpoints,
  bodies,
  drains: MemoryBudget.open(boot.memory, BUDGET.drains, index),
  drainTimeoutMs: settings.drainTimeoutMs,
  fetcher: new GuardedFetcher(new Names(new SystemLookup(), settings.dnsLookupFamily, () => {})),
  store,
  storedResponses: settings.storedResponses,
  prices,
  countTokens: (texts, model) => tokens.count(texts, model),
  decodeTokens: (lists) => tokens.decode(lists),
  cluster: (spec) => clusters.get(spec),
  hooks: (policies, scope) => plan.hooks(policies, scope),
  resource: (key) => plan.resource(key),
};
const adapters = new Map<BackendTarget['kind'], Adapter>();
for (const adapter of [httpAdapter, llmAdapter]) for (const kind of adapter.kinds) adapters.set(kind, adapter);

const plan: Plan = new Plan(
  {
    policies: POLICIES,
    adapters,
    policyServices,
    adapterServices,
    dispatch,
    reply,
    cluster: (spec) => clusters.get(spec),
  },
  readAgain,
);
const pipeline = new Pipeline(plan, reply);
const binds = new Binds({
  plan,
  metrics,
  log,
  ipv6: settings.enableIpv6,
  workers: boot.workers,
  index,
  chooseDriver,
  serve: (exchange, bindKey) => {
    traffic.begin();
    recorder.begin();
    pipeline.serve(exchange, bindKey);
  },
});
const push = new MetricsPush(metrics, (deltas, transfer) => send({ type: 'metrics', metrics: deltas }, transfer), {
  collect: () => {
    binds.collect();
    if (traffic.present) send({ type: 'traffic' });
  },
});
let mailbox: Mailbox | null = null;

let generation = reader.generation;
/** As of the last time that ports were opened and closed; they are looked at again where it differs, or where some could not be opened. */
let listening = -1;
let bindErrors: string[] = [];

const spare = new SpareMemory({ idle: () => !traffic.present });

/** How long changes may keep requests waiting at one time, and how long they leave to requests then where there are any, ms. */
const TURN_MS = 0.5;
const TRAFFIC_MS = 2;

async function yieldToTraffic(): Promise<void> {
  await nextTurn();
  if (traffic.present) await pause(TRAFFIC_MS);
}

/** Applies everything published since the last time, each version whole, then opens and closes ports. Traffic goes on in between. */
async function apply(): Promise<void> {
  let turnEnds = performance.now() + TURN_MS;
  for (let published = reader.read(); published !== null; published = reader.read()) {
    try {
      applyVersion(published.changes);
    } catch (error) {
      // A worker that never had a plan serves nothing: it dies, so that whoever waits for it to start is told why.
      if (!started) throw error;
      log.error('a version of the configuration could not be applied', { version: published.version, error });
    }
    if (performance.now() < turnEnds) continue;
    await yieldToTraffic();
    turnEnds = performance.now() + TURN_MS;
  }
  if (reader.generation !== generation) {
    generation = reader.generation;
    send({ type: 'moved', generation });
  }
  if (plan.listeningVersion !== listening || bindErrors.length > 0) {
    listening = plan.listeningVersion;
    bindErrors = await binds.reconcile();
    guardNative();
  }
  metrics.snapshotVersion.labels({ worker: String(index) }).set(reader.version);
  started = true;
  send({ type: 'applied', version: reader.version, ports: binds.ports, errors: bindErrors });
}

function applyVersion(published: readonly VersionedChange[]): void {
  const changes = published.map(({ key, value, before }) => {
    const change = { key, resource: decode(value) };
    return before === 0 || !key.startsWith('route/')
      ? change
      : { ...change, before: () => decode(reader.valueAt(before)) };
  });
  plan.apply(changes);
  clusters.apply(changes);
  spare.used(changes.length);
  for (const { key, resource } of changes) if (key === MODEL_PRICES) statePrices(resource);
}

const MODEL_PRICES = 'modelPrices';

function statePrices(resource: Resource | null): void {
  const { stated, file } = resource?.kind === 'modelPrices' ? resource : { stated: {}, file: null };
  prices.state(stated, file);
}

/** A first snapshot has been applied. */
let started = false;

/** Changes are applied one after the other, whatever comes while ports are being opened. */
let applying: Promise<void> = Promise.resolve();
function applyNext(): void {
  applying = applying.then(apply).catch((error) => {
    log.error('a snapshot could not be applied', { error });
    if (!started) throw error;
  });
}

/** How long what was cut off at the deadline may take to end, ms. */
const CUT_OFF_MS = 500;
/** How long the last log lines may wait for room, ms. */
const LAST_LINES_MS = 1000;

async function drain(deadlineMs: number): Promise<void> {
  await Promise.race([binds.drain().then(allEnded), sleep(deadlineMs)]);
  binds.close();
  clusters.close();
  void tokens.close();
  // What was cut off ends with its connections, and is accounted for like everything else.
  await Promise.race([allEnded(), sleep(CUT_OFF_MS)]);
  // Hands over what was counted and logged; the thread ends by itself once its loop is empty.
  await accessLog.close(LAST_LINES_MS);
  void store.close();
  push.stop();
  send({ type: 'drained' });
  mailbox?.close();
  parentPort?.close();
}

/**
 * An exception nobody caught ends the thread, and the primary replaces it. Under the native driver a thread may not be ended
 * so (uWebSockets.js 20.30 aborts the process then): it closes what it has and leaves by itself.
 */
let guarded = false;
function guardNative(): void {
  if (guarded || !binds.native) return;
  guarded = true;
  process.on('uncaughtException', (error) => {
    log.error('an exception was not caught; the worker leaves', { error });
    process.exitCode = 1;
    void drain(0);
  });
}

/** Resolves once every exchange that was begun has ended; one may outlive its connection, to be accounted for. */
async function allEnded(): Promise<void> {
  while (recorder.open > 0) await sleep(10);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

parentPort?.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'snapshot':
      applyNext();
      break;
    case 'generation':
      reader.moveTo(message.snapshot);
      applyNext();
      break;
    case 'logLevel':
      log.level = message.level;
      break;
    case 'mailbox':
      mailbox = new Mailbox({
        instance: boot.instance,
        thread: threadId,
        port: message.port,
        onHandlerError: (id, error) => log.error('mail could not be handled', { id, error }),
      });
      break;
    case 'drain':
      void drain(message.deadlineMs);
      break;
  }
});
applyNext();
