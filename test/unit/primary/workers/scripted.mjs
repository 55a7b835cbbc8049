/**
 * A worker without a gateway in it: says it has applied version 1, counts and logs with the real telemetry, and dies in the
 * way `workerData.script` says for this life, so that its supervisor can be tested.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { LineRingWriter } from '../../../../dist/state/shared/line-ring.js';
import { AccessLog } from '../../../../dist/telemetry/access-log.js';
import { Metrics } from '../../../../dist/telemetry/metrics.js';
import { MetricsPush } from '../../../../dist/telemetry/metrics-push.js';

const { script, index, lines } = workerData;
const metrics = new Metrics();
const log = new AccessLog({
  format: 'json',
  flushMs: 1,
  announceUnits: 2048,
  sink: new LineRingWriter(lines),
  announce: () => parentPort.postMessage({ type: 'lines' }),
});
const push = new MetricsPush(
  metrics,
  (deltas, transfer) => parentPort.postMessage({ type: 'metrics', metrics: deltas }, transfer),
  {
    intervalMs: 5,
  },
);

const exchange = {
  routed: { gateway: 'g', listener: 'l', route: `worker-${index}`, routeRule: '', backend: 'b', endpoint: '' },
  downstream: { knownAddress: '127.0.0.1', remotePort: 1, httpVersion: '1.1', tls: null },
  llm: null,
  startedAtUnixMs: Date.now(),
  elapsedMs: () => 1,
  method: 'GET',
  host: 'h',
  originalPath: '/',
  status: 200,
  apiKey: null,
  logEdits: null,
  attempts: 1,
  error: null,
  endCause: 'complete',
};

function serve() {
  metrics.responseBytes.inc({ backend: String(index) }, 1);
  metrics.downstreamOpen.set({ bind: String(index) }, 1);
  log.write(exchange);
}

let serving = null;
parentPort.on('message', async (message) => {
  if (message.type === 'drain' && script !== 'deaf') {
    clearInterval(serving);
    await log.close(5000);
    push.stop();
    parentPort.postMessage({ type: 'drained' });
    parentPort.close();
  }
});

if (script === 'dead-on-arrival') throw new Error('no such luck');
if (script === 'deaf') setInterval(() => {}, 1000);
parentPort.postMessage({
  type: 'applied',
  version: 1,
  ports: script === 'no-port' ? [] : [4000],
  errors: script === 'no-port' ? ['port 4000: permission denied'] : [],
});
serving = setInterval(() => {
  for (let i = 0; i < 20; i++) serve();
}, 1);

if (script === 'throws')
  setTimeout(() => {
    throw new Error('a fault of the program');
  }, 60);
if (script === 'exhausts-heap') {
  setTimeout(() => {
    const held = [];
    for (;;) held.push(new Array(10_000).fill(held.length));
  }, 60);
}
if (script === 'hangs')
  setTimeout(() => {
    for (;;);
  }, 60);
