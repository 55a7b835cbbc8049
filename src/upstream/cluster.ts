import type { BackendTarget, PolicyMap } from '../resources/types.ts';

/** TLS towards an upstream. */
export interface UpstreamTls {
  /** SNI and verification name; '' = the endpoint's host. */
  hostname: string;
  /** PEM CA bundle; '' = the system's. */
  root: string;
  cert: string;
  /** Secret. */
  key: string;
  insecure: boolean;
  insecureHost: boolean;
  alpn: string[];
  /** Accepted subject alternative names; empty = the hostname. */
  subjectAltNames: string[];
}

/** What a cluster is made from. */
export interface ClusterSpec {
  /** Stable name, e.g. `host/127.0.0.1:8080`: endpoint rows in shared memory are keyed by it. */
  readonly key: string;
  /** `host`, `unix` or `service`. */
  readonly target: BackendTarget;
  readonly tls: UpstreamTls | null;
  /** Backend-level policies (health, tcp, http …), as far as the upstream itself executes them. */
  readonly policies: PolicyMap;
}

/** A backend's endpoints with their health and load. Made by `Clusters` (clusters.ts), one per key and worker. */
export interface Cluster {
  readonly spec: ClusterSpec;
  /** `host:port` as configured, the default Host header. */
  readonly authority: string;
  /** Whether any endpoint is not evicted; true too while none is known. */
  available(): boolean;
  /** Load of its least loaded endpoint, to compare clusters by: lower is better; 0 while none is known. */
  readonly score: number;
}
