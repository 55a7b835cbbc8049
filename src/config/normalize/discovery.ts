import { makeService, makeWorkload, serviceKey } from '../../resources/discovery.ts';
import { canonicalIp } from '../../resources/ip.ts';
import type { LocalService, LocalWorkload } from '../../resources/schema/index.ts';
import type { GatewayAddress, Membership } from '../../resources/types.ts';
import type { Path } from '../fault.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';

/** Local service discovery, in the JSON shapes of Istio's workload discovery (WDS). */

/** `namespace/hostname` of a service. */
export function serviceName(service: LocalService, fallbackNamespace: string): string {
  return `${service.namespace ?? fallbackNamespace}/${service.hostname ?? service.name ?? ''}`;
}

export function normalizeService(context: Context, section: Section<LocalService>): void {
  const name = section.get('name');
  const hostname = section.get('hostname') ?? name;
  if (hostname === undefined || hostname === '') {
    context.fault(section.path, 'a service needs a hostname or a name');
    return;
  }
  const ports = section.get('ports') ?? {};
  if (section.get('ingressUseWaypoint')) context.inactive(section.at('ingressUseWaypoint'), true);
  const appProtocols = section.get('appProtocols') ?? {};
  for (const port of Object.keys(ports)) checkPort(context, port, section.at('ports', port));
  for (const port of Object.keys(appProtocols)) checkPort(context, port, section.at('appProtocols', port));
  const service = makeService({
    namespace: section.get('namespace') ?? context.identity.namespace,
    name: name ?? hostname,
    hostname,
    ports,
    appProtocols,
    vips: (section.get('vips') ?? []).map((vip, i) => networkAddress(context, vip, section.at('vips', i))),
    subjectAltNames: section.get('subjectAltNames'),
    waypoint: gatewayAddress(context, section.get('waypoint'), section.at('waypoint')),
    weightedWaypoints: section.get('weightedWaypoints')?.map(({ destination, weight }, i) => {
      const path = section.at('weightedWaypoints', i, 'destination');
      return { destination: gatewayAddress(context, destination, path) ?? NOWHERE, weight };
    }),
    ingressUseWaypoint: section.get('ingressUseWaypoint') || undefined,
    loadBalancer: pick(section.get('loadBalancer'), ['routingPreferences', 'mode', 'healthPolicy']),
    ipFamilies: section.get('ipFamilies'),
    canonical: section.get('canonical') || undefined,
  });
  context.emit(service, section.path);
}

export function normalizeWorkload(context: Context, section: Section<LocalWorkload>): void {
  const name = section.get('name') ?? '';
  const namespace = section.get('namespace') ?? context.identity.namespace;
  const uid = section.get('uid') ?? `${namespace}/${name}`;
  if (uid === `${namespace}/`) {
    context.fault(section.path, 'a workload needs a uid or a name');
    return;
  }
  const status = section.get('status') ?? 'Healthy';
  if (!/^(un)?healthy$/i.test(status)) {
    context.fault(section.at('status'), `"${status}" is neither Healthy nor Unhealthy`);
  }
  const protocol = section.get('protocol') ?? 'TCP';
  if (protocol !== 'TCP') context.inactive(section.at('protocol'), true);
  const workload = makeWorkload(uid, {
    name,
    namespace,
    addresses: (section.get('workloadIps') ?? []).map((ip, i) => address(context, ip, section.at('workloadIps', i))),
    hostname: section.get('hostname'),
    healthy: status.toLowerCase() === 'healthy',
    services: services(context, section, namespace),
    protocol: protocol === 'TCP' ? undefined : protocol,
    network: section.get('network'),
    networkGateway: gatewayAddress(context, section.get('networkGateway'), section.at('networkGateway')),
    waypoint: gatewayAddress(context, section.get('waypoint'), section.at('waypoint')),
    hostNetwork: section.get('networkMode') === 'HostNetwork' || undefined,
    locality: pick(section.get('locality'), ['region', 'zone', 'subzone']),
    node: section.get('node'),
    clusterId: section.get('clusterId'),
    trustDomain: section.get('trustDomain'),
    serviceAccount: section.get('serviceAccount'),
    capacity: section.get('capacity'),
  });
  context.emit(workload, section.path);
}

/** The services a workload belongs to, by key; a target port of 0 is the service's own port. */
function services(context: Context, section: Section<LocalWorkload>, namespace: string): Membership[] {
  return Object.entries(section.get('services') ?? {}).map(([service, targets]) => {
    const slash = service.indexOf('/');
    const ports = Object.entries(targets).map(([text, target]) => {
      checkPort(context, text, section.at('services', service, text));
      const port = Number(text);
      return { port, target: target === 0 ? port : target };
    });
    return { service: slash < 0 ? serviceKey(namespace, service) : `service/${service}`, ports };
  });
}

const NOWHERE: GatewayAddress = { destination: '', hboneMtlsPort: 0 };

function gatewayAddress(
  context: Context,
  value: { destination: string; hboneMtlsPort: number } | undefined,
  path: Path,
): GatewayAddress | undefined {
  if (value === undefined) return undefined;
  const { destination, hboneMtlsPort } = value;
  const slash = destination.indexOf('/');
  const ip = slash < 0 ? null : canonicalIp(destination.slice(slash + 1));
  if (ip !== null) return { destination: `${destination.slice(0, slash)}/${ip}`, hboneMtlsPort };
  if (slash < 1 || slash === destination.length - 1) {
    context.fault([...path, 'destination'], `"${destination}" is neither network/IP nor namespace/hostname`);
  }
  return { destination, hboneMtlsPort };
}

/** `network/IP`; an address alone is of the network without a name. */
function networkAddress(context: Context, value: string, path: Path): string {
  const slash = value.indexOf('/');
  return `${value.slice(0, Math.max(slash, 0))}/${address(context, value.slice(slash + 1), path)}`;
}

function address(context: Context, value: string, path: Path): string {
  const ip = canonicalIp(value);
  if (ip === null) context.fault(path, `"${value}" is not an IP address`);
  return ip ?? value;
}

function checkPort(context: Context, text: string, path: Path): void {
  const isPort = /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
  if (!isPort) context.fault(path, `"${text}" is not a port`);
}

/** The named fields alone: what a schema passes on beside them isn't ours. */
function pick<Value extends object, Key extends keyof Value>(
  value: Value | undefined,
  keys: readonly Key[],
): Pick<Value, Key> | undefined {
  if (value === undefined) return undefined;
  return Object.fromEntries(keys.map((key) => [key, value[key]])) as Pick<Value, Key>;
}
