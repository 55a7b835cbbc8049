import { nearest } from '../../resources/did-you-mean.ts';
import { isHostname, normalHostname } from '../../resources/hostnames.ts';
import type { LocalServerTls } from '../../resources/schema/index.ts';
import { certificateFault } from '../../resources/server-tls.ts';
import type { Bind, Listener, PolicyMap, ServerTls } from '../../resources/types.ts';
import type { Path } from '../fault.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';

type Protocol = Listener['protocol'];

/** A listener under construction with what later steps must know of it. */
export interface OpenListener {
  resource: Listener;
  path: Path;
  /** Names that routes attach by. */
  gatewayName: string;
  port: number;
}

/** What a port is made of. */
interface PortRequest {
  port: number;
  path: Path;
  /** How faults call it: `binds[0]`, `gateway "default"`. */
  title: string;
  tunnelProtocol: Bind['tunnelProtocol'];
  driver: Bind['driver'];
}

interface OpenPort {
  request: PortRequest;
  bind: Bind;
  listeners: OpenListener[];
}

/** Defaults that `frontendPolicies` give to the TLS of every listener. */
export interface TlsDefaults {
  alpn: string[] | null;
  minVersion: string | null;
  maxVersion: string | null;
  cipherSuites: string[] | null;
}

/** Which protocols can share a socket: those that are told apart only after the connection is there. */
const TRANSPORT: Record<Protocol, Bind['protocol']> = {
  HTTP: 'http',
  HTTPS: 'tls',
  TLS: 'tls',
  TCP: 'tcp',
  HBONE: 'tls',
};

/** Every port that is listened on, and the listeners there. */
export class Ports {
  readonly #context: Context;
  readonly #tlsDefaults: TlsDefaults;
  readonly #ports = new Map<number, OpenPort>();

  constructor(context: Context, tlsDefaults: TlsDefaults) {
    this.#context = context;
    this.#tlsDefaults = tlsDefaults;
  }

  /** Claims a port; undefined, with a fault, where somebody else has it. */
  open(request: PortRequest): OpenPort | undefined {
    const holder = this.#ports.get(request.port);
    if (holder !== undefined) {
      const both = new Set([holder.request.title, request.title]);
      const hint =
        both.has('llm') && both.has('mcp')
          ? 'define one gateway and give both llm and mcp `gateways: <its name>`'
          : 'give each its own port, or put the listeners under one gateway';
      this.#context.fault(request.path, `port ${request.port} is used by ${holder.request.title} already`, hint);
      return undefined;
    }
    const bind: Bind = {
      kind: 'bind',
      key: `bind/${request.port}`,
      port: request.port,
      address: '',
      protocol: 'http',
      tunnelProtocol: request.tunnelProtocol,
      driver: request.driver,
    };
    const opened: OpenPort = { request, bind, listeners: [] };
    this.#ports.set(request.port, opened);
    return opened;
  }

