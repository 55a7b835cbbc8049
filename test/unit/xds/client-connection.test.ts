import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Backoff } from '../../../src/xds/client/backoff.ts';
import { ADDRESS_TYPE, deltaResponseType } from '../../../src/xds/wire/discovery.ts';
import { AdsServer } from '../../support/ads-server.ts';
import { adsClient, adsTest, noting, opening, resource, response, xdsSettings } from '../../support/xds-client.ts';

const { cleanups, serve, start } = adsTest();

describe('a new connection', () => {
  test('tells what is in force, and what was refused by its last good version', async () => {
    const server = await serve();
    const { seen, handle } = noting((_, content) => (content === 'b@2' ? { error: 'bad' } : null));
    await start(adsClient(xdsSettings(server.address), handle).client);
    const first = await server.nextStream();
    await opening(first);
    first.send({ type_url: ADDRESS_TYPE, nonce: 'w1', resources: [{ name: 'w', version: '1', resource: {} }] });
    first.send(response('n1', [resource('a', '1'), resource('b', '1'), resource('c', '1')]));
    first.send(response('n2', [resource('b', '2'), resource('d', '1', 'd@1')], ['c']));
    for (let answers = 0; answers < 3; answers++) await first.nextRequest();
    first.reset();
    const second = await server.nextStream();
    const [addresses, resources] = await opening(second);
    expect(addresses.initial_resource_versions).toEqual({ w: '1' });
    expect(resources.initial_resource_versions).toEqual({ a: '1', b: '1', d: '1' });
    expect(resources.node?.id).toBe('agentgateway~10.0.0.7~edge-1.infra~infra.svc.cluster.local');
    // What the server sends although it is in force is not applied again; what was refused is tried again.
    seen.length = 0;
    second.send(response('n3', [resource('a', '1'), resource('b', '2'), resource('d', '1')]));
    expect((await second.nextRequest()).error_detail?.message).toBe('[{"key":"b","error":"bad"}]');
    expect(seen).toEqual(['+b@2']);
  });

  test.each([
    ['the stream is reset', (server: AdsServer) => server.streams.at(-1)?.reset()],
    ['the stream is ended with a status', (server: AdsServer) => server.streams.at(-1)?.end(14, 'not synced yet')],
    ['the stream is ended well', (server: AdsServer) => server.streams.at(-1)?.end(0)],
    ['the connection is cut', (server: AdsServer) => server.cut()],
    [
      'the server goes away',
      (server: AdsServer) => {
        server.goaway();
        server.streams.at(-1)?.reset(8);
      },
    ],
    [
      'half a response is sent, then a reset',
      (server: AdsServer) => {
        const bytes = deltaResponseType().encode(response('half', [resource('a', '9', 'x'.repeat(100_000))]));
        server.streams.at(-1)?.sendBytes(bytes, 0.5);
        server.streams.at(-1)?.reset();
      },
    ],
    ['what is no response is sent', (server: AdsServer) => server.streams.at(-1)?.sendBytes(Buffer.from([0xff, 0xff]))],
  ])('is made when %s; nothing is lost and nothing applied twice', async (_, end) => {
    const server = await serve();
    const { seen, handle } = noting();
    const { client, metrics } = adsClient(xdsSettings(server.address), handle);
    await start(client);
    const first = await server.nextStream();
    await opening(first);
    first.send(response('n1', [resource('a', '1')]));
    await first.nextRequest();
    end(server);
    const second = await server.nextStream();
    const [, resources] = await opening(second);
    expect(resources.initial_resource_versions).toEqual({ a: '1' });
    second.send(response('n2', [resource('a', '1'), resource('b', '1')]));
    expect((await second.nextRequest()).response_nonce).toBe('n2');
    expect(seen).toEqual(['+a@1', '+b@1']);
    expect([...metrics.counts].filter(([name]) => name.startsWith('terminations')).reduce((n, [, c]) => n + c, 0)).toBe(
      1,
    );
  });

  test('what was being applied when the stream ended is applied to its end, once', async () => {
    const server = await serve();
    const log: string[] = [];
    let finish: () => void = () => undefined;
    const { client } = adsClient(xdsSettings(server.address), async ({ resources }) => {
      log.push(`begin ${resources[0]?.version}`);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      log.push(`end ${resources[0]?.version}`);
      return [];
    });
    await start(client);
    const first = await server.nextStream();
    await opening(first);
    first.send(response('n1', [resource('a', '1')]));
    await expect.poll(() => log).toEqual(['begin 1']);
    first.reset();
    await first.closed;
    finish();
    const second = await server.nextStream();
    const [, resources] = await opening(second);
    expect(resources.initial_resource_versions).toEqual({ a: '1' });
    expect(log).toEqual(['begin 1', 'end 1']);
  });

  test('is tried until there is a server', async () => {
    const server = await serve();
    const { port, address } = server;
    await server.close();
    cleanups.pop();
    const { client, metrics, log } = adsClient(xdsSettings(address));
    await start(client);
    await expect.poll(() => metrics.counts.get('terminations ConnectionError') ?? 0).toBeGreaterThan(2);
    expect(metrics.counts.get('connected')).toBe(0);
    expect(log.lines.some((line) => line.includes('ECONNREFUSED'))).toBe(true);
    const again = new AdsServer();
    await again.listen(port);
    cleanups.push(() => again.close());
    await opening(await again.nextStream());
  });

  test('is given up where it takes too long', async () => {
    // Takes connections, says nothing.
    const sockets = new Set<Socket>();
    const mute = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    cleanups.push(async () => {
      for (const socket of sockets) socket.destroy();
      await closed(mute);
    });
    const { port } = mute.address() as { port: number };
    const { client, metrics, log } = adsClient(xdsSettings(`http://localhost:${port}`), undefined, { connectMs: 50 });
    await start(client);
    await expect.poll(() => metrics.counts.get('terminations ConnectionError') ?? 0).toBeGreaterThan(1);
    expect(log.lines.some((line) => line.includes('no connection in time'))).toBe(true);
  });

  test('takes the place of one that is open on our side only', async () => {
    const server = await serve();
    const line = await Line.open(server.port);
    cleanups.push(() => line.close());
    const { seen, handle } = noting();
    const { client } = adsClient(xdsSettings(`http://localhost:${line.port}`), handle, {
      keepaliveMs: 100,
      keepaliveTimeoutMs: 100,
    });
    await start(client);
    const first = await server.nextStream();
    await opening(first);
    first.send(response('n1', [resource('a', '1')]));
    await first.nextRequest();
    line.freeze();
    const second = await server.nextStream();
    const [, resources] = await opening(second);
    expect(resources.initial_resource_versions).toEqual({ a: '1' });
    second.send(response('n2', [resource('b', '1')]));
    await second.nextRequest();
    expect(seen).toEqual(['+a@1', '+b@1']);
  });

  test('pings less often where the server takes its pings amiss', async () => {
    const server = await serve();
    const { client } = adsClient(xdsSettings(server.address), undefined, { keepaliveMs: 1000 });
    await start(client);
    const first = await server.nextStream();
    await opening(first);
    expect(client.keepaliveMs).toBe(1000);
    server.goaway(11, 'too_many_pings');
    await opening(await server.nextStream());
    expect(client.keepaliveMs).toBe(310_000);
  });

  test('a server that dies fifty times', async () => {
    const server = await serve();
    const { seen, handle } = noting();
    const { client } = adsClient(xdsSettings(server.address), handle);
    await start(client);
    const expected: string[] = [];
    for (let round = 0; round < 50; round++) {
      const stream = await server.nextStream();
      const [, resources] = await opening(stream);
      expect(Object.keys(resources.initial_resource_versions ?? {})).toHaveLength(round);
      // All of it each time, as a server does that has forgotten the client.
      const all = Array.from({ length: round + 1 }, (_, index) => resource(`r${index}`, '1'));
      expected.push(`+r${round}@1`);
      stream.send(response(`n${round}`, all));
      await stream.nextRequest();
      server.cut();
    }
    expect(seen).toEqual(expected);
  });
});

