import { describe, expect, test } from 'vitest';
import type { WireDelta, WireIssue } from '../../../src/xds/delta.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../../../src/xds/wire/discovery.ts';
import { adsClient, adsTest, noting, opening, resource, response, xdsSettings } from '../../support/xds-client.ts';

const { serve, start } = adsTest();

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
  /** A client on an open stream. */
  async function opened(handle: (delta: WireDelta) => Promise<readonly WireIssue[]>) {
    const server = await serve();
    const made = adsClient(xdsSettings(server.address), handle);
    await start(made.client);
    const stream = await server.nextStream();
    await opening(stream);
    return { server, stream, ...made };
  }

  test('a response is acknowledged by its nonce, with nothing else', async () => {
    const { seen, handle } = noting();
    const { stream } = await opened(handle);
    stream.send(response('n1', [resource('a', '1'), resource('b', '1')]));
    expect(await stream.nextRequest()).toEqual({ type_url: RESOURCE_TYPE, response_nonce: 'n1' });
    expect(seen).toEqual(['+a@1', '+b@1']);
  });

  test('a refused resource is named with its reason; the others are in force', async () => {
    const { handle } = noting((name) => (name === 'b' ? { error: 'spec.port: is 0' } : null));
    const { stream, client, metrics } = await opened(handle);
    stream.send(response('n1', [resource('a', '1'), resource('b', '1'), resource('c', '1')]));
    const { error_detail: detail, ...rest } = await stream.nextRequest();
    expect(rest).toEqual({ type_url: RESOURCE_TYPE, response_nonce: 'n1' });
    expect(detail).toEqual({ message: '[{"key":"b","error":"spec.port: is 0"}]' });
    const [, subscription] = [...client.session.subscriptions];
    expect([...(subscription?.known ?? [])]).toEqual([
      ['a', '1'],
      ['c', '1'],
    ]);
    expect(subscription?.refused.get('b')).toEqual({ version: '1', reason: 'spec.port: is 0' });
    expect(metrics.counts.get(`messages ${RESOURCE_TYPE} nack`)).toBe(1);
    expect(metrics.counts.get(`resources ${RESOURCE_TYPE} refused`)).toBe(1);
  });

  test('a warning is a NACK of a resource that is in force', async () => {
    const { handle } = noting((name) => (name === 'a' ? { warn: 'csrf is not executed' } : null));
    const { stream, client } = await opened(handle);
    stream.send(response('n1', [resource('a', '1')]));
    const { error_detail: detail } = await stream.nextRequest();
    expect(detail?.message).toBe('[{"key":"a","warn":"csrf is not executed"}]');
    const [, subscription] = [...client.session.subscriptions];
    expect(subscription?.known.get('a')).toBe('1');
    expect(subscription?.synced).toBe(true);
  });

  test('a resource without content, without a name or of another type is refused alone', async () => {
    const { seen, handle } = noting();
    const { stream } = await opened(handle);
    stream.send(
      response('n1', [
        { name: 'empty', version: '1' },
        { version: '1', resource: { type_url: RESOURCE_TYPE } },
        { name: 'other', version: '1', resource: { type_url: ADDRESS_TYPE } },
        resource('good', '1'),
      ]),
    );
    const { error_detail: detail } = await stream.nextRequest();
    expect(JSON.parse(detail?.message ?? '')).toEqual([
      { key: 'empty', error: 'has no content' },
      { key: '', error: 'has no name' },
      { key: 'other', error: `is a ${ADDRESS_TYPE} and not a ${RESOURCE_TYPE}` },
    ]);
    expect(seen).toEqual(['+good@1']);
  });

  test('what is in force already needs no content: its time to live goes on', async () => {
    const { seen, handle } = noting();
    const { stream } = await opened(handle);
    stream.send(response('n1', [resource('a', '1')]));
    await stream.nextRequest();
    stream.send(response('n2', [{ name: 'a', version: '1' }]));
    expect(await stream.nextRequest()).toEqual({ type_url: RESOURCE_TYPE, response_nonce: 'n2' });
    expect(seen).toEqual(['+a@1']);
  });

  test('a type that was not asked for is refused by its name; the next response is taken', async () => {
    const { seen, handle } = noting();
    const { stream, metrics } = await opened(handle);
    stream.send({ type_url: 'type.googleapis.com/envoy.Cluster', nonce: 'x', resources: [resource('a', '1')] });
    const answer = await stream.nextRequest();
    expect(answer.type_url).toBe('type.googleapis.com/envoy.Cluster');
    expect(answer.response_nonce).toBe('x');
    expect(JSON.parse(answer.error_detail?.message ?? '')).toEqual([
      { key: 'type.googleapis.com/envoy.Cluster', error: expect.stringContaining('not known') },
    ]);
    stream.send(response('y', [resource('a', '1')]));
    expect(await stream.nextRequest()).toEqual({ type_url: RESOURCE_TYPE, response_nonce: 'y' });
    expect(seen).toEqual(['+a@1']);
    expect(metrics.counts.get('messages unknown unknown')).toBe(1);
  });

  test('responses are applied one at a time and answered in order', async () => {
    let under = 0;
    const waiting: (() => void)[] = [];
    const log: string[] = [];
    const { stream } = await opened(async ({ resources }) => {
      under++;
      log.push(`begin ${resources[0]?.name} with ${under}`);
      await new Promise<void>((resolve) => waiting.push(resolve));
      under--;
      return [];
    });
    for (const name of ['a', 'b', 'c']) stream.send(response(name, [resource(name, '1')]));
    for (const name of ['a', 'b', 'c']) {
      await expect.poll(() => waiting.length).toBe(1);
      waiting.pop()?.();
      expect((await stream.nextRequest()).response_nonce).toBe(name);
    }
    expect(log).toEqual(['begin a with 1', 'begin b with 1', 'begin c with 1']);
  });

  test('a response that comes twice is answered twice and applied once', async () => {
    const { seen, handle } = noting();
    const { stream } = await opened(handle);
    const same = response('n1', [resource('a', '1')], ['never-had']);
    stream.send(same);
    stream.send(same);
    expect((await stream.nextRequest()).response_nonce).toBe('n1');
    expect((await stream.nextRequest()).response_nonce).toBe('n1');
    // A nonce of long ago is a nonce like any other.
    stream.send(response('n0', [resource('a', '2')]));
    expect((await stream.nextRequest()).response_nonce).toBe('n0');
    expect(seen).toEqual(['+a@1', '+a@2']);
  });

  test('a response without a nonce is applied and, as an answer would be a request, not answered', async () => {
    const { seen, handle } = noting();
    const { stream, log } = await opened(handle);
    stream.send(response('', [resource('a', '1')]));
    stream.send(response('n2', [resource('b', '1')]));
    expect((await stream.nextRequest()).response_nonce).toBe('n2');
    expect(seen).toEqual(['+a@1', '+b@1']);
    expect(log.lines.some((line) => line.includes('has no nonce'))).toBe(true);
  });

  test('what is removed is gone; names that were never there are nothing', async () => {
    const { seen, handle } = noting();
    const { stream, client } = await opened(handle);
    stream.send(response('n1', [resource('a', '1'), resource('b', '1')]));
    stream.send(response('n2', [], ['a', 'ghost']));
    stream.send(response('n3', [], ['ghost']));
    for (const nonce of ['n1', 'n2', 'n3']) {
      expect(await stream.nextRequest()).toEqual({ type_url: RESOURCE_TYPE, response_nonce: nonce });
    }
    expect(seen).toEqual(['+a@1', '+b@1', '-a']);
    const [, subscription] = [...client.session.subscriptions];
    expect([...(subscription?.known.keys() ?? [])]).toEqual(['b']);
  });

  test('what can not be removed stays known', async () => {
    const { stream, client } = await opened(async ({ removed }) => removed.map((key) => ({ key, error: 'in use' })));
    stream.send(response('n1', [resource('a', '1')]));
    await stream.nextRequest();
    stream.send(response('n2', [], ['a']));
    expect((await stream.nextRequest()).error_detail?.message).toBe('[{"key":"a","error":"in use"}]');
    const [, subscription] = [...client.session.subscriptions];
    expect(subscription?.known.get('a')).toBe('1');
  });

  test('where nothing can be applied, all of it is refused', async () => {
    const { stream, client } = await opened(async () => {
      throw new Error('no room');
    });
    stream.send(response('n1', [resource('a', '1')]));
    expect((await stream.nextRequest()).error_detail?.message).toBe(
      '[{"key":"a","error":"cannot be applied: no room"}]',
    );
    const [, subscription] = [...client.session.subscriptions];
    expect(subscription?.known.size).toBe(0);
    expect(subscription?.synced).toBe(false);
  });

  test('very many reasons fit into a message that any server takes', async () => {
    const { stream } = await opened(noting(() => ({ error: 'x'.repeat(5000) })).handle);
    const many = Array.from({ length: 2000 }, (_, index) => resource(`r${index}`, '1'));
    stream.send(response('n1', many));
    const message = (await stream.nextRequest()).error_detail?.message ?? '';
    const entries = JSON.parse(message) as { key: string; error: string }[];
    expect(Buffer.byteLength(message)).toBeLessThan(1024 * 1024 + 4096);
    expect(entries.at(-1)?.error).toBe(`and ${2000 - entries.length} more`);
  });

  test('a resource of 48 MiB is taken', async () => {
    let length = 0;
    const { stream } = await opened(async ({ resources }) => {
      length = resources[0]?.bytes.length ?? 0;
      return [];
    });
    const value = Buffer.alloc(48 * 1024 * 1024, 7);
    stream.send(response('n1', [{ name: 'a', version: '1', resource: { type_url: RESOURCE_TYPE, value } }]));
    expect((await stream.nextRequest()).response_nonce).toBe('n1');
    expect(length).toBe(value.length);
  });
});

