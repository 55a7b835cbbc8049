import { afterEach, describe, expect, test } from 'vitest';
import type { AdsClient } from '../../../src/xds/client/client.ts';
import type { WireDelta, WireIssue } from '../../../src/xds/delta.ts';
import {
  ADDRESS_TYPE,
  type DeltaDiscoveryResponse,
  type DiscoveryResource,
  RESOURCE_TYPE,
} from '../../../src/xds/wire/discovery.ts';
import { AdsServer, type AdsStream } from '../../support/ads-server.ts';
import { adsClient, xdsSettings } from '../../support/xds-client.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(): Promise<AdsServer> {
  const server = new AdsServer();
  await server.listen();
  cleanups.push(() => server.close());
  return server;
}

async function start(client: AdsClient): Promise<void> {
  cleanups.push(() => client.close());
  await client.start();
}

const resource = (name: string, version: string, value = `${name}@${version}`): DiscoveryResource => ({
  name,
  version,
  resource: { type_url: RESOURCE_TYPE, value: Buffer.from(value) },
});

const response = (nonce: string, resources: DiscoveryResource[], removed: string[] = []): DeltaDiscoveryResponse => ({
  type_url: RESOURCE_TYPE,
  nonce,
  resources,
  removed_resources: removed,
});

/** Both first requests of a stream. */
const opening = async (stream: AdsStream) => [await stream.nextRequest(), await stream.nextRequest()] as const;

/** A handler that notes what it gets as `+name@version` and `-name`, and refuses what `issues` says. */
function noting(issues: (name: string, content: string) => Partial<WireIssue> | null = () => null) {
  const seen: string[] = [];
  const handle = async ({ resources, removed }: WireDelta): Promise<WireIssue[]> => {
    const found: WireIssue[] = [];
    for (const { name, bytes } of resources) {
      const content = Buffer.from(bytes).toString();
      seen.push(`+${content}`);
      const issue = issues(name, content);
      if (issue !== null) found.push({ key: name, ...issue });
    }
    for (const name of removed) seen.push(`-${name}`);
    return found;
  };
  return { seen, handle };
}

describe('what a stream begins with', () => {
  test('each type in order, wildcard, with the node', async () => {
    const server = await serve();
    await start(adsClient(xdsSettings(server.address, { labels: { zone: 'a' } })).client);
    const stream = await server.nextStream();
    const [first, second] = await opening(stream);
    expect(first.type_url).toBe(ADDRESS_TYPE);
    expect(second.type_url).toBe(RESOURCE_TYPE);
    for (const request of [first, second]) {
      expect(Object.keys(request).sort()).toEqual(['node', 'type_url']);
      expect(request.node?.id).toBe('agentgateway~10.0.0.7~edge-1.infra~infra.svc.cluster.local');
    }
    expect(stream.headers[':path']).toBe(
      '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    );
    expect(stream.headers.authorization).toBeUndefined();
  });
});

describe('answers', () => {
  test('a response is acknowledged by its nonce, with nothing else', async () => {
    const server = await serve();
    const { seen, handle } = noting();
    await start(adsClient(xdsSettings(server.address), handle).client);
    const stream = await server.nextStream();
    await opening(stream);
    stream.send(response('n1', [resource('a', '1'), resource('b', '1')]));
    expect(await stream.nextRequest()).toEqual({ type_url: RESOURCE_TYPE, response_nonce: 'n1' });
    expect(seen).toEqual(['+a@1', '+b@1']);
  });
});
