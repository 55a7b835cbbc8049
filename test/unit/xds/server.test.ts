import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { WireResource, XdsLog } from '../../../src/xds/delta.ts';
import type { Peer } from '../../../src/xds/server/connection.ts';
import type { ServerCertificate } from '../../../src/xds/server/listener.ts';
import { CODES, StreamRefusal } from '../../../src/xds/server/node.ts';
import type { StreamAnswer } from '../../../src/xds/server/node-stream.ts';
import { type ResourceSet, TypeSet } from '../../../src/xds/server/resource-set.ts';
import { DeltaServer, type ServerLimits } from '../../../src/xds/server/server.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE, STREAM_METHOD } from '../../../src/xds/wire/discovery.ts';
import { first, RawClient, struct } from './server-client.ts';

const tls = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url), 'utf8');

const silent: XdsLog = { debug() {}, info() {}, warn() {}, error() {} };

const resource = (name: string, version: string, size = 4): WireResource => {
  return { name, version, bytes: new Uint8Array(size).fill(7) };
};

function setOf(revision: string, ...resources: WireResource[]): ResourceSet {
  return { revision, types: new Map([[RESOURCE_TYPE, new TypeSet(RESOURCE_TYPE, resources)]]) };
}

interface Harness {
  readonly server: DeltaServer;
  readonly url: string;
  readonly answers: StreamAnswer[];
  readonly refused: StreamRefusal[];
  readonly closed: (StreamRefusal | null)[];
  readonly peers: Peer[];
  serve(set: ResourceSet | null): void;
  client(options?: ConstructorParameters<typeof RawClient>[1]): RawClient;
}

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function serve(
  set: ResourceSet | null,
  options: { limits?: Partial<ServerLimits>; certificate?: ServerCertificate; admit?: (peer: Peer) => void } = {},
): Promise<Harness> {
  let current = set;
  const answers: StreamAnswer[] = [];
  const refused: StreamRefusal[] = [];
  const closed: (StreamRefusal | null)[] = [];
  const peers: Peer[] = [];
  const { certificate = null, limits = {}, admit } = options;
  const server = new DeltaServer({
    listen: { host: '127.0.0.1', port: 0, certificate, maxConnections: 100 },
    log: silent,
    limits,
    authenticate: (peer) => {
      peers.push(peer);
      admit?.(peer);
      return () => {};
    },
    setFor: () => current,
    events: {
      answered: (_, answer) => answers.push(answer),
      refused: (_, reason) => refused.push(reason),
      closed: (_, reason) => closed.push(reason),
    },
  });
  open.push({ close: () => server.close(1000) });
  const port = await server.listen();
  const url = `${certificate === null ? 'http' : 'https'}://127.0.0.1:${port}`;
  return {
    server,
    url,
    answers,
    refused,
    closed,
    peers,
    serve: (next) => {
      current = next;
      server.refresh();
    },
    client: (client) => {
      const raw = new RawClient(url, client);
      open.push(raw);
      return raw;
    },
  };
}

