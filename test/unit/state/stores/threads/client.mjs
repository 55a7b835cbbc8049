// A thread that opens a store with the handle it is given, and counts with the others.
import { parentPort, workerData } from 'node:worker_threads';
import { openStore } from '../../../../../dist/state/stores/open.js';

const { handle, key, times } = workerData;
const log = { error() {}, warn() {}, info() {}, debug() {} };
const store = await openStore({ kind: 'embedded', handle, log });
for (let done = 0; done < times; ) {
  const held = await store.get(key);
  const next = Buffer.from(String(Number(Buffer.from(held?.value ?? []).toString()) + 1));
  try {
    await store.compareAndSet(key, held?.version ?? null, next);
    done++;
  } catch (error) {
    if (error.code !== 'conflict') throw error;
  }
}
await store.close();
parentPort.postMessage('done');
