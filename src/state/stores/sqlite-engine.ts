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
import type { OpenDatabase } from './libsql.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import {
  type EventPosition,
  eventId,
  type StoredValue,
  StoreError,
  type StreamEvent,
  type StreamPage,
} from './store.ts';

/** Use is written down only where the last was this long ago, milliseconds: most reads write nothing. */
const USED_STEP_MS = 10_000;

/** An entry without its value. */
interface Row {
  readonly id: number;
  readonly expires: number | null;
  readonly used: number;
  readonly bytes: number;
  readonly length: number;
  readonly ms: number;
  readonly seq: number;
  readonly version: string | null;
}

export interface SqliteEngineOptions extends EngineOptions {
  readonly open: OpenDatabase;
  /** The file, made where there is none; null for memory. */
  readonly path: string | null;
}

/** Keeps everything in one SQLite database. Throws StoreError where it can't be opened. */
export class SqliteEngine implements StoreEngine {
  readonly name = 'sqlite';
  readonly #db: SqliteDatabase;
  readonly #maxBytes: number;
  readonly #now: () => number;
  #entries = 0;
  #bytes = 0;
  /** Of those, bytes of entries without an end. */
  #lastingBytes = 0;
  #expired = 0;
  #evicted = 0;

  constructor(options: SqliteEngineOptions) {
    this.#maxBytes = options.maxBytes;
    this.#now = options.now ?? Date.now;
    this.#db = new SqliteDatabase(options.open, options.path);
    this.#count();
  }

  get(key: string): StoredValue | null {
    const row = this.#find(valueName(key));
    if (row === undefined || row.version === null) return null;
    const { value } = this.#db.row<{ value: Uint8Array }>('SELECT value FROM entries WHERE id = ?', row.id) ?? {};
    return value === undefined ? null : { value, version: row.version };
  }

  put(key: string, value: Uint8Array, version: string, ttlMs: number | null): void {
    this.#change(() => this.#put(valueName(key), value, version, ttlMs));
  }

  compareAndSet(
    key: string,
    expected: string | null,
    value: Uint8Array,
    version: string,
    ttlMs: number | null,
  ): boolean {
    return this.#change(() => {
      const name = valueName(key);
      if ((this.#find(name)?.version ?? null) !== expected) return false;
      this.#put(name, value, version, ttlMs);
      return true;
    });
  }

