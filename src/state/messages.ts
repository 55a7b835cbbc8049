/**
 * What the primary and its workers say to each other over their control port. Both sides import this; they never import
 * one another. Everything hot goes through shared memory instead.
 */
import type { LogLevel, Settings } from '../resources/settings.ts';
import type { PushedMetrics } from '../telemetry/metrics-push.ts';
import type { StoreHandle } from './stores/protocol.ts';

/** Handed to a worker when it starts (workerData). */
export interface WorkerBoot {
  /** This worker's cell in the shared tables (`open(buffer, index)`); a replacement gets the same one after it was cleared. */
  readonly index: number;
  /** How many workers there are, this one included. */
  readonly workers: number;
  readonly settings: Settings;
  /** Names this process in mailbox addresses and sealed tokens. */
  readonly instance: string;
  readonly snapshot: SharedArrayBuffer;
  readonly buckets: SharedArrayBuffer;
  readonly endpoints: SharedArrayBuffer;
  readonly memory: SharedArrayBuffer;
  /** The ring of this worker's access-log lines. */
  readonly lines: SharedArrayBuffer;
  /** To the store thread, its ports transferred; null where the settings say Redis. */
  readonly store: StoreHandle | null;
}

export type ToWorker =
  /** The snapshot log has grown: read on. */
  | { type: 'snapshot' }
  /** Compaction: move to this generation, then say `moved`. */
  | { type: 'generation'; generation: number; snapshot: SharedArrayBuffer }
  /** Stop accepting and finish what is under way; `deadlineMs` from now everything left is closed. */
  | { type: 'drain'; deadlineMs: number }
  /** From now on records of this level and above are logged. */
  | { type: 'logLevel'; level: LogLevel }
  /** This thread's end from MailboxHub.connect(worker.threadId), transferred. */
  | { type: 'mailbox'; port: import('node:worker_threads').MessagePort };

export type FromWorker =
  /** The worker has applied the snapshot up to `version` and listens where it says; errors name what it could not bind. */
  | { type: 'applied'; version: number; ports: number[]; errors: string[] }
  | { type: 'moved'; generation: number }
  /** What the worker's metrics changed by since its last push. */
  | { type: 'metrics'; metrics: PushedMetrics }
  /** The worker has requests; said once a second. */
  | { type: 'traffic' }
  /** Access-log lines wait in the worker's ring. */
  | { type: 'lines' }
  /** An operational log record. */
  | { type: 'log'; level: LogLevel; message: string; fields: Record<string, unknown> }
  /** Everything has been sent and closed; the worker leaves. */
  | { type: 'drained' };
