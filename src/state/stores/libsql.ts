/** The part of libsql's interface that is used here, and the way to load it: its binding is native and may not be there. */
import { createRequire } from 'node:module';
import { errorText } from '../../telemetry/log.ts';
import { StoreError } from './store.ts';

export type SqlValue = string | number | null | Uint8Array;

export interface Statement {
  run(values: readonly SqlValue[]): { readonly changes: number };
  get(values: readonly SqlValue[]): unknown;
  all(values: readonly SqlValue[]): unknown[];
}

export interface Database {
  readonly inTransaction: boolean;
  prepare(sql: string): Statement;
  exec(sql: string): void;
  close(): void;
}

export type OpenDatabase = (path: string, options: { readonly timeout: number }) => Database;

/** Throws StoreError, saying why, where libsql is not installed or has no binding for this system. */
export function loadLibsql(): OpenDatabase {
  try {
    const Libsql = createRequire(import.meta.url)('libsql') as new (...args: Parameters<OpenDatabase>) => Database;
    return (path, options) => new Libsql(path, options);
  } catch (error) {
    // The rest of a failed require's message lists the files that asked for it.
    const [reason] = errorText(error).split('\n');
    throw new StoreError('unavailable', `libsql, which holds the embedded database, does not load here: ${reason}`);
  }
}
