import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { placeOf } from '../../../src/control/rollout/place.ts';
import { CODES } from '../../../src/xds/server/node.ts';
import { answering, FakeNode, memoryStore, Replica } from './fleet.ts';

const open: { close?(): unknown; stop?(): unknown }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await (one.stop?.() ?? one.close?.());
});

const keep = <One extends { close?(): unknown; stop?(): unknown }>(one: One): One => {
  open.push(one);
  return one;
};

async function start(
  files: Record<string, string>,
  settings: Record<string, unknown> = {},
  store = memoryStore(),
): Promise<Replica> {
  const replica = new Replica();
  for (const [name, text] of Object.entries(files)) replica.write(name, text);
  keep(replica);
  return replica.start({ store, shared: false }, settings);
}

const node = async (replica: Replica, id: string, options: Parameters<typeof FakeNode.connect>[2] = {}) =>
  keep(await FakeNode.connect(replica.url, id, options));

/** Ids whose places are below 0.3, and above. */
const ids = Array.from({ length: 100 }, (_, at) => `node-${at}`);
const [low = ''] = ids.filter((id) => placeOf(id) < 0.2);
const [high = '', higher = ''] = ids.filter((id) => placeOf(id) > 0.4);

const STAGED = { rollout: { canary: '30%', minTime: '200ms', minRequests: 10, scrapeInterval: '50ms' } };
const gatewayOf = (replica: Replica) => replica.control.gateways()[0]!;

