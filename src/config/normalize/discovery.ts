import type { LocalService, LocalWorkload } from '../../resources/schema/index.ts';
import type { Service, Workload } from '../../resources/types.ts';
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
  const namespace = section.get('namespace') ?? context.identity.namespace;
  const ports: Service['ports'] = {};
  for (const [port, target] of Object.entries(section.get('ports') ?? {})) {
    if (!isPort(port)) context.fault(section.at('ports', port), `"${port}" is not a port`);
    // WDS writes 0 where the target port is the service's own.
    ports[port] = target === 0 ? Number(port) : target;
  }
  const service: Service = {
    kind: 'service',
    key: `service/${namespace}/${hostname}`,
    namespace,
    name: name ?? hostname,
    hostname,
    ports,
  };
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
  const services: Workload['services'] = {};
  for (const [service, ports] of Object.entries(section.get('services') ?? {})) {
    const key = `service/${service.includes('/') ? service : `${namespace}/${service}`}`;
    services[key] = {};
    for (const [port, target] of Object.entries(ports)) {
      if (!isPort(port)) context.fault(section.at('services', service, port), `"${port}" is not a port`);
      services[key][port] = target === 0 ? Number(port) : target;
    }
  }
  const status = section.get('status') ?? 'Healthy';
  if (!/^(un)?healthy$/i.test(status)) {
    context.fault(section.at('status'), `"${status}" is neither Healthy nor Unhealthy`);
  }
  const workload: Workload = {
    kind: 'workload',
    key: `workload/${uid}`,
    name,
    namespace,
    addresses: section.get('workloadIps') ?? [],
    healthy: status.toLowerCase() === 'healthy',
    services,
  };
  context.emit(workload, section.path);
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
}
