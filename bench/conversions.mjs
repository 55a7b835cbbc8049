import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from './lib/build.mjs';
import { closedLoop } from './lib/closed-loop.mjs';
import { outDir } from './lib/options.mjs';
import { freePort, start, startMock, stop, usage, waitForPort } from './lib/processes.mjs';
import { machine, median, number, table, writeSection } from './lib/report.mjs';
import { loadUws } from './lib/uws.mjs';

const PROMPT = 'The quick brown fox jumps over the lazy dog. '.repeat(20);
const WARM_UP_SECONDS = 4;
const MESSAGES = [{ role: 'user', content: PROMPT }];

/** Clients, each with the provider that speaks its format and the one that speaks the other's. */
const CLIENTS = [
  {
    from: 'chat',
    to: 'messages',
    api: '/v1/chat/completions',
    body: (stream) => (stream ? { model: 'paced', stream, stream_options: { include_usage: true } } : { model: 'm' }),
  },
  {
    from: 'messages',
    to: 'chat',
    api: '/v1/messages',
    body: (stream) => ({ model: stream ? 'paced' : 'm', max_tokens: 500, ...(stream && { stream }) }),
  },
];
const KINDS = [
  { name: 'JSON 1 KB', stream: false, connections: 32, bound: 2 },
  // Paced and few: whoever is slower would read several events at once, and seem the cheaper for it.
  { name: '100 events', stream: true, connections: 8, bound: 3 },
];

/** `npm run bench -- conversions`: what converting costs beside passing through, in one process, turn by turn. */
export async function conversions({ rounds, seconds, write }) {
  const mock = await startMock();
  const rows = [];
  for (const driver of ['node', 'uws']) {
    if (driver === 'uws' && loadUws() === null) continue;
    const gateway = await startGateway(driver, mock.port);
    for (const kind of KINDS) {
      for (const client of CLIENTS) rows.push([driver, ...(await compare(gateway, client, kind))]);
    }
    await stop(gateway.child);
  }
  await mock.stop();
  const header = ['driver', 'request', 'client → provider', 'native µs', 'converted µs', 'ratio', 'aim', 'met'];
  const text = `CPU a request of one worker, medians of ${rounds} × ${seconds} s; the ratio is the median of the rounds'. On ${machine()}. Streams are paced, so that whoever is slower doesn't read several events at once and seem the cheaper for it.\n\n${table(header, rows)}`;
  console.log(text);
  if (write) writeSection('conversions', `## Conversions\n\n${text}`);

  async function compare(gateway, { from, to, api, body }, { name, stream, connections, bound }) {
    const request = (provider) => ({
      name: `${from}-${provider}-${stream}`,
      connections,
      method: 'POST',
      path: `/${provider}${api}`,
      body: JSON.stringify({ ...body(stream), messages: MESSAGES }),
    });
    const [native, converted] = [request(from), request(to)];
    for (const one of [native, converted]) await cpuOf(gateway, one, WARM_UP_SECONDS);
    const samples = [];
    for (let round = 0; round < rounds; round++) {
      samples.push([await cpuOf(gateway, native, seconds), await cpuOf(gateway, converted, seconds)]);
    }
    const ratio = median(samples.map(([a, b]) => b / a));
    return [
      name,
      `${from} → ${to}`,
      number(median(samples.map(([a]) => a)), 1),
      number(median(samples.map(([, b]) => b)), 1),
      number(ratio, 2),
      `≤ ${bound}`,
      ratio <= bound ? 'yes' : 'no',
    ];
  }
}

/** CPU microseconds a request. */
async function cpuOf({ port, child }, scenario, seconds) {
  const before = usage(child.pid).cpuUs;
  const { requests, failed } = await closedLoop(port, scenario, { connections: scenario.connections, seconds, outDir });
  if (failed > 0 || requests === 0) throw new Error(`${scenario.name}: ${failed} of ${requests} requests failed`);
  return (usage(child.pid).cpuUs - before) / requests;
}

async function startGateway(driver, upstream) {
  const port = await freePort();
  const file = join(outDir, `conversions-${driver}.yaml`);
  const route = (name, format) => `    - name: ${name}
      matches: [{ path: { pathPrefix: /${name} } }]
      policies: { backendAuth: { key: bench-key } }
      backends:
      - ai:
          name: ${name}
          hostOverride: 127.0.0.1:${upstream}
          provider: { custom: { formats: [{ type: ${format} }] } }
`;
  writeFileSync(
    file,
    `config: { adminAddr: "off", readinessAddr: "off", statsAddr: "off", workerThreads: 1 }
binds:
- port: ${port}
  driver: ${driver}
  listeners:
  - name: bench
    protocol: HTTP
    routes:
${route('chat', 'completions')}${route('messages', 'messages')}`,
  );
  const child = start(`conversions-${driver}`, process.execPath, [main, '-f', file], { outDir });
  await waitForPort(port, child);
  return { port, child };
}
