import { mkdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoreStats } from '../../../../src/state/stores/engine.ts';
import type { StoreHost } from '../../../../src/state/stores/host.ts';
import { type StoreKey, storeKey } from '../../../../src/state/stores/key.ts';
import { handlePorts } from '../../../../src/state/stores/protocol.ts';
import { bytes, freshKey, LIMITS, recorder, SOON, text } from './contract.ts';
import { BARE_THREAD, connect, FAULTY_THREAD, folder, storeHost, testLog } from './support.ts';

const GONE = { name: 'StoreError', code: 'unavailable' };

/** A key at which the faulty thread does what its kind says. */
const fault = (kind: 'exits' | 'throws' | 'hangs' | 'sql'): StoreKey => storeKey('acme', kind, 'x');

const hosts: StoreHost[] = [];
let files: ReturnType<typeof folder>;
const workers: Worker[] = [];

function launch(...options: Parameters<typeof storeHost>): StoreHost {
  const host = storeHost(...options);
  hosts.push(host);
  return host;
}

beforeEach(() => {
  files = folder();
});

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  files.remove();
});

/** Asks until there is an answer again. */
async function back(ask: () => Promise<unknown>): Promise<void> {
  await expect
    .poll(
      () =>
        ask().then(
          () => true,
          () => false,
        ),
      SOON,
    )
    .toBe(true);
}

