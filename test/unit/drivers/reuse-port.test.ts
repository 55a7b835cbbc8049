import * as net from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import { listenOn, parseIpv6, reusePortSupport } from '../../../src/workers/drivers/reuse-port.ts';

const servers: net.Server[] = [];
const workers: Worker[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  for (const worker of workers.splice(0)) await worker.terminate();
});

async function serve(port: number, address = '127.0.0.1', ipv6 = false, reusePort = true): Promise<net.Server> {
  const server = net.createServer((socket) => socket.end(`${socket.remoteAddress}`));
  servers.push(server);
  await listenOn(server, { address, port, ipv6, reusePort });
  return server;
}

const portOf = (server: net.Server) => (server.address() as net.AddressInfo).port;

function ask(port: number, host = '127.0.0.1'): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect(port, host);
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
}

/** A worker thread that listens on `port` with the built module and answers with its name. */
async function worker(port: number, name: string): Promise<Worker> {
  const entry = fileURLToPath(new URL('../../fixtures/drivers/listener.mjs', import.meta.url));
  const thread = new Worker(entry, { workerData: { port, name } });
  workers.push(thread);
  const [first] = await new Promise<unknown[]>((resolve, reject) => {
    thread.once('message', (message) => resolve([message]));
    thread.once('error', reject);
  });
  expect(first).toBe('listening');
  return thread;
}

if (process.platform === 'linux') {
  test('this platform has one way or the other', () => {
    expect(reusePortSupport()).not.toBeNull();
  });

  test('two worker threads share a port; one goes, the other serves on', async () => {
    const port = portOf(await serve(0));
    servers.splice(0).forEach((server) => {
      server.close();
    });
    const one = await worker(port, 'one');
    await worker(port, 'two');
    const seen = new Set<string>();
    while (seen.size < 2) seen.add(await ask(port));
    expect([...seen].sort()).toEqual(['one', 'two']);
    await one.terminate();
    for (let i = 0; i < 20; i++) expect(await ask(port)).toBe('two');
  });

  test('all addresses: both families on one socket', async () => {
    const port = portOf(await serve(0, '', true));
    expect(await ask(port, '127.0.0.1')).toBe('::ffff:127.0.0.1');
    expect(await ask(port, '::1')).toBe('::1');
  });

  test('one address, by name and by number', async () => {
    expect(await ask(portOf(await serve(0, '::1', true)), '::1')).toBe('::1');
    expect(await ask(portOf(await serve(0, 'localhost')), '127.0.0.1')).toBe('127.0.0.1');
  });
}

test('a port held without sharing is an error that names it', async () => {
  const port = portOf(await serve(0, '127.0.0.1', false, false));
  for (const reusePort of [true, false]) {
    await expect(serve(port, '127.0.0.1', false, reusePort)).rejects.toMatchObject({ code: 'EADDRINUSE', port });
  }
});

test.each([
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
  ['fe80::1%eth0', 'fe800000000000000000000000000001'],
])('the bytes of %s', (address, bytes) => {
  expect(parseIpv6(address).toString('hex')).toBe(bytes);
});
