/** What both drivers owe the rooms behind them. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Exchange } from '../../../src/exchange.ts';
import type { Driver } from '../../../src/workers/drivers/driver.ts';
import { nodeDriver } from '../../../src/workers/drivers/node.ts';
import { uwsDriver } from '../../../src/workers/drivers/uws.ts';
import { answer, eventually, GET, hasUws, listen, POST, type Port, RawClient, readAll, uwsTitle } from './support.ts';

const ports: Port[] = [];
const clients: RawClient[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.socket.destroy();
  for (const port of ports.splice(0)) port.listening.close();
});

describe('node', () => both(nodeDriver));
describe.runIf(hasUws)(uwsTitle, () => both(uwsDriver));

function both(driver: Driver): void {
  async function open(...given: Parameters<typeof listen> extends [unknown, ...infer Rest] ? Rest : never) {
    const port = await listen(driver, ...given);
    ports.push(port);
    return port;
  }
  function connect(port: Port): RawClient {
    const client = new RawClient(port.listening.port);
    clients.push(client);
    return client;
  }
  /** The exchange of the next request, whatever it asks for. */
  async function first(options: Parameters<typeof listen>[2] = {}) {
    let given: (exchange: Exchange) => void = () => {};
    const exchange = new Promise<Exchange>((resolve) => {
      given = resolve;
    });
    const port = await open((one) => given(one), options);
    return { port, exchange };
  }

  test('names the client, and closes with nothing left', async () => {
    const { port, exchange } = await first();
    const client = connect(port).send(GET('/a?b'));
    const one = await exchange;
    expect(one.downstream.remoteAddress).toBe('127.0.0.1');
    expect(one.downstream.localPort).toBe(port.listening.port);
    expect(one).toMatchObject({ path: '/a', query: 'b', host: 'a.test', scheme: 'http' });
    expect(port.listening.openConnections).toBe(1);
    answer(one, 'hello');
    await client.until((c) => c.text.endsWith('hello'));
    port.listening.close();
    client.socket.end();
    await client.until((c) => c.closed);
    await eventually(() => port.listening.openConnections === 0);
  });

  test('a port in use is an error that says so', async () => {
    const port = await open(() => {});
    const error = await listen(driver, () => {}, { port: port.listening.port }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'EADDRINUSE' });
  });

  test('all addresses, both families', async () => {
    const port = await open((exchange) => answer(exchange, exchange.downstream.remoteAddress), {
      address: '',
      ipv6: true,
    });
    for (const [host, seen] of [
      ['127.0.0.1', '127.0.0.1'],
      ['::1', '::1'],
    ] as const) {
      const client = new RawClient(port.listening.port, host).send(GET());
      clients.push(client);
      await client.until((c) => c.text.endsWith(`\r\n\r\n${seen}`));
    }
  });

  test('a client that leaves is told once, not after the end', async () => {
    const aborts: string[] = [];
    const port = await open((exchange) => {
      exchange.downstream.onAbort = () => aborts.push(exchange.path);
      if (exchange.path === '/done') answer(exchange, 'done');
    });
    const pending = connect(port).send(GET('/pending'));
    const done = connect(port).send(GET('/done'));
    await done.until((c) => c.text.endsWith('done'));
    done.socket.destroy();
    pending.socket.destroy();
    await eventually(() => aborts.length > 0);
    await eventually(() => port.listening.openConnections === 0);
    expect(aborts).toEqual(['/pending']);
  });

  test('a client that leaves within its body breaks the body off', async () => {
    const { port, exchange } = await first();
    const client = connect(port).send(POST('Content-Length: 10\r\n', 'hello'));
    const body = readAll(await exchange).catch((error: Error) => error);
    client.socket.destroy();
    expect(await body).toBeInstanceOf(Error);
  });

  test('calls after an end or an abort do nothing', async () => {
    const { port, exchange } = await first();
    const client = connect(port).send(GET());
    const { downstream } = await exchange;
    downstream.writeHead(200, []);
    downstream.write(Buffer.from('part'));
    await client.until((c) => c.text.includes('part'));
    downstream.abort();
    downstream.abort();
    downstream.writeHead(200, []);
    expect(downstream.write(Buffer.from('x'))).toBe(true);
    downstream.end('x');
    await client.until((c) => c.closed);
    expect(client.text.endsWith('0\r\n\r\n')).toBe(false);
  });

  test('what a handler throws is a 500 for its client and nobody else', async () => {
    const port = await open((exchange) => {
      if (exchange.path === '/throw') throw new Error('a fault');
      answer(exchange, 'fine');
    });
    const client = connect(port).send(GET('/throw'));
    await client.until((c) => c.text.includes('HTTP/1.1 500 '));
    expect(client.text).not.toContain('a fault');
    expect(port.rejected).toEqual([[500, 'internal']]);
    await connect(port)
      .send(GET('/'))
      .until((c) => c.text.endsWith('fine'));
  });

  test('an event stream shows its head before its first event', async () => {
    const { port, exchange } = await first({ limits: { sendIdleTimeoutMs: 400 } });
    const client = connect(port).send(GET());
    const { downstream } = await exchange;
    downstream.writeHead(200, ['content-type', 'text/event-stream']);
    await client.until((c) => c.text.includes('\r\n\r\n'));
    expect(client.text).toContain('text/event-stream');
    downstream.write(Buffer.from('data: 1\n\n'));
    downstream.end();
    await client.until((c) => c.text.endsWith('0\r\n\r\n'));
    expect(client.text).toContain('data: 1\n\n');
  });

  test('a slow reader holds the writer back, and loses nothing', async () => {
    const { port, exchange } = await first();
    const client = connect(port).send(GET());
    client.socket.pause();
    const { downstream } = await exchange;
    downstream.writeHead(200, ['content-length', String(64 * 1024 * 1024)]);
    const piece = Buffer.alloc(64 * 1024, 1);
    let left = 1024;
    let most = 0;
    let waits = 0;
    const go = (): void => {
      while (left > 0) {
        left--;
        const more = downstream.write(piece);
        most = Math.max(most, downstream.bufferedBytes, port.listening.pendingBytes);
        if (!more) {
          waits++;
          return;
        }
      }
      downstream.end();
    };
    downstream.onDrain = go;
    go();
    await eventually(() => downstream.bufferedBytes > 0);
    expect(port.listening.pendingBytes).toBeGreaterThan(0);
    expect(left).toBeGreaterThan(0);
    client.socket.resume();
    await client.until((c) => c.bytes > 64 * 1024 * 1024);
    expect(waits).toBeGreaterThan(0);
    expect(most).toBeLessThan(1024 * 1024);
    await eventually(() => port.listening.pendingBytes === 0);
  });

  test('a reader that takes nothing is cut off, and its memory is free again', async () => {
    const { port, exchange } = await first({ limits: { sendIdleTimeoutMs: 200 } });
    const client = connect(port).send(GET());
    client.socket.pause();
    const { downstream } = await exchange;
    const aborted = new Promise<void>((resolve) => {
      downstream.onAbort = resolve;
    });
    downstream.writeHead(200, []);
    while (downstream.write(Buffer.alloc(64 * 1024))) await new Promise((resolve) => setImmediate(resolve));
    await aborted;
    await eventually(() => port.listening.pendingBytes === 0 && port.listening.openConnections === 0);
  });

  test.each(['Content-Length: 8388608\r\n', 'Transfer-Encoding: chunked\r\n'])(
    'a slow consumer holds an upload back (%s)',
    async (framing) => {
      const { port, exchange } = await first();
      const body = Buffer.alloc(8 * 1024 * 1024, 'abc');
      const client = connect(port).send(POST(framing));
      if (framing.startsWith('Content')) client.send(body);
      else
        client
          .send(`${body.length.toString(16)}\r\n`)
          .send(body)
          .send('\r\n0\r\n\r\n');
      const one = await exchange;
      const stream = one.downstream.bodyStream();
      const got: Buffer[] = [];
      let most = 0;
      for await (const chunk of stream) {
        got.push(chunk as Buffer);
        most = Math.max(most, stream.readableLength);
        if (got.length % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(Buffer.concat(got).equals(body)).toBe(true);
      expect(most).toBeLessThan(2 * 1024 * 1024);
      answer(one, 'taken');
      await client.until((c) => c.text.endsWith('taken'));
    },
  );

  test('a consumer that gives the body up leaves the client to be answered', async () => {
    const { port, exchange } = await first();
    const client = connect(port).send(POST('Content-Length: 100000\r\n', 'x'.repeat(1000)));
    const one = await exchange;
    const stream = one.downstream.bodyStream();
    await new Promise((resolve) => stream.once('data', resolve));
    stream.destroy();
    await new Promise((resolve) => stream.once('close', resolve));
    answer(one, 'sorry');
    await client.until((c) => c.text.endsWith('sorry'));
  });

  test('a body nobody reads yet waits, bounded, and comes whole', async () => {
    const { port, exchange } = await first();
    const body = 'x'.repeat(3_000_000);
    connect(port).send(POST(`Content-Length: ${body.length}\r\n`, body));
    const one = await exchange;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await readAll(one)).body.toString('latin1') === body).toBe(true);
    answer(one, 'ok');
  });

  test('drain: what is under way is finished, keep-alive ends, no more is accepted', async () => {
    let second: Exchange | null = null;
    const port = await open((exchange) => {
      if (exchange.path === '/idle') answer(exchange, 'idle');
      else second = exchange;
    });
    const busy = connect(port).send(POST('Content-Length: 10\r\n', 'hello'));
    await eventually(() => second !== null);
    const exchange = second as unknown as Exchange;
    const body = readAll(exchange);
    let drained = false;
    const draining = port.listening.drain().then(() => {
      drained = true;
    });
    const late = connect(port);
    await late.until((c) => c.closed);
    expect(drained).toBe(false);
    busy.send('world');
    expect((await body).body.toString()).toBe('helloworld');
    answer(exchange, 'bye');
    await busy.until((c) => c.text.endsWith('bye'));
    expect(busy.text.toLowerCase()).toContain('connection: close');
    await draining;
    expect(port.listening.openConnections).toBe(0);
  });

  test('close ends what is under way', async () => {
    const { port, exchange } = await first();
    const client = connect(port).send(GET());
    const one = await exchange;
    const aborted = new Promise<void>((resolve) => {
      one.downstream.onAbort = resolve;
    });
    port.listening.close();
    await aborted;
    await client.until((c) => c.closed);
  });
}
