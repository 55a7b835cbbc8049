import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreHost, type StoreHostOptions } from '../../../../src/state/stores/host.ts';
import { openStore } from '../../../../src/state/stores/open.ts';
import type { Store } from '../../../../src/state/stores/store.ts';
import { LevelLogger, type LogRecord } from '../../../../src/telemetry/log.ts';
import { LIMITS } from './contract.ts';

/** A logger and what it was told. */
export function testLog(): { log: LevelLogger; records: LogRecord[] } {
  const records: LogRecord[] = [];
  return { log: new LevelLogger('debug', (record) => records.push(record)), records };
}

/** The store thread's own entry, built. */
export const THREAD = new URL('../../../../dist/state/stores/thread-main.js', import.meta.url);
/** One that dies or hangs when it is told to. */
export const FAULTY_THREAD = new URL('threads/faulty.mjs', import.meta.url);
/** One for which libsql does not load. */
export const BARE_THREAD = new URL('threads/bare.mjs', import.meta.url);

export function storeHost(options: Partial<StoreHostOptions> = {}): StoreHost {
  return new StoreHost({ entry: THREAD, path: null, log: testLog().log, limits: LIMITS, sweepMs: 20, ...options });
}

export function connect(host: StoreHost): Promise<Store> {
  return openStore({ kind: 'embedded', handle: host.connect(), log: testLog().log });
}

/** An empty folder and the way to remove it. */
export function folder(): { path(name: string): string; remove(): void } {
  const root = mkdtempSync(join(tmpdir(), 'sluice-store-'));
  return {
    path: (name) => join(root, name),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