describe('Control', () => {
  it('gives each node what is for it, and follows the directory', async () => {
    const replica = await start({
      'all.yaml': answering('all', 1000),
      'edge.yaml': answering('edge', 1001, 'control: { gateways: prod/edge }\n'),
      'gold.yaml': answering('gold', 1002, 'control: { gateways: "prod/*", labels: { tier: gold } }\n'),
    });
    const edge = await node(replica, 'a');
    const gold = await node(replica, 'b', { labels: { tier: 'gold' } });
    const other = await node(replica, 'c', { role: 'staging~edge', labels: { tier: 'gold' } });
    const ports = (one: FakeNode) => [...one.has.keys()].filter((name) => name.startsWith('bind/')).sort();
    await expect.poll(() => ports(edge)).toEqual(['bind/1000', 'bind/1001']);
    await expect.poll(() => ports(gold)).toEqual(['bind/1000', 'bind/1001', 'bind/1002']);
    await expect.poll(() => ports(other)).toEqual(['bind/1000']);
    replica.write('all.yaml', answering('all', 1003));
    await expect.poll(() => ports(other)).toEqual(['bind/1003']);
    await expect.poll(() => ports(edge)).toEqual(['bind/1001', 'bind/1003']);
    replica.write('all.yaml', 'binds: oops');
    await expect.poll(() => replica.control.directory?.faults.length).toBe(1);
    expect(ports(other)).toEqual(['bind/1003']);
    expect(replica.logged.filter(({ level }) => level === 'error')).toMatchObject([
      { message: expect.stringContaining('all.yaml:1:1: binds: expected a list') },
    ]);
  });

  it('answers nodes that nothing is for', async () => {
    const replica = await start({ 'edge.yaml': answering('edge', 1000, 'control: { gateways: prod/edge }\n') });
    const other = await node(replica, 'a', { role: 'prod~other' });
    await expect.poll(() => other.revision).not.toBe('');
    expect(other.has.size).toBe(0);
    expect(replica.logged.some(({ message }) => message.startsWith('no configuration in the directory is for'))).toBe(
      true,
    );
  });

  it('shows its nodes, and what they refuse', async () => {
    const replica = await start({ 'a.yaml': answering('one') });
    const refusing = await node(replica, 'a', { labels: { zone: 'x' } });
    await expect.poll(() => refusing.has.size).toBe(3);
    refusing.refuses = 'not that';
    replica.write('a.yaml', answering('two'));
    await expect.poll(() => Object.keys(replica.control.nodes()[0]?.types[0]?.refused ?? {}).length).toBe(1);
    const [view] = replica.control.nodes();
    expect(view).toMatchObject({
      id: 'a',
      gateway: 'prod/edge',
      labels: { zone: 'x' },
      address: '127.0.0.1',
      canary: false,
      types: [
        {
          resources: 3,
          subscription: 'all',
          lastNack: { issues: [{ error: 'not that' }] },
        },
      ],
    });
    expect(view?.types[0]?.lastNack?.revision).toBe(view?.revision);
    replica.control.collect();
    const metrics = await replica.control.metrics.registry.metrics();
    expect(metrics).toMatch(/sluice_control_nacks_total\{type="agentgateway.dev.resource.Resource"\} 1/);
    expect(metrics).toMatch(/sluice_control_connected_nodes\{gateway="prod\/edge"\} 1/);
  });

  it('goes on with the versions a node comes with, after a restart too', async () => {
    const store = memoryStore();
    const first = await start({ 'a.yaml': answering('one') }, {}, store);
    const before = await node(first, 'a');
    await expect.poll(() => before.has.size).toBe(3);
    const { revision } = before;
    await first.control.close();
    const second = await start({ 'a.yaml': answering('one') }, {}, store);
    const after = await node(second, 'a', { had: before });
    await expect.poll(() => after.revision).toBe(revision);
    const metrics = await second.control.metrics.registry.metrics();
    const [, bytes] = /pushed_bytes_total\{[^}]*\} (\d+)/.exec(metrics) ?? [];
    expect(Number(bytes)).toBeLessThan(150);
    open.splice(open.indexOf(first), 1);
    rmSync(first.folder, { recursive: true });
  });

  it('serves what it served last where the directory has faults at start-up', async () => {
    const store = memoryStore();
    const first = await start({ 'a.yaml': answering('one') }, {}, store);
    const before = await node(first, 'a');
    await expect.poll(() => before.has.size).toBe(3);
    await first.control.close();
    open.splice(open.indexOf(first), 1);
    rmSync(first.folder, { recursive: true });
    const second = await start({ 'a.yaml': 'binds: oops', 'b.yaml': answering('b', 1001) }, {}, store);
    const after = await node(second, 'b');
    await expect.poll(() => [...after.has]).toEqual([...before.has]);
    second.write('a.yaml', answering('two'));
    await expect.poll(() => after.has.size).toBe(6);
  });

  it('lets in who has a token, until it has not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-fleet-tokens-'));
    keep({ close: () => rmSync(folder, { recursive: true }) });
    const file = join(folder, 'tokens.yaml');
    const tokens = (token: string) => writeFileSync(file, `tokens: [{ token: ${token}, gateways: prod/edge }]`);
    tokens('first-token-01234567');
    const replica = await start({ 'a.yaml': answering('one') }, { tokens: file });
    const known = await node(replica, 'a', { token: 'first-token-01234567' });
    await expect.poll(() => known.has.size).toBe(3);
    expect((await (await node(replica, 'b')).ended).code).toBe(CODES.unauthenticated);
    const wrong = await node(replica, 'c', { token: 'first-token-01234567', role: 'prod~other' });
    expect((await wrong.ended).code).toBe(CODES.permissionDenied);
    tokens('second-token-0123456');
    expect((await known.ended).code).toBe(CODES.permissionDenied);
    const renewed = await node(replica, 'a', { token: 'second-token-0123456' });
    await expect.poll(() => renewed.has.size).toBe(3);
  });

  describe('rolls out in stages', () => {
    const fleet = async (settings: Record<string, unknown> = STAGED) => {
      const replica = await start({ 'a.yaml': answering('one') }, settings);
      const canary = await node(replica, low);
      const others = [await node(replica, high), await node(replica, higher)];
      for (const one of [canary, ...others]) await expect.poll(() => one.has.size).toBe(3);
      return { replica, canary, others, first: canary.revision };
    };

    it('to the canary share, then to all', async () => {
      const { replica, canary, others, first } = await fleet();
      replica.write('a.yaml', answering('two'));
      await expect.poll(() => canary.revision).not.toBe(first);
      expect(gatewayOf(replica)).toMatchObject({ state: 'canary', stable: first, candidate: canary.revision });
      expect(others.map(({ revision }) => revision)).toEqual([first, first]);
      expect(replica.control.nodes().map((one) => [one.id, one.canary])).toContainEqual([low, true]);
      // Nobody asks it anything: that is no success.
      await expect
        .poll(() => gatewayOf(replica))
        .toMatchObject({ state: 'paused', reason: expect.stringContaining('no data') });
      expect(others.map(({ revision }) => revision)).toEqual([first, first]);
      canary.requests += 100;
      await expect.poll(() => others.map(({ revision }) => revision)).toEqual([canary.revision, canary.revision]);
      expect(gatewayOf(replica)).toMatchObject({
        state: 'idle',
        stable: canary.revision,
        history: [{ revision: first }],
      });
    });

    it('and back, when a node of it refuses something', async () => {
      const { replica, canary, others, first } = await fleet();
      const before = new Map(canary.has);
      canary.refuses = 'not that';
      replica.write('a.yaml', answering('two'));
      await expect.poll(() => gatewayOf(replica).rejected?.reason).toContain('not that');
      canary.refuses = null;
      await expect.poll(() => canary.revision).toBe(first);
      expect(canary.has).toEqual(before);
      expect(others.map(({ revision }) => revision)).toEqual([first, first]);
      expect(gatewayOf(replica)).toMatchObject({ state: 'idle', stable: first });
    });

    it('and back, when more fails than with the others', async () => {
      const { replica, canary, others, first } = await fleet();
      for (const one of others) one.requests += 100;
      replica.write('a.yaml', answering('two'));
      await expect.poll(() => canary.revision).not.toBe(first);
      await expect.poll(() => gatewayOf(replica).state).toBe('paused');
      for (const one of others) one.requests += 100;
      canary.requests += 100;
      canary.errors += 10;
      await expect.poll(() => gatewayOf(replica).rejected?.reason).toContain('10% of responses are 5xx');
      await expect.poll(() => canary.revision).toBe(first);
      expect(others.map(({ revision }) => revision)).toEqual([first, first]);
    });

    it('by hand: pause, resume, rollback, promote', async () => {
      const { replica, canary, others, first } = await fleet({
        rollout: { ...STAGED.rollout, maxErrorRate: 'off', minTime: '1h' },
      });
      replica.write('a.yaml', answering('two'));
      await expect.poll(() => canary.revision).not.toBe(first);
      const second = canary.revision;
      expect(await replica.control.act('pause', 'prod/edge')).toEqual({ done: ['prod/edge'], refused: [] });
      expect(gatewayOf(replica)).toMatchObject({ state: 'paused', reason: 'paused by hand' });
      expect(await replica.control.act('resume', null)).toMatchObject({ done: ['prod/edge'] });
      expect(await replica.control.act('rollback', null)).toMatchObject({ done: ['prod/edge'] });
      await expect.poll(() => canary.revision).toBe(first);
      expect(await replica.control.act('pause', null)).toEqual({
        done: [],
        refused: ['prod/edge: no roll-out is under way'],
      });
      expect(await replica.control.act('promote', 'prod/edge')).toMatchObject({ done: ['prod/edge'] });
      await expect.poll(() => others.map(({ revision }) => revision)).toEqual([second, second]);
      expect(await replica.control.act('rollback', 'prod/edge')).toMatchObject({ done: ['prod/edge'] });
      await expect.poll(() => others.map(({ revision }) => revision)).toEqual([first, first]);
      expect(await replica.control.act('promote', 'prod/none')).toEqual({
        done: [],
        refused: ['prod/none: no node of it was ever seen'],
      });
    });

    it('is taken back where the directory is', async () => {
      const { replica, canary, first } = await fleet({ rollout: { canary: '30%', minTime: '1h' } });
      replica.write('a.yaml', answering('two'));
      await expect.poll(() => canary.revision).not.toBe(first);
      replica.write('a.yaml', answering('one'));
      await expect.poll(() => canary.revision).toBe(first);
      expect(gatewayOf(replica)).toMatchObject({ state: 'idle', candidate: null, rejected: null });
    });

    it('goes on after a restart', async () => {
      const store = memoryStore();
      const slow = { rollout: { canary: '30%', minTime: '1h' } };
      const one = await start({ 'a.yaml': answering('one') }, slow, store);
      const canary = await node(one, low);
      await expect.poll(() => canary.has.size).toBe(3);
      const first = canary.revision;
      one.write('a.yaml', answering('two'));
      await expect.poll(() => canary.revision).not.toBe(first);
      await one.control.close();
      open.splice(open.indexOf(one), 1);
      rmSync(one.folder, { recursive: true });
      const again = await start({ 'a.yaml': answering('two') }, slow, store);
      const [nodeLow, nodeHigh] = [await node(again, low, { had: canary }), await node(again, high)];
      await expect.poll(() => nodeLow.revision).toBe(canary.revision);
      await expect.poll(() => nodeHigh.revision).toBe(first);
      expect(gatewayOf(again)).toMatchObject({ state: 'canary', stable: first });
    });
  });
});
