import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import type { UpstreamCall } from '../../../src/upstream/call.ts';
import {
  Collector,
  callTo,
  cluster,
  fakeExchange,
  hostSpec,
  metric,
  onRequests,
  type RawServer,
  type Rig,
  rawServer,
  rig,
  send,
  start,
  until,
} from './helpers.ts';

let from: Rig;
const servers: RawServer[] = [];

async function serve(...args: Parameters<typeof rawServer>): Promise<RawServer> {
  const server = await rawServer(...args);
  servers.push(server);
  return server;
}

/** A server that answers every request with the same bytes. */
function answering(bytes: string | Buffer): Promise<RawServer> {
  return serve((socket) => onRequests(socket, () => socket.write(bytes)));
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

beforeEach(() => {
  from = rig();
});
afterEach(async () => {
  from.clusters.close();
  for (const server of servers.splice(0)) await server.close();
});

describe('a request on the wire', () => {
  it('has its method, path, host and fields, and a content-length for a Buffer', async () => {
    const heads: string[] = [];
    const server = await serve((socket) =>
      onRequests(socket, (head) => {
        heads.push(head);
        socket.write(
          'HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nX-Custom: A\r\ncontent-length: 5\r\n\r\nhello',
        );
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const headers = ['x-one', '1', 'content-length', '999', 'x-two', '2'];
    const got = await send(
      from.dispatch,
      callTo(to, { method: 'POST', path: '/a?b=c', headers, body: Buffer.from('body') }),
    );
    expect(got.error).toBeNull();
    expect(got.status).toBe(201);
    expect(got.headers).toEqual(['content-type', 'text/plain', 'x-custom', 'A', 'content-length', '5']);
    expect(got.body).toBe('hello');
    const lines = heads[0]!.split('\r\n');
    expect(lines[0]).toBe('POST /a?b=c HTTP/1.1');
    expect(lines).toContain(`host: 127.0.0.1:${server.port}`);
    expect(lines.filter((line) => line.startsWith('content-length'))).toEqual(['content-length: 4']);
    expect(lines.indexOf('x-one: 1')).toBeLessThan(lines.indexOf('x-two: 2'));
  });

  it('has the authority of the call where it has one', async () => {
    let head = '';
    const server = await serve((socket) =>
      onRequests(socket, (text) => {
        head = text;
        socket.write(OK);
      }),
    );
    await send(
      from.dispatch,
      callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { authority: 'api.example:81' }),
    );
    expect(head).toContain('host: api.example:81\r\n');
  });

  it('leaves out fields that belong to a connection', async () => {
    let head = '';
    const server = await serve((socket) =>
      onRequests(socket, (text) => {
        head = text;
        socket.write(OK);
      }),
    );
    const headers =
      'connection|close|keep-alive|x|upgrade|h2c|expect|100-continue|transfer-encoding|chunked|host|evil|a|b'.split(
        '|',
      );
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { headers }));
    expect(got.status).toBe(200);
    expect(head.toLowerCase()).not.toMatch(/upgrade|expect|transfer-encoding|evil|keep-alive: x/);
    expect(head).toContain('a: b\r\n');
  });

  it('streams a body in chunks, or under the content-length that came with it', async () => {
    const texts: string[] = [];
    const server = await serve((socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (!text.endsWith('0\r\n\r\n') && !text.endsWith('onetwo')) return;
        texts.push(text);
        text = '';
        socket.write(OK);
      });
    });
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const body = () => Readable.from([Buffer.from('one'), Buffer.from('two')], { objectMode: false });
    await send(from.dispatch, callTo(to, { method: 'POST', body: body() }));
    await send(from.dispatch, callTo(to, { method: 'POST', body: body(), headers: ['content-length', '6'] }));
    expect(texts[0]).toMatch(/transfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n$/);
    expect(texts[1]).toMatch(/content-length: 6\r\n\r\nonetwo$/);
  });

  it('is refused where it could smuggle a second one', async () => {
    const server = await answering(OK);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    for (const bad of [{ path: '/a b' }, { path: '/a\r\nx: y' }, { headers: ['x', 'a\r\nb: c'] }, { method: 'GE T' }]) {
      const got = await send(from.dispatch, callTo(to, bad));
      expect(got.error?.code).toBe('bad_request');
    }
    // The connection that was meant for them is not lost.
    expect((await send(from.dispatch, callTo(to))).status).toBe(200);
    expect(server.accepted()).toBe(1);
  });
});

