import { MessageChannel } from 'node:worker_threads';
import { StoreClient } from '../../../../src/state/stores/client.ts';
import { LocalStore } from '../../../../src/state/stores/local.ts';
import { MemoryEngine } from '../../../../src/state/stores/memory-engine.ts';
import { StoreServer } from '../../../../src/state/stores/server.ts';
import type { Store } from '../../../../src/state/stores/store.ts';
import { LIMITS, storeContract } from './contract.ts';
import { BARE_THREAD, connect, folder, storeHost, testLog } from './support.ts';

const MAX_BYTES = 64 * 1024 * 1024;

function clientOf(store: Store): Store {
  const [calls, control] = [new MessageChannel(), new MessageChannel()];
  new StoreServer(store, calls.port1, testLog().log);
  return new StoreClient({ limits: LIMITS, control: control.port2, port: calls.port2 }, testLog().log);
}

storeContract('a store in this thread', async () => {
  const store = new LocalStore({
    engine: new MemoryEngine({ maxBytes: MAX_BYTES }),
    limits: LIMITS,
    log: testLog().log,
    sweepMs: 20,
  });
  // The store itself, and others that reach it as another thread would.
  let first = true;
  return {
    open: async () => {
      if (!first) return clientOf(store);
      first = false;
      return store;
    },
    close: () => store.close(),
  };
});

storeContract('the store thread, in memory', async () => {
  const host = storeHost();
  await host.start();
  return { open: () => connect(host), close: () => host.close() };
});

storeContract('the store thread, in a file', async () => {
  const files = folder();
  const host = storeHost({ path: files.path('state.db') });
  await host.start();
  return {
    open: () => connect(host),
    close: async () => {
      await host.close();
      files.remove();
    },
  };
});

storeContract('the store thread, without libsql', async () => {
  const host = storeHost({ entry: BARE_THREAD });
  await host.start();
  return { open: () => connect(host), close: () => host.close() };
});
