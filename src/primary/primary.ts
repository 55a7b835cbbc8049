import { randomUUID } from 'node:crypto';
import { availableParallelism, totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Loaded } from '../config/source-file.ts';
import type { Catalogue } from '../resources/catalogue.ts';
import { redact, redactResource } from '../resources/redact.ts';
import type { LogLevel, Settings, SocketAddress } from '../resources/settings.ts';
import { ListenError, type LocalHandler, type LocalServer, serveLocal } from '../servers/local-server.ts';
import { metricsHandler } from '../servers/metrics.ts';
import { MailboxHub } from '../state/mailbox-hub.ts';
import type { FromWorker } from '../state/messages.ts';
import { storeLimits } from '../state/stores/configured.ts';
import { formatRecord, LevelLogger } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { MetricTotals } from '../telemetry/totals.ts';
import { XdsStartError } from '../xds/client/credentials.ts';
import { adminHandler } from './admin/server.ts';
import { Configuration } from './configuration.ts';
import { ControlPlane } from './control-plane.ts';
import { Drain } from './drain.ts';
import { EmbeddedStore } from './embedded-store.ts';
import { type LogSink, LogWriter } from './log-writer.ts';
import { Publisher } from './publisher.ts';
import { Readiness, readinessHandler } from './readiness.ts';
import { SharedMemory } from './shared-memory.ts';
import type { Source } from './source.ts';
import { StartError, Supervisor, type WorkerLife, workerHeapMiB } from './supervisor.ts';
import { Turns } from './turns.ts';

export interface PrimaryOptions {
  readonly source: Source;
  readonly catalogue: Catalogue;
  /** As `source.load()` gave it: settings hold for the life of the process, resources until the first change. */
  readonly loaded: Loaded;
  readonly version: string;
  /** The worker's entry file. */
  readonly workerEntry: URL;
  /** The store thread's. */
  readonly storeEntry: URL;
  /** Takes access-log lines, and the operational log. */
  readonly stdout: LogSink;
  readonly stderr: LogSink;
  /** Heap of one worker, MiB; without it a share of the machine's memory. */
  readonly heapMiB?: number;
  /** Ends the process; every worker has left. */
  exit(): void;
  /** Ends the process although workers are still there, without tearing anything down. */
  abandon(): void;
}

/** The servers of the gateway's own, apart from the ports it serves. */
export type OwnServer = 'admin' | 'stats' | 'readiness';

/** How long a worker that has been told to leave may take beyond its deadline, ms. */
const LEAVE_GRACE_MS = 2000;
/** How long the log's reader may take with the last lines, ms. */
const LOG_FLUSH_MS = 2000;

/**
 * The main thread: reads configuration, publishes it to the workers, keeps them alive, adds up their metrics, writes the
 * log, and answers for the gateway on the admin, stats and readiness ports.
 */
export class Primary {
  readonly log: LevelLogger;
  readonly #options: PrimaryOptions;
  readonly #settings: Settings;
  readonly #readiness = new Readiness();
  readonly #metrics = new Metrics();
  readonly #totals = new MetricTotals(this.#metrics);
  readonly #processRegistry = new Registry();
  readonly #accessLog: LogWriter;
  readonly #operationalLog: LogWriter;
  readonly #memory: SharedMemory;
  readonly #turns: Turns;
  readonly #publisher: Publisher;
  readonly #supervisor: Supervisor;
  readonly #mailboxes = new MailboxHub();
  readonly #store: EmbeddedStore | null;
  readonly #controlPlane: ControlPlane | null;
  readonly #drain: Drain;
  readonly #servers: LocalServer[] = [];
  #started = false;
  readonly #configuration: Configuration;
  readonly #addresses: Record<OwnServer, string | null> = { admin: null, stats: null, readiness: null };

