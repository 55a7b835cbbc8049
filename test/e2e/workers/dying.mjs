/** The real worker, with a way to have it die: the test says on a BroadcastChannel which one, and how. */
import { BroadcastChannel, workerData } from 'node:worker_threads';
import '../../../dist/workers/worker.js';

const ways = {
  /** What terminate() does: the thread ends where it stands. */
  exit: () => process.exit(7),
  throw: () => {
    throw new Error('a fault of the program');
  },
  'exhaust its heap': () => {
    const held = [];
    for (;;) held.push(new Array(10_000).fill(held.length));
  },
  /** Until the test lets go. */
  hang: ({ gate }) => Atomics.wait(new Int32Array(gate), 0, 0),
};

const channel = new BroadcastChannel('sluice-test');
channel.onmessage = ({ data }) => {
  if (data.index === workerData.index) ways[data.way](data);
};
channel.unref();
