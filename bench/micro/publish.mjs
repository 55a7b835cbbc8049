import { Worker } from 'node:worker_threads';
import { built } from '../lib/build.mjs';
import { ask } from '../lib/probe.mjs';
import { freePort } from '../lib/processes.mjs';
import { median } from '../lib/report.mjs';
import { configText, load, target } from './routes.mjs';

const { Publisher } = await import(built('primary/publisher.js'));
const { Turns } = await import(built('primary/turns.js'));
const { SharedMemory } = await import(built('primary/shared-memory.js'));

const WORKERS = 2;
const CHANGES = 15;

/** One changed route of many, published to real workers: from after publishing until each has said that it is in force. */
export async function run() {
  const rows = [];
  for (const routes of [100, 10_000]) {
    const { live, published } = await measure(routes);
    const bound = routes === 10_000 ? '< 100 ms' : '';
    rows.push(
      [`1 of ${routes} routes changed: find and publish`, `${published.toFixed(1)} ms`, '', null],
      [
        `1 of ${routes} routes changed: live in ${WORKERS} workers`,
        `${live.toFixed(1)} ms`,
        bound,
        bound === '' ? null : live < 100,
      ],
    );
  }
  return rows;
}

async function measure(routes) {
  const port = await freePort();
  const { resources, settings: read } = await load(configText(routes, { port, mark: 'mark 0' }));
  const settings = { ...read, workerThreads: WORKERS };
  const memory = new SharedMemory(settings);
  const workers = [];
  const broadcast = (message) => {
    for (const worker of workers) worker.postMessage(message);
  };
  let publishedAt = 0;
  const publisher = new Publisher({
    maxBytes: settings.snapshotMaxBytes,
    turns: new Turns(),
    onPublished: () => {
      publishedAt = performance.now();
      broadcast({ type: 'snapshot' });
    },
    onGeneration: (generation, snapshot) => broadcast({ type: 'generation', generation, snapshot }),
  });
  publisher.publish(resources);
  const applied = new Array(WORKERS).fill(0);
  let wake = () => {};
  for (let index = 0; index < WORKERS; index++) {
    const { buckets, endpoints, memory: budgets } = memory;
    const boot = {
      index,
      workers: WORKERS,
      settings,
      instance: 'bench',
      snapshot: publisher.attach(index),
      buckets,
      endpoints,
      memory: budgets,
      lines: memory.lines(index).buffer,
    };
    const worker = new Worker(built('workers/worker.js'), { workerData: boot });
    worker.on('message', (message) => {
      if (message.type === 'moved') publisher.moved(index, message.generation);
      if (message.type !== 'applied') return;
      if (message.errors.length > 0) throw new Error(message.errors.join('; '));
      applied[index] = message.version;
      wake();
    });
    workers.push(worker);
  }
  const everywhere = async () => {
    while (applied.some((version) => version < publisher.version)) await new Promise((resolve) => (wake = resolve));
  };
  await everywhere();
  const at = resources.findIndex(({ kind, name }) => kind === 'route' && name === 'route0');
  const live = [];
  const published = [];
  for (let change = 1; change <= CHANGES; change++) {
    const mark = `mark ${change}`;
    const changed = structuredClone(resources[at]);
    changed.policies.directResponse.body = mark;
    const begin = performance.now();
    publisher.publish(resources.with(at, changed));
    await everywhere();
    live.push(performance.now() - publishedAt);
    published.push(publishedAt - begin);
    await expect(port, mark);
  }
  for (const worker of workers) worker.postMessage({ type: 'drain', deadlineMs: 1000 });
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve))));
  return { live: median(live), published: median(published) };
}

/** New connections land on either worker: all of them must give the new answer. */
async function expect(port, mark) {
  const { host, path } = target(0);
  for (let i = 0; i < 8; i++) {
    const { status, body } = await ask(port, { method: 'GET', path, body: null, host });
    if (status !== 200 || body.toString() !== mark) throw new Error(`${mark} is not live: ${status} ${body}`);
  }
}
