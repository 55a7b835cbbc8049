import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndpointTable } from '../../../src/state/shared/endpoint-table.ts';
import { makeTiers, pick, pickTiered, type Tiers } from '../../../src/upstream/balance.ts';
import { Clusters } from '../../../src/upstream/clusters.ts';
import { Endpoint } from '../../../src/upstream/endpoint.ts';
import { Health } from '../../../src/upstream/health.ts';
import type { LiveCluster } from '../../../src/upstream/live-cluster.ts';
import type { AddressRecord, NameLookup } from '../../../src/upstream/resolve.ts';
import {
  callTo,
  cluster,
  hostSpec,
  metric,
  onRequests,
  type RawServer,
  type Rig,
  rawServer,
  rig,
  send,
  until,
} from './helpers.ts';

const table = () => EndpointTable.open(EndpointTable.create({ rows: 64, workers: 1 }), 0);

function endpoints(count: number): Endpoint[] {
  const rows = table();
  return Array.from(
    { length: count },
    (_, i) => new Endpoint(`10.0.0.${i}:80`, '', {} as never, rows.endpoint(`${i}`)),
  );
}

/** Counts what is picked over many draws. */
function draw(from: readonly Endpoint[], times: number, tried: string[] | null = null, now = 0): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i < times; i++) {
    const address = pick(from, tried, now)?.address ?? 'none';
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  return counts;
}

describe('a pick', () => {
  it('is nothing only where there is nothing', () => {
    expect(pick([], null, 0)).toBeNull();
    const [only] = endpoints(1);
    only!.row.evict(Date.now() + 60_000);
    expect(pick([only!], [only!.address], Date.now())).toBe(only);
  });

  it('of two is the one with the better score', () => {
    const [a, b] = endpoints(2) as [Endpoint, Endpoint];
    a.begin();
    expect(draw([a, b], 100).get(b.address)).toBe(100);
    b.begin();
    b.begin();
    expect(draw([a, b], 100).get(a.address)).toBe(100);
    a.row.sample(100);
    b.row.sample(1);
    expect(draw([a, b], 100).get(b.address)).toBe(100);
  });

  it('of many never takes the worst, and spreads over the rest', () => {
    const all = endpoints(5);
    for (const [i, endpoint] of all.entries()) for (let n = 0; n < i; n++) endpoint.begin();
    const counts = draw(all, 4_000);
    expect(counts.get(all[4]!.address)).toBeUndefined();
    for (const endpoint of all.slice(0, 4)) expect(counts.get(endpoint.address)).toBeGreaterThan(0);
    expect(counts.get(all[0]!.address)).toBeGreaterThan(counts.get(all[3]!.address)!);
  });

  it('keeps load even: with feedback no endpoint gets far from its share', () => {
    const all = endpoints(8);
    for (let i = 0; i < 8_000; i++) pick(all, null, 0)!.begin();
    const loads = all.map((endpoint) => endpoint.row.inFlight);
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThan(20);
  });

  it('passes over the evicted and the tried', () => {
    const all = endpoints(4);
    const now = Date.now();
    all[0]!.row.evict(now + 60_000);
    const counts = draw(all, 1_000, [all[1]!.address], now);
    expect([...counts.keys()].sort()).toEqual([all[2]!.address, all[3]!.address]);
    expect(draw(all, 1_000, null, now + 60_001).get(all[0]!.address)).toBeGreaterThan(0);
  });

  it('takes an evicted one before a tried one, and the one whose eviction ends first', () => {
    const all = endpoints(3);
    const now = Date.now();
    all[0]!.row.evict(now + 30_000);
    all[1]!.row.evict(now + 10_000);
    all[2]!.row.evict(now + 20_000);
    expect(draw(all, 100, null, now).get(all[1]!.address)).toBe(100);
    expect(draw(all, 100, [all[1]!.address], now).get(all[2]!.address)).toBe(100);
  });
});

