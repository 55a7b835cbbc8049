import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { storeKey } from '../../src/state/stores/key.ts';
import { openStore } from '../../src/state/stores/open.ts';
import { RedisSubscriber } from '../../src/state/stores/redis-subscriber.ts';
import type { Store } from '../../src/state/stores/store.ts';
import { bytes, freshKey, LIMITS, recorder, SOON, storeContract, text } from '../unit/state/stores/contract.ts';
import { testLog } from '../unit/state/stores/support.ts';
import { missingRedis, ownServer, startRedis, type TestRedis } from './server.ts';

const missing = missingRedis();
if (missing !== null) console.warn(`the tests with Redis are left out: ${missing}`);

const PASSWORD = 'p@ss:w/rd';
const PREFIX = `sluice-test-${process.pid}:`;

const redisStore = (url: string, timeoutMs = LIMITS.timeoutMs): Promise<Store> =>
  openStore({ kind: 'redis', url, prefix: PREFIX, limits: { ...LIMITS, timeoutMs }, log: testLog().log });

/** Removes what the tests left, where the server isn't theirs. */
async function tidy(url: string): Promise<void> {
  const redis = new Redis(url);
  for await (const keys of redis.scanStream({ match: `${PREFIX}*` })) {
    if ((keys as string[]).length > 0) await redis.del(...(keys as string[]));
  }
  redis.disconnect();
}

