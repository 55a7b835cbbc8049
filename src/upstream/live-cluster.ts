import { bracketed, joinHostPort } from '../resources/host-port.ts';
import { type AddressSource, addressSource, splitAddress } from './addresses.ts';
import { makeTiers, pick, pickTiered, type Tiers } from './balance.ts';
import type { AffinityKey } from './call.ts';
import type { Cluster, ClusterSpec } from './cluster.ts';
import { Endpoint } from './endpoint.ts';
import { Health, milliseconds } from './health.ts';
import type { Pools } from './pools.ts';
import type { Names } from './resolve.ts';
import type { ServiceEndpoints } from './service-endpoints.ts';
import type { UpstreamServices } from './services.ts';
import { type TlsClient, tlsClient, tlsIdentity } from './tls.ts';

/** A response may be silent this long in between, ms: models think long. */
const BODY_IDLE_TIMEOUT_MS = 600_000;
const TCP_KEEPALIVE_MS = 60_000;
/** Bytes of a response's head. */
const MAX_HEADER_BYTES = 64 * 1024;

/** What the clusters of a worker share. */
export interface ClusterParts {
  readonly services: UpstreamServices;
  readonly pools: Pools;
  readonly names: Names;
  readonly serviceEndpoints: ServiceEndpoints;
  /** Clusters that hold pools, names or rows. */
  readonly open: Set<LiveCluster>;
}

/**
 * A cluster with its endpoints: what dispatch sends to. It opens with the first request and closes when it has been idle for a while
 * (the next request opens it again), so that what is configured but unused, or used no longer, holds no connection, no name and no row.
 */
export class LiveCluster implements Cluster {
  readonly spec: ClusterSpec;
  readonly authority: string;
  /** Label of metrics. */
  readonly name: string;
  readonly health: Health;
  /** From `http.requestTimeout`; 0 = not configured. */
  readonly headTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  /** performance.now() of the last pick. */
  usedAt = 0;
  readonly #parts: ClusterParts;
  readonly #connectTimeoutMs: number;
  readonly #keepAliveMs: number;
  #tls: TlsClient | null = null;
  #source: AddressSource | null = null;
  /** Version of the source that `#endpoints` is of. */
  #version = -1;
  readonly #byAddress = new Map<string, Endpoint>();
  #endpoints: readonly Endpoint[] = [];
  /** null = all endpoints are alike. */
  #tiers: Tiers | null = null;

  constructor(spec: ClusterSpec, parts: ClusterParts) {
    this.spec = spec;
    this.#parts = parts;
    this.authority = authorityOf(spec);
    this.name = spec.key;
    const { metrics, cel } = parts.services;
    this.health = new Health(spec.policies, () => metrics.evictions.inc({ backend: this.name }), cel);
    const http = record(spec.policies.http);
    const tcp = record(spec.policies.tcp);
    const keepalives = record(tcp.keepalives);
    this.headTimeoutMs = timerMs(milliseconds(http.requestTimeout, 0), 0);
    this.bodyIdleTimeoutMs = BODY_IDLE_TIMEOUT_MS;
    this.#connectTimeoutMs = timerMs(milliseconds(tcp.connectTimeout, parts.services.settings.connectTimeoutMs), 1);
    this.#keepAliveMs = keepalives.enabled === false ? 0 : milliseconds(keepalives.time, TCP_KEEPALIVE_MS);
  }

