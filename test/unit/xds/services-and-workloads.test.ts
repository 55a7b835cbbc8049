import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeService, makeWorkload, type ServiceParts, type WorkloadParts } from '../../../src/resources/discovery.ts';
import { canonicalIp, ipBytes, ipText } from '../../../src/resources/ip.ts';
import { WireError, type WireMessage } from '../../../src/resources/wire.ts';
import { Notes } from '../../../src/xds/translate/notes.ts';
import { readService, writeService } from '../../../src/xds/translate/service.ts';
import { readWorkload, writeWorkload } from '../../../src/xds/translate/workload.ts';
import { messageType } from '../../../src/xds/wire/protos.ts';

function overTheWire(name: string, message: WireMessage): WireMessage {
  const type = messageType(name);
  return type.decode(type.encode(message));
}

const word = fc.stringMatching(/^[a-z0-9.-]{1,12}$/);
const ip = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => canonicalIp(text) as string);
const number = fc.integer({ min: 1, max: 65535 });
const ports = (target = fc.integer({ min: 0, max: 65535 })) =>
  fc.dictionary(number.map(String), target, { maxKeys: 4 });
const sometimes = <Value>(of: fc.Arbitrary<Value>) => fc.option(of, { nil: undefined });
const networkAddress = fc.tuple(fc.constantFrom('', 'n1'), ip).map((parts) => parts.join('/'));
const gatewayAddress = fc.record({
  destination: fc.oneof(
    networkAddress,
    fc.tuple(word, fc.constant('gw.example')).map((parts) => parts.join('/')),
  ),
  hboneMtlsPort: fc.constantFrom(0, 15008),
});

const service: fc.Arbitrary<ServiceParts> = ports().chain(
  (ports) =>
    fc.record({
      namespace: word,
      name: word,
      hostname: word,
      ports: fc.constant(ports),
      appProtocols: fc.dictionary(
        fc.constantFrom('none', ...Object.keys(ports)).filter((port) => port !== 'none'),
        fc.constantFrom('Http11' as const, 'Http2' as const, 'Grpc' as const, 'Tcp' as const, 'Tls' as const),
        { maxKeys: Object.keys(ports).length === 0 ? 0 : 3 },
      ),
      vips: fc.array(networkAddress, { maxLength: 2 }),
      subjectAltNames: fc.array(word, { maxLength: 2 }),
      waypoint: sometimes(gatewayAddress),
      weightedWaypoints: fc.array(fc.record({ destination: gatewayAddress, weight: fc.nat(100) }), { maxLength: 2 }),
      ingressUseWaypoint: sometimes(fc.constant(true as const)),
      loadBalancer: sometimes(
        fc.record({
          routingPreferences: fc.subarray(['Region', 'Zone', 'Subzone', 'Node', 'Cluster', 'Network'] as const),
          mode: fc.constantFrom('Standard' as const, 'Strict' as const, 'Failover' as const, 'Passthrough' as const),
          healthPolicy: fc.constantFrom('OnlyHealthy' as const, 'AllowAll' as const),
        }),
      ),
      ipFamilies: sometimes(fc.constantFrom('Dual' as const, 'IPv4' as const, 'IPv6' as const)),
      canonical: sometimes(fc.constant(true as const)),
    }) as fc.Arbitrary<ServiceParts>,
);

const workload: fc.Arbitrary<WorkloadParts> = fc.record({
  name: word,
  namespace: word,
  addresses: fc.array(ip, { maxLength: 3 }),
  healthy: fc.boolean(),
  services: fc
    .dictionary(
      fc.tuple(word, word).map(([namespace, hostname]) => `service/${namespace}/${hostname}`),
      ports(number),
      { maxKeys: 3 },
    )
    .map((all) =>
      Object.entries(all).map(([service, targets]) => ({
        service,
        ports: Object.entries(targets).map(([port, target]) => ({ port: Number(port), target })),
      })),
    ),
  hostname: sometimes(word),
  protocol: sometimes(fc.constantFrom('HBONE' as const, 'LegacyIstioMtls' as const)),
  network: sometimes(word),
  networkGateway: sometimes(gatewayAddress),
  waypoint: sometimes(gatewayAddress),
  hostNetwork: sometimes(fc.constant(true as const)),
  locality: sometimes(
    fc.record({ region: fc.constantFrom('', 'r'), zone: fc.constantFrom('', 'z'), subzone: fc.constantFrom('', 's') }),
  ),
  node: sometimes(word),
  clusterId: sometimes(fc.constantFrom('Kubernetes', 'other')),
  trustDomain: sometimes(fc.constantFrom('cluster.local', 'other')),
  serviceAccount: sometimes(fc.constantFrom('default', 'other')),
  capacity: sometimes(fc.constantFrom(0, 1, 7)),
});

