import { isIP } from 'node:net';
import { joinHostPort } from '../resources/host-port.ts';
import type { AddressSource, Place } from './addresses.ts';
import type { Names, ResolvedName } from './resolve.ts';
import type { Origin, ServiceEndpoints, ServicePort } from './service-endpoints.ts';

/** One workload of the service with the addresses it has now. */
interface Held {
  readonly origin: Origin;
  addresses: readonly string[];
  /** Where the workload is found by a name: that, and what `addresses` was made from. */
  readonly name: ResolvedName | null;
  resolved: readonly string[] | null;
}

/** The addresses of a service's port, kept up by what changes of them. */
export class ServiceAddresses implements AddressSource {
  readonly #names: Names;
  readonly #services: ServiceEndpoints;
  readonly #port: ServicePort;
  /** By workload. */
  readonly #held = new Map<string, Held>();
  /** Those of them that are found by a name: few, as a rule none. */
  readonly #named = new Set<Held>();
  /** Who is at an address: workloads may share one. */
  readonly #holders = new Map<string, Held[]>();
  /** Addresses to be taken. */
  readonly #changed = new Set<string>();
  #seen = -1;
  #version = 0;

  constructor(names: Names, services: ServiceEndpoints, namespace: string, name: string, port: number) {
    this.#names = names;
    this.#services = services;
    this.#port = services.watch(namespace, name, port);
  }

  get version(): number {
    this.#follow();
    return this.#version;
  }

  get refusal(): string | null {
    return this.#port.refusal;
  }

  take(): ReadonlyMap<string, Place | null> {
    this.#follow();
    const changes = new Map<string, Place | null>();
    for (const address of this.#changed) changes.set(address, this.#place(address));
    this.#changed.clear();
    return changes;
  }

  ready(now: number): boolean {
    this.#follow();
    let ready = true;
    // Every name is asked for, so that it is kept fresh; one that is not known yet keeps nobody waiting where others are.
    for (const { name } of this.#named) if (name !== null && !this.#names.ready(name, now)) ready = false;
    return ready || this.#holders.size > 0;
  }

  settled(): Promise<unknown> {
    return Promise.all([...this.#named].map(({ name }) => name && this.#names.settled(name)));
  }

  close(): void {
    this.#services.unwatch(this.#port);
    for (const { name } of this.#named) if (name !== null) this.#names.release(name);
  }

  #follow(): void {
    if (this.#seen !== this.#port.version) {
      this.#seen = this.#port.version;
      const { whole, origins } = this.#port.take();
      if (whole) for (const key of [...this.#held.keys()]) if (!origins.has(key)) this.#drop(key);
      for (const [key, origin] of origins) {
        this.#drop(key);
        if (origin !== null) this.#hold(key, origin);
      }
      this.#version++;
    }
    for (const held of this.#named) if (held.name?.addresses !== held.resolved) this.#resolve(held);
  }

  #hold(key: string, origin: Origin): void {
    const literal = isIP(origin.host) !== 0;
    const name = literal ? null : this.#names.acquire(origin.host);
    const held: Held = { origin, addresses: [], name, resolved: null };
    this.#held.set(key, held);
    if (literal) this.#move(held, [joinHostPort(origin.host, origin.port)]);
    else this.#named.add(held);
  }

  #drop(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    this.#move(held, []);
    if (held.name === null) return;
    this.#named.delete(held);
    this.#names.release(held.name);
  }

  #resolve(held: Held): void {
    const resolved = held.name?.addresses ?? [];
    held.resolved = resolved;
    this.#move(
      held,
      resolved.map((ip) => joinHostPort(ip, held.origin.port)),
    );
    this.#version++;
  }

  #move(held: Held, addresses: readonly string[]): void {
    for (const address of held.addresses) {
      const others = (this.#holders.get(address) ?? []).filter((other) => other !== held);
      if (others.length === 0) this.#holders.delete(address);
      else this.#holders.set(address, others);
      this.#changed.add(address);
    }
    held.addresses = addresses;
    for (const address of addresses) {
      const others = this.#holders.get(address);
      if (others === undefined) this.#holders.set(address, [held]);
      else others.push(held);
      this.#changed.add(address);
    }
  }

  /** As the most preferred of those at the address. */
  #place(address: string): Place | null {
    let best: Place | null = null;
    for (const { origin } of this.#holders.get(address) ?? []) {
      const { tier, weight } = origin;
      if (best === null || tier < best.tier || (tier === best.tier && weight > best.weight)) {
        best = { address, tier, weight };
      }
    }
    return best;
  }
}
