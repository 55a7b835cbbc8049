import { setFlagsFromString } from 'node:v8';
import { type TransferListItem, Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerBoot } from '../state/messages.ts';
import { handlePorts } from '../state/stores/protocol.ts';
import { errorText, type Logger } from '../telemetry/log.ts';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
/** A worker that served this long died of something new: its replacement starts at once again. */
const HEALTHY_MS = 30_000;

/**
 * Young generation of a worker, MiB. A worker's default is so small that what belongs to requests under way is copied by several
 * scavenges and half of it into the old generation: with 64 a forwarded request costs a fifth less CPU, and more gains nothing.
 * Since Node 22 a collection that promotes so much at the heap's limit ends the process instead of the thread, so there it is less.
 */
const YOUNG_MIB = Number.parseInt(process.versions.node, 10) < 22 ? 64 : 32;

// Every core has a worker of its own: helper threads for each worker's scavenges would only take the others' time (a tenth of a streamed
// or large request's CPU), and so would more than one that marks while a full collection is prepared. V8 reads the flags at each collection.
setFlagsFromString('--no-parallel-scavenge');
setFlagsFromString('--concurrent-marking-max-worker-num=1');

/**
 * Below this many MiB of old generation and memory outside of the heap (request bodies) V8 starts no full collection. By itself it sets
 * the limit close to what is in use whenever a worker was idle, and then large bodies, whose memory scavenges free well enough, had it
 * mark the whole heap 15 times a second: twice the CPU a request, and pauses of 20 ms. Read when a worker starts.
 */
setFlagsFromString('--initial-old-space-size=256');

/**
 * V8 takes places in the code whose objects survived a few scavenges (as those do that are made while a worker warms up) for makers of old
 * ones, and from then on makes them in the old generation. Here everything belongs to a request and dies with it; one such place is
 * enough for all that it refers to, two fifths of what is allocated, to survive every scavenge: half as much CPU again a request.
 */
setFlagsFromString('--no-allocation-site-pretenuring');

/** One life of a worker, as whoever listens to it sees it. */
export interface WorkerLife {
  /** The thread exists and can be sent to; `thread` is its `threadId`, never used twice. */
  started(thread: number): void;
  /** Everything the worker says, in order; nothing comes after `ended`. */
  message(message: FromWorker): void;
  /** The thread is gone; its shared cells can be settled. */
  ended(): void;
}

export interface SupervisorOptions {
  /** The worker's entry file. */
  readonly entry: URL;
  readonly workers: number;
  /** Heap of one worker, MiB. */
  readonly heapMiB: number;
  readonly log: Logger;
  /** What a worker is started with; asked for each life anew. */
  boot(index: number): WorkerBoot;
  /** Called before a life begins. */
  live(index: number): WorkerLife;
}

export type WorkerState = 'starting' | 'serving' | 'draining' | 'down' | 'left';

/** What is known of a worker, for the admin server. */
export interface WorkerStatus {
  readonly index: number;
  readonly state: WorkerState;
  readonly appliedVersion: number;
  readonly ports: readonly number[];
  readonly errors: readonly string[];
  readonly restarts: number;
  readonly lastDeath: string | null;
}

interface Slot {
  readonly index: number;
  worker: Worker | null;
  state: WorkerState;
  appliedVersion: number;
  ports: readonly number[];
  errors: readonly string[];
  restarts: number;
  backoffMs: number;
  startedAt: number;
  lastDeath: string | null;
  timer: NodeJS.Timeout | null;
}

