import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, loadLibsql } from '../../state/stores/libsql.ts';
import { LocalStore } from '../../state/stores/local.ts';
import { openStore } from '../../state/stores/open.ts';
import { SqliteEngine } from '../../state/stores/sqlite-engine.ts';
import { DEFAULT_LIMITS, type Store, type StoreLimits } from '../../state/stores/store.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { ControlSettings } from '../settings.ts';

/** Where records and contents are. */
export interface ControlState {
  readonly store: Store;
  /** Other replicas have it too. */
  readonly shared: boolean;
  /** For people. */
  readonly name: string;
  close(): Promise<void>;
}

/** What is kept in the directory of the state, bytes: some revisions of a large fleet. */
const MAX_BYTES = 4 * 1024 * 1024 * 1024;

/** The record of very many gateways is larger than what is stored otherwise. */
const LIMITS: StoreLimits = { ...DEFAULT_LIMITS, maxValueBytes: 16 * 1024 * 1024 };

/** The state can't be opened; the message says what to do. */
export class StateError extends Error {
  override readonly name = 'StateError';
}

/** Opens Redis, or the state directory, which one process has at a time. Throws StateError. */
export async function openState(
  settings: Pick<ControlSettings, 'redis' | 'state'>,
  log: Logger,
): Promise<ControlState> {
  const { redis, state } = settings;
  if (redis !== null) {
    let store: Store;
    try {
      store = await openStore({ kind: 'redis', url: redis.url, prefix: redis.prefix, limits: LIMITS, log });
    } catch (error) {
      throw new StateError(`redis: ${error instanceof Error ? error.message : String(error)}`);
    }
    return { store, shared: true, name: `Redis (${redis.prefix}*)`, close: () => store.close() };
  }
  try {
    await mkdir(state, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StateError(
      `the state can't be kept in ${state}: ${reason}; give --state a directory that can be written to, or --redis`,
    );
  }
  const lock = await lockDirectory(state);
  try {
    const engine = new SqliteEngine({ open: loadLibsql(), path: join(state, 'state.db'), maxBytes: MAX_BYTES });
    const store = new LocalStore({ engine, limits: LIMITS, log });
    return {
      store,
      shared: false,
      name: state,
      close: async () => {
        await store.close();
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw new StateError(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Takes the directory for this process alone, with a lock of the system's on a file in it (SQLite's exclusive transaction): it
 * ends with the process, however that ends.
 */
async function lockDirectory(state: string): Promise<Database> {
  const holder = join(state, 'holder');
  let lock: Database;
  try {
    lock = loadLibsql()(join(state, 'lock.db'), { timeout: 0 });
  } catch (error) {
    throw new StateError(`${error instanceof Error ? error.message : String(error)}; --redis needs none`);
  }
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (!/locked|busy/i.test(String(error))) throw new StateError(`${state}: ${String(error)}`);
    const who = await readFile(holder, 'utf8').catch(() => '');
    throw new StateError(
      `another sluice control has its state in ${state}${who === '' ? '' : ` (${who.trim()})`}: without --redis there is one process a directory`,
    );
  }
  // For people only: what counts is the lock.
  await writeFile(holder, `process ${process.pid}, since ${new Date().toISOString()}\n`, { mode: 0o600 }).catch(
    () => {},
  );
  return lock;
}
