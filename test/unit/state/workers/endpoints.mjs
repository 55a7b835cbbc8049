// Counts on one endpoint with the other threads; leaves `left` requests in flight.
import { parentPort, workerData } from 'node:worker_threads';
import { EndpointTable } from '../../../../dist/state/shared/endpoint-table.js';
import { meet } from './common.mjs';

const { buffer, worker, workers, gate, ops, left } = workerData;
const row = EndpointTable.open(buffer, worker).endpoint('10.0.0.1:80');
const seen = { inFlightMax: 0, inFlightMin: 0, ewmaMin: Infinity, ewmaMax: 0 };
meet(new Int32Array(gate), workers);
for (let op = 0; op < ops; op++) {
  row.begin();
  row.failure();
  row.sample(op % 2 === 0 ? 10 : 20);
  const { inFlight, ewmaMs } = row;
  seen.inFlightMax = Math.max(seen.inFlightMax, inFlight);
  seen.inFlightMin = Math.min(seen.inFlightMin, inFlight);
  seen.ewmaMin = Math.min(seen.ewmaMin, ewmaMs);
  seen.ewmaMax = Math.max(seen.ewmaMax, ewmaMs);
  row.end();
}
for (let n = 0; n < left; n++) row.begin();
parentPort.postMessage(seen);
setInterval(() => {}, 1000);
