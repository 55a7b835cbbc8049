import { joinHostPort } from '../resources/host-port.ts';
import type { BackendTarget } from '../resources/types.ts';
import type { Names, ResolvedName } from './resolve.ts';
import { ServiceAddresses } from './service-addresses.ts';
import type { ServiceEndpoints } from './service-endpoints.ts';

/** Where an endpoint is, and how it is preferred. */
export interface Place {
  /** `ip:port` or `unix:/path`. */
  readonly address: string;
  /** 0 = the nearest. */
  readonly tier: number;
  /** Share of requests among equals. */
  readonly weight: number;
}

/** Where a cluster's addresses come from. */
export interface AddressSource {
  /** Changes with the addresses. */
  readonly version: number;
  /** By address: what is new or preferred differently since the last time, null for what is gone. */
  take(): ReadonlyMap<string, Place | null>;
  /** Why there is no address although there seems to be; null = no such reason. */
  readonly refusal: string | null;
  /**
   * False: not known yet, wait for `settled`.
   *
   * @param now performance.now()
   */
  ready(now: number): boolean;
  settled(): Promise<unknown>;
  close(): void;
}

/** The addresses of a target; a kind that is no address of its own has none. */
export function addressSource(target: BackendTarget, names: Names, services: ServiceEndpoints): AddressSource {
  switch (target.kind) {
    case 'host':
      return new HostAddresses(names, target.host, target.port);
    case 'unix':
      return new FixedAddresses([`unix:${target.path}`]);
    case 'service':
      return new ServiceAddresses(names, services, target.namespace, target.name, target.port);
    default:
      return new FixedAddresses([]);
  }
}

const SETTLED = Promise.resolve();

function place(address: string): [string, Place] {
  return [address, { address, tier: 0, weight: 1 }];
}

class FixedAddresses implements AddressSource {
  readonly version = 0;
  readonly refusal = null;
  readonly #places: ReadonlyMap<string, Place>;

  constructor(addresses: readonly string[]) {
    this.#places = new Map(addresses.map(place));
  }

  take(): ReadonlyMap<string, Place> {
    return this.#places;
  }

  ready(): boolean {
    return true;
  }

  settled(): Promise<void> {
    return SETTLED;
  }

  close(): void {}
}

/** The addresses of a name, each with the port. */
class HostAddresses implements AddressSource {
  readonly refusal = null;
  readonly #names: Names;
  readonly #name: ResolvedName;
  readonly #port: number;
  /** As of the version, and as they were taken. */
  #resolved: readonly string[] | null = null;
  #taken: readonly string[] = [];
  #version = 0;

  constructor(names: Names, host: string, port: number) {
    this.#names = names;
    this.#name = names.acquire(host.startsWith('[') ? host.slice(1, -1) : host);
    this.#port = port;
  }

  get version(): number {
    if (this.#name.addresses !== this.#resolved) {
      this.#resolved = this.#name.addresses;
      this.#version++;
    }
    return this.#version;
  }

  take(): ReadonlyMap<string, Place | null> {
    const changes = new Map<string, Place | null>(this.#taken.map((address) => [address, null]));
    this.#taken = this.#name.addresses.map((ip) => joinHostPort(ip, this.#port));
    for (const address of this.#taken) changes.set(...place(address));
    return changes;
  }

  ready(now: number): boolean {
    return this.#names.ready(this.#name, now);
  }

  settled(): Promise<void> {
    return this.#names.settled(this.#name);
  }

  close(): void {
    this.#names.release(this.#name);
  }
}

/** Takes `ip:port` apart; port -1 with a Unix socket's path as host. */
export function splitAddress(address: string): { host: string; port: number } {
  if (address.startsWith('unix:')) return { host: address.slice('unix:'.length), port: -1 };
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port: Number(address.slice(colon + 1)) };
}