describe.runIf(missing === null)('Redis', () => {
  storeContract('as a store', async () => {
    const redis = await startRedis(ownServer ? PASSWORD : undefined);
    return {
      open: () => redisStore(redis.url),
      close: async () => {
        await tidy(redis.url);
        await redis.stop();
      },
    };
  });

  describe('and what is in it', () => {
    let redis: TestRedis;
    const opened: { close(): unknown }[] = [];
    const open = async (timeoutMs?: number): Promise<Store> => {
      const store = await redisStore(redis.url, timeoutMs);
      opened.push(store);
      return store;
    };
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((one) => one.close()));
    });
    afterAll(async () => {
      await tidy(redis.url);
      await redis.stop();
    });

    it('keeps a tenant in one hash slot, with Redis’s own expiry, and leaves other keys alone', async () => {
      const store = await open();
      const key = storeKey('te{na}nt', 'test', 'slot');
      await store.put(key, bytes('x'), { ttlMs: 60_000 });
      await store.append(key, bytes('x'), { maxLength: 5, ttlMs: 60_000 });
      await store.append(storeKey('te{na}nt', 'test', 'other'), bytes('x'), { maxLength: 5 });
      const raw = new Redis(redis.url);
      opened.push({ close: () => raw.disconnect() });
      const names = (await raw.keys(`${PREFIX}*te*nt*`)).sort();
      expect(names).toHaveLength(3);
      const tags = names.map((name) => /\{(.*?)\}/.exec(name)?.[1]);
      expect(new Set(tags)).toEqual(new Set(['te%007bna%007dnt']));
      for (const name of names) {
        const left = await raw.pttl(name);
        if (name.endsWith('other')) expect(left).toBe(-1);
        else expect(left).toBeGreaterThan(0);
      }
    });

    it('says so where something else is under a key', async () => {
      const store = await open();
      const key = freshKey();
      const raw = new Redis(redis.url);
      opened.push({ close: () => raw.disconnect() });
      await raw.lpush(`${PREFIX}v${key}`, 'a list');
      await raw.set(`${PREFIX}s${key}`, 'short');
      await expect(store.get(key)).rejects.toMatchObject({ code: 'unavailable', message: /WRONGTYPE/ });
      await expect(store.read(key)).rejects.toMatchObject({ code: 'unavailable', message: /WRONGTYPE/ });
    });

    it('hears through a subscriber that several stores share', async () => {
      const { log } = testLog();
      const { timeoutMs } = LIMITS;
      const subscriber = new RedisSubscriber({ url: redis.url, timeoutMs, name: 'shared', log });
      opened.push(subscriber);
      const stores = await Promise.all(
        [1, 2].map(() => openStore({ kind: 'redis', url: redis.url, prefix: PREFIX, limits: LIMITS, log, subscriber })),
      );
      opened.push(...stores);
      const [a, b] = [recorder(), recorder()];
      const key = freshKey();
      await stores[0]!.subscribe(key, a);
      await stores[1]!.subscribe(key, b);
      await stores[0]!.publish(key, bytes('hello'));
      await expect.poll(() => [a.heard, b.heard], SOON).toEqual([['hello'], ['hello']]);
      const raw = new Redis(redis.url);
      opened.push({ close: () => raw.disconnect() });
      const clients = String(await raw.client('LIST'));
      expect(clients.match(/name=shared /g)).toHaveLength(1);
      expect(clients).not.toContain('name=sluice-subscriber');
    });

    describe.runIf(ownServer)('when the server fails', () => {
      it('ends and comes back: calls go on, scripts are loaded again, subscribers are told', async () => {
        const store = await open();
        const heard = recorder();
        const channel = freshKey();
        await store.subscribe(channel, heard);
        const key = freshKey();
        await store.compareAndSet(key, null, bytes('before'));
        await redis.restart();
        await expect.poll(() => store.get(key).catch(() => 'not yet'), SOON).toBeNull();
        await store.compareAndSet(key, null, bytes('after'));
        expect(text((await store.get(key))?.value)).toBe('after');
        await expect.poll(() => heard.losses, SOON).toBeGreaterThan(0);
        await store.publish(channel, bytes('again'));
        await expect.poll(() => heard.heard, SOON).toEqual(['again']);
      });

      it('hangs and goes on: calls are rejected in time, then answered; a silent subscriber connection is replaced', async () => {
        const store = await open(200);
        const { log } = testLog();
        const subscriber = new RedisSubscriber({ url: redis.url, timeoutMs: 200, name: 'pinged', log }, 100);
        opened.push(subscriber);
        const heard = recorder();
        await subscriber.subscribe('channel', heard);
        const key = freshKey();
        await store.put(key, bytes('x'));
        redis.pause();
        try {
          for (let n = 0; n < 5; n++) {
            const error = await store.get(key).catch((reason: unknown) => reason);
            expect(['timeout', 'unavailable']).toContain((error as { code: string }).code);
          }
        } finally {
          redis.resume();
        }
        await expect.poll(() => store.get(key).catch(() => null), SOON).toMatchObject({ value: Buffer.from('x') });
        await expect.poll(() => heard.losses, SOON).toBeGreaterThan(0);
        const raw = new Redis(redis.url);
        opened.push({ close: () => raw.disconnect() });
        await raw.publish('channel', 'hello');
        await expect.poll(() => heard.heard, SOON).toContain('hello');
      });

      it('is full: what has no room is refused, the rest is still read', async () => {
        const store = await open();
        const key = freshKey();
        await store.put(key, bytes('x'));
        const raw = new Redis(redis.url);
        opened.push({ close: () => raw.disconnect() });
        await raw.config('SET', 'maxmemory', '1');
        try {
          const refused = { code: 'unavailable', message: /OOM/ };
          await expect(store.put(freshKey(), bytes('x'))).rejects.toMatchObject(refused);
          await expect(store.append(freshKey(), bytes('x'), { maxLength: 5 })).rejects.toMatchObject(refused);
          expect(text((await store.get(key))?.value)).toBe('x');
        } finally {
          await raw.config('SET', 'maxmemory', '0');
        }
      });
    });
  });

  it.runIf(ownServer)('refuses a wrong password without saying it', async () => {
    const redis = await startRedis(PASSWORD);
    const { log, records } = testLog();
    const store = await openStore({
      kind: 'redis',
      url: redis.url.replace(/:[^:@]*@/, ':wrong-secret@'),
      limits: LIMITS,
      log,
    });
    try {
      const error = (await store.get(freshKey()).catch((reason: unknown) => reason)) as Error;
      expect(error).toMatchObject({ name: 'StoreError', code: 'unavailable', message: /WRONGPASS/ });
      expect(JSON.stringify([error.stack, records])).not.toContain('wrong-secret');
    } finally {
      await store.close();
      await redis.stop();
    }
  });
});
