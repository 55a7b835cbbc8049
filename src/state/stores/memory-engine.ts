import {
  ENTRY_BYTES,
  type EngineOptions,
  EVENT_BYTES,
  emptyPage,
  full,
  isAt,
  nextPosition,
  pageLength,
  type StoreEngine,
  type StoreStats,
  streamName,
  valueName,
} from './engine.ts';
import { type EventPosition, eventId, type StoredValue, type StreamPage } from './store.ts';

interface HeldEvent extends EventPosition {
  readonly value: Uint8Array;
}

interface Entry {
  /** Unix time, milliseconds; null where it has no end. */
  readonly expires: number | null;
  readonly bytes: number;
  /** A value's. */
  readonly held: StoredValue | null;
  /** A stream's, oldest first; `last` is the newest it ever had. */
  readonly events: HeldEvent[];
  readonly last: EventPosition;
}

const NOTHING: EventPosition = { ms: 0, seq: 0 };

/** Keeps everything in two maps of this thread; gone with it. */
export class MemoryEngine implements StoreEngine {
  readonly name = 'memory';
  readonly #maxBytes: number;
  readonly #now: () => number;
  /** Entries without an end. */
  readonly #lasting = new Map<string, Entry>();
  /** The others, least recently used first. */
  readonly #passing = new Map<string, Entry>();
  #lastingBytes = 0;
  #passingBytes = 0;
  #expired = 0;
  #evicted = 0;
  /** Where the sweep stands in `#passing`. */
  #cursor: Iterator<[string, Entry]> | null = null;

  constructor(options: EngineOptions) {
    this.#maxBytes = options.maxBytes;
    this.#now = options.now ?? Date.now;
  }

  get(key: string): StoredValue | null {
    return this.#find(valueName(key))?.held ?? null;
  }

  put(key: string, value: Uint8Array, version: string, ttlMs: number | null): void {
    const name = valueName(key);
    // A copy: the caller's bytes may be part of a large buffer, or be used again.
    const held = { value: new Uint8Array(value), version };
    const bytes = name.length + value.length + ENTRY_BYTES;
    this.#store(name, { expires: this.#end(ttlMs), bytes, held, events: [], last: NOTHING });
  }

  compareAndSet(
    key: string,
    expected: string | null,
    value: Uint8Array,
    version: string,
    ttlMs: number | null,
  ): boolean {
    if ((this.get(key)?.version ?? null) !== expected) return false;
    this.put(key, value, version, ttlMs);
    return true;
  }

  delete(key: string): boolean {
    let any = false;
    for (const name of [valueName(key), streamName(key)]) {
      if (this.#find(name) === undefined) continue;
      this.#drop(name);
      any = true;
    }
    return any;
  }

  append(key: string, value: Uint8Array, maxLength: number, ttlMs: number | null): string {
    const name = streamName(key);
    const stream = this.#find(name);
    const events = stream?.events ?? [];
    const removed = Math.max(0, events.length + 1 - maxLength);
    const last = nextPosition(stream?.last ?? NOTHING, this.#now());
    const bytes = (stream?.bytes ?? name.length + ENTRY_BYTES) + eventBytes({ value }) - sum(events, removed);
    this.#store(name, { expires: this.#end(ttlMs), bytes, held: null, events, last });
    events.splice(0, removed);
    events.push({ ...last, value: new Uint8Array(value) });
    return eventId(last);
  }

  read(key: string, after: EventPosition | null, limit: number): StreamPage {
    const events = this.#find(streamName(key))?.events ?? [];
    if (events.length === 0) return emptyPage(after);
    const from = after === null ? 0 : firstFrom(events, after);
    const missed = after !== null && !isAt(events[from], after);
    const start = after === null || missed ? from : from + 1;
    const page = events.slice(start, start + limit);
    page.length = pageLength(page.map(({ value }) => value.length));
    return { events: page.map((event) => ({ id: eventId(event), value: event.value })), missed };
  }

  trim(key: string, maxLength: number): number {
    const name = streamName(key);
    const stream = this.#find(name);
    if (stream === undefined || stream.events.length <= maxLength) return 0;
    const removed = stream.events.length - maxLength;
    this.#store(name, { ...stream, bytes: stream.bytes - sum(stream.events, removed) });
    stream.events.splice(0, removed);
    return removed;
  }

  sweep(limit: number): void {
    const now = this.#now();
    for (let seen = 0; seen < limit; seen++) {
      this.#cursor ??= this.#passing.entries();
      const next = this.#cursor.next();
      if (next.done === true) {
        this.#cursor = null;
        return;
      }
      const [name, entry] = next.value;
      if (!hasEnded(entry, now)) continue;
      this.#drop(name);
      this.#expired++;
    }
  }

  stats(): StoreStats {
    return {
      entries: this.#lasting.size + this.#passing.size,
      bytes: this.#lastingBytes + this.#passingBytes,
      expired: this.#expired,
      evicted: this.#evicted,
    };
  }

  close(): void {
    this.#lasting.clear();
    this.#passing.clear();
    this.#lastingBytes = 0;
    this.#passingBytes = 0;
  }

  #end(ttlMs: number | null): number | null {
    return ttlMs === null ? null : this.#now() + ttlMs;
  }

  /** What is there now; it becomes the most recently used. */
  #find(name: string): Entry | undefined {
    const lasting = this.#lasting.get(name);
    if (lasting !== undefined) return lasting;
    const entry = this.#passing.get(name);
    if (entry === undefined) return undefined;
    if (hasEnded(entry, this.#now())) {
      this.#drop(name);
      this.#expired++;
      return undefined;
    }
    this.#passing.delete(name);
    this.#passing.set(name, entry);
    return entry;
  }

  /** Replaces what is under that name. Throws where it can't have room, and then changes nothing. */
  #store(name: string, entry: Entry): void {
    if (this.#lastingBytes - (this.#lasting.get(name)?.bytes ?? 0) + entry.bytes > this.#maxBytes) throw full();
    this.#drop(name);
    while (this.#lastingBytes + this.#passingBytes + entry.bytes > this.#maxBytes) {
      const oldest = this.#passing.keys().next();
      if (oldest.done === true) break;
      this.#drop(oldest.value);
      this.#evicted++;
    }
    if (entry.expires === null) {
      this.#lasting.set(name, entry);
      this.#lastingBytes += entry.bytes;
    } else {
      this.#passing.set(name, entry);
      this.#passingBytes += entry.bytes;
    }
  }

  #drop(name: string): void {
    this.#lastingBytes -= this.#lasting.get(name)?.bytes ?? 0;
    this.#passingBytes -= this.#passing.get(name)?.bytes ?? 0;
    this.#lasting.delete(name);
    this.#passing.delete(name);
  }
}

function hasEnded({ expires }: Entry, now: number): boolean {
  return expires !== null && expires <= now;
}

function eventBytes({ value }: { readonly value: Uint8Array }): number {
  return value.length + EVENT_BYTES;
}

/** Bytes of the first `count` events. */
function sum(events: readonly HeldEvent[], count: number): number {
  let bytes = 0;
  for (const event of events.slice(0, count)) bytes += eventBytes(event);
  return bytes;
}

/** Index of the first event at or after a position. */
function firstFrom(events: readonly HeldEvent[], { ms, seq }: EventPosition): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const event = events[middle] ?? NOTHING;
    if (event.ms < ms || (event.ms === ms && event.seq < seq)) low = middle + 1;
    else high = middle;
  }
  return low;
}
