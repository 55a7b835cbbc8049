import { MessageChannel } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { StoreClient } from '../../../../src/state/stores/client.ts';
import { LocalStore } from '../../../../src/state/stores/local.ts';
import { MemoryEngine } from '../../../../src/state/stores/memory-engine.ts';
import { StoreServer } from '../../../../src/state/stores/server.ts';
import type { Store } from '../../../../src/state/stores/store.ts';
import { bytes, freshKey, LIMITS, recorder, SOON, storeContract } from './contract.ts';
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

it('tells a client that messages came faster than it took them', async () => {
  const store = new LocalStore({ engine: new MemoryEngine({ maxBytes: 1000 }), limits: LIMITS, log: testLog().log });
  const client = clientOf(store);
  const key = freshKey();
  const heard = recorder();
  await client.subscribe(key, heard);
  // Nothing is delivered to another thread's port before this loop ends.
  for (let n = 0; n < 3000; n++) await store.publish(key, bytes(String(n)));
  await expect.poll(() => heard.losses, SOON).toBeGreaterThan(0);
  expect(heard.heard.length).toBeLessThan(3000);
  expect(heard.heard).toEqual(Array.from(heard.heard.keys(), String));
  await store.publish(key, bytes('later'));
  await expect.poll(() => heard.heard.at(-1), SOON).toBe('later');
  await client.close();
  await store.close();
});
