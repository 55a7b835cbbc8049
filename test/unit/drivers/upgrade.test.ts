import { connect as connectHttp2 } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import type { DownstreamUpgrade, Exchange, UpgradedConnection } from '../../../src/exchange.ts';
import { chooseDriver } from '../../../src/workers/drivers/select.ts';
import { answer, eventually, GET, hasUws, listen, type Port, RawClient, uwsTitle } from './support.ts';

const SWITCH =
  'Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

const ports: Port[] = [];
afterEach(() => {
  for (const { listening } of ports.splice(0)) listening.close();
});

async function serving(onExchange: (exchange: Exchange) => void): Promise<Port> {
  const port = await listen(chooseDriver('node'), onExchange);
  ports.push(port);
  return port;
}

const upgradeOf = ({ downstream }: Exchange) => downstream.upgrade as DownstreamUpgrade;

/** Accepts, and says back in capitals what it is sent. */
function shout(exchange: Exchange): UpgradedConnection | null {
  const connection = upgradeOf(exchange).accept(['x-more', '1']);
  connection?.stream.on('data', (chunk: Buffer) => connection.stream.write(chunk.toString().toUpperCase()));
  connection?.stream.on('end', () => connection.stream.end());
  connection?.stream.on('error', () => {});
  return connection;
}

