import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { errorText, type Logger } from '../../telemetry/log.ts';
import type { EngineName, StoreStats } from './engine.ts';
import { SWEEP_MS } from './local.ts';
import type { FromStoreThread, Relink, StoreHandle, StoreThreadBoot, ToStoreThread } from './protocol.ts';
import { DEFAULT_LIMITS, StoreError, type StoreLimits } from './store.ts';

export interface StoreHostOptions {
  /** The thread's entry file (thread-main.js). */
  readonly entry: URL;
  /** The database's file, made where there is none; null keeps everything in memory. */
  readonly path: string | null;
  readonly log: Logger;
  /** Bytes of everything held, 256 MiB by default. */
  readonly maxBytes?: number;
  readonly limits?: StoreLimits;
  /** How often the thread removes what has expired, milliseconds. */
  readonly sweepMs?: number;
  /** For metrics; told after each sweep. Counts begin anew with each life of the thread. */
  readonly onStats?: (stats: StoreStats) => void;
  /** For metrics: the thread has died and will be replaced. */
  readonly onRestart?: () => void;
}

/** What is known of the store thread, for the admin server. */
export interface StoreHostStatus {
  /** Null while it is down. */
  readonly engine: EngineName | null;
  readonly restarts: number;
  readonly lastDeath: string | null;
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
/** A thread that lived this long died of something new: its replacement starts at once again. */
const HEALTHY_MS = 30_000;
/** How long the thread may take to write everything down and leave, milliseconds. */
const LEAVE_MS = 5000;

/**
 * Keeps the store thread alive and connects others to it; belongs to the primary. What the thread was asked and has not answered
 * when it dies is rejected in its clients, by the end of their ports; they are linked to its replacement from here.
 */
export class StoreHost {
  readonly #options: StoreHostOptions;
  readonly #limits: StoreLimits;
  /** This end of each client's control channel. */
  readonly #clients = new Set<MessagePort>();
  #worker: Worker | null = null;
  #engine: EngineName | null = null;
  #restarts = 0;
  #lastDeath: string | null = null;
  #backoffMs = FIRST_BACKOFF_MS;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #started: { resolve(engine: EngineName): void; reject(error: Error): void } | null = null;

  constructor(options: StoreHostOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
  }

  /**
   * Resolves once the store is open, to what holds it; rejects with a StoreError where it can't be opened, and tries again until it
   * can be or is closed.
   */
  start(): Promise<EngineName> {
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      this.#spawn();
    });
  }

  status(): StoreHostStatus {
    return { engine: this.#engine, restarts: this.#restarts, lastDeath: this.#lastDeath };
  }

  /** What a StoreClient is opened with, in this thread or in another; its ports (`handlePorts`) are transferred with it. */
  connect(): StoreHandle {
    const { port1, port2 } = new MessageChannel();
    this.#clients.add(port1);
    port1.on('close', () => this.#clients.delete(port1));
    port1.unref();
    return { limits: this.#limits, control: port2, port: this.#worker === null ? null : this.#link(this.#worker) };
  }

  /** Has the thread write everything down and leave. Whatever its clients still ask is rejected. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const control of this.#clients) control.close();
    const worker = this.#worker;
    if (worker === null) return;
    const left = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.#send(worker, { type: 'close' });
    const timer = setTimeout(() => void worker.terminate(), LEAVE_MS);
    await left;
    clearTimeout(timer);
  }

  #spawn(): void {
    const startedAt = performance.now();
    const boot: StoreThreadBoot = {
      path: this.#options.path,
      maxBytes: this.#options.maxBytes ?? DEFAULT_MAX_BYTES,
      limits: this.#limits,
      sweepMs: this.#options.sweepMs ?? SWEEP_MS,
    };
    const worker = new Worker(this.#options.entry, { name: 'store', workerData: boot, stdout: true, stderr: true });
    this.#worker = worker;
    let reason: string | null = null;
    worker.on('message', (message: FromStoreThread) => this.#message(message));
    worker.on('error', (error: unknown) => {
      reason = errorText(error);
    });
    // Nothing of ours prints there; what a library prints is said in the log.
    for (const stream of [worker.stdout, worker.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#options.log.warn('the store thread printed', { text: chunk.toString('utf8').trimEnd() });
      });
    }
    worker.on('exit', (code) => {
      if (performance.now() - startedAt >= HEALTHY_MS) this.#backoffMs = FIRST_BACKOFF_MS;
      this.#exited(reason ?? `it left with code ${code}`);
    });
    for (const control of this.#clients) {
      const port = this.#link(worker);
      control.postMessage({ port } satisfies Relink, [port]);
    }
  }

  /** A channel to the thread: its end stays with it, the other is returned. What is sent before the store is open waits. */
  #link(worker: Worker): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#send(worker, { type: 'connect', port: port1 });
    return port2;
  }

  #send(worker: Worker, message: ToStoreThread): void {
    worker.postMessage(message, message.type === 'connect' ? [message.port] : []);
  }

  #message(message: FromStoreThread): void {
    switch (message.type) {
      case 'ready':
        this.#engine = message.engine;
        this.#started?.resolve(message.engine);
        this.#started = null;
        return;
      case 'stats':
        this.#options.onStats?.(message.stats);
        return;
      case 'log':
        this.#options.log[message.level](message.message, message.fields);
        return;
    }
  }

  #exited(reason: string): void {
    this.#worker = null;
    this.#engine = null;
    if (this.#started !== null) {
      this.#started.reject(new StoreError('unavailable', reason));
      this.#started = null;
    }
    if (this.#closed) return;
    this.#restarts++;
    this.#lastDeath = reason;
    const wait = this.#backoffMs;
    this.#backoffMs = Math.min(MAX_BACKOFF_MS, wait * 2);
    this.#options.log.error(`the store thread died: ${reason}; it is replaced in ${wait} ms`, {
      restarts: this.#restarts,
    });
    this.#options.onRestart?.();
    this.#timer = setTimeout(() => this.#spawn(), wait);
  }
}
