import type { Service, Workload } from './types.ts';

/** Services and workloads from what a source says of them: what is empty or at its default is left out. */

/** Of a resource: the fields that must be there, and the others, which may be undefined. */
type Parts<Resource, Required extends keyof Resource> = Pick<Resource, Required> & {
  [Key in Exclude<keyof Resource, Required | 'kind' | 'key'>]?: Resource[Key] | undefined;
};

export type ServiceParts = Parts<Service, 'namespace' | 'name' | 'hostname' | 'ports'>;
export type WorkloadParts = Parts<Workload, 'name' | 'namespace' | 'addresses' | 'healthy' | 'services'>;

const DEFAULTS = { clusterId: 'Kubernetes', trustDomain: 'cluster.local', serviceAccount: 'default', capacity: 1 };

/** Key of a service: what a workload names it by. */
export function serviceKey(namespace: string, hostname: string): string {
  return `service/${namespace}/${hostname}`;
}

export function makeService(parts: ServiceParts): Service {
  const { namespace, name, hostname, ports, ...others } = parts;
  const key = serviceKey(namespace, hostname);
  return { kind: 'service', key, namespace, name, hostname, ports, ...said<Service>(others) };
}

export function makeWorkload(uid: string, parts: WorkloadParts): Workload {
  const { name, namespace, addresses, healthy, services, ...others } = parts;
  const key = `workload/${uid}`;
  return { kind: 'workload', key, name, namespace, addresses, healthy, services, ...said<Workload>(others) };
}

function said<Resource>(fields: Readonly<Record<string, unknown>>): Partial<Resource> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (!isDefault(name, value)) kept[name] = value;
  }
  return kept as Partial<Resource>;
}

function isDefault(name: string, value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  if (name === 'loadBalancer') {
    const { mode, healthPolicy, routingPreferences } = value as NonNullable<Service['loadBalancer']>;
    return mode === 'Standard' && healthPolicy === 'OnlyHealthy' && routingPreferences.length === 0;
  }
  if (typeof value === 'object') return Object.values(value).every((part) => part === '');
  return value === (DEFAULTS as Readonly<Record<string, unknown>>)[name];
}