describe('services and workloads', () => {
  it('are the same after the wire', () => {
    fc.assert(
      fc.property(service, (parts) => {
        const made = makeService(parts);
        expect(readService(overTheWire('istio.workload.Service', writeService(made)), new Notes())).toEqual(made);
      }),
    );
    fc.assert(
      fc.property(word, workload, (uid, parts) => {
        const made = makeWorkload(uid, parts);
        expect(readWorkload(overTheWire('istio.workload.Workload', writeWorkload(made)))).toEqual(made);
      }),
    );
  });

  it('leave out what is empty or as it would be anyhow', () => {
    const wire = {
      uid: 'Kubernetes//Pod/ns/a',
      addresses: [Uint8Array.of(10, 0, 0, 1)],
      cluster_id: 'Kubernetes',
      trust_domain: 'cluster.local',
      service_account: 'default',
      locality: {},
      capacity: { value: 1 },
      services: { 'ns/web': { ports: [{ service_port: 80 }, { service_port: 81, target_port: 8081 }] } },
    };
    expect(readWorkload(overTheWire('istio.workload.Workload', wire))).toEqual({
      kind: 'workload',
      key: 'workload/Kubernetes//Pod/ns/a',
      name: '',
      namespace: '',
      addresses: ['10.0.0.1'],
      healthy: true,
      services: [
        {
          service: 'service/ns/web',
          ports: [
            { port: 80, target: 80 },
            { port: 81, target: 8081 },
          ],
        },
      ],
    });
    const service = { hostname: 'web', namespace: 'ns', load_balancing: {}, ports: [{ service_port: 80 }] };
    expect(readService(overTheWire('istio.workload.Service', service), new Notes())).toEqual({
      kind: 'service',
      key: 'service/ns/web',
      namespace: 'ns',
      name: '',
      hostname: 'web',
      ports: { 80: 0 },
    });
  });

  it.each([
    ['an address of 5 bytes', { uid: 'a', addresses: [new Uint8Array(5)] }, 'addresses.0'],
    ['no uid', {}, 'uid'],
    [
      'a port too high',
      { uid: 'a', services: { 'n/s': { ports: [{ service_port: 70000 }] } } },
      'services.n/s.service_port',
    ],
    ['a gateway without a destination', { uid: 'a', network_gateway: {} }, 'network_gateway'],
    ['a status of another version', { uid: 'a', status: 7 }, 'status'],
  ])('are refused with %s', (_, wire, path) => {
    let refusal: unknown;
    try {
      readWorkload(overTheWire('istio.workload.Workload', wire));
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(WireError);
    expect((refusal as WireError).path.join('.')).toBe(path);
  });

  it('are warned of where they need what is not spoken', () => {
    const notes = new Notes();
    const waypoint = { hostname: { namespace: 'ns', hostname: 'waypoint' } };
    readService({ hostname: 'web', ingress_use_waypoint: true }, notes);
    readService({ hostname: 'web', waypoint }, notes);
    expect(notes.warnings).toEqual([]);
    readService({ hostname: 'web', ingress_use_waypoint: true, waypoint }, notes);
    expect(notes.warnings).toHaveLength(1);
    expect(notes.warnings[0]).toContain('HBONE');
  });
});

describe('IP addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::', '::'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4:5:6:c000:201'],
    ['fe80::1%eth0', null],
    ['192.0.2', null],
    ['web', null],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalIp(text)).toBe(canonical);
  });

  it('are the same as bytes and as text', () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(ipBytes(ipText(bytes) ?? '')).toEqual(bytes);
      }),
    );
    expect(ipText(new Uint8Array(5))).toBeNull();
  });
});
