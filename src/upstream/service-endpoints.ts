import { isIPv4 } from 'node:net';
import { serviceKey } from '../resources/discovery.ts';
import { getOrAdd } from '../resources/maps.ts';
import type { SelfSettings } from '../resources/settings.ts';
import type { Resource, Service, Workload } from '../resources/types.ts';
import { Self, standingOf, tierOf } from './locality.ts';

/** A resource of a snapshot that was added, changed, or (null) removed. */
export interface ResourceChange {
  readonly key: string;
  readonly resource: Resource | null;
}

/** What a workload is to a port of a service: where it is reached there, and how it is preferred. */
export interface Origin {
  /** An IP address, or a name that has some. */
  readonly host: string;
  readonly port: number;
  /** 0 = the nearest. */
  readonly tier: number;
  /** Share of requests among equals, more than 0. */
  readonly weight: number;
}

/** One service with the keys of the workloads that say they belong to it, and who wants to know of a port of it. */
class ServiceEntry {
  readonly key: string;
  /** What the service is called; null = there is no such service. */
  named: Named | null = null;
  readonly members = new Set<string>();
  readonly watches = new Set<ServicePort>();
  /** What the workloads of this service alone belong to. */
  readonly alone: readonly ServiceEntry[] = [this];

  constructor(key: string) {
    this.key = key;
  }
}

interface Named {
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
}

/** Services and workloads by key. */
type Read = (key: string) => Resource | null;

/** What a port of a service is served by, for one who follows its changes. */
export class ServicePort {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** Changes with what there is to take. */
  version = 0;
  /** The service; null where there is none. */
  entry: ServiceEntry | null = null;
  readonly #self: Self;
  readonly #read: Read;
  #service: Service | null = null;
  /** What has changed since it was last taken, by workload; `whole`: all else is gone. */
  #changed = new Map<string, Origin | null>();
  #whole = true;
  /** Why nothing serves the port, as of a version. */
  #refusal = { version: -1, reason: null as string | null };

  constructor(self: Self, read: Read, namespace: string, name: string, port: number) {
    this.#self = self;
    this.#read = read;
    this.namespace = namespace;
    this.name = name;
    this.port = port;
  }

