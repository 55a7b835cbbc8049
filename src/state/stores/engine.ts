import type { EventPosition, StoredValue, StreamEvent, StreamPage } from './store.ts';
import { PAGE_BYTES, StoreError } from './store.ts';

/** Counts of one store, for metrics. */
export interface StoreStats {
  /** Values and streams held. */
  readonly entries: number;
  /** Their bytes, keys and an estimate of what each takes besides included. */
  readonly bytes: number;
  /** Gone because their time was over, since the start. */
  readonly expired: number;
  /** Gone before their time because room was needed, since the start. */
  readonly evicted: number;
}

export type EngineName = 'memory' | 'sqlite';

/**
 * What keeps the records of a LocalStore: synchronous, one holder, bounded in bytes. Arguments have been checked. Whatever
 * can't be done is a StoreError, and then nothing has changed.
 */
export interface StoreEngine {
  readonly name: EngineName;
  get(key: string): StoredValue | null;
  put(key: string, value: Uint8Array, version: string, ttlMs: number | null): void;
  /** False where the record is not at `expected`. */
  compareAndSet(
    key: string,
    expected: string | null,
    value: Uint8Array,
    version: string,
    ttlMs: number | null,
  ): boolean;
  delete(key: string): boolean;
  append(key: string, value: Uint8Array, maxLength: number, ttlMs: number | null): string;
  read(key: string, after: EventPosition | null, limit: number): StreamPage;
  trim(key: string, maxLength: number): number;
  /** Removes what has expired, looking at no more than `limit` entries. */
  sweep(limit: number): void;
  stats(): StoreStats;
  close(): void;
}

export interface EngineOptions {
  /** Bytes of everything held. */
  readonly maxBytes: number;
  /** Unix time, milliseconds. */
  readonly now?: () => number;
}

/** What an entry or event is taken to need besides its key and value, bytes. */
export const ENTRY_BYTES = 160;
export const EVENT_BYTES = 64;

/** Values and streams of a key are apart: the first letter of their name says which it is. */
export function valueName(key: string): string {
  return `v${key}`;
}

export function streamName(key: string): string {
  return `s${key}`;
}

/** The id's place after `last`, at `now`; never before `last`, whatever the clock does. */
export function nextPosition(last: EventPosition, now: number): EventPosition {
  return now > last.ms ? { ms: now, seq: 0 } : { ms: last.ms, seq: last.seq + 1 };
}

export function isAt(event: EventPosition | undefined, position: EventPosition): boolean {
  return event !== undefined && event.ms === position.ms && event.seq === position.seq;
}

/** How many of the first events make a page: at least one, then as many as fit. */
export function pageLength(sizes: readonly number[]): number {
  let bytes = 0;
  const past = sizes.findIndex((size, at) => {
    bytes += size;
    return at > 0 && bytes > PAGE_BYTES;
  });
  return past === -1 ? sizes.length : past;
}

export function emptyPage(after: EventPosition | null): StreamPage {
  return { events: [] as StreamEvent[], missed: after !== null };
}

export function full(): StoreError {
  return new StoreError('unavailable', 'the store is full of records that have no end');
}
