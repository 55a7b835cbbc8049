/**
 * State that outlives a request, a worker or the process: one asynchronous interface with three faces. `LocalStore` over a
 * MemoryEngine keeps it in this thread; `StoreClient` reaches the store thread, which has it in SQLite; `RedisStore` shares it
 * with other instances. `openStore` (open.ts) gives any of them.
 *
 * What all of them promise:
 * - A key holds a value, a stream and a channel, each apart from the others.
 * - Every call settles within the store's time-out. What is wrong with the call itself (a TTL of -1) rejects with a RangeError,
 *   everything else with a StoreError. After `timeout` and `unavailable` a change may or may not have been made.
 * - Something with a TTL may go earlier, least recently used first, where room is needed. What has none stays until it is
 *   deleted; where there is no room without it, a new record is refused with `unavailable`.
 * - Bytes handed over may not be changed until the call has settled, nor those that come back.
 */
import { randomBytes } from 'node:crypto';
import type { StoreKey } from './key.ts';

/**
 * unavailable: out of reach, closed, or full. timeout: no answer in time. too_large: a value past the store's limit.
 * conflict: the record is not at the expected version.
 */
export type StoreErrorCode = 'unavailable' | 'timeout' | 'too_large' | 'conflict';

/** Its message names neither keys nor values nor credentials. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface StoredValue {
  readonly value: Uint8Array;
  /** Never used twice, not even after the record was deleted and made anew. */
  readonly version: string;
}

export interface StreamEvent {
  /** `<ms>-<n>`: later events have later ids. */
  readonly id: string;
  readonly value: Uint8Array;
}

export interface StreamPage {
  readonly events: readonly StreamEvent[];
  /** The stream no longer holds the event it was read after: some between that one and these may be missing. */
  readonly missed: boolean;
}

export interface PutOptions {
  /** Milliseconds until the record is gone; without it it stays. */
  readonly ttlMs?: number | undefined;
}

export interface AppendOptions extends PutOptions {
  /** The stream keeps this many events, the newest. */
  readonly maxLength: number;
}

export interface ReadOptions {
  /** Read what came after this event's id; from the oldest where it is left out. */
  readonly after?: string | undefined;
  /** At most this many events; a page is also cut at about a mebibyte. */
  readonly limit?: number | undefined;
}

/** Listens to a channel. Messages come in the order they were published, each at most once. */
export interface ChannelListener {
  message(bytes: Uint8Array): void;
  /** The connection was lost, or messages came faster than they were taken: some may be missing. It goes on from here. */
  lost(): void;
}

export type Unsubscribe = () => void;

export interface Store {
  /** Null where there is none. */
  get(key: StoreKey): Promise<StoredValue | null>;
  /** Writes it whatever was there, and resolves to its version. */
  put(key: StoreKey, value: Uint8Array, options?: PutOptions): Promise<string>;
  /**
   * Writes it if the record is at `expected` (null: if there is none), and resolves to its new version; rejects with `conflict`
   * otherwise.
   */
  compareAndSet(key: StoreKey, expected: string | null, value: Uint8Array, options?: PutOptions): Promise<string>;
  /** Removes value and stream; says whether there was any. */
  delete(key: StoreKey): Promise<boolean>;

  /** Adds an event to a stream, resolves to its id, and tells the key's channel the id. The TTL holds for the whole stream. */
  append(key: StoreKey, value: Uint8Array, options: AppendOptions): Promise<string>;
  /** The next events, oldest first. See `tail` (tail.ts) for reading on as they come. */
  read(key: StoreKey, options?: ReadOptions): Promise<StreamPage>;
  /** Keeps the newest `maxLength` events of a stream; resolves to how many went. */
  trim(key: StoreKey, maxLength: number): Promise<number>;

  /** Tells all who listen to the key's channel now, in any thread or instance that shares this store. */
  publish(key: StoreKey, message: Uint8Array): Promise<void>;
  /** Resolves once everything published from then on is heard. Listening survives a lost connection. */
  subscribe(key: StoreKey, listener: ChannelListener): Promise<Unsubscribe>;

  /** Ends it; calls under way and later ones reject with `unavailable`. */
  close(): Promise<void>;
}

/** What every face is opened with. */
export interface StoreLimits {
  /** Until when a call must have been answered, milliseconds. */
  readonly timeoutMs: number;
  /** Bytes of one value, event or message. */
  readonly maxValueBytes: number;
}

export const DEFAULT_LIMITS: StoreLimits = { timeoutMs: 2000, maxValueBytes: 1024 * 1024 };

/** Channels one store listens to at most. */
export const MAX_CHANNELS = 65_536;
/** A page of a stream is cut once it has this many bytes. */
export const PAGE_BYTES = 1024 * 1024;

const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;
const MAX_STREAM_LENGTH = 1_000_000;
const MAX_TTL_MS = 10 * 365 * 24 * 3600 * 1000;

/** Length of a version, characters: 96 random bits in base64url. */
export const VERSION_LENGTH = 16;

export function newVersion(): string {
  return randomBytes(12).toString('base64url');
}

/** How long what is written lasts: milliseconds, or null for no end. Throws RangeError, and StoreError (too_large). */
export function checkedWrite(value: Uint8Array, { ttlMs }: PutOptions, limits: StoreLimits): number | null {
  checkSize(value, limits);
  return ttlMs === undefined ? null : whole('ttlMs', ttlMs, 1, MAX_TTL_MS);
}

/** Throws StoreError (too_large). */
export function checkSize(value: Uint8Array, { maxValueBytes }: StoreLimits): void {
  if (value.length <= maxValueBytes) return;
  throw new StoreError('too_large', `${value.length} bytes are more than the store takes at once (${maxValueBytes})`);
}

/** Throws RangeError. */
export function checkedLength(maxLength: number, least = 1): number {
  return whole('maxLength', maxLength, least, MAX_STREAM_LENGTH);
}

/** Throws RangeError. */
export function checkedLimit({ limit = DEFAULT_PAGE }: ReadOptions): number {
  return whole('limit', limit, 1, MAX_PAGE);
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${name} must be a whole number from ${least} to ${most}`);
}

/** Where an event is in its stream. */
export interface EventPosition {
  readonly ms: number;
  readonly seq: number;
}

const EVENT_ID = /^(0|[1-9]\d{0,14})-(0|[1-9]\d{0,14})$/;

/** Null for what can't be an event's id: ids come back from clients. */
export function parseEventId(id: string): EventPosition | null {
  const match = EVENT_ID.exec(id);
  return match === null ? null : { ms: Number(match[1]), seq: Number(match[2]) };
}

/** Throws RangeError. */
export function checkedAfter({ after }: ReadOptions): EventPosition | null {
  if (after === undefined) return null;
  const position = parseEventId(after);
  if (position === null) throw new RangeError('after must be the id of an event');
  return position;
}

export function eventId({ ms, seq }: EventPosition): string {
  return `${ms}-${seq}`;
}
