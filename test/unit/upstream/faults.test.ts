import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  Collector,
  callTo,
  cluster,
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

/** An upstream may do anything at any moment; the caller must get one clear end, and the next request must not suffer. */

let from: Rig;
const servers: RawServer[] = [];

async function serve(...args: Parameters<typeof rawServer>): Promise<RawServer> {
  const server = await rawServer(...args);
  servers.push(server);
  return server;
}

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

describe('before the head', () => {
  it.each([
    ['garbage', 'SSH-2.0-OpenSSH_9.6\r\n\r\n', 'upstream_protocol'],
    ['a broken status line', 'HTTP/1.1 abc\r\n\r\n', 'upstream_protocol'],
    [
      'a content-length twice',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok',
      'upstream_protocol',
    ],
    [
      'content-length and chunked',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      'upstream_protocol',
    ],
    ['another transfer coding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nxxxx', 'upstream_protocol'],
    [
      'two transfer codings',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
      'upstream_protocol',
    ],
    ['a negative content-length', 'HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok', 'upstream_protocol'],
    ['a bare CR in a field', 'HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 2\r\n\r\nok', 'upstream_protocol'],
    ['an enormous head', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`, 'upstream_protocol'],
    ['a very many fields', `HTTP/1.1 200 OK\r\n${'x: yyyyyyyyyy\r\n'.repeat(8_000)}\r\n`, 'upstream_protocol'],
    [
      'a switch of protocols',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      'upstream_protocol',
    ],
    ['no end of interim responses', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100), 'upstream_protocol'],
  ] as const)('%s is an error of protocol', async (_name, bytes, code) => {
    const server = await answering(bytes);
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.error?.code).toBe(code);
    expect(got.heads).toBe(0);
    expect(got.error?.status).toBe(502);
    expect(await metric(from.metrics, 'upstream_failures_total', { code })).toBe(1);
    await until(() => server.sockets.size === 0);
  });

  it('a close is told as such', async () => {
    const server = await serve((socket) => onRequests(socket, () => socket.end()));
    const got = await send(
      from.dispatch,
      callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { method: 'POST' }),
    );
    expect(got.error?.code).toBe('upstream_closed');
    expect(got.error?.status).toBe(503);
  });

  it('a reset is told as such', async () => {
    const server = await serve((socket) => onRequests(socket, () => socket.resetAndDestroy()));
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.error?.code).toBe('upstream_closed');
  });

  it('silence ends at the time-out, and closes the connection', async () => {
    const server = await serve((socket) => void socket.resume());
    const got = await send(
      from.dispatch,
      callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { headTimeoutMs: 20 }),
    );
    expect(got.error?.code).toBe('upstream_timeout');
    expect(got.error?.status).toBe(504);
    await until(() => server.sockets.size === 0);
  });

  it('silence ends at http.requestTimeout too', async () => {
    const server = await serve((socket) => void socket.resume());
    const spec = hostSpec('127.0.0.1', server.port, { http: { requestTimeout: '20ms' } });
    expect((await send(from.dispatch, callTo(cluster(from, spec)))).error?.code).toBe('upstream_timeout');
  });

  it('a wait for a connection of a full pool counts too', async () => {
    from.clusters.close();
    from = rig({ poolMaxSize: 1 });
    const server = await serve((socket) => void socket.resume());
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const first = start(from.dispatch, callTo(to));
    const second = await send(from.dispatch, callTo(to, { headTimeoutMs: 20 }));
    expect(second.error?.code).toBe('upstream_timeout');
    expect(to.endpoints[0]!.pool.waiting).toBe(0);
    first.flight.abort();
  });

  it('a connection that does not open ends at the connect time-out', async () => {
    from.clusters.close();
    const server = await serve((socket) => void socket.resume());
    from = rig({ connectTimeoutMs: 30 }, { guard: () => null });
    const spec = hostSpec(
      '127.0.0.1',
      server.port,
      {},
      {
        hostname: 'x.example',
        root: '',
        cert: '',
        key: '',
        insecure: true,
        insecureHost: true,
        alpn: [],
        subjectAltNames: [],
      },
    );
    // TLS towards a server that never answers the handshake.
    const got = await send(from.dispatch, callTo(cluster(from, spec)));
    expect(got.error?.code).toBe('upstream_connect');
    await until(() => server.sockets.size === 0);
  });
});

describe('after the head', () => {
  it('half a body is an error, with what came before it', async () => {
    const server = await serve((socket) =>
      onRequests(socket, () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')),
    );
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.status).toBe(200);
    expect(got.body).toBe('half');
    expect(got.ended).toBe(false);
    expect(got.error?.status).toBeGreaterThanOrEqual(502);
  });

  it('an unfinished chunked body is an error', async () => {
    const server = await serve((socket) =>
      onRequests(socket, () => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n')),
    );
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.body).toBe('half');
    expect(got.error).not.toBeNull();
  });

  it('a broken chunk is an error of protocol', async () => {
    const server = await answering('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nhalf\r\n');
    const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    expect(got.error?.code).toBe('upstream_protocol');
  });

  it('bytes beyond the response are not the next response', async () => {
    const evil = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil';
    let first = true;
    const server = await serve((socket) =>
      onRequests(socket, () => {
        socket.write(first ? OK + evil : OK);
        first = false;
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    expect((await send(from.dispatch, callTo(to))).body).toBe('ok');
    expect((await send(from.dispatch, callTo(to))).body).toBe('ok');
    expect(server.accepted()).toBe(2);
  });

  it('a body that goes silent ends at its time-out', async () => {
    const server = await answering('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
    const call = callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { bodyIdleTimeoutMs: 100 });
    const got = await send(from.dispatch, call);
    expect(got.body).toBe('half');
    expect(got.error?.code).toBe('upstream_timeout');
  });

  it('an abort closes the connection and is the last that happens', async () => {
    const server = await answering('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
    const { sink, flight } = start(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))));
    await sink.head;
    flight.abort();
    await until(() => server.sockets.size === 0);
    expect(sink.error).toBeNull();
    expect(sink.ended).toBe(false);
  });

  it('an abort from inside onHead or onData is possible', async () => {
    const server = await answering(`HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n${'x'.repeat(1000)}`);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    for (const where of ['onHead', 'onData'] as const) {
      const sink = new Collector();
      const flight = from.dispatch(callTo(to), sink);
      const original = sink[where].bind(sink) as (...args: unknown[]) => unknown;
      Object.assign(sink, {
        [where]: (...args: unknown[]) => {
          const answer = original(...args);
          flight.abort();
          return answer;
        },
      });
      await until(() => sink.heads === 1 && server.sockets.size === 0 && server.accepted() > 0);
      expect(sink.error).toBeNull();
      expect(to.endpoints[0]!.active).toBe(0);
    }
    expect(await metric(from.metrics, 'upstream_failures_total')).toBe(0);
  });

  it('a sink that throws ends its own request only', async () => {
    const server = await answering(OK);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const sink = new Collector();
    sink.onChunk = () => {
      throw new Error('broken sink');
    };
    const got = await send(from.dispatch, callTo(to), sink);
    expect(got.error?.code).toBe('internal');
    expect((await send(from.dispatch, callTo(to))).body).toBe('ok');
  });
});

describe('a receiver that throws at the end', () => {
  it.each(['onEnd', 'onError'] as const)('in %s harms no other request', async (where) => {
    const server = await serve((socket) =>
      onRequests(socket, (head) => {
        if (head.includes('/reset')) socket.resetAndDestroy();
        else socket.write(OK);
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    let thrown = 0;
    const sink = new Collector();
    sink[where] = () => {
      thrown++;
      throw new Error('broken sink');
    };
    from.dispatch(callTo(to, { path: where === 'onEnd' ? '/' : '/reset' }), sink);
    await until(() => thrown === 1 && to.endpoints[0]!.active === 0);
    // Responses can still be paused and resumed.
    const body = 'x'.repeat(300_000);
    const large = await answering(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    const slow = new Collector();
    slow.accept = false;
    const flight = from.dispatch(callTo(cluster(from, hostSpec('127.0.0.1', large.port))), slow);
    await until(() => slow.chunks.length === 1);
    slow.accept = true;
    flight.resume();
    expect((await slow.done).body.length).toBe(body.length);
  });
});

describe('backpressure', () => {
  /** Sends without end until its socket is closed. */
  function endless(socket: Socket): void {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const chunk = Buffer.alloc(65_536, 'x');
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', more);
    more();
  }

  it('stops an endless body at the first chunk that is not accepted', async () => {
    const server = await serve((socket) => onRequests(socket, () => endless(socket)));
    const sink = new Collector();
    sink.accept = false;
    const { flight } = start(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', server.port))), sink);
    await until(() => sink.chunks.length > 0);
    const [peer] = server.sockets;
    // The server is stopped by its own full socket: nothing more is read here.
    let written = -1;
    await until(() => {
      const before = written;
      written = peer!.bytesWritten - peer!.writableLength;
      return peer!.writableNeedDrain && before === written;
    });
    expect(sink.chunks).toHaveLength(1);
    sink.accept = true;
    const before = sink.chunks.length;
    flight.resume();
    await until(() => sink.chunks.length > before + 100);
    flight.abort();
    await until(() => server.sockets.size === 0);
  });

  it('goes on after a resume from inside onData', async () => {
    const body = 'x'.repeat(500_000);
    const server = await answering(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    const sink = new Collector();
    sink.accept = false;
    const flight = from.dispatch(callTo(cluster(from, hostSpec('127.0.0.1', server.port))), sink);
    sink.onChunk = () => flight.resume();
    expect((await sink.done).body.length).toBe(body.length);
  });

  it('goes on after a resume from inside another response', async () => {
    const body = 'x'.repeat(300_000);
    const server = await answering(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const slow = new Collector();
    slow.accept = false;
    const flight = from.dispatch(callTo(to), slow);
    await until(() => slow.chunks.length > 0);
    const fast = new Collector();
    fast.onChunk = () => flight.resume();
    const ticker = setInterval(() => flight.resume(), 1);
    await send(from.dispatch, callTo(to), fast);
    expect(fast.body.length).toBe(body.length);
    expect((await slow.done).body.length).toBe(body.length);
    clearInterval(ticker);
  });

  it('holds back a request body the upstream does not read', async () => {
    const server = await serve((socket) => socket.pause());
    let produced = 0;
    const body = new Readable({
      highWaterMark: 65_536,
      read() {
        produced += 65_536;
        this.push(Buffer.alloc(65_536));
      },
    });
    const call = callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { method: 'POST', body });
    const { flight } = start(from.dispatch, call);
    await until(() => server.accepted() === 1 && body.isPaused());
    // What fits into the two sockets' buffers was taken; far more was on offer.
    expect(produced).toBeLessThan(64 * 1024 * 1024);
    flight.abort();
    for (const socket of server.sockets) socket.resume();
    await until(() => server.sockets.size === 0);
  });
});

describe('a request body', () => {
  it("that breaks off is the client's fault, not the endpoint's", async () => {
    const server = await serve((socket) => void socket.resume());
    const body = new Readable({ read() {} });
    const { sink } = start(
      from.dispatch,
      callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { method: 'POST', body }),
    );
    body.push('some');
    await until(() => server.accepted() === 1);
    body.destroy(new Error('client reset'));
    expect((await sink.done).error?.code).toBe('bad_request');
    expect(await metric(from.metrics, 'upstream_failures_total')).toBe(0);
    await until(() => server.sockets.size === 0);
  });

  it('that is shorter than declared is refused', async () => {
    const server = await serve((socket) => void socket.resume());
    const body = Readable.from([Buffer.from('abc')], { objectMode: false });
    const call = callTo(cluster(from, hostSpec('127.0.0.1', server.port)), {
      method: 'POST',
      body,
      headers: ['content-length', '10'],
    });
    expect((await send(from.dispatch, call)).error?.code).toBe('bad_request');
  });

  it('may be answered before it is complete', async () => {
    const server = await serve((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n')),
    );
    const body = new Readable({ read() {} });
    body.push('start');
    const got = await send(
      from.dispatch,
      callTo(cluster(from, hostSpec('127.0.0.1', server.port)), { method: 'POST', body }),
    );
    expect(got.status).toBe(413);
    expect(got.error).toBeNull();
    body.destroy();
  });
});

describe('kept-alive connections that the server closes', () => {
  it('right after each response lose nothing, whatever the method', async () => {
    const server = await serve((socket) =>
      onRequests(socket, () => {
        socket.write(OK);
        socket.end();
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    for (let i = 0; i < 50; i++) {
      const got = await send(
        from.dispatch,
        callTo(to, { method: i % 2 === 0 ? 'GET' : 'POST', body: Buffer.from('b') }),
      );
      expect(got.error).toBeNull();
      expect(got.body).toBe('ok');
    }
    expect(await metric(from.metrics, 'upstream_failures_total')).toBe(0);
  });

  /** Answers the first request of each connection, and meets the second with a reset. */
  function closingOnSecond(served: string[]): Promise<RawServer> {
    return serve((socket) =>
      onRequests(socket, (head, index) => {
        if (index > 0) socket.resetAndDestroy();
        else {
          served.push(head.slice(0, head.indexOf(' ')));
          socket.write(OK);
        }
      }),
    );
  }

  it('while the next request is on its way are made good for idempotent methods', async () => {
    const served: string[] = [];
    const server = await closingOnSecond(served);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    for (let i = 0; i < 6; i++) {
      const got = await send(
        from.dispatch,
        callTo(to, { method: i % 2 === 0 ? 'GET' : 'PUT', body: i % 2 === 0 ? null : Buffer.from('b') }),
      );
      expect(got.error).toBeNull();
      await until(() => to.endpoints[0]!.active === 0);
    }
    expect(served).toHaveLength(6);
    expect(await metric(from.metrics, 'upstream_failures_total')).toBe(0);
  });

  it('are made good for a POST only with an idempotency key', async () => {
    const server = await closingOnSecond([]);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const post = (headers: string[]) => callTo(to, { method: 'POST', body: Buffer.from('b'), headers });
    const idle = () => until(() => to.endpoints[0]!.pool.idle === 1);
    expect((await send(from.dispatch, post([]))).body).toBe('ok');
    await idle();
    expect((await send(from.dispatch, post(['idempotency-key', 'k']))).body).toBe('ok');
    await idle();
    expect((await send(from.dispatch, post([]))).error?.code).toBe('upstream_closed');
  });

  it('are not made good twice', async () => {
    let requests = 0;
    const server = await serve((socket, connection) =>
      onRequests(socket, () => {
        requests++;
        if (connection === 0 && requests === 1) socket.write(OK);
        else socket.resetAndDestroy();
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    await send(from.dispatch, callTo(to));
    await until(() => to.endpoints[0]!.pool.idle === 1);
    expect((await send(from.dispatch, callTo(to))).error?.code).toBe('upstream_closed');
    expect(requests).toBe(3);
  });

  it('are not made good once an answer has begun', async () => {
    let requests = 0;
    const server = await serve((socket) =>
      onRequests(socket, (_head, index) => {
        requests++;
        if (index === 0) socket.write(OK);
        else socket.end('HTTP/1.1 200 OK\r\ncontent-');
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    await send(from.dispatch, callTo(to));
    await until(() => to.endpoints[0]!.pool.idle === 1);
    expect((await send(from.dispatch, callTo(to))).error).not.toBeNull();
    expect(requests).toBe(2);
  });

  it('are given up before the server says it will', async () => {
    const server = await answering(
      'HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok',
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    await send(from.dispatch, callTo(to));
    await until(() => server.sockets.size === 0);
    expect((await send(from.dispatch, callTo(to))).body).toBe('ok');
  });
});
