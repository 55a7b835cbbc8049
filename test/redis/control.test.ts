import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { placeOf } from '../../src/control/rollout/place.ts';
import { openStore } from '../../src/state/stores/open.ts';
import { LevelLogger } from '../../src/telemetry/log.ts';
import { answering, FakeNode, Replica } from '../unit/control/fleet.ts';
import { missingRedis, ownServer, startRedis, type TestRedis } from './server.ts';

const ids = Array.from({ length: 100 }, (_, at) => `node-${at}`);
const [low = '', lower = ''] = ids.filter((id) => placeOf(id) < 0.2);
const [high = ''] = ids.filter((id) => placeOf(id) > 0.4);
const STAGED = { rollout: { canary: '30%', minTime: '200ms', minRequests: 10, scrapeInterval: '50ms' } };
const log = new LevelLogger('error', () => {});

describe.runIf(missingRedis() === null)('replicas of control with one Redis', () => {
  let redis: TestRedis;
  let round = 0;
  const open: { close?(): unknown; stop?(): unknown }[] = [];

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await (one.stop?.() ?? one.close?.());
  });
  afterAll(() => redis?.stop());

  const store = () => {
    const prefix = `sluice-control-${process.pid}-${round}:`;
    return openStore({
      kind: 'redis',
      url: redis.url,
      prefix,
      log,
      limits: { timeoutMs: 500, maxValueBytes: 1 << 20 },
    });
  };

  async function replica(text: string, settings: Record<string, unknown> = STAGED): Promise<Replica> {
    const one = new Replica();
    one.write('a.yaml', text);
    const shared = await store();
    open.push({ close: () => shared.close() }, one);
    return one.start({ store: shared, shared: true }, settings);
  }

  async function node(at: Replica, id: string, had?: FakeNode): Promise<FakeNode> {
    const one = await FakeNode.connect(at.url, id, had === undefined ? {} : { had });
    open.push(one);
    await expect.poll(() => one.revision).not.toBe('');
    return one;
  }

  const gatewayOf = (one: Replica) => one.control.gateways()[0]!;
  const leader = (...replicas: Replica[]) => replicas.filter((one) => one.control.leading);

  it('one leads; nodes of both count; what one has not, it serves', async () => {
    round++;
    const [one, other] = [await replica(answering('one')), await replica(answering('one'))];
    await expect.poll(() => leader(one, other).length).toBe(1);
    const [leading, following] = one.control.leading ? [one, other] : [other, one];
    const canary = await node(following, low);
    const rest = await node(following, high);
    const first = canary.revision;
    expect(rest.revision).toBe(first);
    // Only the leader's directory changes: the other has what to serve from Redis.
    leading.write('a.yaml', answering('two'));
    await expect.poll(() => canary.revision).not.toBe(first);
    expect(rest.revision).toBe(first);
    // And judges by what the other sees.
    await expect.poll(() => gatewayOf(leading)).toMatchObject({ state: 'paused' });
    canary.requests += 100;
    await expect.poll(() => rest.revision).toBe(canary.revision);
    expect(gatewayOf(following).stable).toBe(canary.revision);
    // Its directory is behind, and changes nothing: it has said nothing new.
    expect(gatewayOf(following).state).toBe('held');
  });

  it('another goes on with a roll-out whose leader is gone', async () => {
    round++;
    const [one, other] = [await replica(answering('one')), await replica(answering('one'))];
    await expect.poll(() => leader(one, other).length).toBe(1);
    const [leading, following] = one.control.leading ? [one, other] : [other, one];
    const canary = await node(following, low);
    const rest = await node(leading, high);
    const first = canary.revision;
    leading.write('a.yaml', answering('two'));
    following.write('a.yaml', answering('two'));
    await expect.poll(() => gatewayOf(following).state).toBe('paused');
    await leading.control.close();
    expect((await rest.ended).code).toBe(14);
    await expect.poll(() => following.control.leading).toBe(true);
    const moved = await node(following, high, rest);
    expect(moved.revision).toBe(first);
    canary.requests += 100;
    await expect.poll(() => moved.revision).toBe(canary.revision);
    expect(gatewayOf(following)).toMatchObject({ state: 'idle', stable: canary.revision });
  });

  it('a replica that comes with an old directory takes nothing back, and one with a new one brings it', async () => {
    round++;
    const one = await replica(answering('one'));
    const canary = await node(one, low);
    const first = canary.revision;
    one.write('a.yaml', answering('two'));
    await expect.poll(() => canary.revision).not.toBe(first);
    canary.requests += 100;
    await expect.poll(() => gatewayOf(one).state).toBe('idle');
    await one.control.close();
    const old = await replica(answering('one'));
    const again = await node(old, low, canary);
    await expect.poll(() => old.control.leading).toBe(true);
    await old.control.tick();
    await old.control.tick();
    expect(again.revision).toBe(canary.revision);
    expect(gatewayOf(old)).toMatchObject({ state: 'held', stable: canary.revision });
    await old.control.close();
    const newer = await replica(answering('three'));
    const third = await node(newer, lower);
    await expect.poll(() => third.revision).not.toBe(canary.revision);
    expect(gatewayOf(newer)).toMatchObject({ stable: canary.revision, candidate: third.revision });
  });

  it.runIf(ownServer)('nodes keep what they have while Redis is away, and new ones get it', async () => {
    round++;
    const one = await replica(answering('one'));
    const canary = await node(one, low);
    redis.pause();
    try {
      await expect.poll(() => one.control.record).not.toBe(null);
      await expect
        .poll(() => one.logged.some(({ message }) => message.startsWith('the state can not be reached')))
        .toBe(true);
      const another = await node(one, high);
      expect(another.revision).toBe(canary.revision);
      expect(one.control.ready).toBe(true);
    } finally {
      redis.resume();
    }
    await expect.poll(() => one.control.leading).toBe(true);
    one.write('a.yaml', answering('two'));
    await expect.poll(() => gatewayOf(one).candidate).not.toBe(null);
  });
});
