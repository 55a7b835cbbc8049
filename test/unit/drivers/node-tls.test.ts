import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import type { DownstreamTls, Exchange } from '../../../src/exchange.ts';
import type { ServerTls } from '../../../src/resources/types.ts';
import { nodeDriver } from '../../../src/workers/drivers/node.ts';
import { parseSans } from '../../../src/workers/drivers/node-tls.ts';
import { answer, eventually, listen, type Port } from './support.ts';

const pem = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url), 'utf8');
const ca = pem('ca.pem');

function certificate(name: string, more: Partial<ServerTls> = {}): ServerTls {
  return {
    cert: pem(`${name}.pem`),
    key: pem(`${name}.key`),
    root: '',
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    cipherSuites: [],
    alpn: ['h2', 'http/1.1'],
    ...more,
  };
}

const A = certificate('a');
const MUTUAL = certificate('b', { root: ca });
const BROKEN = certificate('a', { key: pem('b.key') });
const OLD = certificate('a', { alpn: ['http/1.1'], maxVersion: 'TLSv1.2' });
const NAMES: Record<string, ServerTls> = {
  'a.test': A,
  'b.test': MUTUAL,
  'broken.test': BROKEN,
  'old.test': OLD,
  '': A,
};

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function open(onExchange?: (exchange: Exchange) => void, limits = {}): Promise<Port> {
  const port = await listen(
    nodeDriver,
    onExchange ?? ((exchange) => answer(exchange, JSON.stringify([exchange.scheme, exchange.downstream.tls]))),
    { tls: (sni) => NAMES[sni] ?? null, limits },
  );
  cleanups.push(() => port.listening.close());
  return port;
}

function get(
  port: Port,
  servername: string,
  more: https.RequestOptions & tls.ConnectionOptions = {},
): Promise<[string, DownstreamTls]> {
  return new Promise((resolve, reject) => {
    const options: https.RequestOptions & tls.ConnectionOptions = {
      host: '127.0.0.1',
      port: port.listening.port,
      servername,
      ca,
      agent: false,
      ALPNProtocols: ['http/1.1'],
      headers: { host: servername },
      checkServerIdentity:
        servername === 'a.test' || servername === 'b.test' ? tls.checkServerIdentity : () => undefined,
      ...more,
    };
    const request = https.get(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(JSON.parse(text)));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

test('each name has its certificate; the exchange knows name and protocol', async () => {
  const port = await open();
  expect(await get(port, 'a.test')).toEqual(['https', { sni: 'a.test', alpn: 'http/1.1', clientSans: [] }]);
  expect(await get(port, '', { headers: { host: 'a.test' } })).toEqual([
    'https',
    { sni: '', alpn: 'http/1.1', clientSans: [] },
  ]);
});

test('ALPN: h2 where both have it', async () => {
  const port = await open();
  const session = http2.connect('https://a.test', {
    createConnection: () =>
      tls.connect({ host: '127.0.0.1', port: port.listening.port, servername: 'a.test', ca, ALPNProtocols: ['h2'] }),
  });
  cleanups.push(() => session.destroy());
  const stream = session.request({ ':path': '/' });
  stream.setEncoding('utf8');
  let text = '';
  for await (const chunk of stream) text += chunk;
  expect(session.alpnProtocol).toBe('h2');
  expect(JSON.parse(text)).toEqual(['https', { sni: 'a.test', alpn: 'h2', clientSans: [] }]);

  const client = tls.connect({
    host: '127.0.0.1',
    port: port.listening.port,
    servername: 'old.test',
    rejectUnauthorized: false,
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  cleanups.push(() => client.destroy());
  await once(client, 'secureConnect');
  expect([client.alpnProtocol, client.getProtocol()]).toEqual(['http/1.1', 'TLSv1.2']);
});

test('mutual TLS is asked for only where it is configured', async () => {
  const port = await open();
  const [, facts] = await get(port, 'b.test', { cert: pem('client.pem'), key: pem('client.key') });
  expect(facts.clientSans).toEqual(['URI:spiffe://test/ns/default/sa/client', 'DNS:client.test']);
  expect(new X509Certificate(String(facts.clientCertificate)).raw).toEqual(new X509Certificate(pem('client.pem')).raw);
  await expect(get(port, 'b.test')).rejects.toThrow();
  await expect(get(port, 'b.test', { cert: pem('stranger.pem'), key: pem('stranger.key') })).rejects.toThrow();
  // The other name takes no notice of a certificate.
  const [, other] = await get(port, 'a.test', { cert: pem('client.pem'), key: pem('client.key') });
  expect(other.clientSans).toEqual([]);
  expect(other.clientCertificate).toBe(undefined);
});

test('a session of a name without mutual TLS does not open one with it', async () => {
  const port = await open();
  const first = tls.connect({ host: '127.0.0.1', port: port.listening.port, servername: 'a.test', ca });
  const [session] = (await once(first, 'session')) as [Buffer];
  first.destroy();
  const second = tls.connect({ host: '127.0.0.1', port: port.listening.port, servername: 'b.test', ca, session });
  second.on('error', () => {});
  let served = false;
  second.on('secureConnect', () => second.write('GET / HTTP/1.1\r\nHost: b.test\r\n\r\n'));
  second.on('data', () => {
    served = true;
  });
  await new Promise((resolve) => second.on('close', resolve));
  expect(served).toBe(false);
});

test('an unknown name, a certificate that does not fit its key and plain text are refused', async () => {
  const port = await open();
  await expect(get(port, 'c.test')).rejects.toThrow(/unrecognized name/i);
  await expect(get(port, 'broken.test')).rejects.toThrow(/handshake failure/i);
  const plain = net.connect(port.listening.port, '127.0.0.1', () => plain.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  plain.on('error', () => {});
  plain.resume();
  await new Promise((resolve) => plain.on('close', resolve));
  expect(port.rejected).toEqual([
    [0, 'tls_unknown_name'],
    [0, 'tls_certificate'],
    [0, 'tls_handshake'],
  ]);
  await eventually(() => port.listening.openConnections === 0);
});

test('a handshake that does not go on is given up', async () => {
  const port = await open(undefined, { handshakeTimeoutMs: 150 });
  const silent = net.connect(port.listening.port, '127.0.0.1');
  const partial = net.connect(port.listening.port, '127.0.0.1', () => partial.write(Buffer.from([22, 3, 1, 2, 0, 1])));
  for (const socket of [silent, partial]) {
    socket.on('error', () => {});
    socket.resume();
  }
  await Promise.all([silent, partial].map((socket) => new Promise((resolve) => socket.on('close', resolve))));
  await eventually(() => port.listening.openConnections === 0);
  expect(port.connections).toEqual({ opened: 2, open: 0 });
});

test('names with commas in them', () => {
  expect(parseSans('DNS:a.test, URI:spiffe://x/y, DNS:"b, DNS:evil.test", IP Address:127.0.0.1')).toEqual([
    'DNS:a.test',
    'URI:spiffe://x/y',
    'DNS:b, DNS:evil.test',
    'IP Address:127.0.0.1',
  ]);
  expect(parseSans('')).toEqual([]);
});
