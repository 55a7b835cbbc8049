import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { main } from './lib/build.mjs';
import { constantRate } from './lib/constant-rate.mjs';
import { outDir } from './lib/options.mjs';
import { freePort, start, stop, usage } from './lib/processes.mjs';
import { machine, median, number, table, writeSection } from './lib/report.mjs';
import { BUSY_PATH, COUNT, FLIPPED_PATH } from './scale/resources.mjs';

const WORKERS = 2;
const SYNC_MS = 60_000;
/** By then what a large configuration left behind has been given back. */
const SETTLE_MS = 20_000;
/** Health changes whose way is timed by requests, and those whose CPU is counted without any. */
const FLIPS = 100;
const QUIET_FLIPS = 400;
const FLIP_EVERY_MS = 20;
/** Connections, shared out over the workers by the kernel, each asking so often. */
const PROBES = 8;
const PROBE_MS = 4;
const RATE = { connections: 16, rate: 300 };
const RATE_SECONDS = 8;
/** Full sets are sent one after the other, so long after the last was answered. */
const BETWEEN_SETS_MS = 1000;
const ROUNDS = 5;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const now = () => performance.timeOrigin + performance.now();

/** `npm run bench -- scale`: 10,000 routes, 2,000 policies and 20,000 workloads by xDS. */
export async function scale({ write }) {
  const upstream = start('scale-upstream', process.execPath, [here('scale/upstream.mjs')], { outDir });
  const upstreamPort = await portOf('scale-upstream');
  const port = await freePort();
  const plane = new ControlPlane({ port, upstreamPort });
  const gateway = await startGateway(await plane.listening);
  try {
    const rows = [];
    const row = (what, value, unit, aim, digits = 0) => {
      const met = aim === null ? '' : value <= aim ? 'yes' : 'no';
      rows.push([what, `${number(value, digits)} ${unit}`, aim === null ? '' : `≤ ${aim} ${unit}`, met]);
      console.log(rows.at(-1).join(' | '));
    };
    row('from start to the last route served', (await firstSync(gateway, port)) / 1000, 's', 6, 2);
    await plane.answers(1);
    row('CPU until then, all threads', usage(gateway.child.pid).cpuUs / 1e6, 's', null, 2);
    row('RSS then', rssMB(gateway.child.pid), 'MB', null);
    await sleep(SETTLE_MS);
    row(`RSS ${SETTLE_MS / 1000} s later`, rssMB(gateway.child.pid), 'MB', 400);

    const ways = await flips(plane, port);
    row(`one health change in all workers, p50 of ${FLIPS}`, at(ways, 0.5), 'ms', null, 1);
    row('one health change in all workers, p99', at(ways, 0.99), 'ms', 50, 1);
    const cpu = await quietFlips(plane, gateway.child.pid);
    row('one health change: CPU of one worker', cpu.worker, 'ms', 1, 2);
    row('one health change: CPU of the main thread', cpu.primary, 'ms', null, 2);

    const scenario = { method: 'GET', path: BUSY_PATH, body: null };
    const load = () => constantRate(port, scenario, { ...RATE, seconds: RATE_SECONDS });
    await load();
    const unchanged = () => plane.everything(plane.edition);
    const changed = () => plane.everything(1 - plane.edition);
    const rounds = [];
    for (let i = 0; i < ROUNDS; i++) {
      // Turn by turn: the machine has better and worse minutes.
      const quiet = await load();
      rounds.push({ quiet, unchanged: await loadDuring(load, unchanged), changed: await loadDuring(load, changed) });
    }
    row(`p99 at ${RATE.rate}/s without changes`, median(rounds.map(({ quiet }) => quiet.p99)), 'ms', null, 2);
    for (const [what, name] of [
      ['everything again, unchanged', 'unchanged'],
      ['everything again, all of it changed', 'changed'],
    ]) {
      row(`${what}: until it is in force`, median(rounds.map((round) => round[name].seconds)), 's', null, 2);
      const added = median(rounds.map((round) => round[name].p99 - round.quiet.p99));
      row('p99 added meanwhile', added, 'ms', 5, 2);
      row(
        'requests that failed',
        rounds.reduce((sum, round) => sum + round[name].failed, 0),
        '',
        0,
      );
    }
    await sleep(SETTLE_MS);
    row(`RSS ${SETTLE_MS / 1000} s after that`, rssMB(gateway.child.pid), 'MB', 400);
    const text =
      `${COUNT.toLocaleString('en')} resources by Delta ADS (10,000 routes, 2,000 policies, 20,000 workloads of 2,000 services), ` +
      `${WORKERS} workers; control plane, upstream and clients on the same machine, ${machine()}. p99 added: the median of ${ROUNDS} rounds, each against its own quiet load; a full set is sent ${BETWEEN_SETS_MS / 1000} s after the last was answered.\n\n` +
      table(['', 'measured', 'aim', 'met'], rows);
    console.log(text);
    if (write) writeSection('scale', `## Scale\n\n${text}`);
  } finally {
    plane.close();
    await Promise.all([stop(gateway.child), stop(upstream)]);
  }
}

/** The control plane in a process of its own. */
class ControlPlane {
  edition = 0;
  #child;
  #sent = [];
  #answers = [];
  #waiting = [];
  #listening;