/** The gateway can't start: every worker failed before one of them served. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/**
 * Keeps N workers alive. A worker that dies is replaced, after a pause that doubles with each death and is forgotten once a
 * worker has lived for a while. No worker is ever terminated from here: a native driver may take the process down with it;
 * workers leave by themselves when they are drained.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[] = [];
  #stopping = false;
  #started: { resolve(): void; reject(error: Error): void } | null = null;
  #onAllGone: (() => void) | null = null;
  /** Who waits for what workers have applied. */
  readonly #awaited: { version: number; resolve(): void }[] = [];

  constructor(options: SupervisorOptions) {
    this.#options = options;
    for (let index = 0; index < options.workers; index++) {
      this.#slots.push({
        index,
        worker: null,
        state: 'down',
        appliedVersion: 0,
        ports: [],
        errors: [],
        restarts: 0,
        backoffMs: FIRST_BACKOFF_MS,
        startedAt: 0,
        lastDeath: null,
        timer: null,
      });
    }
  }

  /**
   * Starts all workers. Resolves once each of them has either applied its first version or died once, at least one of them
   * serving. Throws StartError, naming the reason, where all of them died first or none could listen anywhere.
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      for (const slot of this.#slots) this.#spawn(slot);
    });
  }

  /** Resolves once each worker that serves has applied `version`, and listens as it says. */
  applied(version: number): Promise<void> {
    return new Promise((resolve) => {
      this.#awaited.push({ version, resolve });
      this.#checkAwaited();
    });
  }

  status(): WorkerStatus[] {
    return this.#slots.map(({ index, state, appliedVersion, ports, errors, restarts, lastDeath }) => ({
      index,
      state,
      appliedVersion,
      ports,
      errors,
      restarts,
      lastDeath,
    }));
  }

  /** Sends to one worker; nothing happens where it is down. */
  send(index: number, message: ToWorker, transfer: readonly TransferListItem[] = []): void {
    this.#slots[index]?.worker?.postMessage(message, transfer);
  }

  /** Sends to every worker that lives. */
  broadcast(message: ToWorker): void {
    for (const slot of this.#slots) slot.worker?.postMessage(message);
  }

  /**
   * Has every worker finish and leave within `deadlineMs`; none is replaced from now on. Says whether all have left within
   * the deadline and `graceMs` more.
   */
  async drain(deadlineMs: number, graceMs: number): Promise<boolean> {
    this.#stopping = true;
    for (const slot of this.#slots) {
      if (slot.timer !== null) clearTimeout(slot.timer);
      slot.timer = null;
      if (slot.worker === null) slot.state = 'left';
      else slot.state = 'draining';
    }
    const gone = new Promise<void>((resolve) => {
      this.#onAllGone = resolve;
    });
    this.broadcast({ type: 'drain', deadlineMs });
    this.#checkAllGone();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), deadlineMs + graceMs);
    });
    const left = await Promise.race([gone.then(() => true), late]);
    clearTimeout(timer);
    return left;
  }

  #spawn(slot: Slot): void {
    const life = this.#options.live(slot.index);
    slot.timer = null;
    slot.startedAt = performance.now();
    slot.state = 'starting';
    const boot = this.#options.boot(slot.index);
    const worker = new Worker(this.#options.entry, {
      name: `worker-${slot.index}`,
      workerData: boot,
      transferList: boot.store === null ? [] : handlePorts(boot.store),
      // Past it the thread ends with ERR_WORKER_OUT_OF_MEMORY, and the process goes on.
      resourceLimits: { maxOldGenerationSizeMb: this.#options.heapMiB, maxYoungGenerationSizeMb: YOUNG_MIB },
      stdout: true,
      stderr: true,
    });
    slot.worker = worker;
    life.started(worker.threadId);
    let reason: string | null = null;
    let stack: string | undefined;
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'applied') this.#applied(slot, message.version, message.ports, message.errors);
      life.message(message);
    });
    worker.on('messageerror', (error) => {
      this.#options.log.error('a worker sent what could not be read', { worker: slot.index, error });
    });
    worker.on('error', (error: unknown) => {
      reason = describe(error);
      stack = error instanceof Error ? error.stack : undefined;
    });
    // Nothing of ours prints in a worker; what a library prints is said in the log, so that no log line is torn by it.
    for (const stream of [worker.stdout, worker.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#options.log.warn('a worker printed', { worker: slot.index, text: chunk.toString('utf8').trimEnd() });
      });
    }
    worker.on('exit', (code) => {
      life.ended();
      this.#exited(slot, reason ?? `it left with code ${code}`, stack);
    });
  }

  #applied(slot: Slot, version: number, ports: readonly number[], errors: readonly string[]): void {
    slot.appliedVersion = version;
    slot.ports = ports;
    if (errors.length > 0 && errors.join() !== slot.errors.join()) {
      for (const error of errors) this.#options.log.error(`worker ${slot.index}: ${error}`);
    }
    slot.errors = errors;
    if (slot.state === 'starting') slot.state = 'serving';
    this.#checkStarted();
    this.#checkAwaited();
  }

  #checkAwaited(): void {
    if (this.#awaited.length === 0) return;
    const serving = this.#slots.filter(({ state }) => state === 'serving');
    const least = serving.length === 0 ? -1 : Math.min(...serving.map(({ appliedVersion }) => appliedVersion));
    for (const awaited of this.#awaited.splice(0)) {
      if (awaited.version <= least) awaited.resolve();
      else this.#awaited.push(awaited);
    }
  }

  #exited(slot: Slot, reason: string, stack: string | undefined): void {
    slot.worker = null;
    slot.ports = [];
    slot.appliedVersion = 0;
    if (this.#stopping) {
      slot.state = 'left';
      this.#checkAllGone();
      return;
    }
    slot.state = 'down';
    slot.lastDeath = reason;
    slot.restarts++;
    if (performance.now() - slot.startedAt >= HEALTHY_MS) slot.backoffMs = FIRST_BACKOFF_MS;
    const wait = slot.backoffMs;
    slot.backoffMs = Math.min(MAX_BACKOFF_MS, wait * 2);
    if (this.#checkStarted()) return;
    this.#checkAwaited();
    this.#options.log.error(`worker ${slot.index} died: ${reason}; it is replaced in ${wait} ms`, {
      restarts: slot.restarts,
      stack,
    });
    slot.timer = setTimeout(() => this.#spawn(slot), wait);
  }

  /** Settles `start`; says whether it failed, and with it the whole gateway. */
  #checkStarted(): boolean {
    const started = this.#started;
    if (started === null || this.#slots.some((slot) => slot.state === 'starting' && slot.restarts === 0)) return false;
    this.#started = null;
    const serving = this.#slots.filter((slot) => slot.state === 'serving');
    if (serving.length === 0) {
      const reasons = new Set(this.#slots.map((slot) => slot.lastDeath));
      this.#stopping = true;
      for (const slot of this.#slots) if (slot.timer !== null) clearTimeout(slot.timer);
      started.reject(new StartError(`no worker could start: ${[...reasons].join('; ')}`));
      return true;
    }
    if (serving.every((slot) => slot.ports.length === 0 && slot.errors.length > 0)) {
      const reasons = new Set(serving.flatMap((slot) => slot.errors));
      started.reject(new StartError(`no worker could listen: ${[...reasons].join('; ')}`));
      return true;
    }
    started.resolve();
    return false;
  }

  #checkAllGone(): void {
    if (this.#slots.every((slot) => slot.worker === null)) this.#onAllGone?.();
  }
}

function describe(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return 'its heap was exhausted';
  return `an exception was not caught: ${errorText(error)}`;
}

/**
 * Heap of one worker, MiB: what V8 would give the process, but no more than each worker's share of three quarters of the
 * memory there is (a container's limit where there is one).
 */
export function workerHeapMiB(workers: number, memoryBytes: number, processHeapLimitBytes: number): number {
  const share = (memoryBytes * 0.75) / (workers + 1);
  return Math.max(128, Math.floor(Math.min(processHeapLimitBytes, share) / (1024 * 1024)));
}
