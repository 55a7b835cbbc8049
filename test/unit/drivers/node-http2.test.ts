import { once } from 'node:events';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Exchange } from '../../../src/exchange.ts';
import { nodeDriver } from '../../../src/workers/drivers/node.ts';
import { answer, eventually, GET, listen, type Port, RawClient, readAll } from './support.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function open(onExchange: (exchange: Exchange) => void, limits = {}): Promise<Port> {
  const port = await listen(nodeDriver, onExchange, { limits });
  cleanups.push(() => port.listening.close());
  return port;
}

function connect(port: Port): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port.listening.port}`);
  session.on('error', () => {});
  cleanups.push(() => session.destroy());
  return session;
}

interface Reply {
  status: number;
  headers: http2.IncomingHttpHeaders;
  trailers: http2.IncomingHttpHeaders;
  body: string;
  interim: number[];
}

async function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  send: (stream: http2.ClientHttp2Stream) => void = (stream) => stream.end(),
): Promise<Reply> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: false, waitForTrailers: true });
  const reply: Reply = { status: 0, headers: {}, trailers: {}, body: '', interim: [] };
  stream.on('headers', (fields) => reply.interim.push(Number(fields[':status'])));
  stream.on('response', (fields) => {
    reply.status = Number(fields[':status']);
    reply.headers = fields;
  });
  stream.on('trailers', (fields) => {
    reply.trailers = fields;
  });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1', 'content-type': 'a' }));
  stream.setEncoding('utf8');
  send(stream);
  for await (const chunk of stream) reply.body += chunk;
  return reply;
}

test('HTTP/1 and HTTP/2 on one cleartext port, the preface in pieces too', async () => {
  const port = await open((exchange) => answer(exchange, exchange.downstream.httpVersion));
  expect((await ask(connect(port), {})).body).toBe('2');
  const plain = new RawClient(port.listening.port).send(GET());
  cleanups.push(() => plain.socket.destroy());
  await plain.until((c) => c.text.endsWith('\r\n\r\n1.1'));
  // A method that begins like the preface.
  const put = new RawClient(port.listening.port).send('PR');
  cleanups.push(() => put.socket.destroy());
  await new Promise((resolve) => setTimeout(resolve, 20));
  put.send('OPFIND / HTTP/1.1\r\nHost: a\r\n\r\n');
  await put.until((c) => c.text.endsWith('\r\n\r\n1.1'));

  const raw = net.connect(port.listening.port, '127.0.0.1');
  cleanups.push(() => raw.destroy());
  for (const byte of 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') {
    raw.write(byte);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  raw.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  const [frame] = (await once(raw, 'data')) as [Buffer];
  // SETTINGS
  expect(frame[3]).toBe(4);
});

test('the exchange of a stream', async () => {
  const port = await open(async (exchange) => {
    const { body, trailers } = await readAll(exchange);
    const { method, path, query, authority, headers, downstream } = exchange;
    const said = { method, path, query, authority, headers: headers.raw, body: body.toString(), trailers };
    answer(exchange, JSON.stringify({ ...said, hasBody: downstream.hasBody, length: downstream.contentLength }));
  });
  const session = connect(port);
  const reply = await ask(
    session,
    { ':method': 'POST', ':path': '/a/../b?c', ':authority': 'A.test:1', cookie: ['a=1', 'b=2'], te: 'trailers' },
    (stream) => stream.end('hello'),
  );
  expect(JSON.parse(reply.body)).toEqual({
    method: 'POST',
    path: '/b',
    query: 'c',
    authority: 'a.test:1',
    headers: ['te', 'trailers', 'cookie', 'a=1; b=2'],
    body: 'hello',
    trailers: ['x-sum', '1'],
    hasBody: true,
    length: -1,
  });
});

test('replies: trailers as gRPC has them, none at all, HEAD, 204, interim', async () => {
  const port = await open((exchange) => {
    const { downstream } = exchange;
    switch (exchange.path) {
      case '/grpc':
        downstream.writeHead(200, ['content-type', 'application/grpc']);
        downstream.write(Buffer.from('one'));
        downstream.end(Buffer.from('two'), ['grpc-status', '0', 'grpc-message', 'fine']);
        return;
      case '/only-trailers':
        downstream.writeHead(200, ['content-type', 'application/grpc']);
        downstream.end(undefined, ['grpc-status', '5']);
        return;
      case '/late':
        downstream.writeHead(200, [
          'connection',
          'x',
          'transfer-encoding',
          'chunked',
          'set-cookie',
          'a',
          'set-cookie',
          'b',
        ]);
        setTimeout(() => downstream.end('late'), 20);
        return;
      case '/hints':
        downstream.inform(103, ['link', '<a>']);
        answer(exchange, 'hinted');
        return;
      case '/204':
        downstream.writeHead(204, []);
        downstream.end();
        return;
      default:
        answer(exchange, 'x'.repeat(200_000));
    }
  });
  const session = connect(port);
  expect(await ask(session, { ':path': '/grpc' })).toMatchObject({
    body: 'onetwo',
    trailers: { 'grpc-status': '0', 'grpc-message': 'fine' },
  });
  expect(await ask(session, { ':path': '/only-trailers' })).toMatchObject({
    body: '',
    trailers: { 'grpc-status': '5' },
  });
  const late = await ask(session, { ':path': '/late' });
  expect(late.body).toBe('late');
  expect(late.headers['set-cookie']).toEqual(['a', 'b']);
  expect(late.headers.connection).toBeUndefined();
  expect(await ask(session, { ':path': '/hints' })).toMatchObject({ interim: [103], body: 'hinted' });
  expect(await ask(session, { ':path': '/204' })).toMatchObject({ status: 204, body: '' });
  expect((await ask(session, {})).body.length).toBe(200_000);
  const head = await ask(session, { ':method': 'HEAD' });
  expect([head.status, head.headers['content-length'], head.body]).toEqual([200, '200000', '']);
});

test('refused streams leave the connection', async () => {
  const port = await open((exchange) => answer(exchange, 'ok'), { maxHeaderCount: 30 });
  const session = connect(port);
  expect((await ask(session, { ':authority': 'a.test', host: 'other' })).status).toBe(400);
  expect((await ask(session, { ':path': '/a\\b' })).status).toBe(400);
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-${i}`, 'v']));
  expect((await ask(session, many)).status).toBe(431);
  expect((await ask(session, { ':method': 'POST', expect: 'more' })).status).toBe(417);
  expect((await ask(session, { ':method': 'OPTIONS', ':path': '*' })).status).toBe(200);
  expect((await ask(session, {})).body).toBe('ok');
  expect(port.rejected.map(([status]) => status)).toEqual([400, 400, 431, 417]);
});