  /** Adds a listener to a port. */
  listen(
    port: OpenPort,
    listener: {
      path: Path;
      name: string;
      gateway: string;
      namespace: string;
      hostname: string | null | undefined;
      protocol: Protocol | null | undefined;
      tls: Section<LocalServerTls> | undefined;
      policies: PolicyMap;
    },
  ): OpenListener {
    const { path, name, tls } = listener;
    const protocol = listener.protocol ?? (tls === undefined ? 'HTTP' : 'HTTPS');
    const hostname = normalHostname(listener.hostname ?? '');
    if (!isHostname(hostname)) {
      this.#context.fault([...path, 'hostname'], `"${hostname}" is not a host name or *.suffix`);
    }
    if (port.listeners.some((other) => other.resource.name === name)) {
      this.#context.fault(path, `two listeners of port ${port.bind.port} are named "${name}"`);
    }
    const twin = port.listeners.find((other) => other.resource.hostname === hostname);
    if (twin !== undefined) {
      const host = hostname === '' ? 'every host' : `host "${hostname}"`;
      this.#context.fault(
        path,
        `listeners "${twin.resource.name}" and "${name}" both serve ${host} on port ${port.bind.port}`,
      );
    }
    const inactive: string[] = [];
    const serverTls = tls === undefined ? null : this.#tls(tls, inactive);
    if (protocol === 'HTTPS' && tls === undefined) this.#context.fault(path, 'protocol HTTPS needs tls');
    if ((protocol === 'HTTP' || protocol === 'TCP') && tls !== undefined) {
      this.#context.fault(
        [...path, 'tls'],
        `protocol ${protocol} takes no tls`,
        protocol === 'HTTP' ? 'did you mean HTTPS?' : 'did you mean TLS?',
      );
    }
    if (protocol !== 'HTTP' && protocol !== 'HTTPS') {
      this.#context.inactive([...path, 'protocol'], protocol === 'HBONE');
      inactive.push(`protocol ${protocol}`);
    }
    if (port.bind.tunnelProtocol !== 'direct') inactive.push(`tunnelProtocol ${port.bind.tunnelProtocol}`);
    const resource: Listener = {
      kind: 'listener',
      key: `listener/${port.bind.port}/${name}`,
      bindKey: port.bind.key,
      name,
      gateway: listener.gateway,
      namespace: listener.namespace,
      hostname,
      protocol,
      tls: serverTls,
      policies: listener.policies,
      inactive,
    };
    const opened = { resource, path, gatewayName: listener.gateway, port: port.bind.port };
    port.listeners.push(opened);
    return opened;
  }

  /** Settles each bind's protocol, checks what its listeners have in common, and emits all. */
  finish(proxyProtocol: boolean, connect: boolean): void {
    for (const port of this.#ports.values()) {
      const [first] = port.listeners;
      if (first !== undefined) port.bind.protocol = TRANSPORT[first.resource.protocol];
      const odd = port.listeners.find((other) => TRANSPORT[other.resource.protocol] !== port.bind.protocol);
      if (first !== undefined && odd !== undefined) {
        this.#context.fault(
          odd.path,
          `port ${port.bind.port} mixes ${first.resource.protocol} and ${odd.resource.protocol} listeners`,
          'plaintext HTTP, TLS and plaintext TCP each need a port of their own',
        );
      }
      if (port.bind.tunnelProtocol !== 'direct') this.#context.inactive([...port.request.path, 'tunnelProtocol'], true);
      this.#checkDriver(port, proxyProtocol, connect);
      this.#context.resources.push(port.bind, ...port.listeners.map(({ resource }) => resource));
    }
  }

  /** uWebSockets.js serves cleartext HTTP/1.1 and nothing else; asking it for more is a mistake, not a wish. */
  #checkDriver({ request, bind, listeners }: OpenPort, proxyProtocol: boolean, connect: boolean): void {
    if (bind.driver !== 'uws') return;
    const reasons: string[] = [];
    const other = listeners.find(({ resource }) => resource.protocol !== 'HTTP' || resource.tls !== null);
    if (other !== undefined) reasons.push(other.resource.protocol === 'TCP' ? 'raw TCP' : 'TLS');
    if (bind.tunnelProtocol !== 'direct') reasons.push(`tunnelProtocol ${bind.tunnelProtocol}`);
    if (proxyProtocol) reasons.push('frontendPolicies.proxyProtocol');
    if (connect) reasons.push('frontendPolicies.connect');
    if (reasons.length === 0) return;
    this.#context.fault(
      [...request.path, 'driver'],
      `driver uws serves cleartext HTTP/1.1 only, not ${reasons.join(' and ')}`,
      'use driver: node here, or leave it out',
    );
  }

  #tls(tls: Section<LocalServerTls>, inactive: string[]): ServerTls | null {
    const context = this.#context;
    const cert = tls.get('cert') ?? '';
    const key = tls.get('key') ?? '';
    const root = tls.get('root') ?? '';
    const minVersion = this.#version(
      tls,
      tls.get('minTLSVersion') ?? tls.get('minTlsVersion') ?? this.#tlsDefaults.minVersion,
    );
    const maxVersion = this.#version(
      tls,
      tls.get('maxTLSVersion') ?? tls.get('maxTlsVersion') ?? this.#tlsDefaults.maxVersion,
    );
    for (const alias of ['minTLSVersion', 'minTlsVersion', 'maxTLSVersion', 'maxTlsVersion'] as const) tls.get(alias);
    const settings: ServerTls = {
      cert,
      key,
      root,
      minVersion: minVersion ?? 'TLSv1.2',
      maxVersion: maxVersion ?? 'TLSv1.3',
      cipherSuites: tls.get('cipherSuites') ?? this.#tlsDefaults.cipherSuites ?? [],
      alpn: this.#tlsDefaults.alpn ?? ['h2', 'http/1.1'],
    };
    if (settings.minVersion > settings.maxVersion)
      context.fault(tls.path, 'the lowest TLS version is above the highest');
    const spiffe = tls.get('spiffe');
    if (spiffe !== undefined && spiffe !== null) {
      if (cert !== '' || key !== '' || root !== '')
        context.fault(tls.path, 'spiffe takes the place of cert, key and root');
      context.inactive(tls.at('spiffe'), true);
      inactive.push('tls.spiffe');
      return null;
    }
    if (tls.get('mode') === 'dynamicCa') {
      context.inactive(tls.at('mode'), true);
      inactive.push('tls.mode dynamicCa');
      return null;
    }
    if (cert === '' || key === '') {
      context.fault(tls.path, 'tls needs cert and key');
      return null;
    }
    const fault = certificateFault(settings);
    if (fault !== null) context.fault(tls.path, `these certificates cannot be used: ${fault}`);
    return settings;
  }

  #version(tls: Section<LocalServerTls>, version: string | null): ServerTls['minVersion'] | null {
    if (version === null) return null;
    if (version === 'TLS_V1_2' || version === 'TLSv1.2') return 'TLSv1.2';
    if (version === 'TLS_V1_3' || version === 'TLSv1.3') return 'TLSv1.3';
    this.#context.fault(tls.path, `${version} is not served`, 'use TLS_V1_2 or TLS_V1_3');
    return null;
  }
}