describe('DeltaServer', () => {
  it('sends a node what it is to have, then what changes', async () => {
    const harness = await serve(setOf('r1', resource('a', '1'), resource('b', '1')));
    const client = harness.client();
    client.send(first('n1'));
    const response = await client.take();
    expect(response).toMatchObject({ type_url: RESOURCE_TYPE, nonce: '1', system_version_info: 'r1' });
    expect(response.resources).toMatchObject([
      { name: 'a', version: '1', resource: { type_url: RESOURCE_TYPE } },
      { name: 'b', version: '1' },
    ]);
    harness.serve(setOf('r2', resource('b', '2')));
    expect(await client.take()).toMatchObject({
      resources: [{ name: 'b', version: '2' }],
      removed_resources: ['a'],
      system_version_info: 'r2',
    });
    await client.settled();
    const [connection] = harness.server.connections;
    expect(connection?.stream.acknowledged).toBe('r2');
    expect(harness.answers.map(({ issues }) => issues)).toEqual([[], []]);
  });

  it('says of each response but the last that more of the same state follows', async () => {
    const MiB = 1024 * 1024;
    const harness = await serve(setOf('r1', ...['a', 'b', 'c'].map((name) => resource(name, '1', 1.5 * MiB))));
    const client = harness.client();
    client.send(first('n1'));
    const said: (string | undefined)[] = [];
    for (let part = 0; part < 3; part++) said.push((await client.take()).system_version_info);
    expect(said).toEqual(['r1+', 'r1+', 'r1']);
  });

  it('answers types it has nothing of, and ones it does not know, with nothing', async () => {
    const harness = await serve(setOf('r1', resource('a', '1')));
    const client = harness.client();
    client.send({ ...first('n1'), type_url: ADDRESS_TYPE });
    expect(await client.take()).toEqual({ type_url: ADDRESS_TYPE, nonce: '1', system_version_info: 'r1' });
    client.send({ type_url: 'type.googleapis.com/some.other.Type' });
    expect(await client.take()).toMatchObject({ type_url: 'type.googleapis.com/some.other.Type', nonce: '2' });
    client.send({ type_url: RESOURCE_TYPE });
    expect((await client.take()).resources).toHaveLength(1);
  });

  it('waits with its answer until it knows what a node is to have', async () => {
    const harness = await serve(null);
    const client = harness.client();
    client.send(first('n1'));
    await client.settled();
    expect(client.unread).toBe(0);
    harness.serve(setOf('r1', resource('a', '1')));
    expect((await client.take()).resources).toHaveLength(1);
  });

  it('puts changes that come close together into one response', async () => {
    const harness = await serve(setOf('r0'), { limits: { debounceMs: 20 } });
    const client = harness.client();
    client.send(first('n1'));
    await client.take();
    for (let at = 1; at <= 10; at++) harness.serve(setOf(`r${at}`, resource('a', String(at))));
    expect(await client.take()).toMatchObject({ resources: [{ name: 'a', version: '10' }], nonce: '2' });
    await client.settled();
    expect(client.unread).toBe(0);
  });

  it('cuts large sets into responses below 4 MiB', async () => {
    const many = Array.from({ length: 40 }, (_, at) => resource(`r${at}`, '1', 250_000));
    const harness = await serve(setOf('r1', ...many));
    const client = harness.client();
    client.send(first('n1'));
    const names: string[] = [];
    while (names.length < 40) names.push(...((await client.take()).resources ?? []).map(({ name = '' }) => name));
    expect(names).toEqual(many.map(({ name }) => name));
    expect(client.sizes.length).toBeGreaterThan(4);
    expect(Math.max(...client.sizes)).toBeLessThan(4 * 1024 * 1024);
  });

  it('sends a resource that is larger than that alone', async () => {
    const harness = await serve(setOf('r1', resource('a', '1'), resource('huge', '1', 9e6), resource('b', '1')));
    const client = harness.client();
    client.send(first('n1'));
    expect((await client.take()).resources).toHaveLength(1);
    expect((await client.take()).resources).toMatchObject([{ name: 'huge' }]);
    expect((await client.take()).resources).toHaveLength(1);
  });

  it('says that the state of the world is not served', async () => {
    const harness = await serve(setOf('r1'));
    const client = harness.client({ path: STREAM_METHOD });
    client.send({});
    const { code, message } = await client.ended;
    expect(code).toBe(CODES.unimplemented);
    expect(message).toContain('DeltaAggregatedResources');
  });

  describe('refuses nodes', () => {
    const cases: [string, Parameters<RawClient['send']>[0], string][] = [
      ['that do not say who they are', { type_url: RESOURCE_TYPE }, 'must say who the node is'],
      ['without an id', { node: { metadata: struct({ role: 'a~b' }) }, type_url: RESOURCE_TYPE }, 'node.id is empty'],
      ['without a role', { node: { id: 'n' }, type_url: RESOURCE_TYPE }, 'node.metadata.role is missing'],
      ['with half a role', first('n', {}, 'edge'), 'is not "<namespace>~<gateway>"'],
      ['with too much of a role', first('n', {}, 'a~b~c'), 'is not "<namespace>~<gateway>"'],
      ['without a type', { ...first('n'), type_url: '' }, 'without a type_url'],
      [
        'whose labels are no labels',
        { node: { id: 'n', metadata: struct({ role: 'a~b', LABELS: 'x' }) }, type_url: RESOURCE_TYPE },
        'node.metadata.LABELS',
      ],
    ];
    it.each(cases)('%s', async (_, request, reason) => {
      const harness = await serve(setOf('r1'));
      const client = harness.client();
      client.send(request);
      const { code, message } = await client.ended;
      expect(code).toBe(CODES.invalidArgument);
      expect(message).toContain(reason);
      expect(harness.server.connections.size).toBe(0);
    });

    it('that are not who they say', async () => {
      const harness = await serve(setOf('r1'), {
        admit: ({ token }) => {
          if (token !== 'right') throw new StreamRefusal(CODES.unauthenticated, 'wrong token');
        },
      });
      const wrong = harness.client({ token: 'wrong' });
      expect(await wrong.ended).toEqual({ code: CODES.unauthenticated, message: 'wrong token' });
      const right = harness.client({ token: 'right' });
      right.send(first('n1'));
      await right.take();
      expect(harness.peers[1]).toEqual({ address: '127.0.0.1', token: 'right', certificate: null });
    });
  });

  describe('bears nodes that misbehave', () => {
    it('never answering: they are sent nothing more, and in the end their stream is ended', async () => {
      const harness = await serve(setOf('r1', resource('a', '1')), { limits: { answerTimeoutMs: 600 } });
      const client = harness.client();
      client.send(first('n1'));
      await client.receive();
      for (let at = 2; at < 30; at++) {
        harness.serve(setOf(`r${at}`, resource('a', String(at))));
        await new Promise((resolve) => setTimeout(resolve, 12));
      }
      expect(client.unread).toBe(0);
      expect((await client.ended).code).toBe(CODES.deadlineExceeded);
    });

    it('refusing everything: nothing is sent to them twice', async () => {
      const harness = await serve(setOf('r1', resource('a', '1'), resource('b', '1')));
      const client = harness.client();
      client.send(first('n1'));
      for (let at = 2; at < 5; at++) {
        const { nonce = '', resources = [] } = await client.receive();
        const message = JSON.stringify(resources.map(({ name }) => ({ key: name, error: 'no' })));
        client.send({ type_url: RESOURCE_TYPE, response_nonce: nonce, error_detail: { message } });
        await client.settled();
        expect(client.unread).toBe(0);
        harness.serve(setOf(`r${at}`, resource('a', String(at)), resource('b', '1')));
      }
      expect(harness.answers.map(({ issues }) => issues.length)).toEqual([2, 1, 1]);
      const [connection] = harness.server.connections;
      const [subscription] = connection?.stream.subscriptions ?? [];
      expect([...(subscription?.refused ?? [])]).toEqual([
        ['b', 'no'],
        ['a', 'no'],
      ]);
    });

    it('flooding it with requests', async () => {
      const harness = await serve(setOf('r1'), { limits: { maxRequestsPerSecond: 50 } });
      const client = harness.client();
      client.send(first('n1'));
      for (let at = 0; at < 200; at++) client.send({ type_url: RESOURCE_TYPE, response_nonce: 'stale' });
      expect(await client.ended).toMatchObject({ code: CODES.resourceExhausted });
    });

    it('subscribing to ever more types', async () => {
      const harness = await serve(setOf('r1'));
      const client = harness.client();
      for (let at = 0; at < 20; at++) client.send({ ...first('n1'), type_url: `type.googleapis.com/t${at}` });
      expect(await client.ended).toMatchObject({ code: CODES.resourceExhausted });
    });

    it('sending what is no request', async () => {
      const harness = await serve(setOf('r1'));
      const client = harness.client();
      client.send(first('n1'));
      await client.take();
      client.sendBytes(Buffer.from([0, 0, 0, 0, 3, 0x0a, 0x7f, 1]));
      expect((await client.ended).code).not.toBe(0);
      await expect.poll(() => harness.server.connections.size).toBe(0);
    });

    it('opening more streams than there may be of a node', async () => {
      const harness = await serve(setOf('r1'), { limits: { maxStreamsPerNode: 2 } });
      for (let at = 0; at < 2; at++) {
        const client = harness.client();
        client.send(first('n1'));
        await client.take();
      }
      const third = harness.client();
      third.send(first('n1'));
      expect(await third.ended).toMatchObject({ code: CODES.resourceExhausted });
      const other = harness.client();
      other.send(first('n2'));
      await other.take();
    });

    it('opening more streams than there may be', async () => {
      const harness = await serve(setOf('r1'), { limits: { maxStreams: 1 } });
      const client = harness.client();
      client.send(first('n1'));
      await client.take();
      expect(await harness.client().ended).toMatchObject({ code: CODES.resourceExhausted });
    });

    it('taking nothing: others are served meanwhile', async () => {
      const big = Array.from({ length: 8 }, (_, at) => resource(`r${at}`, '1', 1_900_000));
      const harness = await serve(setOf('r1', ...big), { limits: { maxBytesUnderWay: 3_000_000 } });
      const slow = harness.client();
      slow.pause();
      slow.send(first('slow'));
      const quick = harness.client();
      quick.send(first('quick'));
      for (const { name } of big) expect((await quick.take()).resources).toMatchObject([{ name }]);
    });

    it('breaking off in the middle', async () => {
      const harness = await serve(setOf('r1', resource('a', '1', 1_900_000), resource('b', '1', 1_900_000)));
      const client = harness.client();
      client.send(first('n1'));
      await client.receive();
      client.close();
      await expect.poll(() => harness.closed).toEqual([null]);
      expect(harness.server.connections.size).toBe(0);
    });
  });

  it('ends streams when it closes, so that nodes go elsewhere, and lets none in', async () => {
    const harness = await serve(setOf('r1'));
    const client = harness.client();
    client.send(first('n1'));
    await client.take();
    await harness.server.close(2000);
    expect(await client.ended).toMatchObject({ code: CODES.unavailable });
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
      connect(Number(new URL(harness.url).port), '127.0.0.1').on('error', resolve);
    });
    expect(error.code).toBe('ECONNREFUSED');
  });

  it('closes although a client takes nothing', async () => {
    const harness = await serve(setOf('r1', resource('a', '1', 8_000_000)));
    const client = harness.client();
    client.pause();
    client.send(first('n1'));
    await expect.poll(() => harness.server.connections.size).toBe(1);
    await harness.server.close(100);
  });

  describe('TLS', () => {
    const certificate: ServerCertificate = { cert: tls('a.pem'), key: tls('a.key'), clientCa: tls('ca.pem') };
    const trust = { ca: tls('ca.pem'), servername: 'a.test' };

    it('shows who a client is by its certificate', async () => {
      const harness = await serve(setOf('r1'), { certificate });
      const client = harness.client({ tls: { ...trust, cert: tls('client.pem'), key: tls('client.key') } });
      client.send(first('n1'));
      await client.take();
      expect(harness.peers[0]?.certificate?.subjectaltname).toContain('URI:');
    });

    it.each([
      ['none', {}],
      ['one of a stranger', { cert: tls('stranger.pem'), key: tls('stranger.key') }],
    ])('asks for a certificate of its authority: %s', async (_, shown) => {
      const harness = await serve(setOf('r1'), { certificate });
      const client = harness.client({ tls: { ...trust, ...shown } });
      expect((await client.ended).code).toBe(-1);
      expect(harness.peers).toEqual([]);
    });

    it('exchanges its certificate while streams stay', async () => {
      const harness = await serve(setOf('r1'), { certificate: { ...certificate, clientCa: '' } });
      const before = harness.client({ tls: trust });
      before.send(first('n1'));
      await before.take();
      harness.server.exchangeCertificate({ cert: tls('b.pem'), key: tls('b.key'), clientCa: '' });
      expect(() => harness.server.exchangeCertificate({ cert: 'x', key: 'y', clientCa: '' })).toThrow();
      expect((await harness.client({ tls: trust }).ended).code).toBe(-1);
      const after = harness.client({ tls: { ...trust, servername: 'b.test' } });
      after.send(first('n2'));
      await after.take();
      harness.serve(setOf('r2', resource('a', '1')));
      expect((await before.take()).resources).toHaveLength(1);
    });

    it('refuses plaintext', async () => {
      const harness = await serve(setOf('r1'), { certificate });
      const client = new RawClient(harness.url.replace('https', 'http'));
      open.push(client);
      client.send(first('n1'));
      expect((await client.ended).code).toBe(-1);
    });
  });
});
