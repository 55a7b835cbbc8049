import type { Cluster, ClusterSpec } from './cluster.ts';
import { type ClusterParts, LiveCluster } from './live-cluster.ts';
import { Pools } from './pools.ts';
import { Names, SystemLookup } from './resolve.ts';
import { type ResourceChange, ServiceEndpoints } from './service-endpoints.ts';
import type { UpstreamServices } from './services.ts';
import { tlsIdentity } from './tls.ts';

/** How often clusters are looked through for idle ones, and how long idle is beyond the pools' own time-out, ms. */
const SWEEP_MS = 30_000;
const IDLE_GRACE_MS = 30_000;

/**
 * The clusters of one worker. Those of equal key, target, TLS and policies are one. Nobody has to give a cluster back: it is found
 * here only as long as somebody holds it, and what it holds itself it lets go of once idle.
 */
export class Clusters {
  readonly #parts: ClusterParts;
  readonly #clusters = new Map<string, WeakRef<LiveCluster>>();
  readonly #gone = new FinalizationRegistry<string>((key) => {
    if (this.#clusters.get(key)?.deref() === undefined) this.#clusters.delete(key);
  });
  readonly #idleMs: number;
  readonly #sweeper: NodeJS.Timeout;

  constructor(services: UpstreamServices) {
    const { metrics, log, settings } = services;
    this.#parts = {
      services,
      pools: new Pools(),
      names: new Names(services.lookup ?? new SystemLookup(), settings.dnsLookupFamily, (name, error) => {
        metrics.dnsFailures.inc({ backend: name });
        log.warn('name resolution failed', { name, error: error instanceof Error ? error.message : String(error) });
      }),
      serviceEndpoints: new ServiceEndpoints(services.self ?? null, services.read ?? null),
      open: new Set(),
    };
    this.#idleMs = settings.poolIdleTimeoutMs + IDLE_GRACE_MS;
    this.#sweeper = setInterval(() => this.sweep(performance.now()), SWEEP_MS);
    this.#sweeper.unref();
  }

  /** The cluster of a spec, made where needed. */
  get(spec: ClusterSpec): Cluster {
    const key = keyOf(spec);
    const known = this.#clusters.get(key)?.deref();
    if (known !== undefined) return known;
    const cluster = new LiveCluster(spec, this.#parts);
    this.#clusters.set(key, new WeakRef(cluster));
    this.#gone.register(cluster, key);
    return cluster;
  }

  /** Follows changes of services and workloads; changes of other resources are passed over. */
  apply(changes: Iterable<ResourceChange>): void {
    this.#parts.serviceEndpoints.apply(changes);
  }

  /**
   * Closes clusters that have been idle; runs by itself.
   *
   * @param now performance.now()
   */
  sweep(now: number): void {
    for (const cluster of this.#parts.open) if (now - cluster.usedAt > this.#idleMs && cluster.idle) cluster.close();
  }

  /** Open clusters, connection pools and names held. */
  get sizes(): { open: number; pools: number; names: number } {
    const { open, pools, names } = this.#parts;
    return { open: open.size, pools: pools.size, names: names.size };
  }

  /** Lets go of all; idle connections close, those with a request when it ends. */
  close(): void {
    clearInterval(this.#sweeper);
    for (const cluster of this.#parts.open) cluster.close();
  }
}

/** Equal for specs that make the same cluster; the TLS key goes in as a digest. */
function keyOf(spec: ClusterSpec): string {
  const { key, target, tls, policies } = spec;
  return `${key}\n${tlsIdentity(tls)}\n${JSON.stringify([target, policies.tcp, policies.http, policies.health])}`;
}
