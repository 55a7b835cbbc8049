import type { Resource, Service, Workload } from '../resources/types.ts';
import { joinAddress } from './addresses.ts';

/** A resource of a snapshot that was added, changed, or (null) removed. */
export interface ResourceChange {
  readonly key: string;
  readonly resource: Resource | null;
}

/** One service with the workloads that say they belong to it. */
interface ServiceEntry {
  service: Service | null;
  readonly members: Map<string, Workload>;
  version: number;
}

/**
 * The addresses behind services: each healthy workload that names the service, at the port the service's port leads to there. A
 * change costs the services it concerns; a service's addresses are put together when a request next asks for them.
 */
export class ServiceEndpoints {
  readonly #entries = new Map<string, ServiceEntry>();
  /** `namespace/name` and `namespace/hostname` → service key. */
  readonly #aliases = new Map<string, string>();
  readonly #workloads = new Map<string, Workload>();
  /** Versions are never used twice, so that a service removed and made again is seen as changed. */
  #versions = 0;

  apply(changes: Iterable<ResourceChange>): void {
    for (const { key, resource } of changes) {
      if (key.startsWith('service/')) this.#setService(key, resource?.kind === 'service' ? resource : null);
      else if (key.startsWith('workload/')) this.#setWorkload(key, resource?.kind === 'workload' ? resource : null);
    }
  }

  /** Changes whenever the service's addresses may have; 0 = there is no such service. */
  versionOf(namespace: string, name: string): number {
    return this.#find(namespace, name)?.version ?? 0;
  }

  /** `ip:port` of each endpoint of a service, sorted. */
  addresses(namespace: string, name: string, port: number): string[] {
    const entry = this.#find(namespace, name);
    if (entry === undefined || entry.service === null) return [];
    const { key, ports } = entry.service;
    const found = new Set<string>();
    for (const workload of entry.members.values()) {
      const target = workload.services[key]?.[port] ?? ports[port];
      if (!workload.healthy || target === undefined) continue;
      for (const ip of workload.addresses) found.add(joinAddress(ip, target));
    }
    return [...found].sort();
  }

  #find(namespace: string, name: string): ServiceEntry | undefined {
    const key = this.#aliases.get(`${namespace}/${name}`);
    return key === undefined ? undefined : this.#entries.get(key);
  }

  #setService(key: string, service: Service | null): void {
    const entry = this.#touch(key);
    if (entry.service !== null) for (const alias of aliasesOf(entry.service)) this.#aliases.delete(alias);
    entry.service = service;
    if (service !== null) for (const alias of aliasesOf(service)) this.#aliases.set(alias, key);
    this.#forgetEmpty(key, entry);
  }

  #setWorkload(key: string, workload: Workload | null): void {
    for (const service of Object.keys(this.#workloads.get(key)?.services ?? {})) {
      const entry = this.#touch(service);
      entry.members.delete(key);
      this.#forgetEmpty(service, entry);
    }
    if (workload === null) {
      this.#workloads.delete(key);
      return;
    }
    this.#workloads.set(key, workload);
    for (const service of Object.keys(workload.services)) this.#touch(service).members.set(key, workload);
  }

  #touch(key: string): ServiceEntry {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { service: null, members: new Map(), version: 0 };
      this.#entries.set(key, entry);
    }
    entry.version = ++this.#versions;
    return entry;
  }

  #forgetEmpty(key: string, entry: ServiceEntry): void {
    if (entry.service === null && entry.members.size === 0) this.#entries.delete(key);
  }
}

function aliasesOf(service: Service): string[] {
  return [`${service.namespace}/${service.name}`, `${service.namespace}/${service.hostname}`];
}
