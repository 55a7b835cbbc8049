// Takes from one bucket while a clock all threads share goes on; says how much it was granted.
import { parentPort, workerData } from 'node:worker_threads';
import { TokenBuckets } from '../../../../dist/state/shared/token-buckets.js';
import { meet, random } from './common.mjs';

const { buffer, worker, workers, spec, clock, gate, ops, ticksEvery, startMs } = workerData;
const bucket = TokenBuckets.open(buffer, worker).bucket('shared', spec);
const next = random(worker + 1);
const time = new Int32Array(clock);
let granted = 0;
let refused = 0;
meet(new Int32Array(gate), workers);
for (let op = 0; op < ops; op++) {
  if (op % ticksEvery === 0) Atomics.add(time, 0, 1);
  // Clocks of two threads are never quite the same.
  const now = startMs + Atomics.load(time, 0) - Math.floor(next() * 2);
  const amount = 1 + Math.floor(next() * 3);
  if (bucket.take(amount, now).ok) granted += amount;
  else refused++;
}
parentPort.postMessage({ granted, refused });
