import type { Locality } from './types.ts';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The `config:` section, resolved: read once at start-up. Durations in milliseconds, sizes in bytes. */
export interface Settings {
  /** Worker threads, at least 1. */
  workerThreads: number;
  /** Where the admin, stats and readiness servers listen; null = off. */
  adminAddr: SocketAddress | null;
  statsAddr: SocketAddress | null;
  readinessAddr: SocketAddress | null;
  enableIpv6: boolean;
  dnsLookupFamily: 'All' | 'Auto' | 'V4Preferred' | 'V4Only' | 'V6Only';
  /** How long in-flight bodies may go on after SIGTERM, ms; and how long at least the listeners stay open. */
  connectionTerminationDeadlineMs: number;
  connectionMinTerminationDeadlineMs: number;
  logLevel: LogLevel;
  logFormat: 'text' | 'json';
  connectTimeoutMs: number;
  poolIdleTimeoutMs: number;
  /** Connections an endpoint a worker; 0 = no limit. */
  poolMaxSize: number;
  /** Sluice's own fields. */
  snapshotMaxBytes: number;
  allowPortSharing: boolean;
  /** Bytes of request bodies held at one time in the whole process. */
  bodyBufferBudget: number;
  /** Streams of gone clients that are drained to their usage at one time in the whole process, and for how long each. */
  drainMaxStreams: number;
  drainTimeoutMs: number;
  /** Where state is kept that outlives a request; `path` null = in memory, for the life of the process. */
  store:
    | { kind: 'embedded'; path: string | null; timeoutMs: number }
    | { kind: 'redis'; url: string; prefix: string; timeoutMs: number };
  /** Responses that the gateway keeps for providers that keep none: how long, and the largest. */
  storedResponses: { ttlMs: number; maxBytes: number };
  /** CEL functions of the operator's own, in agentgateway's notation. */
  customFunctions: string;
  /** Adds a Server-Timing header to each response. */
  serverTiming: boolean;
  /** The local configuration file whose resources stand in place of those beside these settings; null = none. */
  localXdsPath: string | null;
  /** The control plane that sends configuration; null = none. */
  xds: XdsSettings | null;
  self: SelfSettings;
}

/** Where this process runs: endpoints near it may be preferred, and those of other networks can't be reached directly. Empty = not known. */
export interface SelfSettings {
  network: string;
  node: string;
  clusterId: string;
  /** null = that of the workload which this process is, once it is known. */
  locality: Locality | null;
  podName: string;
  podNamespace: string;
}

/** How the control plane is reached, and what it is told of this process. Paths are relative to the working directory. */
export interface XdsSettings {
  /** `http://host:port` is plaintext, `https://host:port` TLS. */
  address: string;
  /** Which Gateway this process is one of. */
  namespace: string;
  gateway: string;
  clusterId: string;
  /** File of the bearer token; null = the one that controllers mount, where it is there. */
  tokenFile: string | null;
  /** File of CA certificates, or `SYSTEM`; null = the one that controllers mount, where it is there, else the system's. */
  rootCa: string | null;
  /** Files of a client certificate and its key; null = none is shown. */
  clientCertificate: { cert: string; key: string } | null;
  /** Metadata sent along, names in lower case. By its name it is left out of dumps. */
  secretHeaders: [name: string, value: string][];
  podName: string;
  /** Empty = not known. */
  instanceIp: string;
  nodeName: string;
  /** What roll-outs select nodes by. */
  labels: Record<string, string>;
  /** File that each stream's messages are recorded in; null = none. */
  recordFile: string | null;
}

/** `host:port` or a Unix socket. */
export type SocketAddress = { host: string; port: number } | { path: string };
