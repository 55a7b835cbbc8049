import { parentPort, workerData } from 'node:worker_threads';
import { LevelLogger, type Logger } from '../../telemetry/log.ts';
import type { StoreEngine } from './engine.ts';
import { loadLibsql, type OpenDatabase } from './libsql.ts';
import { LocalStore } from './local.ts';
import { MemoryEngine } from './memory-engine.ts';
import type { FromStoreThread, StoreThreadBoot, ToStoreThread } from './protocol.ts';
import { StoreServer } from './server.ts';
import { SqliteEngine } from './sqlite-engine.ts';
import { StoreError } from './store.ts';

/**
 * The store thread: owns the database, answers its clients. Where libsql does not load, what was to be in memory is kept in a map
 * instead; a configured file is then an error, since nothing would be in it. A thread that can't open its store ends with the
 * StoreError.
 */
export function runStoreThread(load: () => OpenDatabase = loadLibsql): void {
  const boot = workerData as StoreThreadBoot;
  const say = (message: FromStoreThread): void => parentPort?.postMessage(message);
  // The host knows which levels are wanted.
  const log = new LevelLogger('debug', (record) => say({ type: 'log', ...record }));
  const store = new LocalStore({
    engine: openEngine(boot, load, log, (engine) => say({ type: 'ready', engine })),
    limits: boot.limits,
    log,
    sweepMs: boot.sweepMs,
    onStats: (stats) => say({ type: 'stats', stats }),
  });
  const servers = new Set<StoreServer>();
  parentPort?.on('message', (message: ToStoreThread) => {
    if (message.type === 'connect') {
      const server = new StoreServer(store, message.port, log);
      servers.add(server);
      message.port.on('close', () => servers.delete(server));
      return;
    }
    for (const server of servers) server.close();
    void store.close();
    parentPort?.close();
  });
}

function openEngine(
  { path, maxBytes }: StoreThreadBoot,
  load: () => OpenDatabase,
  log: Logger,
  ready: (engine: StoreEngine['name']) => void,
): StoreEngine {
  let open: OpenDatabase | null = null;
  try {
    open = load();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (path !== null) throw new StoreError(error.code, `${error.message}; without a file, state is kept in memory`);
    log.warn(`${error.message}; what is stored is kept in a map of this process`);
  }
  const engine = open === null ? new MemoryEngine({ maxBytes }) : new SqliteEngine({ open, path, maxBytes });
  ready(engine.name);
  return engine;
}