  /** By workload: what serves the port, or null where it doesn't any more. `whole`: what is not named doesn't either. */
  take(): { whole: boolean; origins: ReadonlyMap<string, Origin | null> } {
    const taken = { whole: this.#whole, origins: this.#changed };
    this.#changed = new Map();
    this.#whole = false;
    return taken;
  }

  /** Why there is nothing that serves the port although there seems to be; null = no such reason. */
  get refusal(): string | null {
    if (this.#refusal.version !== this.version) this.#refusal = { version: this.version, reason: this.#obstacle() };
    return this.#refusal.reason;
  }

  /** A workload of the service is new or another, or has gone (null). */
  changed(key: string, workload: Workload | null): void {
    this.version++;
    this.#changed.set(key, workload === null ? null : this.#origin(workload));
  }

  /** Nothing is as it was. */
  reset(entry: ServiceEntry | null): void {
    this.version++;
    this.entry = entry;
    const service = entry === null ? null : this.#read(entry.key);
    this.#service = service?.kind === 'service' ? service : null;
    this.#whole = true;
    this.#changed = new Map();
    for (const [key, workload] of this.#members()) {
      const origin = this.#origin(workload);
      if (origin !== null) this.#changed.set(key, origin);
    }
  }

  *#members(): Generator<[string, Workload]> {
    for (const key of this.entry?.members ?? []) {
      const workload = this.#read(key);
      if (workload?.kind === 'workload') yield [key, workload];
    }
  }

  #origin(workload: Workload): Origin | null {
    if (waypointOf(this.#service) !== '') return null;
    return obstacleOf(workload, this.#self) === '' ? this.#candidate(workload) : null;
  }

  /** The workload's origin, were there no obstacle. */
  #candidate(workload: Workload): Origin | null {
    const { port } = this;
    const { addresses, hostname = '', healthy, services, capacity: weight = 1 } = workload;
    const service = this.#service;
    const own = service?.ports[port];
    if (!service || own === undefined || weight === 0) return null;
    if (!healthy && service.loadBalancer?.healthPolicy !== 'AllowAll') return null;
    const membership = services.find((one) => one.service === service.key);
    const target = membership?.ports.findLast((one) => one.port === port)?.target || own;
    const tier = tierOf(service.loadBalancer, this.#self.standing, standingOf(workload));
    const host = addresses.find((address) => suits(address, service.ipFamilies)) ?? hostname;
    return target === 0 || tier === null || host === '' ? null : { host, port: target, tier, weight };
  }

  #obstacle(): string | null {
    const service = this.#service;
    if (service === null) return null;
    const subject = `The service ${service.namespace}/${service.hostname}`;
    const waypoint = waypointOf(service);
    if (waypoint !== '') return `${subject} is reached through its waypoint ${waypoint} by HBONE, ${NOT_SPOKEN}`;
    for (const [, workload] of this.#members()) {
      const obstacle = obstacleOf(workload, this.#self);
      if (obstacle !== '' && this.#candidate(workload) !== null) return `${subject} ${obstacle}`;
    }
    return null;
  }
}

const NOT_SPOKEN = 'which this version does not speak.';

/**
 * What serves services: the workloads that name them, each at the port that the service's port leads to there. A change costs what is
 * followed of the services it concerns, and no more.
 */
export class ServiceEndpoints {
  readonly #self: Self;
  readonly #entries = new Map<string, ServiceEntry>();
  /** `namespace/name` → keys of the services of that short name. */
  readonly #byName = new Map<string, Set<string>>();
  /** The services of each workload. There are many workloads, most of services that nobody sends to: what they say is read when asked for. */
  readonly #workloads = new Map<string, readonly ServiceEntry[]>();
  readonly #read: Read;
  /** The resources themselves, where nobody else has them. */
  readonly #kept: Map<string, Resource> | null;
  /** `namespace/name` → who follows a port of the service called so. */
  readonly #watches = new Map<string, Set<ServicePort>>();

  /**
   * @param self where this process runs; null = nothing is known of it
   * @param read where resources that were applied can be had again; without it they are kept here
   */
  constructor(self: SelfSettings | null = null, read: Read | null = null) {
    this.#self = new Self(self);
    const kept = new Map<string, Resource>();
    this.#kept = read === null ? kept : null;
    this.#read = read ?? ((key) => kept.get(key) ?? null);
  }

  apply(changes: Iterable<ResourceChange>): void {
    for (const { key, resource } of changes) {
      const workload = key.startsWith('workload/');
      if (!workload && !key.startsWith('service/')) continue;
      if (resource === null) this.#kept?.delete(key);
      else this.#kept?.set(key, resource);
      if (workload) this.#setWorkload(key, resource?.kind === 'workload' ? resource : null);
      else this.#setService(key, resource?.kind === 'service' ? resource : null);
    }
  }

  /** Follows a port of a service, by the service's host name or else its name; `unwatch` it at the end. */
  watch(namespace: string, name: string, port: number): ServicePort {
    const watch = new ServicePort(this.#self, this.#read, namespace, name, port);
    getOrAdd(this.#watches, `${namespace}/${name}`, () => new Set()).add(watch);
    this.#bind(watch);
    return watch;
  }

  unwatch(watch: ServicePort): void {
    const called = `${watch.namespace}/${watch.name}`;
    const others = this.#watches.get(called);
    others?.delete(watch);
    if (others?.size === 0) this.#watches.delete(called);
    watch.entry?.watches.delete(watch);
  }

  /** Services, workloads and ports followed. */
  get sizes(): { services: number; workloads: number; watches: number } {
    let watches = 0;
    for (const set of this.#watches.values()) watches += set.size;
    return { services: this.#entries.size, workloads: this.#workloads.size, watches };
  }

  #find(namespace: string, name: string): ServiceEntry | null {
    const exact = this.#entries.get(serviceKey(namespace, name));
    if (exact?.named) return exact;
    // Of several services of one short name always the same, in whatever order they came.
    const [key] = [...(this.#byName.get(`${namespace}/${name}`) ?? [])].sort();
    return this.#entries.get(key ?? '') ?? null;
  }

  #bind(watch: ServicePort): void {
    watch.entry?.watches.delete(watch);
    const entry = this.#find(watch.namespace, watch.name);
    entry?.watches.add(watch);
    watch.reset(entry);
  }

  #setService(key: string, service: Service | null): void {
    const entry = getOrAdd(this.#entries, key, () => new ServiceEntry(key));
    const called = new Set<string>();
    if (entry.named !== null) {
      const { namespace, name, hostname } = entry.named;
      const keys = this.#byName.get(`${namespace}/${name}`);
      keys?.delete(key);
      if (keys?.size === 0) this.#byName.delete(`${namespace}/${name}`);
      called.add(`${namespace}/${name}`).add(`${namespace}/${hostname}`);
    }
    entry.named = null;
    if (service !== null) {
      const { namespace, name, hostname } = service;
      entry.named = { namespace, name, hostname };
      getOrAdd(this.#byName, `${namespace}/${name}`, () => new Set<string>()).add(key);
      called.add(`${namespace}/${name}`).add(`${namespace}/${hostname}`);
    }
    for (const name of called) for (const watch of this.#watches.get(name) ?? []) this.#bind(watch);
    this.#forgetEmpty(entry);
  }

  #setWorkload(key: string, workload: Workload | null): void {
    const before = this.#workloads.get(key) ?? [];
    const after = this.#servicesOf(workload);
    for (const entry of before) if (!after.includes(entry)) this.#leave(entry, key);
    for (const entry of after) {
      entry.members.add(key);
      for (const watch of entry.watches) watch.changed(key, workload);
    }
    if (workload === null) this.#workloads.delete(key);
    else this.#workloads.set(key, after);
    if (workload === null || !this.#self.learn(workload)) return;
    for (const watches of this.#watches.values()) for (const watch of watches) watch.reset(watch.entry);
  }

  #leave(entry: ServiceEntry, key: string): void {
    entry.members.delete(key);
    for (const watch of entry.watches) watch.changed(key, null);
    this.#forgetEmpty(entry);
  }

  #servicesOf(workload: Workload | null): readonly ServiceEntry[] {
    const services = (workload?.services ?? []).map(({ service }) =>
      getOrAdd(this.#entries, service, () => new ServiceEntry(service)),
    );
    const [only] = services;
    return only !== undefined && services.length === 1 ? only.alone : services;
  }

  #forgetEmpty({ key, named, members }: ServiceEntry): void {
    if (named === null && members.size === 0) this.#entries.delete(key);
  }
}

/** What it takes to speak to a workload that is not there, as a part of a sentence about its service; '' = nothing. */
function obstacleOf(
  { protocol, network = '', networkGateway, addresses, hostname = '' }: Workload,
  self: Self,
): string {
  if (networkGateway !== undefined && network !== self.network) {
    return `is in the network "${network}", reached through that network's gateway by HBONE, ${NOT_SPOKEN}`;
  }
  if (protocol === 'HBONE') return `has workloads that are reached by HBONE, ${NOT_SPOKEN}`;
  if (protocol === 'LegacyIstioMtls') return `has workloads that are reached by Istio's mutual TLS, ${NOT_SPOKEN}`;
  if (addresses.length > 0 || !hostname.startsWith('*')) return '';
  return `is found by names like ${hostname}, which this version can not resolve.`;
}

/** Where the service's waypoint is, if requests from gateways must go through it; '' = they need not. */
function waypointOf(service: Service | null | undefined): string {
  if (service?.ingressUseWaypoint !== true) return '';
  return service.waypoint?.destination ?? service.weightedWaypoints?.[0]?.destination.destination ?? '';
}

function suits(address: string, families: Service['ipFamilies']): boolean {
  return families === undefined || families === 'Dual' || isIPv4(address) === (families === 'IPv4');
}
