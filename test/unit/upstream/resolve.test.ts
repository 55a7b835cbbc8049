import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type AddressRecord, type LookupFamily, type NameLookup, Names } from '../../../src/upstream/resolve.ts';
import { SystemNames } from '../../../src/upstream/system-names.ts';

/** A resolver that answers as a test says, and a clock that stands still until it is moved. */
class FakeLookup implements NameLookup {
  asked: string[] = [];
  v4Answer: () => Promise<AddressRecord[]> = () => Promise.resolve([]);
  v6Answer: () => Promise<AddressRecord[]> = () => Promise.reject(new Error('ENODATA'));
  systemAnswer: () => Promise<AddressRecord[]> = () => Promise.reject(new Error('ENOTFOUND'));
  isLocal = false;

  v4(name: string): Promise<AddressRecord[]> {
    this.asked.push(`A ${name}`);
    return this.v4Answer();
  }
  v6(name: string): Promise<AddressRecord[]> {
    this.asked.push(`AAAA ${name}`);
    return this.v6Answer();
  }
  system(name: string): Promise<AddressRecord[]> {
    this.asked.push(`system ${name}`);
    return this.systemAnswer();
  }
  local(): boolean {
    return this.isLocal;
  }
}

const records = (ttlMs: number, ...addresses: string[]) =>
  Promise.resolve(addresses.map((address) => ({ address, ttlMs })));

function setUp(family: LookupFamily = 'All') {
  const lookup = new FakeLookup();
  const clock = { now: 1_000_000 };
  const failed: string[] = [];
  const names = new Names(
    lookup,
    family,
    (name) => failed.push(name),
    () => clock.now,
  );
  const resolve = async (name: string) => {
    const entry = names.acquire(name);
    if (!names.ready(entry, clock.now)) await names.settled(entry);
    return entry;
  };
  return { lookup, clock, failed, names, resolve };
}

describe('a name', () => {
  it('that is an address is its own answer', () => {
    const { lookup, names } = setUp();
    for (const ip of ['10.0.0.1', '::1']) {
      const entry = names.acquire(ip);
      expect(names.ready(entry, 0)).toBe(true);
      expect(entry.addresses).toEqual([ip]);
    }
    expect(lookup.asked).toEqual([]);
  });

  it('is asked for once for both families, whoever waits', async () => {
    const { lookup, names, resolve } = setUp();
    lookup.v4Answer = () => records(60_000, '10.0.0.2', '10.0.0.1');
    lookup.v6Answer = () => records(60_000, 'fd00::1');
    const [a, b] = await Promise.all([resolve('Api.Example'), resolve('api.example')]);
    expect(a).toBe(b);
    expect(a!.addresses).toEqual(['10.0.0.1', '10.0.0.2', 'fd00::1']);
    expect(lookup.asked).toEqual(['A api.example', 'AAAA api.example']);
    expect(names.size).toBe(1);
  });

  it('has an answer where one family fails', async () => {
    const { lookup, failed, resolve } = setUp();
    lookup.v4Answer = () => records(60_000, '10.0.0.1');
    expect((await resolve('api.example')).addresses).toEqual(['10.0.0.1']);
    expect(failed).toEqual([]);
  });

  it('DNS does not know is asked of the system', async () => {
    const { lookup, resolve } = setUp();
    lookup.systemAnswer = () => records(10_000, '10.9.9.9');
    expect((await resolve('api.example')).addresses).toEqual(['10.9.9.9']);
    expect(lookup.asked.at(-1)).toBe('system api.example');
  });

  it('only the system knows is not asked of DNS', async () => {
    const { lookup, resolve } = setUp();
    lookup.isLocal = true;
    lookup.systemAnswer = () => records(10_000, '127.0.0.1');
    expect((await resolve('localhost')).addresses).toEqual(['127.0.0.1']);
    expect(lookup.asked).toEqual(['system localhost']);
  });

  it.each([
    ['All', ['10.0.0.1', 'fd00::1']],
    ['V4Preferred', ['10.0.0.1']],
    ['V4Only', ['10.0.0.1']],
    ['V6Only', ['fd00::1']],
  ] as const)('is cut to the family %s', async (family, expected) => {
    const { lookup, resolve } = setUp(family);
    lookup.v4Answer = () => records(60_000, '10.0.0.1');
    lookup.v6Answer = () => records(60_000, 'fd00::1');
    expect((await resolve('api.example')).addresses).toEqual(expected);
    if (family === 'V4Only') expect(lookup.asked).not.toContain('AAAA api.example');
    if (family === 'V6Only') expect(lookup.asked).not.toContain('A api.example');
  });

  it('that only has the other family fails', async () => {
    const { lookup, failed, names, clock } = setUp('V6Only');
    lookup.systemAnswer = () => records(60_000, '10.0.0.1');
    const entry = names.acquire('api.example');
    names.ready(entry, clock.now);
    await names.settled(entry);
    expect(entry.addresses).toEqual([]);
    expect(failed).toEqual(['api.example']);
  });

  it('with IPv6 preferred off still uses IPv6 where there is nothing else', async () => {
    const { lookup, resolve } = setUp('V4Preferred');
    lookup.v6Answer = () => records(60_000, 'fd00::1');
    expect((await resolve('api.example')).addresses).toEqual(['fd00::1']);
  });
});

