// Takes and gives; what is held by all threads is counted once more in `granted`, after each take and before each give.
import { parentPort, workerData } from 'node:worker_threads';
import { MemoryBudget } from '../../../../dist/state/shared/memory-budget.js';
import { meet, random } from './common.mjs';

const { buffer, row, worker, workers, gate, granted, ops, limit, keep } = workerData;
const budget = MemoryBudget.open(buffer, row, worker);
const count = new BigInt64Array(granted);
const next = random(worker + 1);
const held = [];
let over = 0;
let refused = 0;
meet(new Int32Array(gate), workers);
for (let op = 0; op < ops; op++) {
  const amount = 1 + Math.floor((next() * limit) / 4);
  if (budget.take(amount)) {
    held.push(amount);
    if (Atomics.add(count, 0, BigInt(amount)) + BigInt(amount) > BigInt(limit)) over++;
  } else {
    refused++;
  }
  while (held.length > 0 && next() < 0.5) {
    const amount = held.pop();
    Atomics.sub(count, 0, BigInt(amount));
    budget.give(amount);
  }
}
for (const amount of held) {
  Atomics.sub(count, 0, BigInt(amount));
  budget.give(amount);
}
const kept = budget.take(keep) ? keep : 0;
parentPort.postMessage({ over, refused, kept });
setInterval(() => {}, 1000);
