import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contentOf, type ServedResource } from '../../../src/control/directory/content.ts';
import { newGateway, withGateway } from '../../../src/control/rollout/record.ts';
import { NO_NODES } from '../../../src/control/rollout/report.ts';
import { Contents } from '../../../src/control/state/contents.ts';
import { Lease } from '../../../src/control/state/lease.ts';
import { Ledger } from '../../../src/control/state/ledger.ts';
import { openState, StateError } from '../../../src/control/state/open.ts';
import { Reports } from '../../../src/control/state/reports.ts';
import { storeKey } from '../../../src/state/stores/key.ts';
import { type Store, StoreError } from '../../../src/state/stores/store.ts';
import { LevelLogger } from '../../../src/telemetry/log.ts';
import { RESOURCE_TYPE } from '../../../src/xds/wire/discovery.ts';
import { memoryStore } from './fleet.ts';

const log = new LevelLogger('error', () => {});
const revision = (id: string) => ({ id, parts: [] });

/** A store that can be cut off. */
function cuttable(store: Store): Store & { cut: boolean } {
  const proxy = { cut: false };
  return new Proxy(store, {
    get(target, name) {
      if (name === 'cut') return proxy.cut;
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        if (proxy.cut) throw new StoreError('timeout', 'cut off');
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
    set(_, name, value: boolean) {
      if (name === 'cut') proxy.cut = value;
      return true;
    },
  }) as Store & { cut: boolean };
}

describe('Lease', () => {
  let now = 0;
  const times = { ttlMs: 300, renewMs: 100 };
  const lease = (store: Store, replica: string) => new Lease(store, replica, log, times, () => now);

  beforeEach(() => {
    now = 0;
  });

  it('has one holder, whom others name', async () => {
    const store = memoryStore();
    const [one, other] = [lease(store, 'one'), lease(store, 'other')];
    expect(await one.renew()).toBe(true);
    expect(await other.renew()).toBe(false);
    expect(other.holder).toBe('one');
    expect(await one.renew()).toBe(true);
    await one.release();
    expect(await other.renew()).toBe(true);
    expect(await one.renew()).toBe(false);
    await store.close();
  });

  it('is another’s once its holder has gone silent, and the first knows it by its own clock', async () => {
    const store = memoryStore();
    const [one, other] = [lease(store, 'one'), lease(store, 'other')];
    await one.renew();
    await expect.poll(() => other.renew()).toBe(true);
    now = 301;
    expect(one.held).toBe(false);
    expect(await one.renew()).toBe(false);
    expect(one.holder).toBe('other');
    await store.close();
  });

  it('is lost with the store, and had again with it', async () => {
    const store = cuttable(memoryStore());
    const one = lease(store, 'one');
    await one.renew();
    store.cut = true;
    expect(await one.renew()).toBe(true);
    now = 301;
    expect(await one.renew()).toBe(false);
    store.cut = false;
    expect(await one.renew()).toBe(true);
    await store.close();
  });

  it('is gone on with by the next process of one that is alone', async () => {
    const store = memoryStore();
    await lease(store, 'this process').renew();
    expect(await lease(store, 'this process').renew()).toBe(true);
    await store.close();
  });
});

describe('Ledger', () => {
  it('changes the record although others do at the same time', async () => {
    const store = memoryStore();
    const ledgers = Array.from({ length: 5 }, () => new Ledger(store, log, () => {}));
    await Promise.all(ledgers.map((ledger) => ledger.open()));
    await Promise.all(
      ledgers.map((ledger, at) =>
        ledger.update((record) => withGateway(record, `g${at}`, newGateway(revision('r'), at))),
      ),
    );
    for (const ledger of ledgers) {
      await expect
        .poll(() => Object.keys(ledger.record?.gateways ?? {}).sort())
        .toEqual(['g0', 'g1', 'g2', 'g3', 'g4']);
      ledger.close();
    }
    await store.close();
  });

  it('knows what it knew while the store is away', async () => {
    const store = cuttable(memoryStore());
    const ledger = new Ledger(store, log, () => {});
    await ledger.open();
    await ledger.update((record) => withGateway(record, 'g', newGateway(revision('r'), 0)));
    store.cut = true;
    await ledger.refresh();
    expect(ledger.reachable).toBe(false);
    expect(ledger.record?.gateways.g?.stable.id).toBe('r');
    await expect(ledger.update((record) => withGateway(record, 'h', newGateway(revision('r'), 0)))).rejects.toThrow(
      StoreError,
    );
    store.cut = false;
    await ledger.refresh();
    expect(ledger.reachable).toBe(true);
    ledger.close();
    await store.close();
  });
});

describe('Ledger', () => {
  it('makes nothing of a record it can not read, and does not write over it', async () => {
    const store = memoryStore();
    const key = storeKey('control', 'rollout', 'record');
    await store.put(key, Buffer.from('{}'));
    const ledger = new Ledger(store, log, () => {});
    await ledger.open();
    expect(ledger.record).toBe(null);
    await expect(ledger.update((record) => ({ ...record }))).rejects.toThrow('none that this version can read');
    expect(Buffer.from((await store.get(key))?.value ?? []).toString()).toBe('{}');
    ledger.close();
    await store.close();
  });
});

describe('Contents', () => {
  const served = (name: string, size: number): ServedResource => {
    const bytes = new Uint8Array(size).map((_, at) => (at * 31) % 251);
    return { typeUrl: RESOURCE_TYPE, resource: { name, version: `${name}-${size}`, bytes } };
  };

  it('reach others whose directory does not have them', async () => {
    const store = memoryStore();
    const content = contentOf([served('a', 10), served('b', 3_000_000)]);
    const one = new Contents(store, () => {});
    one.own = [content];
    await one.share([content.hash]);
    let arrived = 0;
    const other = new Contents(store, () => arrived++);
    expect(other.get(content.hash)).toBe(null);
    await expect.poll(() => arrived).toBe(1);
    expect(other.get(content.hash)?.hash).toBe(content.hash);
    expect(other.get(content.hash)?.resources.map(({ resource }) => resource.bytes.length)).toEqual([10, 3_000_000]);
    await store.close();
  });

  it('stay at hand when the directory changes', () => {
    const contents = new Contents(memoryStore(), () => {});
    const content = contentOf([served('a', 10)]);
    contents.own = [content];
    contents.own = [];
    expect(contents.get(content.hash)).toBe(content);
  });

  it('say why they can not be had', async () => {
    const contents = new Contents(memoryStore(), () => {});
    expect(contents.get('0123')).toBe(null);
    await expect.poll(() => contents.failure('0123')).toContain('neither in the directory nor stored');
    await expect(contents.share(['4567'])).rejects.toThrow(StoreError);
  });
});

describe('Reports', () => {
  const report = (nodes: number) => ({
    g: { rollout: 'r', canary: { ...NO_NODES, nodes }, rest: NO_NODES, lowest: 1, refusals: [] },
  });

  it('are the newest of each replica that is still there', async () => {
    const store = memoryStore();
    let now = Date.now();
    const reports = new Reports(store, () => now);
    await reports.publish({ replica: 'one', gateways: report(1) });
    await reports.publish({ replica: 'other', gateways: report(2) });
    await reports.publish({ replica: 'one', gateways: report(3) });
    const nodes = async () => (await reports.read())('g').map(({ canary }) => canary.nodes);
    expect(await nodes()).toEqual([3, 2]);
    now += 20_000;
    expect(await nodes()).toEqual([]);
    await store.close();
  });
});

describe('openState', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-state-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const settings = () => ({ redis: null, state: join(folder, 'state') });

  it('is had by one process at a time, however that ends', async () => {
    const state = await openState(settings(), log);
    await expect(openState(settings(), log)).rejects.toThrow(
      /another sluice control has its state in .* \(process \d+/,
    );
    await state.close();
    const open = new URL('../../../src/control/state/open.ts', import.meta.url);
    // One that is killed while it has it.
    const script = `import('libsql').then(({ default: Libsql }) => {
      new Libsql(${JSON.stringify(join(folder, 'state', 'lock.db'))}, { timeout: 0 }).exec('BEGIN EXCLUSIVE');
      process.kill(process.pid, 'SIGKILL');
    });`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: new URL('.', open) });
    expect(child.signal).toBe('SIGKILL');
    await (await openState(settings(), log)).close();
  });

  it('says what to do where it can’t be written', async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'state'), 'a file');
    const refused = await openState(settings(), log).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StateError);
    expect(String(refused)).toContain('--state');
  });

  it('keeps what was stored', async () => {
    const first = await openState(settings(), log);
    const ledger = new Ledger(first.store, log, () => {});
    await ledger.open();
    await ledger.update((record) => withGateway(record, 'g', newGateway(revision('r'), 0)));
    ledger.close();
    await first.close();
    const second = await openState(settings(), log);
    const again = new Ledger(second.store, log, () => {});
    await again.open();
    expect(again.record?.gateways.g?.stable.id).toBe('r');
    again.close();
    await second.close();
  });
});