  constructor(options: PrimaryOptions) {
    this.#options = options;
    this.#settings = options.loaded.settings;
    const dropped = (lines: number) => this.#metrics.logLinesDropped.inc(lines);
    this.#accessLog = new LogWriter(options.stdout, { onDropped: dropped });
    this.#operationalLog = new LogWriter(options.stderr);
    this.log = new LevelLogger(this.#settings.logLevel, (record) => {
      this.#operationalLog.write(formatRecord(record, this.#settings.logFormat));
    });
    this.#memory = new SharedMemory(this.#settings);
    this.#turns = new Turns({ coreOfItsOwn: availableParallelism() > this.#settings.workerThreads });
    this.#publisher = new Publisher({
      maxBytes: this.#settings.snapshotMaxBytes,
      turns: this.#turns,
      onPublished: () => this.#supervisor.broadcast({ type: 'snapshot' }),
      onGeneration: (generation, snapshot) => this.#supervisor.broadcast({ type: 'generation', generation, snapshot }),
    });
    this.#configuration = new Configuration(options.loaded, {
      source: options.source,
      publisher: this.#publisher,
      metrics: this.#metrics,
      log: this.log,
    });
    this.#store =
      this.#settings.store.kind === 'redis'
        ? null
        : new EmbeddedStore({
            entry: options.storeEntry,
            path: this.#settings.store.path,
            limits: storeLimits(this.#settings),
            metrics: this.#metrics,
            log: this.log,
          });
    const { xds } = this.#settings;
    this.#controlPlane =
      xds === null
        ? null
        : new ControlPlane(xds, {
            settings: this.#settings,
            catalogue: options.catalogue,
            version: options.version,
            metrics: this.#metrics,
            log: this.log,
            readiness: this.#readiness,
            apply: (changes) => this.#configuration.apply(changes),
            current: (key) => this.#publisher.get(key),
            turns: this.#turns,
            served: () => this.#supervisor.applied(this.#publisher.version),
            serves: () => this.#supervisor.status().some(({ ports }) => ports.length > 0),
          });
    const instance = randomUUID();
    const workers = this.#settings.workerThreads;
    this.#supervisor = new Supervisor({
      entry: options.workerEntry,
      workers,
      heapMiB: options.heapMiB ?? workerHeapMiB(workers, memoryLimitBytes(), getHeapStatistics().heap_size_limit),
      log: this.log,
      boot: (index) => ({
        index,
        workers,
        settings: { ...this.#settings, logLevel: this.log.level },
        instance,
        snapshot: this.#publisher.attach(index),
        buckets: this.#memory.buckets,
        endpoints: this.#memory.endpoints,
        memory: this.#memory.memory,
        lines: this.#memory.lines(index).buffer,
        store: this.#store?.connect() ?? null,
      }),
      live: (index) => this.#live(index),
    });
    this.#drain = new Drain(
      {
        notReady: () => {
          this.#readiness.await('shutdown');
          this.#configuration.close();
          void this.#controlPlane?.close();
          this.log.info('shutting down: finishing what is under way');
        },
        drain: (deadlineMs) => this.#leave(deadlineMs),
        finish: () => {
          this.log.info('stopped');
          return this.#finish();
        },
        exit: () => options.exit(),
        abandon: () => options.abandon(),
      },
      {
        minTerminationMs: this.#settings.connectionMinTerminationDeadlineMs,
        terminationMs: this.#settings.connectionTerminationDeadlineMs,
      },
    );
  }

  /** Starts everything and resolves once workers serve. Throws StartError where the gateway can't start; nothing is left then. */
  async start(): Promise<void> {
    try {
      this.#readiness.await('workers');
      await this.#configuration.checkPorts();
      await this.#serveOwn();
      collectDefaultMetrics({ register: this.#processRegistry });
      this.#metrics.buildInfo.set({ tag: this.#options.version, node: process.version }, 1);
      this.#configuration.publishFirst();
      this.#store?.start();
      await this.#supervisor.start();
      await this.#controlPlane?.start();
    } catch (error) {
      await this.#supervisor.drain(0, LEAVE_GRACE_MS);
      await this.#finish();
      throw error instanceof XdsStartError ? new StartError(error.message, { cause: error }) : error;
    }
    this.#readiness.done('workers');
    const ports = [...new Set(this.#supervisor.status().flatMap((worker) => worker.ports))];
    this.log.info('serving', { version: this.#options.version, workers: this.#settings.workerThreads, ports });
    this.#configuration.follow();
    this.#started = true;
  }

  /** URLs of the gateway's own servers; null where one is off. */
  get addresses(): Readonly<Record<OwnServer, string | null>> {
    return this.#addresses;
  }

  /** Drains and ends the process; called again, or before anything is served, ends it at once. */
  shutdown(): void {
    if (!this.#started) {
      this.#options.abandon();
      return;
    }
    this.#drain.end().catch((error: unknown) => {
      this.log.error('the shutdown failed', { error });
      this.#options.abandon();
    });
  }

  /** Reads the configuration again. */
  reload(): void {
    this.#configuration.reload();
  }

  /** Writes to the access log's stream, in turn with it. */
  print(text: string): void {
    this.#accessLog.write(text);
  }

  #live(index: number): WorkerLife {
    const metrics = this.#totals.life();
    let thread = -1;
    return {
      started: (id) => {
        thread = id;
        const port = this.#mailboxes.connect(id);
        this.#supervisor.send(index, { type: 'mailbox', port }, [port]);
      },
      message: (message) => {
        if (message.type === 'metrics') metrics.apply(message.metrics);
        else this.#message(index, message);
      },
      ended: () => {
        metrics.end();
        this.#drainLines(index);
        this.#mailboxes.detach(thread);
        this.#publisher.detach(index);
        this.#memory.clearWorker(index);
        if (!this.#drain.begun) this.#metrics.workerRestarts.inc({ worker: index });
      },
    };
  }

  #message(index: number, message: Exclude<FromWorker, { type: 'metrics' }>): void {
    switch (message.type) {
      case 'traffic':
        // What comes before the gateway is ready asks whether it is.
        if (this.#readiness.ready) this.#turns.leaveTime();
        return;
      case 'lines':
        this.#drainLines(index);
        return;
      case 'log':
        this.#operationalLog.write(
          formatRecord({ ...message, fields: { ...message.fields, worker: index } }, this.#settings.logFormat),
        );
        return;
      case 'moved':
        this.#publisher.moved(index, message.generation);
        return;
      case 'applied':
      case 'drained':
        return;
    }
  }

  #drainLines(index: number): void {
    const { reader } = this.#memory.lines(index);
    const dropped = reader.takeDropped();
    if (dropped > 0) this.#metrics.logLinesDropped.inc(dropped);
    this.#accessLog.drain(reader);
  }

  async #serveOwn(): Promise<void> {
    const { adminAddr, statsAddr, readinessAddr } = this.#settings;
    await this.#serve('readiness', readinessAddr, readinessHandler(this.#readiness));
    const stats = metricsHandler([this.#metrics.registry, this.#processRegistry], this.log);
    await this.#serve('stats', statsAddr, (request, response) => {
      this.#collect();
      stats(request, response);
    });
    await this.#serve('admin', adminAddr, this.#admin());
  }

  async #serve(name: OwnServer, address: SocketAddress | null, handler: LocalHandler): Promise<void> {
    if (address === null) return;
    try {
      const server = await serveLocal(address, handler);
      this.#servers.push(server);
      this.#addresses[name] = server.url;
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      // Of two processes that share their ports for a hand-over, the older one answers for both.
      if (this.#settings.allowPortSharing && error.code === 'EADDRINUSE') {
        this.log.warn(`the ${name} server is off: ${error.message}`);
        return;
      }
      throw new StartError(`${this.#options.source.name}: ${error.message}; set config.${name}Addr, or "off"`, {
        cause: error,
      });
    }
  }

  #admin(): LocalHandler {
    return adminHandler({
      configDump: () => ({
        version: this.#options.version,
        source: this.#options.source.name,
        snapshot: { version: this.#publisher.version, bytes: this.#publisher.bytes },
        config: redact(this.#settings),
        notices: this.#configuration.loaded.notices,
        ...(this.#controlPlane !== null && { controlPlane: this.#controlPlane.status() }),
        resources: [...this.#publisher.resources()].map((resource) =>
          redactResource(resource, this.#options.catalogue),
        ),
      }),
      memory: () => ({
        process: process.memoryUsage(),
        snapshot: { bytes: this.#publisher.bytes, retiring: this.#publisher.retiring },
        ...this.#memory.usage(),
      }),
      workers: () => this.#supervisor.status(),
      logLevel: () => this.log.level,
      setLogLevel: (level) => this.#setLogLevel(level ?? this.#settings.logLevel),
      quit: () => this.shutdown(),
    });
  }

  #setLogLevel(level: LogLevel): void {
    this.log.level = level;
    this.#supervisor.broadcast({ type: 'logLevel', level });
  }

  /** Sets the gauges of what only this thread knows. */
  #collect(): void {
    this.#metrics.snapshotBytes.set(this.#publisher.bytes);
    this.#metrics.heldBodies.set(this.#memory.bodies.used);
    const serving = this.#supervisor.status().filter(({ state }) => state === 'serving');
    this.#metrics.workersServing.set(serving.length);
  }

  async #leave(deadlineMs: number): Promise<boolean> {
    const left = await this.#supervisor.drain(deadlineMs, LEAVE_GRACE_MS);
    if (!left) this.log.warn('not every worker has left in time; the process ends without them');
    return left;
  }

  async #finish(): Promise<void> {
    for (const server of this.#servers) server.close();
    this.#mailboxes.close();
    await this.#store?.close();
    // Those of workers that have not left in time, too.
    for (let index = 0; index < this.#settings.workerThreads; index++) this.#drainLines(index);
    await Promise.all([this.#accessLog.flush(LOG_FLUSH_MS), this.#operationalLog.flush(LOG_FLUSH_MS)]);
  }
}

/** Memory there is for this process: a container's limit where it has one. */
function memoryLimitBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < totalmem() ? constrained : totalmem();
}