describe('a response', () => {
  it('comes without hop-by-hop fields and those that connection names', async () => {
    const server = await answering(
      'HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\nProxy-Connection: x\r\nTE: trailers\r\n' +
        'Set-Cookie: a=1\r\nSET-COOKIE: b=2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    );
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.headers).toEqual(['set-cookie', 'a=1', 'set-cookie', 'b=2']);
    expect(got.body).toBe('ok');
  });

  it('keeps bytes of values that are no ASCII', async () => {
    const server = await answering(
      Buffer.from('HTTP/1.1 200 OK\r\nx-name: caf\xe9\r\ncontent-length: 0\r\n\r\n', 'latin1'),
    );
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.header('x-name')).toBe('caf\xe9');
  });

  it('is read the same when its head comes byte by byte', async () => {
    const text =
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Long-Custom-Name: some value\r\nContent-Length: 2\r\n\r\nok';
    const server = await serve((socket) => {
      socket.setNoDelay(true);
      onRequests(socket, async () => {
        for (const byte of text) {
          socket.write(byte);
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
    });
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.headers).toEqual([
      'content-type',
      'text/plain',
      'x-long-custom-name',
      'some value',
      'content-length',
      '2',
    ]);
  });

  it('brings its trailers, without fields no trailer may be', async () => {
    const server = await answering(
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\n\r\n',
    );
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.header('trailer')).toBe('X-Sum');
    expect(got.trailers).toEqual(['x-sum', '7']);
  });

  it('to HEAD, 204 and 304 has no body whatever its content-length says', async () => {
    const server = await serve((socket) =>
      onRequests(socket, (head) => {
        const status = head.includes('/204') ? '204 No Content' : head.includes('/304') ? '304 Not Modified' : '200 OK';
        socket.write(`HTTP/1.1 ${status}\r\n${status.startsWith('204') ? '' : 'content-length: 10\r\n'}\r\n`);
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    for (const [method, path, status] of [
      ['HEAD', '/', 200],
      ['GET', '/204', 204],
      ['GET', '/304', 304],
    ] as const) {
      const got = await send(from.dispatch, callTo(to, { method, path }));
      expect(got.error).toBeNull();
      expect(got.status).toBe(status);
      expect(got.body).toBe('');
    }
  });

  it('that ends with its connection is complete', async () => {
    const server = await serve((socket) => onRequests(socket, () => socket.end('HTTP/1.0 200 OK\r\n\r\nuntil close')));
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.error).toBeNull();
    expect(got.body).toBe('until close');
  });

  it('is preceded by early hints, which the client gets, and other interim responses, which it does not', async () => {
    const server = await answering(
      `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`,
    );
    const exchange = fakeExchange();
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { exchange }));
    expect(got.status).toBe(200);
    expect(got.heads).toBe(1);
    expect(exchange.downstream.informed).toEqual([{ status: 103, headers: ['link', '</a>'] }]);
  });
});

