import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { UpstreamTls } from '../../../src/upstream/cluster.ts';
import { callTo, cluster, hostSpec, metric, onRequests, type Rig, rig, send, until } from './helpers.ts';

const pem = (name: string) => readFileSync(new URL(`../../fixtures/upstream-tls/${name}`, import.meta.url), 'utf8');
const CA = pem('ca.pem');
const PLAIN: UpstreamTls = {
  hostname: '',
  root: CA,
  cert: '',
  key: '',
  insecure: false,
  insecureHost: false,
  alpn: [],
  subjectAltNames: [],
};

let from: Rig;
let server: Server;
let seen: TLSSocket[] = [];
let resumed: boolean[] = [];

function serve(options: TlsOptions = {}): Promise<number> {
  server = createServer({
    cert: pem('server.pem'),
    key: pem('server.key'),
    ALPNProtocols: ['h2', 'http/1.1'],
    ...options,
  });
  server.on('secureConnection', (socket) => {
    seen.push(socket);
    resumed.push(socket.isSessionReused());
    socket.on('error', () => {});
    onRequests(socket, () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
}

beforeEach(() => {
  from = rig();
  seen = [];
  resumed = [];
});
afterEach(async () => {
  from.clusters.close();
  for (const socket of seen) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

async function outcome(tls: Partial<UpstreamTls>, port: number): Promise<string> {
  const got = await send(from.dispatch, callTo(cluster(from, hostSpec('127.0.0.1', port, {}, { ...PLAIN, ...tls }))));
  return got.error === null ? got.body : got.error.code;
}

describe('a certificate', () => {
  it.each([
    ['of the address connected to is accepted', {}, 'ok'],
    ['of the configured hostname is accepted', { hostname: 'backend.example' }, 'ok'],
    ['of a wildcard is accepted', { hostname: 'a.wild.example' }, 'ok'],
    ['of another name is refused', { hostname: 'evil.example' }, 'upstream_connect'],
    ['of another name is accepted with insecureHost', { hostname: 'evil.example', insecureHost: true }, 'ok'],
    ['of another authority is refused', { root: pem('other-ca.pem') }, 'upstream_connect'],
    ['of no public authority is refused', { root: '' }, 'upstream_connect'],
    [
      'of another authority is refused with insecureHost too',
      { root: pem('other-ca.pem'), insecureHost: true },
      'upstream_connect',
    ],
    ['of another authority is accepted with insecure', { root: pem('other-ca.pem'), insecure: true }, 'ok'],
    [
      'that carries an accepted alternative name is accepted',
      { subjectAltNames: ['x.example', 'backend.example'] },
      'ok',
    ],
    ['that carries an accepted URI is accepted', { subjectAltNames: ['spiffe://td/ns/a/sa/b'] }, 'ok'],
    [
      'that carries a longer URI than accepted is refused',
      { subjectAltNames: ['spiffe://td/ns/a/sa/'] },
      'upstream_connect',
    ],
    ['that carries no accepted alternative name is refused', { subjectAltNames: ['x.example'] }, 'upstream_connect'],
    [
      'that carries the hostname beside other alternatives is accepted',
      { hostname: 'backend.example', subjectAltNames: ['x.example'] },
      'ok',
    ],
  ] as const)('%s', async (_name, tls, expected) => {
    const port = await serve();
    expect(
      await outcome({ ...tls, subjectAltNames: 'subjectAltNames' in tls ? [...tls.subjectAltNames] : [] }, port),
    ).toBe(expected);
  });

  it('that has expired is refused', async () => {
    const port = await serve({ cert: pem('expired.pem'), key: pem('expired.key') });
    expect(await outcome({ hostname: 'backend.example' }, port)).toBe('upstream_connect');
  });
});

describe('a TLS connection', () => {
  it('names the host, speaks HTTP/1.1 and is used again whatever the Host header', async () => {
    const port = await serve();
    const to = cluster(from, hostSpec('127.0.0.1', port, {}, { ...PLAIN, hostname: 'backend.example' }));
    for (const authority of ['a.example', 'b.example', '']) {
      expect((await send(from.dispatch, callTo(to, { authority }))).body).toBe('ok');
      await until(() => to.endpoints[0]!.pool.idle === 1);
    }
    expect(seen).toHaveLength(1);
    expect(seen[0]!.alpnProtocol).toBe('http/1.1');
    expect((seen[0] as TLSSocket & { servername: string }).servername).toBe('backend.example');
    expect(await metric(from.metrics, 'upstream_connect_duration_seconds', { transport: 'tls' })).toBeGreaterThan(0);
  });

  it('resumes a session', async () => {
    const port = await serve();
    const to = cluster(from, hostSpec('127.0.0.1', port, {}, { ...PLAIN, hostname: 'backend.example' }));
    for (let i = 0; i < 3; i++) {
      await send(from.dispatch, callTo(to));
      await until(() => to.endpoints[0]!.pool.idle === 1);
      seen.at(-1)!.destroy();
      await until(() => to.endpoints[0]!.pool.idle === 0);
    }
    expect(resumed).toEqual([false, true, true]);
  });

  it('shows a client certificate', async () => {
    const port = await serve({ requestCert: true, rejectUnauthorized: true, ca: CA });
    expect(await outcome({ cert: pem('client.pem'), key: pem('client.key') }, port)).toBe('ok');
    expect(seen[0]!.getPeerCertificate().subjectaltname).toBe('URI:spiffe://td/ns/gateway/sa/gw');
  });

  it('without the client certificate asked for is refused', async () => {
    const port = await serve({ requestCert: true, rejectUnauthorized: true, ca: CA });
    expect(['upstream_connect', 'upstream_closed']).toContain(await outcome({}, port));
  });

  it('with a key that is none is an error of configuration', async () => {
    const port = await serve();
    expect(await outcome({ cert: pem('client.pem'), key: 'nonsense' }, port)).toBe('invalid_backend');
  });

  it('is not shared between configurations', async () => {
    const port = await serve();
    expect(await outcome({ insecure: true, hostname: 'evil.example' }, port)).toBe('ok');
    expect(await outcome({ hostname: 'evil.example' }, port)).toBe('upstream_connect');
  });

  it('to a server that speaks no TLS fails', async () => {
    const port = await serve();
    await new Promise((resolve) => server.close(resolve));
    const { createServer: createPlain } = await import('node:net');
    const plain = createPlain((socket) => {
      socket.on('error', () => {});
      socket.resume();
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => plain.listen(port, '127.0.0.1', resolve));
    server = plain as never;
    expect(await outcome({}, port)).toBe('upstream_connect');
  });
});