describe('a switch of protocols over HTTP/1.1', () => {
  it('hands the connection over, what came behind the request first', async () => {
    const { listening } = await serving((exchange) => {
      expect([exchange.method, exchange.path, exchange.query]).toEqual(['GET', '/a', 'b=c']);
      expect([upgradeOf(exchange).protocol, upgradeOf(exchange).keyed]).toEqual(['websocket', true]);
      expect(exchange.headers.has('upgrade') || exchange.headers.has('connection')).toBe(false);
      setTimeout(() => shout(exchange), 20);
    });
    const client = new RawClient(listening.port).send(`${GET('/a?b=c', SWITCH)}early `);
    await client.until(({ text }) => text.endsWith('EARLY '));
    client.send('late');
    await client.until(({ text }) => text.endsWith('EARLY LATE'));
    expect(client.text).toMatch(
      /^HTTP\/1\.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx-more: 1\r\n\r\n/,
    );
    client.socket.end();
    await client.until(({ closed }) => closed);
    await eventually(() => listening.openConnections === 0);
  });

  it('follows requests on the same connection', async () => {
    const { listening } = await serving((exchange) => {
      if (exchange.downstream.upgrade === null) answer(exchange, 'first');
      else shout(exchange);
    });
    const client = new RawClient(listening.port).send(GET('/'));
    await client.until(({ text }) => text.endsWith('first'));
    client.send(GET('/', SWITCH)).send('x');
    await client.until(({ text }) => text.endsWith('\r\n\r\nX'));
  });

  it('may be answered like any request; that is the last of the connection', async () => {
    const body = 'A'.repeat(8 * 1024 * 1024);
    const { listening } = await serving((exchange) => {
      exchange.downstream.writeHead(401, ['content-length', String(body.length)]);
      const chunk = Buffer.from(body.slice(0, 64 * 1024));
      let left = body.length / chunk.length;
      const write = () => {
        while (left-- > 0) if (!exchange.downstream.write(chunk)) return;
        exchange.downstream.end();
      };
      exchange.downstream.onDrain = write;
      write();
    });
    const client = new RawClient(listening.port).send(`${GET('/', SWITCH)}${GET('/smuggled')}`);
    await client.until(({ closed }) => closed);
    expect(client.text).toMatch(/^HTTP\/1\.1 401 /);
    expect(client.text.toLowerCase()).toContain('connection: close');
    expect(client.bytes).toBeGreaterThan(body.length);
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('tells of a client that leaves before it is answered, and grants nothing any more', async () => {
    let left = false;
    let seen: Exchange | null = null;
    const { listening } = await serving((exchange) => {
      seen = exchange;
      exchange.downstream.onAbort = () => {
        left = true;
      };
    });
    const client = new RawClient(listening.port).send(GET('/', SWITCH));
    await eventually(() => seen !== null);
    client.socket.end();
    await eventually(() => left);
    expect(upgradeOf(seen as unknown as Exchange).accept([])).toBeNull();
    expect(client.text).toBe('');
  });

  it.each([
    ['without a key', SWITCH.replace(/Sec-WebSocket-Key[^\r]*\r\n/, '')],
    ['with a body', `${SWITCH}Content-Length: 1\r\n`],
    ['without the connection option', SWITCH.replace('keep-alive, Upgrade', 'keep-alive')],
    ['to another protocol', SWITCH.replace('WebSocket\r\n', 'h2c\r\n')],
  ])('is not seen in a request %s', async (_, fields) => {
    const { listening } = await serving((exchange) => {
      exchange.downstream.readBody({ onChunk() {}, onEnd() {}, onError() {} });
      answer(exchange, String(exchange.downstream.upgrade));
    });
    const client = new RawClient(listening.port).send(`${GET('/', fields)}${fields.includes('Length') ? 'x' : ''}`);
    await client.until(({ text }) => text.endsWith('null'));
    client.send(GET('/'));
    await client.until(({ text }) => text.split('null').length === 3);
  });

  it('is refused behind a request that waits for its reply', async () => {
    const seen: string[] = [];
    const { listening } = await serving((exchange) => seen.push(exchange.path));
    const client = new RawClient(listening.port).send(`${GET('/first')}${GET('/second', SWITCH)}`);
    await client.until(({ closed }) => closed);
    expect(seen).toEqual(['/first']);
    expect(client.text).toBe('');
  });

  it('is refused where the head is not valid', async () => {
    const { listening, rejected } = await serving(() => {});
    const client = new RawClient(listening.port).send(`GET / HTTP/1.1\r\n${SWITCH}\r\n`);
    await client.until(({ closed }) => closed);
    expect(client.text).toMatch(/^HTTP\/1\.1 400 /);
    expect(rejected).toEqual([[400, 'authority']]);
  });

  it('outlives a drain, and is told of the end', async () => {
    let connection: UpgradedConnection | null = null;
    const { listening } = await serving((exchange) => {
      connection = shout(exchange);
    });
    const client = new RawClient(listening.port).send(GET('/', SWITCH)).send('a');
    await client.until(({ text }) => text.endsWith('A'));
    const drained = listening.drain();
    await new Promise((resolve) => setTimeout(resolve, 120));
    client.send('b');
    await client.until(({ text }) => text.endsWith('AB'));
    const upgraded = connection as unknown as UpgradedConnection;
    upgraded.onClose = () => upgraded.stream.end('goodbye');
    listening.close();
    await client.until(({ closed }) => closed);
    await drained;
    expect(client.text.endsWith('ABgoodbye')).toBe(true);
  });
});

describe('a switch of protocols over HTTP/2', () => {
  const extended = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':authority': 'a.test' };

  it('is an extended CONNECT', async () => {
    const { listening } = await serving((exchange) => {
      expect([exchange.method, exchange.path, upgradeOf(exchange).keyed]).toEqual(['GET', '/a', false]);
      shout(exchange);
    });
    const session = connectHttp2(`http://127.0.0.1:${listening.port}`);
    await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()));
    expect(session.remoteSettings.enableConnectProtocol).toBe(true);
    const stream = session.request({ ...extended, ':path': '/a' });
    const head = await new Promise<Record<string, unknown>>((resolve) => stream.on('response', resolve as never));
    expect([head[':status'], head['x-more']]).toEqual([200, '1']);
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    stream.write('abc');
    await eventually(() => text === 'ABC');
    stream.end();
    await eventually(() => stream.closed);
    session.close();
  });

  it('may be answered like any request', async () => {
    const { listening } = await serving((exchange) => {
      exchange.downstream.writeHead(426, ['upgrade', 'websocket']);
      exchange.downstream.end('no');
    });
    const session = connectHttp2(`http://127.0.0.1:${listening.port}`);
    await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()));
    const stream = session.request({ ...extended, ':path': '/a' });
    const status = await new Promise((resolve) => stream.on('response', (head) => resolve(head[':status'])));
    expect(status).toBe(426);
    stream.resume();
    stream.end();
    await eventually(() => stream.closed);
    session.close();
  });

  it.each([
    ['another protocol', { ':protocol': 'connect-udp' }],
    ['none', { ':protocol': undefined }],
  ])('of %s is refused', async (_, more) => {
    const { listening, rejected } = await serving(() => {});
    const session = connectHttp2(`http://127.0.0.1:${listening.port}`);
    session.on('error', () => {});
    await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()));
    const { ':protocol': protocol, ...rest } = { ...extended, ...more };
    const stream = session.request(
      protocol === undefined
        ? { ':method': 'CONNECT', ':authority': 'a.test:1' }
        : { ...rest, ':protocol': protocol, ':path': '/a' },
    );
    stream.on('error', () => {});
    stream.resume();
    await eventually(() => rejected.length > 0);
    expect(rejected[0]?.[0]).toBeGreaterThanOrEqual(400);
    session.destroy();
  });

  it('is told of the end', async () => {
    let connection: UpgradedConnection | null = null;
    const { listening } = await serving((exchange) => {
      connection = shout(exchange);
    });
    const session = connectHttp2(`http://127.0.0.1:${listening.port}`);
    session.on('error', () => {});
    await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()));
    const stream = session.request({ ...extended, ':path': '/a' });
    stream.on('error', () => {});
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    stream.write('a');
    await eventually(() => text === 'A');
    const upgraded = connection as unknown as UpgradedConnection;
    upgraded.onClose = () => upgraded.stream.end('goodbye');
    listening.close();
    await eventually(() => session.destroyed || session.closed);
    expect(text).toBe('Agoodbye');
  });
});

describe.runIf(hasUws)(`a switch of protocols: ${uwsTitle}`, () => {
  it('is told to be unsupported, and the request is answered', async () => {
    const port = await listen(chooseDriver('uws'), (exchange) => answer(exchange, String(exchange.downstream.upgrade)));
    ports.push(port);
    const client = new RawClient(port.listening.port).send(GET('/', SWITCH));
    await client.until(({ text }) => text.endsWith('unsupported'));
    client.send(GET('/'));
    await client.until(({ text }) => text.endsWith('null'));
  });
});
