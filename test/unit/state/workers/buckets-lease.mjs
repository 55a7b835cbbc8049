// Reserves and settles, some leases twice, some late; says what it has used in truth.
import { parentPort, workerData } from 'node:worker_threads';
import { TokenBuckets } from '../../../../dist/state/shared/token-buckets.js';
import { meet, random } from './common.mjs';

const { buffer, worker, workers, spec, gate, ops, nowMs, keep } = workerData;
const bucket = TokenBuckets.open(buffer, worker).bucket('shared', spec);
const next = random(worker + 1);
let used = 0;
let leases = [];
meet(new Int32Array(gate), workers);
for (let op = 0; op < ops; op++) {
  const lease = bucket.reserve(Math.floor(next() * 20), nowMs);
  if (lease !== null) leases.push(lease);
  if (leases.length < 8) continue;
  const lot = leases;
  leases = [];
  for (const open of lot) {
    const actual = Math.floor(next() * 20);
    open.settle(actual, nowMs);
    open.settle(1000, nowMs);
    used += actual;
  }
}
for (const open of leases.splice(keep)) {
  open.settle(open.estimate, nowMs);
  used += open.estimate;
}
const outstanding = leases.reduce((sum, lease) => sum + lease.estimate, 0);
parentPort.postMessage({ used, outstanding, counted: bucket.outstanding });
// Stays, with its open leases, until it is ended.
setInterval(() => leases.length, 1000);
