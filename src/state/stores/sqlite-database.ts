import { closeSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorText } from '../../telemetry/log.ts';
import type { Database, OpenDatabase, SqlValue, Statement } from './libsql.ts';
import { StoreError } from './store.ts';

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
/** An open database with the tables of a SqliteEngine. Whatever fails is a StoreError. */
export class SqliteDatabase {
  readonly #db: Database;
  readonly #statements = new Map<string, Statement>();
  #dataVersion: number | undefined;

  /** `path`: the file, made where there is none; null for memory. */
  constructor(open: OpenDatabase, path: string | null) {
    try {
      this.#db = open(path === null ? ':memory:' : ownFile(path), { timeout: BUSY_MS });
      for (const pragma of PRAGMAS) this.#db.prepare(`PRAGMA ${pragma}`).all([]);
      this.#migrate();
      this.changedElsewhere();
    } catch (error) {
      const where = path === null ? 'a database in memory' : path;
      throw new StoreError('unavailable', `the embedded database can't be opened: ${where}: ${errorText(error)}`);
    }
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  run(sql: string, ...values: SqlValue[]): void {
    safely(() => this.#prepared(sql).run(values));
  }

  /** The first row, blobs as Buffers. */
  row<T>(sql: string, ...values: SqlValue[]): T | undefined {
    return safely(() => this.#prepared(sql).get(values) as T | undefined);
  }

  /** All rows, blobs as ArrayBuffers. */
  all<T>(sql: string, ...values: SqlValue[]): T[] {
    return safely(() => this.#prepared(sql).all(values) as T[]);
  }

  transaction<T>(change: () => T): T {
    return safely(() => {
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
    });
  }

  /** Whether another connection has written since the last time this was asked. */
  changedElsewhere(): boolean {
    const version = this.row<{ data_version: number }>('PRAGMA data_version')?.data_version;
    const changed = this.#dataVersion !== undefined && version !== this.#dataVersion;
    this.#dataVersion = version;
    return changed;
  }

  #migrate(): void {
    const version = this.row<{ user_version: number }>('PRAGMA user_version')?.user_version;
    if (version === SCHEMA_VERSION) return;
    if (version !== 0) throw new Error(`its tables are of version ${version}, and only ${SCHEMA_VERSION} is known`);
    this.transaction(() => this.#db.exec(SCHEMA));
  }

  /** One statement for each text there is. */
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

/** What SQLite throws becomes a StoreError; its messages speak of files and tables, never of values. */
function safely<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError('unavailable', `the embedded database failed: ${errorText(error)}`);
  }
}
