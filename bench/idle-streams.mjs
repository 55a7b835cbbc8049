import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { outDir } from './lib/options.mjs';
import { startMock, usage } from './lib/processes.mjs';
import { machine, median, number, table, writeSection } from './lib/report.mjs';
import { CHAT_PATH, IDLE_BODY } from './lib/scenarios.mjs';
import { peers as nodeFloor } from './peers/node-floor.mjs';
import { peers as sluice } from './peers/sluice.mjs';
import { peers as uwsFloor } from './peers/uws-floor.mjs';

const STREAMS = 1000;
/** Opened and closed again first, so that code and buffers that are there once are not counted as a stream's. */
const WARM_UP = 100;
const OPENED_AT_ONCE = 50;
const SETTLE_MS = 3000;
const BOUND = 1.4;

/** `npm run bench -- idle-streams`: what 1,000 LLM streams that wait for their next event cost in memory. */
export async function idleStreams({ rounds, write }) {
  const mock = await startMock();
  const named = (name) => sluice.find((peer) => peer.name === name);
  const compared = [
    { floor: nodeFloor[0], peer: named('sluice-node-1') },
    { floor: uwsFloor[0], peer: named('sluice-uws-1') },
  ];
  const rows = [];
  for (const { floor, peer } of compared) {
    const reason = floor.unavailable?.() ?? peer.unavailable();
    if (reason !== null) {
      console.log(`${peer.name}: left out, ${reason}`);
      continue;
    }
    const costs = { [floor.name]: [], [peer.name]: [] };
    for (let round = 0; round < rounds; round++) {
      for (const one of [floor, peer]) costs[one.name].push(await costOf(one, mock.port));
    }
    const base = median(costs[floor.name]);
    for (const name of [floor.name, peer.name]) {
      const cost = median(costs[name]);
      const factor = cost / base;
      const isPeer = name === peer.name;
      rows.push([
        name,
        number(cost / 2 ** 20, 1),
        number(cost / STREAMS / 1024, 1),
        number(factor, 2),
        isPeer ? `≤ ${BOUND}` : '',
        isPeer ? (factor <= BOUND ? 'yes' : 'no') : '',
      ]);
    }
  }
  await mock.stop();
  const header = ['peer', 'RSS growth MiB', 'KiB a stream', '× floor', 'aim', 'met'];
  const text = `${STREAMS} open streams, medians of ${rounds} rounds with fresh processes, on ${machine()}.\n\n${table(header, rows)}`;
  console.log(text);
  if (write) writeSection('idle-streams', `## Idle streams\n\n${text}`);
}

/** Bytes of RSS that a fresh process grows by. */
async function costOf(peer, upstream) {
  const { port, pid, stop } = await peer.start({ upstream, outDir });
  for (const socket of await open(port, WARM_UP)) socket.destroy();
  await sleep(SETTLE_MS);
  const before = usage(pid).rss;
  const sockets = await open(port, STREAMS);
  await sleep(SETTLE_MS);
  const after = usage(pid).rss;
  for (const socket of sockets) socket.destroy();
  await stop();
  return after - before;
}

async function open(port, count) {
  const sockets = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(OPENED_AT_ONCE, count - sockets.length) }, () => stream(port));
    sockets.push(...(await Promise.all(some)));
  }
  return sockets;
}

/** Resolves with the socket once the first event is there. */
function stream(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.latin1Slice();
      if (received.includes('\ndata: ')) resolve(socket);
      else if (/^HTTP\/1\.1 [^2]/.test(received)) reject(new Error(`refused: ${received.slice(0, 200)}`));
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed before the first event')));
    socket.write(
      `POST ${CHAT_PATH} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(IDLE_BODY)}\r\n\r\n${IDLE_BODY}`,
    );
  });
}