  constructor(options) {
    this.#child = fork(here('scale/control-plane.mjs'), [JSON.stringify(options)]);
    this.#listening = once(this.#child, 'message').then(([{ port }]) => port);
    this.#child.on('message', (message) => {
      if (message.type === 'sent') this.#sent.shift()?.(message.at);
      if (message.type !== 'answered') return;
      if (message.error !== null) console.error(`refused: ${message.error}`);
      this.#answers.push(message.at);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  /** Port, once it listens. */
  get listening() {
    return this.#listening;
  }

  async answers(count) {
    while (this.#answers.length < count) await new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Changes the health of the workload; resolves to when it was sent. */
  flip(healthy) {
    this.#child.send({ type: 'flip', healthy });
    return new Promise((resolve) => this.#sent.push(resolve));
  }

  /** Sends everything; resolves when it has been answered. */
  async everything(edition) {
    this.edition = edition;
    const answers = this.#answers.length;
    this.#child.send({ type: 'everything', edition });
    await new Promise((resolve) => this.#sent.push(resolve));
    await this.answers(answers + 1);
  }

  close() {
    this.#child.disconnect();
  }
}

async function startGateway(planePort) {
  const file = join(outDir, 'scale.yaml');
  const readiness = await freePort();
  writeFileSync(
    file,
    `config:\n  workerThreads: ${WORKERS}\n  adminAddr: "off"\n  statsAddr: "off"\n  readinessAddr: 127.0.0.1:${readiness}\n`,
  );
  const env = {
    XDS_ADDRESS: `http://127.0.0.1:${planePort}`,
    NAMESPACE: 'bench',
    GATEWAY: 'bench',
    LOCALITY: 'us-east-1/us-east-1a',
  };
  const startedAt = now();
  const child = start('scale', process.execPath, [main, '-f', file], { outDir, env });
  return { child, startedAt };
}

/** Waits until the route that was sent last is served. */
async function firstSync({ child, startedAt }, port) {
  const deadline = now() + SYNC_MS;
  const agent = new Agent();
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the gateway ended with code ${child.exitCode}`);
    const status = await ask(port, '/services/9999/items', agent, 'host-99.example.com').catch(() => 0);
    if (status === 200) return now() - startedAt;
    if (now() > deadline) throw new Error(`the last route answers ${status} after ${SYNC_MS} ms`);
    await sleep(10);
  }
}

function ask(port, path, agent, host = '127.0.0.1') {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent, headers: { host } }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
  });
}

/** Milliseconds from when a health change was sent until every connection has seen it, sorted. */
async function flips(plane, port) {
  const probes = Array.from({ length: PROBES }, () => new Probe(port));
  const ways = [];
  let healthy = true;
  await Promise.all(probes.map((probe) => probe.sees(200)));
  for (let i = 0; i < FLIPS; i++) {
    healthy = !healthy;
    const seen = Promise.all(probes.map((probe) => probe.sees(healthy ? 200 : 503)));
    const sentAt = await plane.flip(healthy);
    ways.push(Math.max(...(await seen)) - sentAt);
    await sleep(FLIP_EVERY_MS);
  }
  for (const probe of probes) probe.close();
  return ways.sort((a, b) => a - b);
}

/** One connection that asks again and again. */
class Probe {
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #wanted = 0;
  #seen = () => {};
  #closed = false;

  constructor(port) {
    void this.#run(port);
  }

  /** When the first answer of this status was there. */
  sees(status) {
    this.#wanted = status;
    return new Promise((resolve) => {
      this.#seen = resolve;
    });
  }

  async #run(port) {
    while (!this.#closed) {
      const status = await ask(port, FLIPPED_PATH, this.#agent).catch(() => 0);
      if (status === this.#wanted) this.#seen(now());
      await sleep(PROBE_MS);
    }
    this.#agent.destroy();
  }

  close() {
    this.#closed = true;
  }
}

/** CPU milliseconds a change where nothing else happens: of the main thread, and of one worker, other threads shared out to them. */
async function quietFlips(plane, pid) {
  await sleep(1000);
  const before = threadCpu(pid);
  for (let i = 0; i < QUIET_FLIPS; i++) {
    await plane.flip(i % 2 === 1);
    await sleep(FLIP_EVERY_MS / 4);
  }
  await sleep(500);
  const after = threadCpu(pid);
  const primary = after.main - before.main;
  const others = after.all - before.all - primary;
  return { primary: primary / QUIET_FLIPS, worker: others / WORKERS / QUIET_FLIPS };
}

/** CPU milliseconds so far of the main thread and of all. */
function threadCpu(pid) {
  let [main, all] = [0, 0];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const ms = Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
    all += ms;
    if (Number(thread) === pid) main = ms;
  }
  return { main, all };
}

/** A load while `next` is done again and again, with a rest after each. */
async function loadDuring(load, next) {
  let running = true;
  const seconds = [];
  const loading = load().finally(() => {
    running = false;
  });
  while (running) {
    const begun = now();
    await next();
    seconds.push((now() - begun) / 1000);
    await sleep(BETWEEN_SETS_MS);
  }
  return { ...(await loading), seconds: median(seconds) };
}

function rssMB(pid) {
  return usage(pid).rss / 1e6;
}

function at(sorted, share) {
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN;
}

async function portOf(name) {
  for (;;) {
    const text = readFileSync(join(outDir, `${name}.log`), 'utf8');
    if (text.includes('\n')) return JSON.parse(text).port;
    await sleep(20);
  }
}
