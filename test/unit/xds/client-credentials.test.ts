import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { AdsClient } from '../../../src/xds/client/client.ts';
import { XdsStartError } from '../../../src/xds/client/credentials.ts';
import { AdsServer } from '../../support/ads-server.ts';
import { adsClient, opening, xdsSettings } from '../../support/xds-client.ts';

const fixtures = join(import.meta.dirname, '../../fixtures/upstream-tls');
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(tls?: { requestCert: boolean }): Promise<AdsServer> {
  const read = (name: string) => readFile(join(fixtures, name));
  const server =
    tls === undefined
      ? new AdsServer()
      : new AdsServer({
          cert: await read('server.pem'),
          key: await read('server.key'),
          ca: await read('ca.pem'),
          ...tls,
        });
  await server.listen();
  cleanups.push(() => server.close());
  return server;
}

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'xds-'));
  cleanups.push(() => rm(path, { recursive: true }));
  return path;
}

async function start(client: AdsClient): Promise<void> {
  cleanups.push(() => client.close());
  await client.start();
}

describe('the token', () => {
  test('is sent with the cluster, and anew after it was rotated', async () => {
    const file = join(await directory(), 'token');
    await writeFile(file, 'first-token\n');
    const server = await serve();
    const { client, log } = adsClient(xdsSettings(server.address, { tokenFile: file, clusterId: 'east' }));
    await start(client);
    const first = await server.nextStream();
    expect(first.headers.authorization).toBe('Bearer first-token');
    expect(first.headers.clusterid).toBe('east');
    await writeFile(file, 'second-token');
    // A server that says back what it was shown.
    first.end(16, 'the token first-token is expired');
    expect((await server.nextStream()).headers.authorization).toBe('Bearer second-token');
    expect(log.lines.some((line) => line.includes('the token [token] is expired'))).toBe(true);
    expect(log.lines.filter((line) => line.includes('first-token'))).toEqual([]);
  });

  test('stays what it was while its file can not be read', async () => {
    const file = join(await directory(), 'token');
    await writeFile(file, 'first-token');
    const server = await serve();
    const { client, log } = adsClient(xdsSettings(server.address, { tokenFile: file }));
    await start(client);
    await rm(file);
    (await server.nextStream()).reset();
    const second = await server.nextStream();
    expect(second.headers.authorization).toBe('Bearer first-token');
    await writeFile(file, '');
    second.reset();
    expect((await server.nextStream()).headers.authorization).toBe('Bearer first-token');
    expect(log.lines.filter((line) => line.startsWith('warn XDS_AUTH_TOKEN'))).toHaveLength(2);
  });

  test.each([
    ['is in a file', 'eyJhbGciOiJSUzI1NiJ9.given.directly', null],
    ['is not empty', 'token', ''],
    ['is one word', 'token', 'two words'],
  ])('must be so that it %s, or nothing starts; the message does not repeat it', async (_, name, content) => {
    const file = join(await directory(), name);
    if (content !== null) await writeFile(file, content);
    const { client } = adsClient(xdsSettings('http://localhost:1', { tokenFile: file }));
    const error = await client.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(XdsStartError);
    const { message } = error as Error;
    expect(message).toContain('XDS_AUTH_TOKEN');
    expect(message).not.toContain('eyJ');
    expect(message).not.toContain('words');
  });
});

test('headers are sent along; the token stands above them', async () => {
  const file = join(await directory(), 'token');
  await writeFile(file, 'the-token');
  const server = await serve();
  const secretHeaders: [string, string][] = [
    ['x-tenant', 'a'],
    ['x-bits-bin', 'AAEC'],
    ['authorization', 'Basic x'],
  ];
  await start(adsClient(xdsSettings(server.address, { tokenFile: file, secretHeaders })).client);
  const stream = await server.nextStream();
  expect(stream.headers['x-tenant']).toBe('a');
  expect(stream.headers['x-bits-bin']).toBe('AAEC');
  expect(stream.headers.authorization).toBe('Bearer the-token');
});

describe('TLS', () => {
  const trusting = (server: AdsServer, rootCa: string, more = {}) =>
    xdsSettings(server.address.replace('localhost', '127.0.0.1'), { rootCa, ...more });

  test('a server of the CA is connected to', async () => {
    const server = await serve({ requestCert: false });
    await start(adsClient(trusting(server, join(fixtures, 'ca.pem'))).client);
    const stream = await server.nextStream();
    await opening(stream);
    expect(stream.headers[':scheme']).toBe('https');
  });

  test('a server of another CA is not', async () => {
    const server = await serve({ requestCert: false });
    const { client, metrics, log } = adsClient(trusting(server, join(fixtures, 'other-ca.pem')));
    await start(client);
    await expect.poll(() => metrics.counts.get('terminations ConnectionError') ?? 0).toBeGreaterThan(1);
    expect(server.streams).toEqual([]);
    expect(log.lines.some((line) => /certificate|signature/.test(line))).toBe(true);
  });

  test('nor one of another name', async () => {
    const server = await serve({ requestCert: false });
    const { client, metrics } = adsClient(xdsSettings(server.address, { rootCa: join(fixtures, 'ca.pem') }));
    await start(client);
    await expect.poll(() => metrics.counts.get('terminations ConnectionError') ?? 0).toBeGreaterThan(1);
    expect(server.streams).toEqual([]);
  });

  test('a CA that is exchanged is trusted from the next connection on', async () => {
    const rootCa = join(await directory(), 'root.pem');
    await writeFile(rootCa, await readFile(join(fixtures, 'other-ca.pem')));
    const server = await serve({ requestCert: false });
    const { client, metrics } = adsClient(trusting(server, rootCa));
    await start(client);
    await expect.poll(() => metrics.counts.get('terminations ConnectionError') ?? 0).toBeGreaterThan(0);
    await writeFile(rootCa, await readFile(join(fixtures, 'ca.pem')));
    await opening(await server.nextStream());
  });

  test('a file that is not there means the certificates of the system, and is said', async () => {
    const server = await serve({ requestCert: false });
    const { client, metrics, log } = adsClient(trusting(server, '/nowhere/root.pem'));
    await start(client);
    await expect.poll(() => metrics.counts.get('terminations ConnectionError') ?? 0).toBeGreaterThan(0);
    expect(log.lines.some((line) => line.startsWith('warn XDS_ROOT_CA names no file'))).toBe(true);
  });

  test('a certificate is shown where the server asks for one', async () => {
    const server = await serve({ requestCert: true });
    const clientCertificate = { cert: join(fixtures, 'client.pem'), key: join(fixtures, 'client.key') };
    await start(adsClient(trusting(server, join(fixtures, 'ca.pem'), { clientCertificate })).client);
    await opening(await server.nextStream());
  });

  test('what is no certificate is said at the start', async () => {
    const clientCertificate = { cert: join(fixtures, 'README.md'), key: join(fixtures, 'client.key') };
    const rootCa = join(fixtures, 'ca.pem');
    const { client } = adsClient(xdsSettings('https://localhost:1', { rootCa, clientCertificate }));
    await expect(client.start()).rejects.toThrow(XdsStartError);
  });
});