test('100-continue is sent when the body is asked for', async () => {
  const port = await open(async (exchange) => answer(exchange, (await readAll(exchange)).body.toString()));
  const stream = connect(port).request(
    { ':method': 'POST', ':path': '/', expect: '100-continue' },
    { endStream: false },
  );
  stream.on('continue', () => stream.end('hello'));
  stream.setEncoding('utf8');
  let body = '';
  for await (const chunk of stream) body += chunk;
  expect(body).toBe('hello');
});

test('a reset stream is told once; resets without end close the connection', async () => {
  let aborted = 0;
  const port = await open((exchange) => {
    exchange.downstream.onAbort = () => aborted++;
  });
  const session = connect(port);
  const closed = new Promise((resolve) => session.on('close', resolve));
  for (let i = 0; i < 400 && !session.destroyed; i++) {
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    stream.close(http2.constants.NGHTTP2_CANCEL);
    if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await closed;
  await eventually(() => port.listening.openConnections === 0);
  expect(aborted).toBeGreaterThan(0);
  expect(aborted).toBeLessThan(400);
});

test('a slow reader of a stream holds the writer back', async () => {
  let exchange: Exchange | null = null;
  const port = await open((one) => {
    exchange = one;
  });
  const stream = connect(port).request({ ':path': '/' });
  stream.pause();
  await eventually(() => exchange !== null);
  const { downstream } = exchange as unknown as Exchange;
  downstream.writeHead(200, []);
  const total = 32 * 1024 * 1024;
  let written = 0;
  let most = 0;
  const go = (): void => {
    while (written < total) {
      written += 64 * 1024;
      const more = downstream.write(Buffer.alloc(64 * 1024));
      most = Math.max(most, port.listening.pendingBytes);
      if (!more) return;
    }
    downstream.end();
  };
  downstream.onDrain = go;
  go();
  await eventually(() => port.listening.pendingBytes > 0);
  expect(written).toBeLessThan(total);
  let got = 0;
  for await (const chunk of stream) got += (chunk as Buffer).length;
  expect(got).toBe(total);
  expect(most).toBeLessThan(1024 * 1024);
});

test('a slow consumer holds an upload back, and giving it up is answered', async () => {
  const port = await open(async (exchange) => {
    const stream = exchange.downstream.bodyStream();
    if (exchange.path === '/give-up') {
      await once(stream, 'data');
      stream.destroy();
      answer(exchange, 'sorry');
      return;
    }
    let got = 0;
    let most = 0;
    for await (const chunk of stream) {
      got += (chunk as Buffer).length;
      most = Math.max(most, stream.readableLength);
      await new Promise((resolve) => setImmediate(resolve));
    }
    answer(exchange, JSON.stringify([got, most < 1024 * 1024]));
  });
  const session = connect(port);
  const body = Buffer.alloc(4 * 1024 * 1024);
  const reply = await ask(session, { ':method': 'POST' }, (stream) => stream.end(body));
  expect(JSON.parse(reply.body)).toEqual([body.length, true]);
  const given = await ask(session, { ':method': 'POST', ':path': '/give-up' }, (stream) => {
    stream.on('error', () => {});
    stream.write(body);
  });
  expect(given.body).toBe('sorry');
});

test.each([true, false])('a large reply ahead of its request comes whole (read before: %s)', async (read) => {
  const port = await open(async (exchange) => {
    if (read) await once(exchange.downstream.bodyStream(), 'data');
    answer(exchange, 'x'.repeat(3_000_000));
  });
  const reply = await ask(connect(port), { ':method': 'POST' }, (stream) => {
    stream.on('error', () => {});
    stream.write('part');
  });
  expect(reply.body.length).toBe(3_000_000);
});

test('a body that stalls is a 408, a session without streams is closed', async () => {
  const port = await open((exchange) => void readAll(exchange).catch(() => {}), {
    bodyIdleTimeoutMs: 150,
    keepAliveTimeoutMs: 150,
  });
  const session = connect(port);
  const reply = await ask(session, { ':method': 'POST' }, (stream) => {
    stream.on('error', () => {});
    stream.write('part');
  });
  expect(reply.status).toBe(408);
  await once(session, 'close');
  await eventually(() => port.listening.openConnections === 0);
});

test('drain: streams under way are finished, then the session goes', async () => {
  const exchanges: Exchange[] = [];
  const port = await open((exchange) => exchanges.push(exchange));
  const session = connect(port);
  const idle = connect(port);
  const served = ask(idle, {});
  await eventually(() => exchanges.length === 1);
  answer(exchanges.pop() as Exchange, 'first');
  await served;
  const pending = ask(session, {});
  await eventually(() => exchanges.length === 1);
  const drained = port.listening.drain();
  await once(idle, 'close');
  answer(exchanges[0] as Exchange, 'bye');
  expect((await pending).body).toBe('bye');
  await drained;
  expect(port.listening.openConnections).toBe(0);
});
