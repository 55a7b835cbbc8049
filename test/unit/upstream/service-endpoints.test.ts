import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeService, makeWorkload } from '../../../src/resources/discovery.ts';
import type { SelfSettings } from '../../../src/resources/settings.ts';
import type { Membership, Service, Workload } from '../../../src/resources/types.ts';
import type { Place } from '../../../src/upstream/addresses.ts';
import { Names } from '../../../src/upstream/resolve.ts';
import { ServiceAddresses } from '../../../src/upstream/service-addresses.ts';
import { type ResourceChange, ServiceEndpoints } from '../../../src/upstream/service-endpoints.ts';

const SELF: SelfSettings = {
  network: 'near',
  node: 'n1',
  clusterId: 'Kubernetes',
  locality: { region: 'r1', zone: 'z1', subzone: '' },
  podName: '',
  podNamespace: '',
};

const FAILOVER: NonNullable<Service['loadBalancer']> = {
  routingPreferences: ['Network', 'Region', 'Zone'],
  mode: 'Failover',
  healthPolicy: 'OnlyHealthy',
};

function service(more: Partial<Service> = {}): ResourceChange {
  const made = makeService({ namespace: 'ns', name: 'web', hostname: 'web.example', ports: { 80: 8080 }, ...more });
  return { key: made.key, resource: made };
}

function workload(uid: string, more: Partial<Workload> = {}): ResourceChange {
  const made = makeWorkload(uid, {
    name: uid,
    namespace: 'ns',
    addresses: ['10.0.0.1'],
    healthy: true,
    services: [{ service: 'service/ns/web.example', ports: [] }],
    ...more,
  });
  return { key: made.key, resource: made };
}

/** That a workload belongs to the service, each of its ports leading to a target. */
function memberOf(hostname: string, targets: Record<string, number>): Membership {
  const ports = Object.entries(targets).map(([port, target]) => ({ port: Number(port), target }));
  return { service: `service/ns/${hostname}`, ports };
}

const gone = (key: string): ResourceChange => ({ key, resource: null });

/** Names that are known at once, as far as they are in the table. */
function names(table: Readonly<Record<string, string[]>> = {}): Names {
  const records = async (name: string) => {
    const found = table[name];
    if (found === undefined) throw new Error('no such name');
    return found.map((address) => ({ address, ttlMs: 60_000 }));
  };
  const none = async () => [];
  return new Names({ v4: records, v6: none, system: records, local: () => false }, 'V4Only', () => {});
}

/** A follower of one port that keeps what it was told, as clusters do. */
class Follower {
  readonly services: ServiceEndpoints;
  readonly source: ServiceAddresses;
  readonly places = new Map<string, Place>();

  constructor(services: ServiceEndpoints, { name = 'web.example', port = 80, with: known = names() } = {}) {
    this.services = services;
    this.source = new ServiceAddresses(known, services, 'ns', name, port);
  }

  /** `address tier weight`, sorted. */
  read(): string[] {
    this.source.ready(0);
    for (const [address, place] of this.source.take()) {
      if (place === null) this.places.delete(address);
      else this.places.set(address, place);
    }
    return [...this.places.values()].map(({ address, tier, weight }) => `${address} ${tier} ${weight}`).sort();
  }
}

function follow(changes: ResourceChange[], self: SelfSettings | null = SELF, options = {}): Follower {
  const services = new ServiceEndpoints(self);
  services.apply(changes);
  return new Follower(services, options);
}

