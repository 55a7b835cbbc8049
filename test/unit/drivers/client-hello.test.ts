import * as net from 'node:net';
import * as tls from 'node:tls';
import { expect, test } from 'vitest';
import { MAX_CLIENT_HELLO, readClientHello } from '../../../src/workers/drivers/client-hello.ts';

/** The first flight of a real client. */
async function hello(servername: string): Promise<Buffer> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const first = new Promise<Buffer>((resolve) => server.once('connection', (socket) => socket.once('data', resolve)));
  const client = tls.connect({
    port: (server.address() as net.AddressInfo).port,
    host: '127.0.0.1',
    servername,
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  client.on('error', () => {});
  const bytes = await first;
  client.destroy();
  server.close();
  return bytes;
}

/** The same handshake message cut into records of `size` bytes. */
function recut(bytes: Buffer, size: number): Buffer {
  const message = bytes.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

test('reads the name a client sends, whatever the cut', async () => {
  const bytes = await hello('Some.Host.test');
  expect(readClientHello(bytes)).toEqual({ state: 'complete', sni: 'some.host.test' });
  for (const size of [1, 3, 50, 200]) {
    expect(readClientHello(recut(bytes, size))).toEqual({ state: 'complete', sni: 'some.host.test' });
  }
});

test('a part of it is partial, at every length', async () => {
  const bytes = await hello('a.test');
  for (let length = 0; length < bytes.length; length++) {
    expect(readClientHello(bytes.subarray(0, length)).state).toBe('partial');
  }
});

test('without a name it is empty', async () => {
  expect(readClientHello(await hello(''))).toEqual({ state: 'complete', sni: '' });
});

test('what is no handshake is refused, and no bytes make it throw', async () => {
  expect(readClientHello(Buffer.from('GET / HTTP/1.1\r\n')).state).toBe('invalid');
  expect(readClientHello(Buffer.from([22, 3, 1, 0, 0])).state).toBe('invalid');
  expect(readClientHello(Buffer.from([22, 3, 1, 255, 255, 1])).state).toBe('invalid');
  const huge = Buffer.from([22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]);
  expect(readClientHello(huge).state).toBe('invalid');
  const bytes = await hello('a.test');
  expect(bytes.length).toBeLessThan(MAX_CLIENT_HELLO);
  for (let at = 0; at < bytes.length; at++) {
    for (const value of [0, 1, 127, 255]) {
      const broken = Buffer.from(bytes);
      broken[at] = value;
      expect(['partial', 'invalid', 'complete']).toContain(readClientHello(broken).state);
    }
  }
});