describe('an answer', () => {
  it('lives as long as its TTL and is renewed in the background before it ends', async () => {
    const { lookup, clock, names, resolve } = setUp();
    lookup.v4Answer = () => records(10_000, '10.0.0.1');
    const entry = await resolve('api.example');
    const before = entry.addresses;
    lookup.v4Answer = () => records(10_000, '10.0.0.2');
    clock.now += 7_999;
    expect(names.ready(entry, clock.now)).toBe(true);
    expect(entry.pending).toBeNull();
    clock.now += 1;
    // Due: the old answer serves on while the new one is fetched.
    expect(names.ready(entry, clock.now)).toBe(true);
    expect(entry.addresses).toBe(before);
    await names.settled(entry);
    expect(entry.addresses).toEqual(['10.0.0.2']);
  });

  it('that is the same again is the same array', async () => {
    const { lookup, clock, names, resolve } = setUp();
    lookup.v4Answer = () => records(10_000, '10.0.0.1', '10.0.0.2');
    const entry = await resolve('api.example');
    const before = entry.addresses;
    lookup.v4Answer = () => records(10_000, '10.0.0.2', '10.0.0.1');
    clock.now += 9_000;
    names.ready(entry, clock.now);
    await names.settled(entry);
    expect(entry.addresses).toBe(before);
  });

  it.each([
    [0, 800],
    [3_600_000_000, 240_000],
  ])('with a TTL of %d ms is renewed after %d ms', async (ttlMs, renewed) => {
    const { lookup, clock, resolve } = setUp();
    lookup.v4Answer = () => records(ttlMs, '10.0.0.1');
    expect((await resolve('api.example')).renewAt - clock.now).toBe(renewed);
  });

  it('long past its life is not used: the request waits for a new one', async () => {
    const { lookup, clock, names, resolve } = setUp();
    lookup.v4Answer = () => records(10_000, '10.0.0.1');
    const entry = await resolve('api.example');
    lookup.v4Answer = () => records(10_000, '10.0.0.2');
    clock.now += 10_000 + 60_001;
    expect(names.ready(entry, clock.now)).toBe(false);
    await names.settled(entry);
    expect(names.ready(entry, clock.now)).toBe(true);
    expect(entry.addresses).toEqual(['10.0.0.2']);
  });

  it('serves on while the resolver fails, and each failure is told', async () => {
    const { lookup, clock, failed, names, resolve } = setUp();
    lookup.v4Answer = () => records(10_000, '10.0.0.1');
    const entry = await resolve('api.example');
    lookup.v4Answer = () => Promise.reject(new Error('ETIMEOUT'));
    for (let i = 0; i < 100; i++) {
      clock.now += 9_000;
      expect(names.ready(entry, clock.now)).toBe(true);
      await names.settled(entry);
      expect(entry.addresses).toEqual(['10.0.0.1']);
    }
    expect(failed).toHaveLength(100);
    lookup.v4Answer = () => records(10_000, '10.0.0.3');
    clock.now += 9_000;
    names.ready(entry, clock.now);
    await names.settled(entry);
    expect(entry.addresses).toEqual(['10.0.0.3']);
  });

  it('that is missing is not asked for again at once', async () => {
    const { lookup, clock, names, resolve } = setUp();
    lookup.v4Answer = () => Promise.reject(new Error('ENOTFOUND'));
    const entry = await resolve('api.example');
    const asked = lookup.asked.length;
    expect(names.ready(entry, clock.now + 999)).toBe(true);
    expect(entry.addresses).toEqual([]);
    expect(lookup.asked).toHaveLength(asked);
    clock.now += 1_000;
    lookup.v4Answer = () => records(10_000, '10.0.0.1');
    expect(names.ready(entry, clock.now)).toBe(false);
    await names.settled(entry);
    expect(names.ready(entry, clock.now)).toBe(true);
  });
});

describe('names', () => {
  it('are kept only while somebody holds them', async () => {
    const { lookup, names, resolve } = setUp();
    lookup.v4Answer = () => records(10_000, '10.0.0.1');
    const entry = await resolve('api.example');
    names.acquire('api.example');
    names.release(entry);
    expect(names.size).toBe(1);
    names.release(entry);
    expect(names.size).toBe(0);
  });
});

describe('names of the system', () => {
  let directory = '';
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function system(hosts: string, resolv: string): SystemNames {
    directory = mkdtempSync(join(tmpdir(), 'names-'));
    writeFileSync(join(directory, 'hosts'), hosts);
    writeFileSync(join(directory, 'resolv'), resolv);
    return new SystemNames(join(directory, 'hosts'), join(directory, 'resolv'));
  }

  it('are localhost, .local, single labels and what the hosts file has', () => {
    const names = system('10.0.0.1 Db.Example db # api.example\n', 'nameserver 10.0.0.53\n');
    for (const name of ['localhost', 'a.localhost', 'printer.local', 'db', 'db.example', 'single'])
      expect(names.isLocal(name)).toBe(true);
    expect(names.isLocal('api.example')).toBe(false);
  });

  it('are names with fewer dots than ndots where there are search domains', () => {
    const names = system('', 'search ns.svc.cluster.local svc.cluster.local\noptions ndots:5 timeout:2\n');
    expect(names.isLocal('api.ns.svc')).toBe(true);
    expect(names.isLocal('a.b.c.d.e.f')).toBe(false);
    expect(names.isLocal('api.example.')).toBe(false);
  });

  it('are few where the files are missing', () => {
    const names = new SystemNames('/nonexistent/hosts', '/nonexistent/resolv.conf');
    expect(names.isLocal('api.example')).toBe(false);
    expect(names.isLocal('localhost')).toBe(true);
  });
});
