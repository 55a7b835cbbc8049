import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { Exchange } from '../../../src/exchange.ts';
import { formatAddress } from '../../../src/workers/drivers/remote-address.ts';
import { chooseDriver, uwsAvailability } from '../../../src/workers/drivers/select.ts';
import { Slabs } from '../../../src/workers/drivers/slabs.ts';
import { readVerified } from '../../../src/workers/drivers/uws-binding.ts';
import { eventually, hasUws, listen, POST, type Port, RawClient, uwsTitle } from './support.ts';

const ports: Port[] = [];
const clients: RawClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.socket.destroy();
  for (const port of ports.splice(0)) port.listening.close();
});

const found = uwsAvailability();

test('auto takes uws only where its binary is among the verified ones', () => {
  const verified = !('error' in found) && readVerified().some((entry) => entry.sha256 === found.sha256);
  expect(chooseDriver('auto').name).toBe(verified ? 'uws' : 'node');
  expect(chooseDriver('auto', false).name).toBe('node');
  expect(chooseDriver('node').name).toBe('node');
});

test.each([
  [[127, 0, 0, 1], '127.0.0.1'],
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1], '10.0.0.1'],
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], '::1'],
  [[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1], '2001:db8:0:1::1'],
  [[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 'fe80::'],
  [[], ''],
])('address %j is %s', (bytes, text) => {
  expect(formatAddress(Uint8Array.from(bytes))).toBe(text);
});

test('slabs give pieces that do not overlap, large ones of their own', () => {
  const slabs = new Slabs();
  const pieces = Array.from({ length: 5000 }, (_, i) => slabs.copy(Buffer.alloc(1000, i & 255)));
  pieces.forEach((piece, i) => {
    expect(piece.every((byte) => byte === (i & 255))).toBe(true);
  });
  expect(new Set(pieces.map((piece) => piece.buffer)).size).toBeLessThan(pieces.length / 100);
  expect(slabs.take(512 * 1024).buffer).not.toBe(slabs.take(10).buffer);
});

describe.runIf(hasUws)(uwsTitle, () => {
  async function first() {
    let given: (exchange: Exchange) => void = () => {};
    const exchange = new Promise<Exchange>((resolve) => {
      given = resolve;
    });
    const port = await listen(chooseDriver('uws'), (one) => given(one));
    ports.push(port);
    return { port, exchange };
  }
  function connect(port: Port): RawClient {
    const client = new RawClient(port.listening.port);
    clients.push(client);
    return client;
  }

  test('does not serve TLS', async () => {
    await expect(listen(chooseDriver('uws'), () => {}, { tls: () => null })).rejects.toThrow(/cleartext/);
  });

  test('a counted body comes to a sink in one piece', async () => {
    const { port, exchange } = await first();
    const client = connect(port).send(POST('Content-Length: 10\r\n', 'hello'));
    const one = await exchange;
    const chunks: string[] = [];
    one.downstream.readBody({
      onChunk: (chunk) => chunks.push(chunk.toString()),
      onEnd: () => {
        one.downstream.writeHead(200, []);
        one.downstream.end('ok');
      },
      onError: () => {},
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.send('world');
    await client.until((c) => c.text.endsWith('ok'));
    expect(chunks).toEqual(['helloworld']);
  });

  test('an upload that comes while its reply can not go out is cut off past what may be held', async () => {
    const { port, exchange } = await first();
    const client = connect(port).send(POST('Content-Length: 100000000\r\n'));
    client.socket.pause();
    const one = await exchange;
    let gone = false;
    one.downstream.onAbort = () => {
      gone = true;
    };
    const stream = one.downstream.bodyStream();
    stream.on('error', () => {});
    one.downstream.writeHead(200, []);
    while (one.downstream.write(Buffer.alloc(64 * 1024))) await new Promise((resolve) => setImmediate(resolve));
    const flood = Buffer.alloc(1024 * 1024);
    while (!gone && !client.closed) {
      client.send(flood);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await eventually(() => gone);
    expect(stream.readableLength).toBeLessThan(3 * 1024 * 1024);
    expect(port.rejected).toEqual([[413, 'body_too_large']]);
    expect(port.listening.openConnections).toBe(0);
  });

  test('a reply that breaks its announced length is broken off', async () => {
    const { port, exchange } = await first();
    const client = connect(port).send(POST('Content-Length: 0\r\n'));
    const { downstream } = await exchange;
    downstream.writeHead(200, ['content-length', '10']);
    downstream.write(Buffer.from('hello'));
    await client.until((c) => c.text.endsWith('hello'));
    downstream.end(Buffer.from('hello, world'));
    await client.until((c) => c.closed);
    expect(client.text.endsWith('\r\n\r\nhello')).toBe(true);
  });

  test('workers share a port, survive what is thrown at them, and leave by themselves', async () => {
    const main = fileURLToPath(new URL('../../fixtures/drivers/uws-main.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [main]);
    expect(JSON.parse(stdout)).toEqual({ names: ['one', 'two'], finished: 8, codes: [0, 0] });
  });
});
