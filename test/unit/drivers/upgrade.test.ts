import { connect as connectHttp2 } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import type { Exchange } from '../../../src/exchange.ts';
import type { DownstreamUpgrade, UpgradedConnection } from '../../../src/facts/upgrade.ts';
import { chooseDriver } from '../../../src/workers/drivers/select.ts';
import { answer, eventually, GET, hasUws, listen, type Port, RawClient, uwsTitle } from './support.ts';

const SWITCH =
  'Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
/** What answers that key (RFC 6455 §1.3). */
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

const ports: Port[] = [];
afterEach(() => {
  for (const { listening } of ports.splice(0)) listening.close();
});

async function serving(driver: 'node' | 'uws', onExchange: (exchange: Exchange) => void): Promise<Port> {
  const port = await listen(chooseDriver(driver), onExchange);
  ports.push(port);
  return port;
}

const upgradeOf = ({ downstream }: Exchange) => downstream.upgrade as DownstreamUpgrade;

/** Accepts, and says back in capitals what it is sent. */
function shout(exchange: Exchange): UpgradedConnection | null {
  const connection = upgradeOf(exchange).accept(['sec-websocket-accept', ACCEPT, 'x-more', '1']);
  if (connection === null) return null;
  if ('stream' in connection) {
    const { stream } = connection;
    stream.on('data', (chunk: Buffer) => stream.write(chunk.toString('latin1').toUpperCase(), 'latin1'));
    stream.on('end', () => stream.end());
    stream.on('error', () => {});
  } else {
    const { webSocket } = connection;
    webSocket.begin({
      onMessage: (data, binary) => webSocket.send(Buffer.from(data.toString().toUpperCase()), binary),
      onHeard() {},
      onDrain() {},
      onClosed() {},
    });
  }
  return connection;
}

function goodbye(connection: UpgradedConnection): void {
  if ('stream' in connection) connection.stream.end('goodbye');
  else connection.webSocket.close(1001, 'goodbye');
}

/** What a client says and is shown, as it is or in a frame each (RFC 6455 §5.2): text, masked with zeros by the client. */
const WIRE = {
  node: { said: (text: string) => text, shown: (text: string) => text, goodbye: 'goodbye' },
  uws: {
    said: (text: string) => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]),
    shown: (text: string) => `\x81${String.fromCharCode(text.length)}${text}`,
    goodbye: '\x88\x09\x03\xe9goodbye',
  },
};