describe('facts', () => {
  it('are stated on the exchange', async () => {
    const server = await answering(OK);
    const exchange = fakeExchange();
    await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { exchange }));
    expect(exchange.attempts).toBe(1);
    expect(exchange.routed.endpoint).toBe(`127.0.0.1:${server.port}`);
    expect(exchange.upstreamStartMs).toBeGreaterThanOrEqual(0);
    expect(exchange.upstreamHeadMs).toBeGreaterThanOrEqual(exchange.upstreamStartMs);
    expect(await metric(from.metrics, 'upstream_connect_duration_seconds', { transport: 'plaintext' })).toBeGreaterThan(
      0,
    );
  });

  it('of an auxiliary call are not', async () => {
    const server = await answering(`HTTP/1.1 103 Early Hints\r\n\r\n${OK}`);
    const exchange = fakeExchange();
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    expect((await send(from.dispatch, callTo(to, { exchange, auxiliary: true }))).status).toBe(200);
    expect(exchange.attempts).toBe(0);
    expect(exchange.routed.endpoint).toBe('');
    expect(exchange.upstreamHeadMs).toBe(-1);
    expect(exchange.downstream.informed).toEqual([]);
  });

  it('leave nothing in flight, whatever the end', async () => {
    const server = await serve((socket) =>
      onRequests(socket, (head) => {
        if (head.includes('/reset')) socket.resetAndDestroy();
        else if (!head.includes('/hang')) socket.write(OK);
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    await send(from.dispatch, callTo(to));
    await send(from.dispatch, callTo(to, { path: '/reset' }));
    const { flight } = start(from.dispatch, callTo(to, { path: '/hang' }));
    expect(to.endpoints[0]!.row.inFlight).toBe(1);
    flight.abort();
    flight.abort();
    expect(to.endpoints[0]!.row.inFlight).toBe(0);
    expect(to.endpoints[0]!.active).toBe(0);
  });
});

describe('prepare', () => {
  it('may edit the call, at once or later', async () => {
    const heads: string[] = [];
    const server = await serve((socket) =>
      onRequests(socket, (head) => {
        heads.push(head);
        socket.write(OK);
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    await send(from.dispatch, callTo(to, { prepare: (call) => void call.headers.push('x-key', 'sync') }));
    const later = callTo(to, {
      prepare: async (call) => {
        await new Promise((resolve) => setImmediate(resolve));
        call.headers.push('x-key', 'async');
      },
    });
    await send(from.dispatch, later);
    expect(heads.map((head) => /x-key: (\w+)/.exec(head)?.[1])).toEqual(['sync', 'async']);
  });

  it('that throws ends the attempt with its error, after the dispatch has returned', async () => {
    const server = await answering(OK);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const refuse = (): never => {
      throw new GatewayError('not_active', 'no');
    };
    for (const prepare of [refuse, async () => refuse()]) {
      const sink = new Collector();
      from.dispatch(callTo(to, { prepare }), sink);
      expect(sink.error).toBeNull();
      expect((await sink.done).error?.code).toBe('not_active');
    }
    expect(server.accepted()).toBe(0);
  });

  it('may name who watches the attempt, at once or later', async () => {
    const server = await answering(OK);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const seen: string[] = [];
    const watch = (call: UpstreamCall) => {
      call.observer = {
        begin: () => void seen.push('begin'),
        head: (status) => {
          seen.push(`head ${status}`);
          return false;
        },
        data: () => {},
        end: () => void seen.push('end'),
      };
    };
    const later = async (call: UpstreamCall) => {
      await new Promise((resolve) => setImmediate(resolve));
      watch(call);
    };
    for (const prepare of [watch, later]) await send(from.dispatch, callTo(to, { prepare }));
    expect(seen).toEqual(['begin', 'head 200', 'end', 'begin', 'head 200', 'end']);
  });

  it('is not followed by a request where the flight was aborted meanwhile', async () => {
    const server = await answering(OK);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { sink, flight } = start(from.dispatch, callTo(to, { prepare: () => gate }));
    flight.abort();
    release();
    await gate;
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.accepted()).toBe(0);
    expect(sink.error).toBeNull();
  });
});

describe('a Unix socket', () => {
  it('is reached by its path', async () => {
    const path = join(tmpdir(), `upstream-${process.pid}-${Math.random().toString(36).slice(2)}.sock`);
    let head = '';
    await serve(
      (socket) =>
        onRequests(socket, (text) => {
          head = text;
          socket.write(OK);
        }),
      { path },
    );
    const to = cluster(from, { key: `unix/${path}`, target: { kind: 'unix', path }, tls: null, policies: {} });
    const got = await send(from.dispatch, callTo(to));
    expect(got.body).toBe('ok');
    expect(head).toContain('host: localhost\r\n');
  });
});

describe('connections', () => {
  it('are used again', async () => {
    const server = await answering(OK);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    for (let i = 0; i < 5; i++) {
      expect((await send(from.dispatch, callTo(to))).body).toBe('ok');
      await until(() => to.endpoints[0]!.pool.idle === 1);
    }
    expect(server.accepted()).toBe(1);
  });

  it('that were used last are used first', async () => {
    const seen: number[] = [];
    const server = await serve((socket, index) =>
      onRequests(socket, () => {
        seen.push(index);
        socket.write(OK);
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    await Promise.all([1, 2, 3].map(() => send(from.dispatch, callTo(to))));
    const { pool } = to.endpoints[0]!;
    await until(() => pool.idle === 3);
    await send(from.dispatch, callTo(to));
    await until(() => pool.idle === 3);
    const last = seen.at(-1);
    for (let i = 0; i < 3; i++) {
      await send(from.dispatch, callTo(to));
      await until(() => pool.idle === 3);
    }
    expect(seen.slice(-4)).toEqual([last, last, last, last]);
  });

  it('are limited by poolMaxSize; what comes beyond waits and is served in order', async () => {
    from.clusters.close();
    from = rig({ poolMaxSize: 2 });
    const order: string[] = [];
    const server = await serve((socket) =>
      onRequests(socket, (head) => {
        order.push(/GET \/(\d+)/.exec(head)?.[1] ?? '');
        socket.write(OK);
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => send(from.dispatch, callTo(to, { path: `/${i}` }))),
    );
    expect(all.every((got) => got.body === 'ok')).toBe(true);
    expect(server.accepted()).toBe(2);
    expect(order.map(Number).slice(2)).toEqual([...Array(18).keys()].map((i) => i + 2));
  });

  it('are refused at once where too many wait', async () => {
    from.clusters.close();
    from = rig({ poolMaxSize: 1 });
    const server = await serve(() => {});
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const flights = Array.from({ length: 1 + 1024 }, () => start(from.dispatch, callTo(to)));
    const got = await send(from.dispatch, callTo(to));
    expect(got.error?.code).toBe('upstream_busy');
    for (const { flight } of flights) flight.abort();
    expect(to.endpoints[0]!.pool.waiting).toBe(0);
  });

  it('go on to the next waiting request when one is aborted', async () => {
    from.clusters.close();
    from = rig({ poolMaxSize: 1 });
    const server = await serve((socket) =>
      onRequests(socket, (head) => {
        if (!head.includes('/hang')) socket.write(OK);
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const hanging = start(from.dispatch, callTo(to, { path: '/hang' }));
    const given = start(from.dispatch, callTo(to, { path: '/given-up' }));
    const last = start(from.dispatch, callTo(to));
    given.flight.abort();
    await until(() => server.accepted() === 1);
    hanging.flight.abort();
    expect((await last.sink.done).body).toBe('ok');
    expect(hanging.sink.error).toBeNull();
  });

  it('that were being opened for an aborted request serve the next', async () => {
    const server = await answering(OK);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const { sink, flight } = start(from.dispatch, callTo(to));
    flight.abort();
    await until(() => server.accepted() === 1);
    await until(() => to.endpoints[0]!.pool.idle === 1);
    expect((await send(from.dispatch, callTo(to))).body).toBe('ok');
    expect(server.accepted()).toBe(1);
    expect(sink.heads).toBe(0);
  });

  it('are asked of the guard by address', async () => {
    from.clusters.close();
    const asked: string[] = [];
    from = rig(
      {},
      {
        guard: (host, port) => {
          asked.push(`${host}:${port}`);
          return 'not allowed';
        },
      },
    );
    const server = await answering(OK);
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.error?.code).toBe('upstream_connect');
    expect(asked).toEqual([`127.0.0.1:${server.port}`]);
    expect(server.accepted()).toBe(0);
  });

  it('of a cluster that was idle are closed, and opened again when it is needed', async () => {
    const server = await answering(OK);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    await send(from.dispatch, callTo(to));
    await until(() => to.endpoints[0]!.pool.idle === 1);
    expect(from.clusters.sizes).toEqual({ open: 1, pools: 1, names: 1 });
    from.clusters.sweep(performance.now() + 3_600_000);
    expect(from.clusters.sizes).toEqual({ open: 0, pools: 0, names: 0 });
    await until(() => server.sockets.size === 0);
    expect((await send(from.dispatch, callTo(to))).body).toBe('ok');
  });

  it('of a cluster that was closed in the middle of a response finish it', async () => {
    const sockets: import('node:net').Socket[] = [];
    const server = await serve((socket) =>
      onRequests(socket, () => {
        sockets.push(socket);
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none');
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const { sink } = start(from.dispatch, callTo(to));
    await sink.head;
    to.close();
    sockets[0]!.write('two');
    expect((await sink.done).body).toBe('onetwo');
    await until(() => server.sockets.size === 0);
    expect(from.clusters.sizes.pools).toBe(0);
  });

  it('are shared by clusters that differ only in name', async () => {
    const server = await answering(OK);
    const one = cluster(from, { ...hostSpec('127.0.0.1', server.port), key: 'one' });
    const two = cluster(from, { ...hostSpec('127.0.0.1', server.port), key: 'two' });
    expect(one).not.toBe(two);
    await send(from.dispatch, callTo(one));
    await until(() => one.endpoints[0]!.pool.idle === 1);
    await send(from.dispatch, callTo(two));
    expect(server.accepted()).toBe(1);
    expect(cluster(from, { ...hostSpec('127.0.0.1', server.port), key: 'one' })).toBe(one);
  });
});

describe('a closed port', () => {
  it('is a failed connection', async () => {
    const server = await answering(OK);
    const { port } = server;
    await server.close();
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', port))));
    expect(got.error?.code).toBe('upstream_connect');
    expect(got.error?.status).toBe(503);
    expect(got.error?.message).not.toContain('127.0.0.1');
    expect(await metric(from.metrics, 'upstream_failures_total', { code: 'upstream_connect' })).toBe(1);
    // It really is closed: nothing else answers there.
    await expect(
      new Promise((resolve, reject) => connect(port, '127.0.0.1', () => resolve(undefined)).on('error', reject)),
    ).rejects.toThrow();
  });
});