describe('the store thread', () => {
  it('dies in the middle of a call: all that waits is rejected, another takes its place, a file’s records are there', async () => {
    const { log, records } = testLog();
    let restarts = 0;
    const host = launch({
      entry: FAULTY_THREAD,
      path: files.path('state.db'),
      log,
      limits: { ...LIMITS, timeoutMs: 60_000 },
      onRestart: () => restarts++,
    });
    expect(await host.start()).toBe('sqlite');
    const [store, other] = [await connect(host), await connect(host)];
    const key = freshKey();
    const version = await store.put(key, bytes('before'));
    const calls = [store.get(fault('exits')), store.put(freshKey(), bytes('x')), other.get(key), other.read(key)];
    const outcomes = await Promise.allSettled(calls);
    const rejected = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    // A call of the other client may have been answered before.
    expect(rejected.length).toBeGreaterThanOrEqual(2);
    for (const { reason } of rejected) expect(reason).toMatchObject(GONE);
    await expect.poll(() => host.status(), SOON).toMatchObject({ engine: null, restarts: 1, lastDeath: /code 3/ });
    await expect(store.get(key)).rejects.toMatchObject(GONE);
    await back(() => store.get(key));
    await back(() => other.get(key));
    expect(await store.get(key)).toMatchObject({ version });
    expect(text((await other.get(key))?.value)).toBe('before');
    expect(restarts).toBe(1);
    expect(records.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      expect.stringMatching(/the store thread died: .*code 3/),
    ]);
  });

  it('dies of an exception outside of any call, and subscribers are told what they may have missed', async () => {
    const host = launch({ entry: FAULTY_THREAD });
    await host.start();
    const store = await connect(host);
    const [a, b] = [recorder(), recorder()];
    const channel = freshKey();
    await store.subscribe(channel, a);
    await store.subscribe(freshKey(), b);
    await store.get(fault('throws')).catch(() => {});
    await expect.poll(() => [a.losses, b.losses], SOON).toEqual([1, 1]);
    await store.publish(channel, bytes('again'));
    await expect.poll(() => a.heard, SOON).toEqual(['again']);
    expect(host.status()).toMatchObject({ engine: 'sqlite', restarts: 1, lastDeath: 'a fault outside of any call' });
  });

  it('is busy for longer than a call may take: the call is rejected, and later ones are answered', async () => {
    const host = launch({ entry: FAULTY_THREAD, limits: { ...LIMITS, timeoutMs: 150 } });
    await host.start();
    const store = await connect(host);
    await expect(store.get(fault('hangs'))).rejects.toMatchObject({ code: 'timeout' });
    await back(() => store.get(freshKey()));
    expect(host.status().restarts).toBe(0);
  });

  it('says that the database failed, and goes on', async () => {
    const host = launch({ entry: FAULTY_THREAD });
    await host.start();
    const store = await connect(host);
    await expect(store.get(fault('sql'))).rejects.toMatchObject(GONE);
    await expect(store.put(fault('sql'), bytes('secret'))).rejects.toThrow(/^the embedded database failed: .*missing/);
    await store.put(freshKey(), bytes('x'));
    expect(host.status().restarts).toBe(0);
  });

  it('takes no more than it can hold back: past a queue’s length calls are refused at once', async () => {
    const host = launch({ entry: FAULTY_THREAD });
    await host.start();
    const store = await connect(host);
    const calls = [fault('hangs'), ...Array.from({ length: 1500 }, () => freshKey())].map((key) => store.get(key));
    const outcomes = await Promise.allSettled(calls);
    const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused.length).toBeGreaterThan(100);
    expect(refused.length).toBeLessThan(1000);
    for (const { reason } of refused) expect(reason).toMatchObject({ ...GONE, message: /too many/ });
  });

  it('is used by several threads at once', async () => {
    const host = launch();
    await host.start();
    const key = freshKey();
    const done = Array.from({ length: 3 }, () => {
      const handle = host.connect();
      const worker = new Worker(new URL('threads/client.mjs', import.meta.url), {
        workerData: { handle, key, times: 50 },
        transferList: handlePorts(handle),
      });
      workers.push(worker);
      return new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        // Nothing of the store keeps the thread alive once it is closed.
        worker.on('exit', () => resolve());
      });
    });
    await Promise.all(done);
    const store = await connect(host);
    expect(text((await store.get(key))?.value)).toBe('150');
  });

  it('says that it couldn’t be opened, and why', async () => {
    const host = launch({ path: '/proc/nowhere/state.db' });
    await expect(host.start()).rejects.toMatchObject({ ...GONE, message: /\/proc\/nowhere\/state\.db/ });
    const store = await connect(host);
    await expect(store.get(freshKey())).rejects.toMatchObject(GONE);
  });

  it('is tried again until it can be opened', async () => {
    const folder = files.path('made-later');
    const host = launch({ path: `${folder}/state.db` });
    await expect(host.start()).rejects.toMatchObject(GONE);
    const store = await connect(host);
    mkdirSync(folder);
    await back(() => store.get(freshKey()));
    expect(host.status()).toMatchObject({ engine: 'sqlite' });
  });

  it('keeps state in a map where libsql doesn’t load, says so, and refuses a file', async () => {
    const { log, records } = testLog();
    const host = launch({ entry: BARE_THREAD, log });
    expect(await host.start()).toBe('memory');
    expect(host.status().engine).toBe('memory');
    await expect
      .poll(() => records.map(({ level, message }) => `${level} ${message}`), SOON)
      .toEqual([expect.stringMatching(/^warn libsql.* no binding; what is stored is kept in a map/)]);
    const filed = launch({ entry: BARE_THREAD, path: files.path('never-made.db') });
    await expect(filed.start()).rejects.toMatchObject({ ...GONE, message: /no binding; without a file/ });
  });

  it('counts what it holds, for metrics', async () => {
    let stats: StoreStats | null = null;
    const host = launch({
      onStats: (told) => {
        stats = told;
      },
    });
    await host.start();
    const store = await connect(host);
    await store.put(freshKey(), bytes('x'), { ttlMs: 30 });
    await store.put(freshKey(), bytes('x'));
    await expect.poll(() => stats, SOON).toMatchObject({ entries: 1, expired: 1, evicted: 0 });
  });

  it('rejects what is asked after the host was closed', async () => {
    const host = launch();
    await host.start();
    const store = await connect(host);
    const under = store.get(freshKey()).catch((error: unknown) => error);
    await host.close();
    expect([null, expect.objectContaining(GONE)]).toContainEqual(await under);
    await expect.poll(() => store.get(freshKey()).catch(({ code }) => code), SOON).toBe('unavailable');
  });
});
