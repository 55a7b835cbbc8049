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
  logLevel: 'error' | 'warn' | 'info' | 'debug';
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
}

/** `host:port` or a Unix socket. */
export type SocketAddress = { host: string; port: number } | { path: string };
