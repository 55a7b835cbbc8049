import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { CallUpgrade } from '../../../src/upstream/call.ts';
import type { LiveCluster } from '../../../src/upstream/live-cluster.ts';
import { Collector, callTo, cluster, hostSpec, type Rig, rawServer, rig } from './helpers.ts';

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nX-More: 1\r\n\r\n';

const rigs: Rig[] = [];
const servers: { close(): void }[] = [];
afterEach(() => {
  for (const one of rigs.splice(0)) one.clusters.close();
  for (const one of servers.splice(0)) one.close();
});

/** A server that does with each connection's request what it is told to, and what a call to it comes to. */
async function ask(
  serve: (socket: Socket, head: string) => void,
  options: { headTimeoutMs?: number; more?: Parameters<typeof rig>[1] } = {},
) {
  const server = await rawServer((socket) => {
    let head = '';
    const read = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read);
      serve(socket, head);
    };
    socket.on('data', read);
  });
  servers.push(server);
  const from = rig({}, options.more);
  rigs.push(from);
  const to = cluster(from, hostSpec('127.0.0.1', server.port));
  const upgrade: CallUpgrade = { protocol: 'websocket', stream: null };
  const sink = new Collector();
  const headers = ['x-own', '1', 'connection', 'keep-alive', 'upgrade', 'h2c'];
  const call = callTo(to, { path: '/a?b=c', headers, upgrade, headTimeoutMs: options.headTimeoutMs ?? 0 });
  const flight = from.dispatch(call, sink);
  return { to, upgrade, sink, flight, call };
}

const inFlight = (to: LiveCluster) => to.endpoints[0]?.row.inFlight;
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a switch of protocols with an upstream', () => {
  it('is asked for, and hands the connection over with what came behind the head', async () => {
    let asked = '';
    const { to, upgrade, sink, call } = await ask((socket, head) => {
      asked = head;
      socket.write(`${SWITCH}early `);
      socket.on('data', (chunk) => socket.write(chunk.toString().toUpperCase()));
    });
    await sink.done;
    expect(asked).toMatch(/^GET \/a\?b=c HTTP\/1\.1\r\nhost: /);
    expect(asked.match(/^connection: .*$/gim)).toEqual(['connection: Upgrade']);
    expect(asked.match(/^upgrade: .*$/gim)).toEqual(['upgrade: websocket']);
    expect(asked).toContain('x-own: 1\r\n');
    expect([sink.status, sink.error, sink.body]).toEqual([101, null, '']);
    expect(sink.headers).toEqual(['x-more', '1']);
    expect(call.exchange.attempts).toBe(1);
    const stream = upgrade.stream;
    let text = '';
    stream?.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    stream?.write('late');
    await until(() => text === 'early LATE');
    // It is load as long as it is open.
    expect(inFlight(to)).toBe(1);
    expect(to.idle).toBe(false);
    stream?.destroy();
    await until(() => inFlight(to) === 0 && to.idle);
  });

  it.each([
    [401, 'HTTP/1.1 401 Unauthorized\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nbody', 'body'],
    [500, 'HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n', 'no'],
    [
      429,
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Later\r\nretry-after: 1\r\nconnection: close\r\n\r\nlater',
      'later',
    ],
    [200, 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', ''],
  ])('that is refused with %d is an answer', async (status, reply, body) => {
    const { to, upgrade, sink } = await ask((socket) => socket.end(reply));
    await sink.done;
    expect([sink.status, sink.body, sink.error, upgrade.stream]).toEqual([status, body, null, null]);
    expect(inFlight(to)).toBe(0);
  });

  it('whose refusal is long is held back with its reader', async () => {
    const length = 4 * 1024 * 1024;
    const { sink, flight } = await ask((socket) => {
      socket.write(`HTTP/1.1 503 No\r\ncontent-length: ${length}\r\n\r\n`);
      socket.end(Buffer.alloc(length, 'a'));
    });
    sink.accept = false;
    await sink.head;
    await until(() => sink.chunks.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sink.body.length).toBeLessThan(length / 2);
    sink.accept = true;
    flight.resume();
    await sink.done;
    expect(sink.body.length).toBe(length);
  });

  it.each([
    ['closes without a word', (socket: Socket) => socket.end(), 'upstream_closed'],
    ['breaks off', (socket: Socket) => socket.resetAndDestroy(), 'upstream_closed'],
    ['speaks something else', (socket: Socket) => socket.end('SSH-2.0-x\r\n\r\n'), 'upstream_protocol'],
    [
      'switches to something else',
      (socket: Socket) => socket.write(SWITCH.replace('WebSocket', 'h2c')),
      'upstream_protocol',
    ],
    [
      'sends a head beyond the limit',
      (socket: Socket) => socket.write(`HTTP/1.1 101 X\r\nx: ${'a'.repeat(200_000)}`),
      'upstream_protocol',
    ],
  ])('fails where the upstream %s', async (_, serve, code) => {
    const { to, upgrade, sink } = await ask(serve);
    await sink.done;
    expect([sink.error?.code, upgrade.stream]).toEqual([code, null]);
    await until(() => inFlight(to) === 0);
  });

  it('fails where the upstream says nothing for too long', async () => {
    let closed = false;
    const { sink } = await ask((socket) => socket.on('close', () => (closed = true)).resume(), { headTimeoutMs: 50 });
    await sink.done;
    expect(sink.error?.code).toBe('upstream_timeout');
    await until(() => closed);
  });

  it('obeys the rules for addresses', async () => {
    let asked = false;
    const { sink } = await ask(
      () => {
        asked = true;
      },
      { more: { guard: () => 'not there' } },
    );
    await sink.done;
    expect([sink.error?.code, asked]).toEqual(['upstream_connect', false]);
  });

  it('can be given up, at any point', async () => {
    let closed = 0;
    const { sink, flight, upgrade } = await ask((socket) => socket.on('close', () => closed++).resume());
    await new Promise((resolve) => setTimeout(resolve, 50));
    flight.abort();
    await until(() => closed === 1);
    const early = await ask((socket) => socket.write(SWITCH));
    early.flight.abort();
    await until(() => early.to.idle);
    expect([sink.status, sink.error, upgrade.stream, early.upgrade.stream]).toEqual([0, null, null, null]);
  });
});