  delete(key: string): boolean {
    return this.#change(() => {
      const rows = [this.#find(valueName(key)), this.#find(streamName(key))].filter((row) => row !== undefined);
      for (const row of rows) this.#drop(row);
      return rows.length > 0;
    });
  }

  append(key: string, value: Uint8Array, maxLength: number, ttlMs: number | null): string {
    return this.#change(() => {
      const name = streamName(key);
      const stream = this.#find(name);
      const now = this.#now();
      const at = nextPosition(stream ?? { ms: 0, seq: 0 }, now);
      const length = (stream?.length ?? 0) + 1;
      const removed = Math.max(0, length - maxLength);
      const freed = stream === undefined || removed === 0 ? 0 : this.#removeOldest(stream.id, removed);
      const bytes = (stream?.bytes ?? name.length + ENTRY_BYTES) + value.length + EVENT_BYTES - freed;
      const id = this.#store(name, stream, {
        expires: ttlMs === null ? null : now + ttlMs,
        bytes,
        length: length - removed,
        ...at,
        version: null,
        value: null,
      });
      this.#db.run('INSERT INTO events (entry, ms, seq, value) VALUES (?, ?, ?, ?)', id, at.ms, at.seq, value);
      return eventId(at);
    });
  }

  read(key: string, after: EventPosition | null, limit: number): StreamPage {
    const stream = this.#find(streamName(key));
    if (stream === undefined || stream.length === 0) return emptyPage(after);
    const from = after ?? { ms: 0, seq: 0 };
    // Sizes first, without the values: so a page is never more in memory than it may have.
    const found = this.#db.all<EventPosition & { bytes: number }>(
      `SELECT ms, seq, length(value) AS bytes FROM events WHERE entry = ? AND (ms, seq) >= (?, ?)
       ORDER BY ms, seq LIMIT ?`,
      stream.id,
      from.ms,
      from.seq,
      limit + 1,
    );
    const missed = after !== null && !isAt(found[0], after);
    const events = found.slice(after === null || missed ? 0 : 1).slice(0, limit);
    const [first] = events;
    if (first === undefined) return { events: [], missed };
    const rows = this.#db.all<EventPosition & { value: ArrayBuffer }>(
      'SELECT ms, seq, value FROM events WHERE entry = ? AND (ms, seq) >= (?, ?) ORDER BY ms, seq LIMIT ?',
      stream.id,
      first.ms,
      first.seq,
      pageLength(events.map(({ bytes }) => bytes)),
    );
    return { events: rows.map((row): StreamEvent => ({ id: eventId(row), value: new Uint8Array(row.value) })), missed };
  }

  trim(key: string, maxLength: number): number {
    return this.#change(() => {
      const stream = this.#find(streamName(key));
      if (stream === undefined || stream.length <= maxLength) return 0;
      const removed = stream.length - maxLength;
      const freed = this.#removeOldest(stream.id, removed);
      this.#db.run('UPDATE entries SET length = ?, bytes = bytes - ? WHERE id = ?', maxLength, freed, stream.id);
      this.#account(stream, -1);
      this.#account({ ...stream, bytes: stream.bytes - freed }, 1);
      return removed;
    });
  }

  sweep(limit: number): void {
    // Of two processes that take over from one another, both may write for a while.
    if (this.#db.changedElsewhere()) this.#count();
    this.#change(() => {
      const rows = this.#db.all<Row>(
        'SELECT id, expires, bytes FROM entries WHERE expires <= ? LIMIT ?',
        this.#now(),
        limit,
      );
      for (const row of rows) this.#drop(row);
      this.#expired += rows.length;
    });
  }

  stats(): StoreStats {
    return { entries: this.#entries, bytes: this.#bytes, expired: this.#expired, evicted: this.#evicted };
  }

  close(): void {
    this.#db.close();
  }

  #count(): void {
    const counted = this.#db.row<{ entries: number; bytes: number; lasting: number }>(
      `SELECT count(*) AS entries, coalesce(sum(bytes), 0) AS bytes,
         coalesce(sum(bytes) FILTER (WHERE expires IS NULL), 0) AS lasting FROM entries`,
    );
    this.#entries = counted?.entries ?? 0;
    this.#bytes = counted?.bytes ?? 0;
    this.#lastingBytes = counted?.lasting ?? 0;
  }

  /** What is there now, its use written down; what has ended is removed. */
  #find(name: string): Row | undefined {
    const row = this.#db.row<Row>(
      'SELECT id, expires, used, bytes, length, ms, seq, version FROM entries WHERE name = ?',
      name,
    );
    if (row === undefined || row.expires === null) return row;
    const now = this.#now();
    if (row.expires <= now) {
      this.#drop(row);
      this.#expired++;
      return undefined;
    }
    if (now - row.used >= USED_STEP_MS) this.#db.run('UPDATE entries SET used = ? WHERE id = ?', now, row.id);
    return row;
  }

  #put(name: string, value: Uint8Array, version: string, ttlMs: number | null): void {
    this.#store(name, this.#find(name), {
      expires: ttlMs === null ? null : this.#now() + ttlMs,
      bytes: name.length + value.length + ENTRY_BYTES,
      length: 0,
      ms: 0,
      seq: 0,
      version,
      value,
    });
  }

  /** Writes an entry in place of `old` and returns its id. Throws where it can't have room. */
  #store(name: string, old: Row | undefined, entry: Omit<Row, 'id' | 'used'> & { value: Uint8Array | null }): number {
    if (old !== undefined) this.#account(old, -1);
    if (this.#lastingBytes + entry.bytes > this.#maxBytes) throw full();
    while (this.#bytes + entry.bytes > this.#maxBytes) {
      const oldest = this.#db.row<Row>(
        'SELECT id, expires, bytes FROM entries WHERE expires IS NOT NULL AND id <> ? ORDER BY used LIMIT 1',
        old?.id ?? 0,
      );
      if (oldest === undefined) break;
      this.#drop(oldest);
      this.#evicted++;
    }
    this.#account(entry, 1);
    const written = this.#db.row<{ id: number }>(
      `INSERT INTO entries (name, expires, used, bytes, length, ms, seq, version, value)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET expires = excluded.expires, used = excluded.used, bytes = excluded.bytes,
         length = excluded.length, ms = excluded.ms, seq = excluded.seq, version = excluded.version, value = excluded.value
       RETURNING id`,
      name,
      entry.expires,
      this.#now(),
      entry.bytes,
      entry.length,
      entry.ms,
      entry.seq,
      entry.version,
      entry.value,
    );
    if (written === undefined) throw new StoreError('unavailable', 'the embedded database did not write an entry');
    return written.id;
  }

  /** Bytes freed. */
  #removeOldest(entry: number, count: number): number {
    const removed = this.#db.all<{ bytes: number }>(
      `DELETE FROM events WHERE rowid IN (SELECT rowid FROM events WHERE entry = ? ORDER BY ms, seq LIMIT ?)
       RETURNING length(value) AS bytes`,
      entry,
      count,
    );
    return removed.reduce((sum, { bytes }) => sum + bytes + EVENT_BYTES, 0);
  }

  #drop(row: Pick<Row, 'id' | 'expires' | 'bytes'>): void {
    this.#db.run('DELETE FROM entries WHERE id = ?', row.id);
    this.#account(row, -1);
  }

  #account({ expires, bytes }: Pick<Row, 'expires' | 'bytes'>, sign: 1 | -1): void {
    this.#entries += sign;
    this.#bytes += sign * bytes;
    if (expires === null) this.#lastingBytes += sign * bytes;
  }

  /** All or nothing. */
  #change<T>(change: () => T): T {
    const before = [this.#entries, this.#bytes, this.#lastingBytes, this.#expired, this.#evicted] as const;
    try {
      return this.#db.transaction(change);
    } catch (error) {
      [this.#entries, this.#bytes, this.#lastingBytes, this.#expired, this.#evicted] = before;
      throw error;
    }
  }
}