describe('a pick by nearness and weight', () => {
  /** Endpoints by their tiers. */
  function tiered(...tiers: number[]): Endpoint[] {
    const made = endpoints(tiers.length);
    tiers.forEach((tier, i) => {
      (made[i] as Endpoint).tier = tier;
    });
    return made;
  }

  function drawTiered(from: readonly Endpoint[], times: number, tried: string[] | null = null): Map<string, number> {
    const tiers = makeTiers(from) as Tiers;
    const counts = new Map<string, number>();
    for (let i = 0; i < times; i++) {
      const address = pickTiered(tiers, tried, Date.now())?.address ?? 'none';
      counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    return counts;
  }

  it('is only made where endpoints differ', () => {
    expect(makeTiers([])).toBeNull();
    expect(makeTiers(endpoints(3))).toBeNull();
    expect(makeTiers(tiered(2, 2))).toBeNull();
    expect(makeTiers(tiered(2, 1))).not.toBeNull();
  });

  it('is of the nearest, and of the next where none of those can serve', () => {
    const all = tiered(1, 0, 2, 1, 0);
    const at = (...indexes: number[]): string[] => indexes.map((i) => all[i]?.address as string).sort();
    const from = (tried: string[] | null = null): string[] => [...drawTiered(all, 300, tried).keys()].sort();
    expect(from()).toEqual(at(1, 4));
    all[1]?.row.evict(Date.now() + 60_000);
    expect(from()).toEqual(at(4));
    expect(from(at(4))).toEqual(at(0, 3));
    all[4]?.row.evict(Date.now() + 30_000);
    expect(from()).toEqual(at(0, 3));
    expect(from(at(0, 3))).toEqual(at(2));
    // Nobody is left: the one whose eviction ends first, before one that was tried.
    expect(from(at(0, 2, 3))).toEqual(at(4));
    all[1]?.row.restore();
    expect(from()).toEqual(at(1));
  });

  it('draws as often as the weights say, and looks at the load of what was drawn', () => {
    const all = endpoints(2) as [Endpoint, Endpoint];
    all[0].weight = 3;
    // The lighter one is picked only where both draws are of it, as the other has the better score.
    all[1].begin();
    const counts = drawTiered(all, 16_000);
    expect(counts.get(all[1].address)).toBeGreaterThan(600);
    expect(counts.get(all[1].address)).toBeLessThan(1_400);
  });

  it('keeps an affinity among the equally near', () => {
    const all = tiered(0, 0, 0, 1, 1);
    const tiers = makeTiers(all) as Tiers;
    const picked = (hash: number, tried: string[] | null = null) =>
      pickTiered(tiers, tried, Date.now(), Math.random, { hash } as never)?.address as string;
    const chosen = new Set<string>();
    for (let hash = 1; hash < 100; hash++) {
      const address = picked(hash);
      expect(picked(hash)).toBe(address);
      chosen.add(address);
    }
    expect([...chosen].sort()).toEqual(all.slice(0, 3).map(({ address }) => address));
    expect(all.slice(3).map(({ address }) => address)).toContain(picked(7, [...chosen]));
  });
});

describe('health without a policy', () => {
  it('evicts after three failed connections in a row, longer each time', () => {
    let evictions = 0;
    const health = new Health({}, () => evictions++);
    const [endpoint] = endpoints(1) as [Endpoint];
    const fail = () => health.record(endpoint, 'connect_failure', true, 0);
    fail();
    fail();
    health.record(endpoint, 'ok', true, 0);
    fail();
    fail();
    expect(evictions).toBe(0);
    const before = Date.now();
    fail();
    expect(evictions).toBe(1);
    expect(endpoint.row.evictedUntil - before).toBeGreaterThanOrEqual(750);
    expect(endpoint.row.evictedUntil - Date.now()).toBeLessThanOrEqual(1_251);
    // While it is evicted, failures of requests that were under way change nothing.
    fail();
    expect(evictions).toBe(1);
    for (let i = 0; i < 20; i++) {
      endpoint.row.restore();
      fail();
    }
    expect(evictions).toBe(21);
    expect(endpoint.row.evictedUntil - before).toBeGreaterThanOrEqual(45_000);
    expect(endpoint.row.evictedUntil - Date.now()).toBeLessThanOrEqual(75_001);
  });

  it('evicts at once where a connection timed out, but never the only endpoint', () => {
    const health = new Health({}, () => {});
    const [a, b] = endpoints(2) as [Endpoint, Endpoint];
    health.record(a, 'connect_timeout', true, 0);
    expect(a.row.evictedUntil).toBeGreaterThan(Date.now());
    for (let i = 0; i < 10; i++) health.record(b, 'connect_timeout', false, 0);
    expect(b.row.evictedUntil).toBe(0);
  });

  it('does not mind server errors', () => {
    const health = new Health({}, () => {});
    const [endpoint] = endpoints(1) as [Endpoint];
    for (let i = 0; i < 10; i++) health.record(endpoint, 'server_error', true, 0);
    expect(endpoint.row.evictedUntil).toBe(0);
  });
});

describe('health by policy', () => {
  const withEviction = (eviction: Record<string, unknown>) => new Health({ health: { eviction } }, () => {});

  it('evicts after consecutive failures, for the configured time', () => {
    const health = withEviction({ consecutiveFailures: 3, duration: '10s' });
    const [endpoint] = endpoints(1) as [Endpoint];
    for (const outcome of ['server_error', 'no_response', 'ok', 'server_error', 'connect_failure'] as const)
      health.record(endpoint, outcome, false, 0);
    expect(endpoint.row.evictedUntil).toBe(0);
    const before = Date.now();
    health.record(endpoint, 'server_error', false, 0);
    expect(endpoint.row.evictedUntil - before).toBeGreaterThanOrEqual(10_000);
    expect(endpoint.row.evictedUntil - Date.now()).toBeLessThanOrEqual(10_001);
  });

  it('evicts below a health score, and restores the configured one', () => {
    const health = withEviction({ healthThreshold: 0.5, restoreHealth: 0.8 });
    const [endpoint] = endpoints(1) as [Endpoint];
    health.record(endpoint, 'server_error', true, 0);
    expect(endpoint.row.evictedUntil).toBe(0);
    health.record(endpoint, 'server_error', true, 0);
    expect(endpoint.row.evictedUntil).toBeGreaterThan(Date.now());
    expect(endpoint.row.health).toBeCloseTo(0.8);
  });

  it('evicts on the first failure where no criterion is given, as long as Retry-After asks', () => {
    const health = withEviction({ duration: '1s' });
    const [a, b] = endpoints(2) as [Endpoint, Endpoint];
    const before = Date.now();
    health.record(a, 'server_error', true, 20_000);
    expect(a.row.evictedUntil - before).toBeGreaterThanOrEqual(20_000);
    health.record(b, 'server_error', true, 86_400_000);
    expect(b.row.evictedUntil - Date.now()).toBeLessThanOrEqual(300_001);
  });
});

describe('a cluster of several addresses', () => {
  let from: Rig;
  const servers: RawServer[] = [];
  let addresses: string[] = [];
  const records = (ips: string[]): Promise<AddressRecord[]> =>
    ips.length === 0
      ? Promise.reject(new Error('ENOTFOUND'))
      : Promise.resolve(ips.map((address) => ({ address, ttlMs: 60_000 })));
  const lookup: NameLookup = {
    v4: () => records(addresses),
    v6: () => records([]),
    system: () => records([]),
    local: () => false,
  };

  /** One port, several loopback addresses; those in `up` have a server that says its address. */
  async function serveOn(...up: string[]): Promise<number> {
    const first = await rawServer((socket) => onRequests(socket, () => socket.write(answer(up[0]!))), { host: up[0]! });
    servers.push(first);
    return first.port;
  }
  const answer = (name: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\n\r\n${name}`;

  beforeEach(() => {
    from = rig({}, { lookup });
  });
  afterEach(async () => {
    from.clusters.close();
    for (const server of servers.splice(0)) await server.close();
  });

  it('serves from the one that can be reached, streams included', async () => {
    const port = await serveOn('127.0.0.1');
    addresses = ['127.0.0.2', '127.0.0.1', '127.0.0.3'];
    const to = cluster(from, hostSpec('api.example', port));
    for (let i = 0; i < 30; i++) {
      const body = i % 2 === 0 ? Buffer.from('x') : Readable.from([Buffer.from('x')], { objectMode: false });
      const got = await send(from.dispatch, callTo(to, { method: 'POST', body, headers: ['content-length', '1'] }));
      expect(got.error).toBeNull();
      expect(got.body).toBe('127.0.0.1');
    }
    expect(await metric(from.metrics, 'endpoint_evictions_total')).toBeGreaterThanOrEqual(2);
    expect(
      to.endpoints
        .filter((endpoint) => endpoint.row.evictedUntil > Date.now())
        .map((e) => e.address)
        .sort(),
    ).toEqual([`127.0.0.2:${port}`, `127.0.0.3:${port}`]);
    expect(to.available()).toBe(true);
  });

  it('is known to be evicted in a worker that has sent nothing there yet', async () => {
    const port = await serveOn('127.0.0.1');
    const policies = { health: { eviction: { duration: '30s', consecutiveFailures: 1 } } };
    const spec = hostSpec('127.0.0.1', port, policies);
    const here = cluster(from, spec);
    expect(here.available()).toBe(true);
    const [endpoint] = here.endpoints;
    endpoint?.row.evict(Date.now() + 30_000);
    const other = new Clusters(from.services);
    try {
      const there = other.get(spec) as LiveCluster;
      expect(there.available()).toBe(false);
      endpoint?.row.evict(0);
      expect(there.available()).toBe(true);
    } finally {
      other.close();
    }
  });

  it('says nothing against names that are not resolved yet, nor against TLS that can not be used', () => {
    expect(cluster(from, hostSpec('api.example', 1)).available()).toBe(true);
    const tls = { hostname: '', root: 'no certificate', cert: '', key: '', insecure: false, insecureHost: false };
    const broken = hostSpec('127.0.0.1', 1, {}, { ...tls, alpn: [], subjectAltNames: [] });
    expect(cluster(from, broken).available()).toBe(true);
  });

  it('fails where none can be reached, having tried them', async () => {
    const port = await serveOn('127.0.0.1');
    addresses = ['127.0.0.2', '127.0.0.3'];
    const call = callTo(cluster(from, hostSpec('api.example', port)));
    const got = await send(from.dispatch, call);
    expect(got.error?.code).toBe('upstream_connect');
    expect([...call.tried!].sort()).toEqual([`127.0.0.2:${port}`, `127.0.0.3:${port}`]);
  });

  it('fails where the name has none, and recovers when it has', async () => {
    const port = await serveOn('127.0.0.1');
    addresses = [];
    const to = cluster(from, hostSpec('api.example', port));
    expect((await send(from.dispatch, callTo(to))).error?.code).toBe('no_healthy_endpoint');
    expect(await metric(from.metrics, 'dns_failures_total')).toBe(1);
    addresses = ['127.0.0.1'];
    await until(() => to.pick(null, performance.now() + 2_000) !== null);
    await to.settled();
    expect((await send(from.dispatch, callTo(to))).body).toBe('127.0.0.1');
  });

  it('waits for a slow resolver, and may be aborted meanwhile', async () => {
    const port = await serveOn('127.0.0.1');
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    from.clusters.close();
    from = rig({}, { lookup: { ...lookup, v4: () => gate.then(() => records(['127.0.0.1'])) } });
    const to = cluster(from, hostSpec('api.example', port));
    const waiting = send(from.dispatch, callTo(to));
    const flight = from.dispatch(callTo(to), { onHead: fail, onData: fail, onEnd: fail, onError: fail });
    flight.abort();
    release();
    expect((await waiting).body).toBe('127.0.0.1');
    expect(servers[0]!.accepted()).toBe(1);
  });
  const fail = (): never => {
    throw new Error('called after an abort');
  };

  it('follows a service and its workloads', async () => {
    const port = await serveOn('127.0.0.1');
    const to = cluster(from, {
      key: 'service/ns/web',
      target: { kind: 'service', namespace: 'ns', name: 'web.example', port: 80 },
      tls: null,
      policies: {},
    });
    expect((await send(from.dispatch, callTo(to))).error?.code).toBe('no_healthy_endpoint');
    const workload = (uid: string, ip: string, healthy = true) => ({
      key: `workload/${uid}`,
      resource: {
        kind: 'workload' as const,
        key: `workload/${uid}`,
        name: uid,
        namespace: 'ns',
        addresses: [ip],
        healthy,
        services: [{ service: 'service/ns/web.example', ports: [{ port: 80, target: port }] }],
      },
    });
    const service = {
      key: 'service/ns/web.example',
      resource: {
        kind: 'service' as const,
        key: 'service/ns/web.example',
        namespace: 'ns',
        name: 'web',
        hostname: 'web.example',
        ports: { '80': 8080 },
      },
    };
    from.clusters.apply([workload('a', '127.0.0.1'), service, workload('b', '127.0.0.9', false)]);
    expect((await send(from.dispatch, callTo(to))).body).toBe('127.0.0.1');
    expect(to.endpoints.map((endpoint) => endpoint.address)).toEqual([`127.0.0.1:${port}`]);
    from.clusters.apply([workload('b', '127.0.0.9')]);
    await send(from.dispatch, callTo(to));
    expect(to.endpoints).toHaveLength(2);
    from.clusters.apply([
      { key: 'workload/a', resource: null },
      { key: 'workload/b', resource: null },
    ]);
    expect((await send(from.dispatch, callTo(to))).error?.code).toBe('no_healthy_endpoint');
    from.clusters.apply([workload('a', '127.0.0.1'), { key: service.key, resource: null }]);
    expect((await send(from.dispatch, callTo(to))).error?.code).toBe('no_healthy_endpoint');
    from.clusters.apply([service]);
    expect((await send(from.dispatch, callTo(to))).body).toBe('127.0.0.1');
  });
});