describe('readiness', () => {
  test('comes with a response without errors for every type', async () => {
    const server = await serve();
    const { handle } = noting((_, content) => (content.endsWith('bad') ? { error: 'bad' } : null));
    const { client } = adsClient(xdsSettings(server.address), handle);
    let synced = false;
    void client.synced.then(() => {
      synced = true;
    });
    await start(client);
    const stream = await server.nextStream();
    await opening(stream);
    stream.send({ type_url: ADDRESS_TYPE, nonce: 'n1' });
    stream.send(response('n2', [resource('a', '1', 'bad')]));
    await stream.nextRequest();
    await stream.nextRequest();
    expect(synced).toBe(false);
    stream.send(response('n3', [resource('a', '2', 'good')]));
    await client.synced;
  });

  test('waits for the last response of a state that comes in several', async () => {
    const server = await serve();
    const { client } = adsClient(xdsSettings(server.address), noting().handle);
    await start(client);
    const stream = await server.nextStream();
    await opening(stream);
    stream.send({ type_url: ADDRESS_TYPE, nonce: 'n1', system_version_info: 'r1' });
    stream.send({ ...response('n2', [resource('a', '1')]), system_version_info: 'r1+' });
    await stream.nextRequest();
    await stream.nextRequest();
    expect(client.session.synced).toBe(false);
    stream.send({ ...response('n3', [resource('b', '1')]), system_version_info: 'r1' });
    await client.synced;
  });

  test('a server that never answers is waited for', async () => {
    const server = await serve();
    const { client, metrics } = adsClient(xdsSettings(server.address));
    await start(client);
    const stream = await server.nextStream();
    await opening(stream);
    await expect.poll(() => metrics.counts.get('connected')).toBe(1);
    expect(client.session.synced).toBe(false);
    stream.send({ type_url: ADDRESS_TYPE, nonce: 'n1' });
    stream.send({ type_url: RESOURCE_TYPE, nonce: 'n2' });
    await client.synced;
    expect(server.streams).toHaveLength(1);
  });
});
