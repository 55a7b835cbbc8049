import { makeWorkload } from '../../resources/discovery.ts';
import type { Workload } from '../../resources/types.ts';
import { oneWord, type WireMessage } from '../../resources/wire.ts';
import { readGatewayAddress, readIp, readPorts, writeGatewayAddress, writeIp, writePort } from './discovery.ts';
import { below, messageIn, numberIn, required, textIn } from './notes.ts';

type Protocol = NonNullable<Workload['protocol']>;

const PROTOCOL = oneWord<Protocol | 'TCP'>(
  { TCP: 'NONE', HBONE: 'HBONE', LegacyIstioMtls: 'LEGACY_ISTIO_MTLS' },
  'TCP',
);
const STATUS = oneWord({ healthy: 'HEALTHY', unhealthy: 'UNHEALTHY' }, 'healthy');

/** istio.workload.Workload. Throws WireError. */
export function readWorkload(wire: WireMessage): Workload {
  const services = Object.entries((wire.services ?? {}) as Record<string, WireMessage>).map(([name, message]) => {
    // A target that a workload leaves open is the service's port.
    const ports = below(['services', name], () => readPorts(message)).map(({ port, target }) => ({
      port,
      target: target || port,
    }));
    return { service: `service/${name}`, ports };
  });
  const protocol = below(['tunnel_protocol'], () => PROTOCOL.read(wire.tunnel_protocol));
  const locality = messageIn(wire, 'locality');
  const capacity = messageIn(wire, 'capacity');
  return makeWorkload(required(wire, 'uid'), {
    name: textIn(wire, 'name'),
    namespace: textIn(wire, 'namespace'),
    addresses: ((wire.addresses ?? []) as unknown[]).map((ip, index) => below(['addresses', index], () => readIp(ip))),
    hostname: textIn(wire, 'hostname'),
    healthy: below(['status'], () => STATUS.read(wire.status)) === 'healthy',
    services,
    protocol: protocol === 'TCP' ? undefined : protocol,
    network: textIn(wire, 'network'),
    networkGateway: below(['network_gateway'], () => readGatewayAddress(messageIn(wire, 'network_gateway'))),
    waypoint: below(['waypoint'], () => readGatewayAddress(messageIn(wire, 'waypoint'))),
    hostNetwork: wire.network_mode === 'HOST_NETWORK' || undefined,
    locality: locality && {
      region: textIn(locality, 'region'),
      zone: textIn(locality, 'zone'),
      subzone: textIn(locality, 'subzone'),
    },
    node: textIn(wire, 'node'),
    clusterId: textIn(wire, 'cluster_id'),
    trustDomain: textIn(wire, 'trust_domain'),
    serviceAccount: textIn(wire, 'service_account'),
    capacity: capacity && numberIn(capacity, 'value'),
  });
}

/** Throws WireError. */
export function writeWorkload(workload: Workload): WireMessage {
  const { networkGateway, waypoint, locality, capacity } = workload;
  const texts: [string, string | undefined][] = [
    ['name', workload.name],
    ['namespace', workload.namespace],
    ['hostname', workload.hostname],
    ['network', workload.network],
    ['tunnel_protocol', workload.protocol && (PROTOCOL.write(workload.protocol) as string)],
    ['status', workload.healthy ? undefined : 'UNHEALTHY'],
    ['network_mode', workload.hostNetwork && 'HOST_NETWORK'],
    ['node', workload.node],
    ['cluster_id', workload.clusterId],
    ['trust_domain', workload.trustDomain],
    ['service_account', workload.serviceAccount],
  ];
  return {
    uid: workload.key.slice('workload/'.length),
    ...Object.fromEntries(texts.filter(([, value]) => value !== undefined)),
    addresses: workload.addresses.map(writeIp),
    services: Object.fromEntries(
      workload.services.map(({ service, ports }) => [
        service.slice('service/'.length),
        { ports: ports.map(({ port, target }) => writePort(port, target)) },
      ]),
    ),
    ...(networkGateway && { network_gateway: writeGatewayAddress(networkGateway) }),
    ...(waypoint && { waypoint: writeGatewayAddress(waypoint) }),
    ...(locality && { locality }),
    ...(capacity !== undefined && { capacity: { value: capacity } }),
  };
}
