import type { BackendTarget } from '../resources/types.ts';
import type { Names, ResolvedName } from './resolve.ts';
import type { ServiceEndpoints } from './service-endpoints.ts';

/** Where a cluster's addresses come from. */
export interface AddressSource {
  /** `ip:port` or `unix:/path`; another array whenever they changed. */
  readonly addresses: readonly string[];
  /**
   * False: not known yet, wait for `settled`.
   *
   * @param now performance.now()
   */
  ready(now: number): boolean;
  settled(): Promise<void>;
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
      return new ServiceAddresses(services, target.namespace, target.name, target.port);
    default:
      return new FixedAddresses([]);
  }
}

const SETTLED = Promise.resolve();

class FixedAddresses implements AddressSource {
  readonly addresses: readonly string[];

  constructor(addresses: readonly string[]) {
    this.addresses = addresses;
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
  readonly #names: Names;
  readonly #name: ResolvedName;
  readonly #port: number;
  #resolved: readonly string[] | null = null;
  #addresses: readonly string[] = [];

  constructor(names: Names, host: string, port: number) {
    this.#names = names;
    this.#name = names.acquire(host.startsWith('[') ? host.slice(1, -1) : host);
    this.#port = port;
  }

  get addresses(): readonly string[] {
    const resolved = this.#name.addresses;
    if (resolved !== this.#resolved) {
      this.#resolved = resolved;
      this.#addresses = resolved.map((ip) => joinAddress(ip, this.#port));
    }
    return this.#addresses;
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

/** The addresses behind a service. */
class ServiceAddresses implements AddressSource {
  readonly #services: ServiceEndpoints;
  readonly #namespace: string;
  readonly #name: string;
  readonly #port: number;
  #version = -1;
  #addresses: readonly string[] = [];

  constructor(services: ServiceEndpoints, namespace: string, name: string, port: number) {
    this.#services = services;
    this.#namespace = namespace;
    this.#name = name;
    this.#port = port;
  }

  get addresses(): readonly string[] {
    const version = this.#services.versionOf(this.#namespace, this.#name);
    if (version !== this.#version) {
      this.#version = version;
      this.#addresses = this.#services.addresses(this.#namespace, this.#name, this.#port);
    }
    return this.#addresses;
  }

  ready(): boolean {
    return true;
  }

  settled(): Promise<void> {
    return SETTLED;
  }

  close(): void {}
}

/** `ip:port`, an IPv6 address in brackets. */
export function joinAddress(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Takes `ip:port` apart; port -1 with a Unix socket's path as host. */
export function splitAddress(address: string): { host: string; port: number } {
  if (address.startsWith('unix:')) return { host: address.slice('unix:'.length), port: -1 };
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port: Number(address.slice(colon + 1)) };
}
