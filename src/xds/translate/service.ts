import { makeService } from '../../resources/discovery.ts';
import type { LoadBalancer, LoadBalancerScope, Service } from '../../resources/types.ts';
import { list, message, oneWord, type WireMessage } from '../../resources/wire.ts';
import {
  readGatewayAddress,
  readNetworkAddress,
  readPorts,
  writeGatewayAddress,
  writeNetworkAddress,
  writePort,
} from './discovery.ts';
import { below, messageIn, messagesIn, type Notes, numberIn, required, textIn } from './notes.ts';

type AppProtocol = NonNullable<Service['appProtocols']>[string];
type IpFamilies = NonNullable<Service['ipFamilies']>;

const SCOPE = oneWord<LoadBalancerScope>({
  Region: 'REGION',
  Zone: 'ZONE',
  Subzone: 'SUBZONE',
  Node: 'NODE',
  Cluster: 'CLUSTER',
  Network: 'NETWORK',
});
const MODE = oneWord<LoadBalancer['mode']>(
  { Standard: 'UNSPECIFIED_MODE', Strict: 'STRICT', Failover: 'FAILOVER', Passthrough: 'PASSTHROUGH' },
  'Standard',
);
const HEALTH = oneWord<LoadBalancer['healthPolicy']>(
  { OnlyHealthy: 'ONLY_HEALTHY', AllowAll: 'ALLOW_ALL' },
  'OnlyHealthy',
);
const LOAD_BALANCER = message<LoadBalancer>({
  routingPreferences: ['routing_preference', list(SCOPE)],
  mode: MODE,
  healthPolicy: ['health_policy', HEALTH],
});
const APP_PROTOCOL = oneWord<AppProtocol | 'Unknown'>(
  { Unknown: 'UNKNOWN', Http11: 'HTTP11', Http2: 'HTTP2', Grpc: 'GRPC', Tcp: 'TCP', Tls: 'TLS' },
  'Unknown',
);
const IP_FAMILIES = oneWord<IpFamilies | 'Automatic'>(
  { Automatic: 'AUTOMATIC', IPv4: 'IPV4_ONLY', IPv6: 'IPV6_ONLY', Dual: 'DUAL' },
  'Automatic',
);

/** istio.workload.Service. Throws WireError. */
export function readService(wire: WireMessage, notes: Notes): Service {
  const appProtocols: Record<string, AppProtocol> = {};
  messagesIn(wire, 'ports').forEach((port, index) => {
    const protocol = below(['ports', index, 'app_protocol'], () => APP_PROTOCOL.read(port.app_protocol));
    if (protocol !== undefined && protocol !== 'Unknown') appProtocols[numberIn(port, 'service_port')] = protocol;
  });
  const families = below(['ip_families'], () => IP_FAMILIES.read(wire.ip_families));
  const policy = below(['load_balancing'], () => LOAD_BALANCER.read(wire.load_balancing));
  const waypoint = messageIn(wire, 'waypoint');
  const weighted = messagesIn(wire, 'weighted_waypoints');
  if (wire.ingress_use_waypoint === true && (waypoint ?? weighted[0]) !== undefined) {
    notes.warn('ingress_use_waypoint: HBONE is not spoken by this version; the service answers 503');
  }
  return makeService({
    namespace: textIn(wire, 'namespace'),
    name: textIn(wire, 'name'),
    hostname: required(wire, 'hostname'),
    ports: Object.fromEntries(readPorts(wire).map(({ port, target }) => [port, target])),
    appProtocols,
    vips: messagesIn(wire, 'addresses').map((one, index) => below(['addresses', index], () => readNetworkAddress(one))),
    subjectAltNames: (wire.subject_alt_names ?? []) as string[],
    waypoint: below(['waypoint'], () => readGatewayAddress(waypoint)),
    weightedWaypoints: weighted.map((one, index) => ({
      destination: below(['weighted_waypoints', index], () => readGatewayAddress(messageIn(one, 'destination') ?? {})),
      weight: numberIn(one, 'weight'),
    })),
    ingressUseWaypoint: wire.ingress_use_waypoint === true || undefined,
    loadBalancer: policy && {
      routingPreferences: policy.routingPreferences ?? [],
      mode: policy.mode ?? 'Standard',
      healthPolicy: policy.healthPolicy ?? 'OnlyHealthy',
    },
    ipFamilies: families === 'Automatic' ? undefined : families,
    canonical: wire.canonical === true || undefined,
  });
}

/** Throws WireError. */
export function writeService(service: Service): WireMessage {
  const { namespace, name, hostname, ports, appProtocols = {}, vips = [], weightedWaypoints = [] } = service;
  const numbers = new Set([...Object.keys(ports), ...Object.keys(appProtocols)]);
  return {
    namespace,
    name,
    hostname,
    ports: [...numbers].map((port) => {
      const protocol = APP_PROTOCOL.write(appProtocols[port] ?? 'Unknown');
      return {
        ...writePort(Number(port), ports[port] ?? 0),
        ...(protocol !== undefined && { app_protocol: protocol }),
      };
    }),
    addresses: vips.map(writeNetworkAddress),
    subject_alt_names: service.subjectAltNames ?? [],
    ...(service.waypoint && { waypoint: writeGatewayAddress(service.waypoint) }),
    weighted_waypoints: weightedWaypoints.map(({ destination, weight }) => ({
      destination: writeGatewayAddress(destination),
      weight,
    })),
    ...(service.ingressUseWaypoint && { ingress_use_waypoint: true }),
    ...(service.loadBalancer && { load_balancing: LOAD_BALANCER.write(service.loadBalancer) }),
    ...(service.ipFamilies && { ip_families: IP_FAMILIES.write(service.ipFamilies) }),
    ...(service.canonical && { canonical: true }),
  };
}