/** Every listener that a gateway reference can mean. */
export class Attachments {
  readonly #context: Context;
  readonly #byGateway = new Map<string, OpenListener[]>();

  constructor(context: Context) {
    this.#context = context;
  }

  add(gateway: string, listener: OpenListener): void {
    const listeners = this.#byGateway.get(gateway);
    if (listeners === undefined) this.#byGateway.set(gateway, [listener]);
    else listeners.push(listener);
  }

  declare(gateway: string): void {
    if (!this.#byGateway.has(gateway)) this.#byGateway.set(gateway, []);
  }

  has(gateway: string): boolean {
    return this.#byGateway.has(gateway);
  }

  /**
   * The listeners that `gateways:` at `path` means: `name`, `name/listener`, or a list of them; nothing given means the gateway
   * named `default`. Only those that `serves` accepts count.
   */
  resolve(
    gateways: string | readonly string[] | null | undefined,
    path: Path,
    what: { noun: string; serves: (protocol: Protocol) => boolean },
  ): OpenListener[] {
    const references =
      gateways === null || gateways === undefined ? [] : typeof gateways === 'string' ? [gateways] : gateways;
    if (references.length === 0) {
      if (this.#byGateway.has('default')) return this.#listeners('default', path, what);
      this.#context.fault(
        path,
        `${what.noun} is attached to no gateway`,
        'add `gateways: <name>`, or name a gateway "default"',
      );
      return [];
    }
    const found = references.flatMap((reference) => this.#listeners(reference, [...path, 'gateways'], what));
    return [...new Set(found)];
  }

  #listeners(
    reference: string,
    path: Path,
    what: { noun: string; serves: (protocol: Protocol) => boolean },
  ): OpenListener[] {
    const slash = reference.indexOf('/');
    const gateway = slash === -1 ? reference : reference.slice(0, slash);
    const listeners = this.#byGateway.get(gateway);
    if (listeners === undefined) {
      const near = nearest(gateway, this.#byGateway.keys());
      const hint = near === undefined ? 'define it under `gateways`' : `did you mean "${near}"?`;
      this.#context.fault(path, `there is no gateway "${gateway}"`, hint);
      return [];
    }
    const name = slash === -1 ? null : reference.slice(slash + 1);
    const named = name === null ? listeners : listeners.filter(({ resource }) => resource.name === name);
    if (named.length === 0 && name !== null) {
      const names = listeners.map(({ resource }) => resource.name);
      const near = nearest(name, names);
      const hint = near === undefined ? `it has: ${names.join(', ')}` : `did you mean "${gateway}/${near}"?`;
      this.#context.fault(path, `gateway "${gateway}" has no listener "${name}"`, hint);
      return [];
    }
    const serving = named.filter(({ resource }) => what.serves(resource.protocol));
    if (serving.length === 0 && named.length > 0) {
      const protocols = [...new Set(named.map(({ resource }) => resource.protocol))].join(', ');
      this.#context.fault(path, `${what.noun} cannot be served by "${reference}", which speaks ${protocols}`);
    }
    return serving;
  }
}

/** Protocols that carry HTTP requests. */
export function carriesHttp(protocol: Protocol): boolean {
  return protocol === 'HTTP' || protocol === 'HTTPS' || protocol === 'HBONE';
}

/** Protocols that carry raw connections. */
export function carriesTcp(protocol: Protocol): boolean {
  return protocol === 'TCP' || protocol === 'TLS';
}
