import { closeSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorText } from '../../telemetry/log.ts';
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
import type { Database, OpenDatabase, SqlValue, Statement } from './libsql.ts';
import {
  type EventPosition,
  eventId,
  type StoredValue,
  StoreError,
  type StreamEvent,
  type StreamPage,
} from './store.ts';

const SCHEMA_VERSION = 1;

/** Small columns stand before the value, so that reading them does not walk through its overflow pages. */
const SCHEMA = `
  CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    expires INTEGER,
    used INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    length INTEGER NOT NULL,
    ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    version TEXT,
    value BLOB
  ) STRICT;
  CREATE INDEX entries_expires ON entries (expires) WHERE expires IS NOT NULL;
  CREATE INDEX entries_used ON entries (used) WHERE expires IS NOT NULL;
  CREATE TABLE events (
    entry INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
    ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    value BLOB NOT NULL,
    UNIQUE (entry, ms, seq)
  ) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * A write-ahead log, synced when it is copied back: after a crash of the process nothing is lost, after one of the machine at
 * most the last moments, and the file is whole in either case.
 */
const PRAGMAS = [
  'journal_mode = WAL',
  'synchronous = NORMAL',
  'foreign_keys = ON',
  'journal_size_limit = 16777216',
  'trusted_schema = OFF',
];

/** How long another process may hold the file before a call fails, milliseconds. */
const BUSY_MS = 1000;
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
  readonly #db: Database;
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #statements = new Map<string, Statement>();
  #entries = 0;
  #bytes = 0;
  /** Of those, bytes of entries without an end. */
  #lastingBytes = 0;
  #expired = 0;
  #evicted = 0;

  constructor(options: SqliteEngineOptions) {
    this.#maxBytes = options.maxBytes;
    this.#now = options.now ?? Date.now;
    const { path } = options;
    try {
      this.#db = options.open(path === null ? ':memory:' : ownFile(path), { timeout: BUSY_MS });
      for (const pragma of PRAGMAS) this.#db.prepare(`PRAGMA ${pragma}`).all([]);
      this.#migrate();
      this.#count();
    } catch (error) {
      const where = path === null ? 'a database in memory' : path;
      throw new StoreError('unavailable', `the embedded database can't be opened: ${where}: ${errorText(error)}`);
    }
  }

  get(key: string): StoredValue | null {
    return this.#safely(() => {
      const row = this.#find(valueName(key));
      if (row === undefined || row.version === null) return null;
      const { value } = this.#row<{ value: Uint8Array }>('SELECT value FROM entries WHERE id = ?', row.id) ?? {};
      return value === undefined ? null : { value, version: row.version };
    });
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
      this.#run('INSERT INTO events (entry, ms, seq, value) VALUES (?, ?, ?, ?)', id, at.ms, at.seq, value);
      return eventId(at);
    });
  }

  read(key: string, after: EventPosition | null, limit: number): StreamPage {
    return this.#safely(() => {
      const stream = this.#find(streamName(key));
      if (stream === undefined || stream.length === 0) return emptyPage(after);
      const from = after ?? { ms: 0, seq: 0 };
      // Sizes first, without the values: so a page is never more in memory than it may have.
      const found = this.#all<EventPosition & { bytes: number }>(
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
      const rows = this.#all<EventPosition & { value: Uint8Array }>(
        'SELECT ms, seq, value FROM events WHERE entry = ? AND (ms, seq) >= (?, ?) ORDER BY ms, seq LIMIT ?',
        stream.id,
        first.ms,
        first.seq,
        pageLength(events.map(({ bytes }) => bytes)),
      );
      return { events: rows.map((row): StreamEvent => ({ id: eventId(row), value: row.value })), missed };
    });
  }

  trim(key: string, maxLength: number): number {
    return this.#change(() => {
      const stream = this.#find(streamName(key));
      if (stream === undefined || stream.length <= maxLength) return 0;
      const removed = stream.length - maxLength;
      const freed = this.#removeOldest(stream.id, removed);
      this.#run('UPDATE entries SET length = ?, bytes = bytes - ? WHERE id = ?', maxLength, freed, stream.id);
      this.#account(stream, -1);
      this.#account({ ...stream, bytes: stream.bytes - freed }, 1);
      return removed;
    });
  }

  sweep(limit: number): void {
    this.#change(() => {
      const rows = this.#all<Row>(
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
    this.#statements.clear();
    this.#db.close();
  }

  #migrate(): void {
    const version = this.#row<{ user_version: number }>('PRAGMA user_version')?.user_version;
    if (version === SCHEMA_VERSION) return;
    if (version !== 0) throw new Error(`its tables are of version ${version}, and only ${SCHEMA_VERSION} is known`);
    this.#transaction(() => this.#db.exec(SCHEMA));
  }

  #count(): void {
    const counted = this.#row<{ entries: number; bytes: number; lasting: number }>(
      `SELECT count(*) AS entries, coalesce(sum(bytes), 0) AS bytes,
         coalesce(sum(bytes) FILTER (WHERE expires IS NULL), 0) AS lasting FROM entries`,
    );
    this.#entries = counted?.entries ?? 0;
    this.#bytes = counted?.bytes ?? 0;
    this.#lastingBytes = counted?.lasting ?? 0;
  }

  /** What is there now, its use written down; what has ended is removed. */
  #find(name: string): Row | undefined {
    const row = this.#row<Row>(
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
    if (now - row.used >= USED_STEP_MS) this.#run('UPDATE entries SET used = ? WHERE id = ?', now, row.id);
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
      const oldest = this.#row<Row>(
        'SELECT id, expires, bytes FROM entries WHERE expires IS NOT NULL AND id <> ? ORDER BY used LIMIT 1',
        old?.id ?? 0,
      );
      if (oldest === undefined) break;
      this.#drop(oldest);
      this.#evicted++;
    }
    this.#account(entry, 1);
    const written = this.#row<{ id: number }>(
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
    const removed = this.#all<{ bytes: number }>(
      `DELETE FROM events WHERE rowid IN (SELECT rowid FROM events WHERE entry = ? ORDER BY ms, seq LIMIT ?)
       RETURNING length(value) AS bytes`,
      entry,
      count,
    );
    return removed.reduce((sum, { bytes }) => sum + bytes + EVENT_BYTES, 0);
  }

  #drop(row: Pick<Row, 'id' | 'expires' | 'bytes'>): void {
    this.#run('DELETE FROM entries WHERE id = ?', row.id);
    this.#account(row, -1);
  }

  #account({ expires, bytes }: Pick<Row, 'expires' | 'bytes'>, sign: 1 | -1): void {
    this.#entries += sign;
    this.#bytes += sign * bytes;
    if (expires === null) this.#lastingBytes += sign * bytes;
  }

  /** As `#safely`, all or nothing. */
  #change<T>(change: () => T): T {
    const before = [this.#entries, this.#bytes, this.#lastingBytes, this.#expired, this.#evicted] as const;
    try {
      return this.#safely(() => this.#transaction(change));
    } catch (error) {
      [this.#entries, this.#bytes, this.#lastingBytes, this.#expired, this.#evicted] = before;
      throw error;
    }
  }

  #transaction<T>(change: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = change();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      // Some errors (a full disk) have rolled it back already.
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** What SQLite throws becomes a StoreError; its messages speak of files and tables, never of values. */
  #safely<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof StoreError) throw error;
      throw new StoreError('unavailable', `the embedded database failed: ${errorText(error)}`);
    }
  }

  #run(sql: string, ...values: SqlValue[]): void {
    this.#prepared(sql).run(values);
  }

  #row<T>(sql: string, ...values: SqlValue[]): T | undefined {
    return this.#prepared(sql).get(values) as T | undefined;
  }

  #all<T>(sql: string, ...values: SqlValue[]): T[] {
    return this.#prepared(sql).all(values) as T[];
  }

  /** One statement for each text in this file. */
  #prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/**
 * The absolute path of a file that only this user may read, made where there is none: what is stored has secrets in it. SQLite gives
 * the files beside it the same mode.
 */
function ownFile(path: string): string {
  const file = resolve(path);
  closeSync(openSync(file, 'a', 0o600));
  return file;
}