  /** As of the last pick. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  available(): boolean {
    if (this.#endpoints.length === 0) this.#look();
    const now = Date.now();
    return this.#endpoints.length === 0 || this.#endpoints.some((endpoint) => endpoint.row.evictedUntil <= now);
  }

  get score(): number {
    let best = Number.POSITIVE_INFINITY;
    for (const endpoint of this.#endpoints) best = Math.min(best, endpoint.score);
    return Number.isFinite(best) ? best : 0;
  }

  /**
   * An endpoint for an attempt; null where there is none; undefined where the addresses are not known yet: wait for `settled`.
   *
   * @param tried addresses to pass over where others are left
   * @param now performance.now()
   * @param affinity what the call has in common with others that should go to the same endpoint
   * @throws where the TLS material can't be used
   */
  pick(tried: readonly string[] | null, now: number, affinity: AffinityKey | null = null): Endpoint | null | undefined {
    this.usedAt = now;
    const source = this.#source ?? this.#open();
    if (!source.ready(now)) return undefined;
    if (source.version !== this.#version) this.#update(source);
    const endpoints = this.#endpoints;
    if (endpoints.length === 1) return endpoints[0] as Endpoint;
    return this.#tiers === null
      ? pick(endpoints, tried, Date.now(), Math.random, affinity)
      : pickTiered(this.#tiers, tried, Date.now(), Math.random, affinity);
  }

  /** Why there is no endpoint, where the backend has some that this version can't send to; null = no such reason. */
  get refusal(): string | null {
    return this.#source?.refusal ?? null;
  }

  /** Before the first pick too counts what other workers found out about the endpoints. */
  #look(): void {
    const now = performance.now();
    this.usedAt = now;
    try {
      const source = this.#source ?? this.#open();
      if (source.ready(now) && source.version !== this.#version) this.#update(source);
    } catch {
      // TLS material that can't be used: who picks is told.
    }
  }

  settled(): Promise<unknown> {
    return this.#source === null ? Promise.resolve() : this.#source.settled();
  }

  /** True where no request is under way. */
  get idle(): boolean {
    return this.#endpoints.every((endpoint) => endpoint.active === 0);
  }

  /** Lets go of everything; requests under way finish on their connections. */
  close(): void {
    for (const endpoint of this.#endpoints) this.#drop(endpoint);
    this.#byAddress.clear();
    this.#endpoints = [];
    this.#tiers = null;
    this.#version = -1;
    this.#source?.close();
    this.#source = null;
    this.#parts.open.delete(this);
  }

  #open(): AddressSource {
    const { names, serviceEndpoints, open } = this.#parts;
    this.#source = addressSource(this.spec.target, names, serviceEndpoints);
    open.add(this);
    return this.#source;
  }

  #update(source: AddressSource): void {
    const { tls } = this.spec;
    // Nothing is taken while it couldn't be used.
    if (tls !== null && this.#tls === null) this.#tls = tlsClient(tls, hostOf(this.spec));
    this.#version = source.version;
    for (const [address, place] of source.take()) {
      const known = this.#byAddress.get(address);
      if (place === null) {
        if (known !== undefined) this.#drop(known);
        this.#byAddress.delete(address);
        continue;
      }
      const endpoint = known ?? this.#endpoint(address);
      endpoint.tier = place.tier;
      endpoint.weight = place.weight;
      this.#byAddress.set(address, endpoint);
    }
    this.#endpoints = [...this.#byAddress.values()];
    this.#tiers = makeTiers(this.#endpoints);
  }

  #endpoint(address: string): Endpoint {
    const { services, pools } = this.#parts;
    const { metrics, settings } = services;
    const { host, port } = splitAddress(address);
    const { tls } = this.spec;
    const secure = tls === null ? '' : `${hostOf(this.spec)}|${tlsIdentity(tls)}`;
    const transport = port < 0 ? 'unix' : tls === null ? 'plaintext' : 'tls';
    const pool = pools.acquire({
      key: `${address}|${secure}|${this.#connectTimeoutMs}|${this.#keepAliveMs}`,
      host,
      port,
      tls: this.#tls,
      timeoutMs: this.#connectTimeoutMs,
      keepAliveMs: this.#keepAliveMs,
      guard: services.guard ?? null,
      maxConnections: settings.poolMaxSize,
      idleTimeoutMs: timerMs(settings.poolIdleTimeoutMs, 1),
      maxHeaderBytes: MAX_HEADER_BYTES,
      onOpened: (elapsedMs) => metrics.upstreamConnect.observe({ transport }, elapsedMs / 1000),
    });
    return new Endpoint(address, this.authority, pool, services.endpoints.endpoint(`${this.spec.key}|${address}`));
  }

  #drop(endpoint: Endpoint): void {
    endpoint.row.release();
    this.#parts.pools.release(endpoint.pool);
  }
}

/** Host header of a call that has none of its own. */
function authorityOf(spec: ClusterSpec): string {
  const { target } = spec;
  const defaultPort = spec.tls === null ? 80 : 443;
  if (target.kind === 'host') return hostPort(target.host, target.port, defaultPort);
  if (target.kind === 'service') return hostPort(target.name, target.port, defaultPort);
  return 'localhost';
}

function hostPort(host: string, port: number, defaultPort: number): string {
  return port === defaultPort ? bracketed(host) : joinHostPort(host, port);
}

/** The name a certificate must carry where the configuration gives none. */
function hostOf({ target }: ClusterSpec): string {
  if (target.kind === 'host') return target.host;
  if (target.kind === 'service') return target.name;
  return target.kind === 'unix' ? target.path : '';
}

/** Whole milliseconds that a timer can hold: a longer one would fire at once. */
function timerMs(ms: number, least: number): number {
  return Math.min(Math.max(Math.ceil(ms), least), 2 ** 31 - 1);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
