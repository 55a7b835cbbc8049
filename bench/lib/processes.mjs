import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Clock ticks a second of /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const TICKS = 100;
const PAGE = 4096;

/** A loopback port that is free now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/**
 * Resolves once something answers HTTP requests on `port` (to accept a connection is not enough: a port may be tried before
 * it is taken); rejects after `ms`, or when `child` has ended.
 */
export async function waitForPort(port, child, ms = 15_000) {
  const deadline = Date.now() + ms;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`ended with code ${child.exitCode} before it answered on ${port}`);
    if (await answers(port)) return;
    if (Date.now() > deadline) throw new Error(`nothing answers on ${port} after ${ms} ms`);
    await sleep(50);
  }
}

function answers(port) {
  return new Promise((resolve) => {
    const call = get({ host: '127.0.0.1', port, path: '/json', agent: false, timeout: 1000 }, (response) => {
      response.resume();
      response.on('close', () => resolve(response.statusCode < 500));
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
  });
}

const running = new Set();

/** Starts a process whose output goes to `<name>.log` in `outDir`. */
export function start(name, command, args, { outDir, env = {} }) {
  const log = openSync(join(outDir, `${name}.log`), 'w');
  const child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } });
  closeSync(log);
  running.add(child);
  child.on('exit', () => running.delete(child));
  child.on('error', () => running.delete(child));
  return child;
}

/** Ends a process, hard where it doesn't go by itself. */
export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), 3000);
  await gone;
  clearTimeout(hard);
}

export async function stopAll() {
  await Promise.all([...running].map(stop));
}

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** The mock upstream in a process of its own: {port, stop}. */
export async function startMock() {
  const child = spawn(process.execPath, [new URL('../mock-upstream.mjs', import.meta.url).pathname], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  child.on('exit', () => running.delete(child));
  const line = await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', (code) => reject(new Error(`the mock upstream ended with code ${code}`)));
  });
  return { port: JSON.parse(String(line)).port, pid: child.pid, stop: () => stop(child) };
}

/** The fields of /proc/<pid>/stat from the state on; the command's name before it may hold spaces. */
function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** `pid` and everything below it. */
function tree(pid) {
  const children = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const parent = Number(stat(entry)[1]);
      if (!children.has(parent)) children.set(parent, []);
      children.get(parent).push(Number(entry));
    } catch {
      // Ended between readdir and read.
    }
  }
  const found = [pid];
  for (let i = 0; i < found.length; i++) found.push(...(children.get(found[i]) ?? []));
  return found;
}

/**
 * Nanoseconds a process's threads have run, from the scheduler where the kernel tells (schedstat), else from the clock ticks
 * of its accounting, which are too coarse for short runs at low rates.
 */
function cpuNs(pid, fields) {
  let total = 0;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
    }
  } catch {
    total = 0;
  }
  return total > 0 ? total : ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e9;
}

/** CPU microseconds (user and system, all threads) used so far by a process and its children, and their RSS in bytes. */
export function usage(pid) {
  let cpuUs = 0;
  let rss = 0;
  for (const member of tree(pid)) {
    try {
      const fields = stat(member);
      cpuUs += cpuNs(member, fields) / 1000;
      rss += Number(fields[21]) * PAGE;
    } catch {
      // Ended meanwhile: what it used counts no more than what it does.
    }
  }
  return { cpuUs, rss };
}

export const canMeasure = process.platform === 'linux';
