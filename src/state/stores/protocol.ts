/**
 * How a StoreClient and the store thread talk. Each client has a message channel of its own to the thread, with a Mailbox
 * (../mailbox.ts) at both ends: answers, credit, bounded queues and an end that is told at once are the mailbox's.
 *
 *   any thread                              store thread
 *   ┌─────────────┐  call 'store'  ────►  ┌─────────────┐
 *   │ StoreClient │                       │ StoreServer │ ── LocalStore ── SQLite
 *   └─────────────┘  ◄────  mail 'news'   └─────────────┘
 */
import { deserialize, serialize } from 'node:v8';
import type { MessagePort } from 'node:worker_threads';
import type { LogLevel } from '../../resources/settings.ts';
import type { EngineName, StoreStats } from './engine.ts';
import { type Store, StoreError, type StoreErrorCode, type StoreLimits } from './store.ts';

/** The two ends of a channel, as mailboxes name them. */
const INSTANCE = 'store';
const SERVER_THREAD = 1;
const CLIENT_THREAD = 2;
export const CALLS = { instance: INSTANCE, thread: SERVER_THREAD, id: 'store' };
export const NEWS = { instance: INSTANCE, thread: CLIENT_THREAD, id: 'news' };

export type CallName = 'get' | 'put' | 'compareAndSet' | 'delete' | 'append' | 'read' | 'trim' | 'publish';

export type Call =
  | { readonly name: CallName; readonly args: readonly unknown[] }
  /** Have a channel's messages sent, or not any more. */
  | { readonly name: 'listen'; readonly channel: string }
  | { readonly name: 'unlisten'; readonly channel: string };

export type Answer =
  | { readonly value: unknown }
  /** `range`: the call itself is wrong. */
  | { readonly error: StoreErrorCode | 'range'; readonly message: string };

export type News =
  | { readonly type: 'message'; readonly channel: string; readonly bytes: Uint8Array }
  | { readonly type: 'lost'; readonly channel: string };

export type CallArgs<K extends CallName> = Parameters<Store[K]>;
export type CallResult<K extends CallName> = Awaited<ReturnType<Store[K]>>;

/** Only threads of this process are on these channels, so what comes is what was sent. */
export function encode(message: Call | Answer | News): Uint8Array {
  return serialize(message);
}

export function decode<T extends Call | Answer | News>(bytes: Uint8Array): T {
  return deserialize(bytes) as T;
}

export function answerOf(error: unknown): Answer {
  if (error instanceof StoreError) return { error: error.code, message: error.message };
  if (error instanceof RangeError) return { error: 'range', message: error.message };
  return { error: 'unavailable', message: 'the store failed' };
}

export function errorOf({ error, message }: Extract<Answer, { error: unknown }>): Error {
  return error === 'range' ? new RangeError(message) : new StoreError(error, message);
}

/** What another thread needs to open a StoreClient: its ports are transferred with it (`handlePorts`). */
export interface StoreHandle {
  readonly limits: StoreLimits;
  /** Says when the store thread was replaced. */
  readonly control: MessagePort;
  /** To the store thread; null while there is none. */
  readonly port: MessagePort | null;
}

/** The transfer list of a handle. */
export function handlePorts({ control, port }: StoreHandle): MessagePort[] {
  return port === null ? [control] : [control, port];
}

/** Host to client, on the control port: here is the way to the thread that replaces the old one. */
export interface Relink {
  readonly port: MessagePort;
}

/** Handed to the store thread when it starts (workerData). */
export interface StoreThreadBoot {
  readonly path: string | null;
  readonly maxBytes: number;
  readonly limits: StoreLimits;
  readonly sweepMs: number;
}

export type ToStoreThread =
  /** A client's channel, transferred. */
  | { readonly type: 'connect'; readonly port: MessagePort }
  /** Write everything down and leave. */
  | { readonly type: 'close' };

export type FromStoreThread =
  | { readonly type: 'ready'; readonly engine: EngineName }
  | { readonly type: 'stats'; readonly stats: StoreStats }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Record<string, unknown>;
    };