test('closing ends the stream and the attempts', async () => {
  const server = await serve();
  const { client, metrics } = adsClient(xdsSettings(server.address));
  await client.start();
  const stream = await server.nextStream();
  await opening(stream);
  await client.close();
  await stream.closed;
  expect(metrics.counts.get('connected')).toBe(0);
  expect(server.streams).toHaveLength(1);
});

describe('the wait before a connection', () => {
  const times = { first: 10, longest: 15_000 };
  const failed = { benign: false, heard: false, livedMs: 5 };

  test('doubles up to the longest and begins anew once the server was heard', () => {
    const backoff = new Backoff(times, () => 1);
    const waits = Array.from({ length: 13 }, () => backoff.after(failed));
    expect(waits).toEqual([20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 15_000, 15_000, 15_000]);
    expect(backoff.after({ ...failed, heard: true })).toBe(20);
  });

  test('is short after a benign end, but not again and again', () => {
    const backoff = new Backoff(times, () => 1);
    const benign = { benign: true, heard: true, livedMs: 60_000 };
    expect([backoff.after(benign), backoff.after(benign)]).toEqual([10, 10]);
    const barren = { benign: true, heard: false, livedMs: 1 };
    expect([backoff.after(barren), backoff.after(barren), backoff.after(barren)]).toEqual([20, 40, 80]);
    expect(backoff.after({ ...barren, livedMs: 1_800_000 })).toBe(10);
  });

  test('is left to chance in its second half', () => {
    expect(new Backoff(times, () => 0).after(failed)).toBe(10);
    expect(new Backoff(times, () => 0.5).after(failed)).toBe(15);
  });
});

/** A line to a server that can go dead: bytes then go nowhere, and no end is said. */
class Line {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = (server.address() as { port: number }).port;
  }

  static async open(target: number): Promise<Line> {
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.on('data', (chunk) => to.write(chunk));
        from.on('error', () => undefined);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Line(server, sockets);
  }

  /** The connections there are go dead; new ones do not. */
  freeze(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('data').on('data', () => undefined);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await closed(this.#server);
  }
}

const closed = (server: Server) => new Promise<void>((resolve) => server.close(() => resolve()));