function table(driver: 'node' | 'uws'): void {
  const { said, shown, goodbye: lastWord } = WIRE[driver];

  it('hands the connection over', async () => {
    const { listening } = await serving(driver, (exchange) => {
      expect([exchange.method, exchange.path, exchange.query]).toEqual(['GET', '/a', 'b=c']);
      expect([upgradeOf(exchange).protocol, upgradeOf(exchange).keyed]).toEqual(['websocket', true]);
      expect(exchange.headers.has('upgrade') || exchange.headers.has('connection')).toBe(false);
      setTimeout(() => shout(exchange), 20);
    });
    const client = new RawClient(listening.port).send(GET('/a?b=c', SWITCH));
    await client.until(({ text }) => text.endsWith('\r\n\r\n'));
    const head = client.text.toLowerCase();
    expect(head).toMatch(/^http\/1\.1 101 switching protocols\r\n/);
    for (const field of ['connection: upgrade', 'upgrade: websocket', `sec-websocket-accept: ${ACCEPT}`, 'x-more: 1'])
      expect(head.split(`\r\n${field.toLowerCase()}\r\n`)).toHaveLength(2);
    client.send(said('late'));
    await client.until(({ text }) => text.endsWith(shown('LATE')));
    expect(listening.openConnections).toBe(1);
    client.socket.end();
    await client.until(({ closed }) => closed);
    await eventually(() => listening.openConnections === 0);
  });

  it('may be granted in the turn it was asked for', async () => {
    const { listening } = await serving(driver, (exchange) => shout(exchange));
    const client = new RawClient(listening.port).send(GET('/', SWITCH));
    await client.until(({ text }) => text.endsWith('\r\n\r\n'));
    client.send(said('x'));
    await client.until(({ text }) => text.endsWith(shown('X')));
  });

  it('follows requests on the same connection', async () => {
    const { listening } = await serving(driver, (exchange) => {
      if (exchange.downstream.upgrade === null) answer(exchange, 'first');
      else shout(exchange);
    });
    const client = new RawClient(listening.port).send(GET('/'));
    await client.until(({ text }) => text.endsWith('first'));
    client.send(GET('/', SWITCH));
    await client.until(({ text }) => text.endsWith('\r\n\r\n'));
    client.send(said('x'));
    await client.until(({ text }) => text.endsWith(`\r\n\r\n${shown('X')}`));
  });

  it('may be answered like any request; that is the last of the connection', async () => {
    const { listening } = await serving(driver, (exchange) => answer(exchange, 'no'));
    const client = new RawClient(listening.port).send(GET('/', SWITCH));
    await client.until(({ closed }) => closed);
    expect(client.text).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\nno$/);
    expect(client.text.toLowerCase()).toContain('connection: close');
  });

  it('tells of a client that leaves before it is answered, and grants nothing any more', async () => {
    let left = false;
    let seen: Exchange | null = null;
    const { listening } = await serving(driver, (exchange) => {
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
    const { listening } = await serving(driver, (exchange) => {
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
    const { listening } = await serving(driver, (exchange) => seen.push(exchange.path));
    const client = new RawClient(listening.port).send(`${GET('/first')}${GET('/second', SWITCH)}`);
    await client.until(({ closed }) => closed);
    expect(seen).toEqual(['/first']);
    expect(client.text).toBe('');
  });

  it('is refused where the head is not valid', async () => {
    const { listening, rejected } = await serving(driver, () => {});
    const client = new RawClient(listening.port).send(GET('/', `Host: b.test\r\n${SWITCH}`));
    await client.until(({ closed }) => closed);
    expect(client.text).toMatch(/^HTTP\/1\.1 400 /);
    expect(rejected).toEqual([[400, 'authority']]);
  });

  it('outlives a drain, and is told of the end', async () => {
    let connection: UpgradedConnection | null = null;
    const { listening } = await serving(driver, (exchange) => {
      connection = shout(exchange);
    });
    const client = new RawClient(listening.port).send(GET('/', SWITCH));
    await client.until(({ text }) => text.endsWith('\r\n\r\n'));
    client.send(said('a'));
    await client.until(({ text }) => text.endsWith(shown('A')));
    const drained = listening.drain();
    await new Promise((resolve) => setTimeout(resolve, 120));
    client.send(said('b'));
    await client.until(({ text }) => text.endsWith(shown('B')));
    const upgraded = connection as unknown as UpgradedConnection;
    upgraded.onClose = () => goodbye(upgraded);
    listening.close();
    await client.until(({ closed }) => closed);
    await drained;
    expect(client.text.endsWith(`${shown('A')}${shown('B')}${lastWord}`)).toBe(true);
  });
}

describe('a switch of protocols over HTTP/1.1: node', () => {
  table('node');

  it('hands over what came behind the request first', async () => {
    const { listening } = await serving('node', (exchange) => void setTimeout(() => shout(exchange), 20));
    const client = new RawClient(listening.port).send(`${GET('/', SWITCH)}early `);
    await client.until(({ text }) => text.endsWith('EARLY '));
    client.send('late');
    await client.until(({ text }) => text.endsWith('EARLY LATE'));
  });

  it('may be answered at length, whatever comes behind the request', async () => {
    const body = 'A'.repeat(8 * 1024 * 1024);
    const { listening } = await serving('node', (exchange) => {
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
});

describe.runIf(hasUws)(`a switch of protocols over HTTP/1.1: ${uwsTitle}`, () => {
  table('uws');

  it('ends with a client that sends another request before it', async () => {
    let left = false;
    const { listening } = await serving('uws', ({ downstream }) => {
      downstream.onAbort = () => {
        left = true;
      };
    });
    const client = new RawClient(listening.port).send(`${GET('/', SWITCH)}${GET('/smuggled')}`);
    await client.until(({ closed }) => closed);
    await eventually(() => left);
    expect([client.text, listening.openConnections]).toEqual(['', 0]);
  });

  it('ends with its port, whether or not the client says goodbye; so do idle connections and exchanges', async () => {
    const told: string[] = [];
    const { listening } = await serving('uws', (exchange) => {
      if (exchange.downstream.upgrade !== null) {
        const connection = shout(exchange);
        if (connection !== null) connection.onClose = () => goodbye(connection);
      } else if (exchange.path === '/idle') answer(exchange, 'idle');
      else exchange.downstream.onAbort = () => told.push(exchange.path);
    });
    const clients = [GET('/', SWITCH), GET('/idle'), GET('/pending')].map((text) =>
      new RawClient(listening.port).send(text),
    );
    const [silent, idle, pending] = clients as [RawClient, RawClient, RawClient];
    // Takes the gateway's end of the connection for none of its own.
    silent.socket.allowHalfOpen = true;
    await silent.until(({ text }) => text.endsWith('\r\n\r\n'));
    await idle.until(({ text }) => text.endsWith('idle'));
    await eventually(() => listening.openConnections === 2);
    listening.close();
    for (const client of [idle, pending]) await client.until(({ closed }) => closed);
    await silent.until(({ text }) => text.endsWith(WIRE.uws.goodbye));
    await eventually(() => silent.send('still here').closed);
    expect([told, listening.openConnections]).toEqual([['/pending'], 0]);
  });

  it('with a key of another length is not granted', async () => {
    let granted: unknown;
    const { listening } = await serving('uws', (exchange) => {
      granted = upgradeOf(exchange).accept([]);
    });
    const client = new RawClient(listening.port).send(GET('/', SWITCH.replace('dGhl', '')));
    await client.until(({ closed }) => closed);
    expect([granted, client.text]).toEqual([null, '']);
  });

  it('ends where its receiver throws, and is told so', async () => {
    const codes: number[] = [];
    const { listening, rejected } = await serving('uws', (exchange) => {
      const connection = upgradeOf(exchange).accept([]);
      if (connection === null || 'stream' in connection) return;
      connection.webSocket.begin({
        onMessage() {
          throw new Error('a fault');
        },
        onHeard() {},
        onDrain() {},
        onClosed: (code) => codes.push(code),
      });
    });
    const client = new RawClient(listening.port).send(GET('/', SWITCH));
    await client.until(({ text }) => text.endsWith('\r\n\r\n'));
    client.send(WIRE.uws.said('x'));
    await client.until(({ closed }) => closed);
    expect([codes, rejected, listening.openConnections]).toEqual([[1006], [[500, 'internal']], 0]);
  });
});

describe('a switch of protocols over HTTP/2', () => {
  const extended = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':authority': 'a.test' };

  it('is an extended CONNECT', async () => {
    const { listening } = await serving('node', (exchange) => {
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
    const { listening } = await serving('node', (exchange) => {
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
    const { listening, rejected } = await serving('node', () => {});
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
    const { listening } = await serving('node', (exchange) => {
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
    upgraded.onClose = () => goodbye(upgraded);
    listening.close();
    await eventually(() => session.destroyed || session.closed);
    expect(text).toBe('Agoodbye');
  });
});
