import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { buildCatalogue } from '../../src/catalogue.ts';
import { ConfigSource } from '../../src/config/index.ts';
import { readRecord } from '../../src/xds/client/record.ts';
import { fromResources } from '../../src/xds/translate/index.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../../src/xds/wire/discovery.ts';
import { ControlPlane } from '../support/ads-control-plane.ts';
import { AdsServer } from '../support/ads-server.ts';
import { upstream } from '../support/gateway.ts';
import { freePort, Sluice } from '../support/sluice.ts';

const catalogue = buildCatalogue();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A control plane that serves what `text` says, and a way to have it serve something else. */
async function controlPlane() {
  const server = new AdsServer();
  await server.listen();
  cleanups.push(() => server.close());
  const plane = new ControlPlane(server, [ADDRESS_TYPE, RESOURCE_TYPE]);
  let served: { typeUrl: string; name: string }[] = [];
  const serve = async (text: string) => {
    const { resources } = await new ConfigSource('c', catalogue, { text, env: {} }).load();
    const now = fromResources(resources, catalogue);
    for (const { typeUrl, name } of served) {
      if (!now.some(({ resource }) => resource.name === name)) plane.remove(typeUrl, name);
    }
    for (const { typeUrl, resource } of now) plane.put(typeUrl, resource.name, resource.bytes);
    served = now.map(({ typeUrl, resource }) => ({ typeUrl, name: resource.name }));
    plane.push();
  };
  return { server, plane, serve };
}

it('serves what a control plane sends, and goes on without it', { timeout: 60_000 }, async () => {
  const { server, plane, serve } = await controlPlane();
  const backend = await upstream((request, response) => response.end(`from ${request.url}`));
  cleanups.push(() => backend.close());
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const configOf = (path: string) => `
binds:
- port: ${port}
  listeners:
  - routes:
    - matches: [{path: {pathPrefix: ${path}}}]
      backends: [{host: "127.0.0.1:${backend.port}"}]
`;
  await serve(configOf('/one'));
  const recordDirectory = mkdtempSync(join(tmpdir(), 'xds-'));
  cleanups.push(() => rmSync(recordDirectory, { recursive: true }));
  const record = join(recordDirectory, 'record.jsonl');
  const sluice = await Sluice.start('{}', {
    env: {
      XDS_ADDRESS: server.address,
      NAMESPACE: 'infra',
      GATEWAY: 'edge',
      SLUICE_LABELS: 'ring=canary',
      SLUICE_XDS_RECORD: record,
    },
  });
  cleanups.push(() => sluice.stop());
  const answers = async (path: string) => {
    const response = await fetch(`${url}${path}`, { headers: { connection: 'close' } });
    return `${response.status} ${await response.text()}`;
  };
  expect(await answers('/one')).toBe('200 from /one');
  const [node] = server.streams[0]?.requests ?? [];
  expect(JSON.stringify(node?.node?.metadata)).toContain(`127.0.0.1:${sluice.stats}`);

  // Another route takes the first one's place.
  await serve(configOf('/two'));
  await sluice.waitFor(async () => (await answers('/two')) === '200 from /two');
  expect(await answers('/one')).toMatch(/^404 /);

  // What is no resource is refused by its name; the rest of the response is in force.
  plane.put(RESOURCE_TYPE, 'broken', Buffer.from([0xff]));
  await serve(configOf('/three'));
  await sluice.waitFor(async () => (await answers('/three')) === '200 from /three');
  const refusals = () => server.streams.flatMap(({ requests }) => requests.flatMap((one) => one.error_detail ?? []));
  await sluice.waitFor(() => refusals().length > 0);
  expect(JSON.parse(refusals()[0]?.message ?? '')).toEqual([{ key: 'broken', error: expect.any(String) }]);
  const dump = await (await fetch(`http://127.0.0.1:${sluice.admin}/config_dump`)).json();
  expect(dump).toMatchObject({
    controlPlane: { connected: true, types: [{}, { refused: 1, reasons: [{ name: 'broken' }] }] },
  });
  expect(await sluice.metric('agentgateway_xds_connected')).toBe(1);
  expect(await sluice.metric('agentgateway_xds_message_total', 'result="nack"')).toBe(1);

  // Without the control plane all goes on; when it is back, on the same port, so do changes.
  const serverPort = server.port;
  await server.close();
  cleanups.shift();
  await sluice.waitFor(async () => (await sluice.metric('agentgateway_xds_connected')) === 0);
  expect(await answers('/three')).toBe('200 from /three');
  const again = new AdsServer();
  const later = new ControlPlane(again, [ADDRESS_TYPE, RESOURCE_TYPE]);
  await again.listen(serverPort);
  cleanups.push(() => again.close());
  // It has nothing any more: what was in force goes.
  await sluice.waitFor(
    async () => later.settled && (await answers('/three').catch(() => 'refused')) !== '200 from /three',
  );

  const kinds: string[] = [];
  for await (const { kind } of readRecord(record)) kinds.push(kind);
  expect(kinds.slice(0, 3)).toEqual(['stream', 'request', 'request']);
  expect(kinds.filter((kind) => kind === 'response').length).toBeGreaterThan(3);
});

it('says what is missing to follow a control plane, and never the token', async () => {
  const env = { XDS_ADDRESS: 'http://127.0.0.1:1', NAMESPACE: '', GATEWAY: '' };
  const missing = await Sluice.start('{}', { env }).catch((error: Error) => error.message);
  expect(missing).toContain('config.gateway: is required with xdsAddress');
  const token = { ...env, NAMESPACE: 'infra', GATEWAY: 'edge', XDS_AUTH_TOKEN: 'eyJhbGciOi.given.directly' };
  const mistaken = await Sluice.start('{}', { env: token }).catch((error: Error) => error.message);
  expect(mistaken).toContain('XDS_AUTH_TOKEN');
  expect(mistaken).not.toContain('eyJ');
});