describe('endpoints of a service', () => {
  it('are healthy workloads at the port that the service, or the workload itself, says', () => {
    const follower = follow([
      service({ ports: { 80: 8080, 81: 0 } }),
      workload('a'),
      workload('b', { addresses: ['10.0.0.2'], services: [memberOf('web.example', { 80: 9090, 81: 9091 })] }),
      workload('sick', { addresses: ['10.0.0.3'], healthy: false }),
      workload('drained', { addresses: ['10.0.0.4'], capacity: 0 }),
      workload('elsewhere', { addresses: ['10.0.0.5'], services: [memberOf('other', { 80: 80 })] }),
    ]);
    expect(follower.read()).toEqual(['10.0.0.1:8080 0 1', '10.0.0.2:9090 0 1']);
    // Of a port that the service leaves to its workloads, those that say it.
    expect(new Follower(follower.services, { port: 81 }).read()).toEqual(['10.0.0.2:9091 0 1']);
    expect(new Follower(follower.services, { port: 82 }).read()).toEqual([]);
    expect(new Follower(follower.services, { name: 'web' }).read()).toHaveLength(2);
    follower.services.apply([
      service({ loadBalancer: { ...FAILOVER, mode: 'Standard', healthPolicy: 'AllowAll' } }),
      workload('drained', { addresses: ['10.0.0.4'], capacity: 7 }),
    ]);
    expect(follower.read()).toEqual([
      '10.0.0.1:8080 0 1',
      '10.0.0.2:9090 0 1',
      '10.0.0.3:8080 0 1',
      '10.0.0.4:8080 0 7',
    ]);
  });

  it('are one for each workload, of the address family that the service has', () => {
    const dual = workload('a', { addresses: ['fd00::1', '10.0.0.1'] });
    expect(follow([service(), dual]).read()).toEqual(['[fd00::1]:8080 0 1']);
    expect(follow([service({ ipFamilies: 'IPv4' }), dual]).read()).toEqual(['10.0.0.1:8080 0 1']);
    expect(follow([service({ ipFamilies: 'IPv4' }), workload('a', { addresses: ['fd00::1'] })]).read()).toEqual([]);
  });

  it('rank by the preferences they match before the first they do not', () => {
    const at = (uid: string, ip: string, network: string, region: string, zone: string): ResourceChange =>
      workload(uid, { addresses: [ip], network, locality: { region, zone, subzone: '' } });
    const workloads = [
      at('all', '10.0.0.1', 'near', 'r1', 'z1'),
      at('zone', '10.0.0.2', 'near', 'r1', 'z2'),
      at('region', '10.0.0.3', 'near', 'r2', 'z1'),
      at('network', '10.0.0.4', 'far', 'r1', 'z1'),
    ];
    const ranked = ['10.0.0.1:8080 0 1', '10.0.0.2:8080 1 1', '10.0.0.3:8080 2 1', '10.0.0.4:8080 3 1'];
    const follower = follow([service({ loadBalancer: FAILOVER }), ...workloads]);
    expect(follower.read()).toEqual(ranked);
    follower.services.apply([service({ loadBalancer: { ...FAILOVER, mode: 'Strict' } })]);
    expect(follower.read()).toEqual(ranked.slice(0, 1));
    const alike = ranked.map((text) => text.replace(/ \d 1$/, ' 0 1'));
    for (const mode of ['Standard', 'Passthrough'] as const) {
      follower.services.apply([service({ loadBalancer: { ...FAILOVER, mode } })]);
      expect(follower.read()).toEqual(alike);
    }
    // Nobody knows where this process is.
    expect(follow([service({ loadBalancer: { ...FAILOVER, mode: 'Strict' } }), ...workloads], null).read()).toEqual(
      alike,
    );
    const scopes: NonNullable<Service['loadBalancer']> = { ...FAILOVER, routingPreferences: ['Cluster', 'Node'] };
    const nodes = follow([
      service({ loadBalancer: scopes }),
      workload('here', { node: 'n1' }),
      workload('beside', { addresses: ['10.0.0.2'], node: 'n2' }),
      workload('abroad', { addresses: ['10.0.0.3'], node: 'n1', clusterId: 'other' }),
    ]);
    expect(nodes.read()).toEqual(['10.0.0.1:8080 0 1', '10.0.0.2:8080 1 1', '10.0.0.3:8080 2 1']);
  });

  it('rank anew once the workload that this process is becomes known', () => {
    const self = { ...SELF, locality: null, podName: 'gateway-1', podNamespace: 'infra' };
    const follower = follow(
      [
        service({ loadBalancer: { ...FAILOVER, routingPreferences: ['Zone'] } }),
        workload('a', { locality: { region: 'r1', zone: 'z1', subzone: '' } }),
        workload('b', { addresses: ['10.0.0.2'], locality: { region: 'r1', zone: 'z2', subzone: '' } }),
      ],
      self,
    );
    expect(follower.read()).toEqual(['10.0.0.1:8080 0 1', '10.0.0.2:8080 0 1']);
    const pod = (zone: string, clusterId = 'Kubernetes'): ResourceChange =>
      workload('pod', {
        name: 'gateway-1',
        namespace: 'infra',
        clusterId,
        services: [],
        locality: { region: 'r1', zone, subzone: '' },
      });
    follower.services.apply([pod('z2', 'another')]);
    expect(follower.read()).toEqual(['10.0.0.1:8080 0 1', '10.0.0.2:8080 0 1']);
    follower.services.apply([pod('z2')]);
    expect(follower.read()).toEqual(['10.0.0.1:8080 1 1', '10.0.0.2:8080 0 1']);
    follower.services.apply([gone('workload/pod')]);
    expect(follower.read()).toEqual(['10.0.0.1:8080 1 1', '10.0.0.2:8080 0 1']);
  });

  it('are none of those that are spoken to in a way that is not there, and that is said', () => {
    const far = { network: 'far', networkGateway: { destination: 'far/192.0.2.1', hboneMtlsPort: 15008 } };
    const cases: [ResourceChange[], RegExp][] = [
      [
        [service(), workload('a', { protocol: 'HBONE' })],
        /^The service ns\/web\.example has .* HBONE, which this version does not speak\.$/,
      ],
      [[service(), workload('a', { protocol: 'LegacyIstioMtls' })], /mutual TLS/],
      [[service(), workload('a', far)], /network "far", reached through that network's gateway/],
      [[service(), workload('a', { addresses: [], hostname: '*.example' })], /\*\.example/],
      [
        [
          service({ ingressUseWaypoint: true, waypoint: { destination: 'ns/waypoint', hboneMtlsPort: 0 } }),
          workload('a'),
        ],
        /waypoint ns\/waypoint by HBONE/,
      ],
    ];
    for (const [changes, reason] of cases) {
      const follower = follow(changes);
      expect(follower.read()).toEqual([]);
      expect(follower.source.refusal).toMatch(reason);
      // Those that can be spoken to serve, the waypoint's service aside.
      follower.services.apply([workload('plain', { addresses: ['10.0.0.9'] })]);
      expect(follower.read()).toHaveLength(reason.source.includes('waypoint ns') ? 0 : 1);
    }
    // What would not serve anyhow is no reason; nor is a waypoint that requests from gateways may pass by.
    const sick = follow([service(), workload('a', { protocol: 'HBONE', healthy: false })]);
    expect([sick.read(), sick.source.refusal]).toEqual([[], null]);
    expect(
      follow([service({ waypoint: { destination: 'ns/waypoint', hboneMtlsPort: 0 } }), workload('a')]).read(),
    ).toHaveLength(1);
    // In this process's own network the gateway isn't needed.
    expect(follow([service(), workload('a', { ...far, network: 'near' })]).read()).toHaveLength(1);
  });

  it('are found by name where a workload has no address', async () => {
    const known = names({ 'a.example': ['192.0.2.1', '192.0.2.2'] });
    const changes = [service(), workload('a', { addresses: [], hostname: 'a.example', capacity: 3 })];
    const follower = follow(changes, SELF, { with: known });
    expect(follower.source.ready(performance.now())).toBe(false);
    expect(follower.read()).toEqual([]);
    await follower.source.settled();
    expect(follower.source.ready(performance.now())).toBe(true);
    expect(follower.read()).toEqual(['192.0.2.1:8080 0 3', '192.0.2.2:8080 0 3']);
    // A name nobody knows keeps nobody waiting where there are others.
    follower.services.apply([workload('b', { addresses: [], hostname: 'unknown.example' })]);
    expect(follower.source.ready(performance.now())).toBe(true);
    follower.services.apply([gone('workload/a')]);
    expect(follower.read()).toEqual([]);
    expect(known.size).toBe(1);
    follower.source.close();
    expect(known.size).toBe(0);
    expect(follower.services.sizes.watches).toBe(0);
  });

  it('stay while any of several workloads is at an address, as the most preferred of them', () => {
    const heavy = workload('b', { capacity: 5 });
    const follower = follow([service(), workload('a'), heavy]);
    expect(follower.read()).toEqual(['10.0.0.1:8080 0 5']);
    follower.services.apply([gone(heavy.key)]);
    expect(follower.read()).toEqual(['10.0.0.1:8080 0 1']);
    follower.services.apply([gone('workload/a')]);
    expect(follower.read()).toEqual([]);
  });

  it('after any changes are those of the last state, and nothing is kept of what has gone', () => {
    const hostname = fc.constantFrom('web.example', 'api.example');
    const someService = fc
      .record({
        hostname,
        name: fc.constantFrom('web', 'api'),
        ports: fc.dictionary(fc.constantFrom('80', '81'), fc.constantFrom(0, 8080)),
        loadBalancer: fc.option(
          fc.record({
            routingPreferences: fc.subarray<'Network' | 'Region' | 'Zone'>(['Network', 'Region', 'Zone']),
            mode: fc.constantFrom('Standard' as const, 'Failover' as const, 'Strict' as const),
            healthPolicy: fc.constantFrom('OnlyHealthy' as const, 'AllowAll' as const),
          }),
          { nil: undefined },
        ),
        ingressUseWaypoint: fc.constantFrom(undefined, undefined, true as const),
      })
      .map((parts) => service({ ...parts, waypoint: { destination: 'ns/w', hboneMtlsPort: 0 } } as Partial<Service>));
    const ports = fc.dictionary(fc.constantFrom('80', '81'), fc.constantFrom(0, 9090), { maxKeys: 2 });
    const someWorkload = fc
      .record({
        uid: fc.constantFrom('a', 'b', 'c', 'd'),
        addresses: fc.subarray(['10.0.0.1', '10.0.0.2', 'fd00::1']),
        healthy: fc.boolean(),
        capacity: fc.constantFrom(0, 1, 1, 2),
        network: fc.constantFrom('near', 'far'),
        locality: fc.record({
          region: fc.constantFrom('r1', 'r2'),
          zone: fc.constantFrom('z1', 'z2'),
          subzone: fc.constant(''),
        }),
        protocol: fc.constantFrom(undefined, undefined, 'HBONE' as const),
        services: fc
          .dictionary(fc.constantFrom('web.example', 'api.example'), ports)
          .map((all) => Object.entries(all).map(([hostname, targets]) => memberOf(hostname, targets))),
      })
      .map(({ uid, ...parts }) => workload(uid, parts as Partial<Workload>));
    const removal = fc
      .constantFrom('workload/a', 'workload/b', 'workload/c', 'service/ns/web.example', 'service/ns/api.example')
      .map(gone);
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.oneof(someWorkload, someService, removal) },
      { weight: 1, arbitrary: fc.constant('read' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, kept) => {
        const state = new Map<string, ResourceChange>();
        const services = new ServiceEndpoints(SELF, kept ? null : (key) => state.get(key)?.resource ?? null);
        const followed = [{ port: 80 }, { port: 81 }, { name: 'web' }, { name: 'api', port: 81 }];
        const followers = followed.map((options) => new Follower(services, options));
        for (const one of steps) {
          if (one === 'read') for (const follower of followers) follower.read();
          else {
            if (one.resource === null) state.delete(one.key);
            else state.set(one.key, one);
            services.apply([one]);
          }
        }
        const scratch = new ServiceEndpoints(SELF);
        scratch.apply([...state.values()].toReversed());
        followed.forEach((options, i) => {
          const built = new Follower(scratch, options);
          expect(followers[i]?.read()).toEqual(built.read());
          if (built.places.size === 0)
            expect(followers[i]?.source.refusal === null).toBe(built.source.refusal === null);
          followers[i]?.source.close();
        });
        const keys = [...state.keys()];
        state.clear();
        services.apply(keys.map(gone));
        expect(services.sizes).toEqual({ services: 0, workloads: 0, watches: 0 });
      }),
      { numRuns: 500 },
    );
  });
});
