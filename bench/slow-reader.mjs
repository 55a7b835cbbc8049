import { connect } from 'node:net';
import { outDir } from './lib/options.mjs';
import { ask } from './lib/probe.mjs';
import { startMock, usage } from './lib/processes.mjs';
import { machine, number, table, writeSection } from './lib/report.mjs';
import { peers as sluice } from './peers/sluice.mjs';

const TOTAL = 1_000_000_000;
const PENDING_BOUND = 2 ** 20;
/** For so long the client takes `SIP` bytes every `SIP_EVERY_MS`; then the rest as fast as it comes. */
const SLOW_MS = 12_000;
const SIP = 64 * 1024;
const SIP_EVERY_MS = 20;
const LOOK_EVERY_MS = 200;
const GAUGE = 'agentgateway_downstream_pending_bytes';

/** `npm run bench -- slow-reader`: a response of 1 GB to a client that hardly reads must wait in the backend, not in the gateway. */
export async function slowReader({ write }) {
  const mock = await startMock();
  const rows = [];
  for (const name of ['sluice-node-1', 'sluice-uws-1']) {
    const peer = sluice.find((one) => one.name === name);
    const reason = peer.unavailable();
    if (reason !== null) {
      console.log(`${name}: left out, ${reason}`);
      continue;
    }
    const { port, statsPort, pid, stop } = await peer.start({ upstream: mock.port, outDir });
    const seen = await download(port, statsPort, pid);
    await stop();
    rows.push([
      name,
      number(seen.pending / 1024),
      `≤ ${PENDING_BOUND / 1024}`,
      seen.pending <= PENDING_BOUND ? 'yes' : 'no',
      number(seen.slow / 2 ** 20),
      number(seen.growth / 2 ** 20),
      number(TOTAL / 2 ** 20 / (seen.fastMs / 1000)),
    ]);
  }
  await mock.stop();
  const header = ['peer', 'most waiting KiB', 'aim', 'met', 'read slowly MiB', 'RSS growth MiB', 'then MiB/s'];
  const text = `${TOTAL / 1e9} GB to one client, on ${machine()}.\n\n${table(header, rows)}`;
  console.log(text);
  if (write) writeSection('slow-reader', `## Slow reader\n\n${text}`);
}

/** Reads the whole response and says the most that waited, how much was read slowly, and how far RSS grew meanwhile. */
async function download(port, statsPort, pid) {
  await ask(port, { method: 'GET', path: '/json', body: null });
  const before = usage(pid).rss;
  const seen = { pending: 0, slow: 0, growth: 0, fastMs: 0 };
  let samples = 0;
  const look = setInterval(async () => {
    seen.growth = Math.max(seen.growth, usage(pid).rss - before);
    const { body } = await ask(statsPort, { method: 'GET', path: '/metrics', body: null });
    const lines = body.toString().split('\n');
    const values = lines.filter((line) => line.startsWith(`${GAUGE}{`) || line.startsWith(`${GAUGE} `));
    samples += values.length;
    seen.pending = Math.max(seen.pending, ...values.map((line) => Number(line.slice(line.lastIndexOf(' ') + 1))));
  }, LOOK_EVERY_MS);
  try {
    await read(port, seen);
  } finally {
    clearInterval(look);
  }
  if (samples === 0) throw new Error(`the stats port shows no ${GAUGE}`);
  return seen;
}

function read(port, seen) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = 0;
    let head = -1;
    let slow = true;
    let fastSince = 0;
    const take = (chunk) => {
      // The gateway keeps the content-length, so the head is all there is beside the body.
      if (head === -1) head = chunk.indexOf('\r\n\r\n') + 4;
      received += chunk.length;
      if (slow) seen.slow = received;
      if (received >= TOTAL + head) {
        seen.fastMs = performance.now() - fastSince;
        socket.destroy();
        resolve();
      }
    };
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${received} bytes`)));
    socket.on('readable', () => {});
    const sips = setInterval(() => {
      const chunk = socket.read(Math.min(SIP, socket.readableLength));
      if (chunk !== null) take(chunk);
    }, SIP_EVERY_MS);
    setTimeout(() => {
      clearInterval(sips);
      slow = false;
      fastSince = performance.now();
      socket.removeAllListeners('readable');
      socket.on('data', take);
      socket.resume();
    }, SLOW_MS);
    socket.write(`GET /bytes/${TOTAL} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`);
  });
}
