import type { PriceFile, StatedPrices } from './prices.ts';

/**
 * The one vocabulary. Every configuration source (YAML, xDS, Kubernetes) is turned into these resources; the primary
 * publishes them, each under its key, and workers compile them. They are plain JSON: what crosses the snapshot log is
 * exactly what stands here. Names are agentgateway's.
 */

/** Policy name → its validated value, as the catalogue's entry of that name describes it. */
export type PolicyMap = Readonly<Record<string, unknown>>;

/** A port. key: `bind/<port>` */
export interface Bind {
  kind: 'bind';
  key: string;
  port: number;
  /** Address to listen on; '' = all, IPv6 wildcard included where enabled. */
  address: string;
  protocol: 'http' | 'tls' | 'tcp';
  tunnelProtocol: 'direct' | 'hboneWaypoint' | 'hboneGateway' | 'proxy' | 'connect';
  /** Sluice's own: which HTTP driver serves the port. */
  driver: 'auto' | 'node' | 'uws';
}

/** Server-side TLS of a listener; PEM texts, already read from their files. */
export interface ServerTls {
  cert: string;
  /** Secret. */
  key: string;
  /** CA bundle that client certificates must chain to (mTLS); '' = none asked for. */
  root: string;
  minVersion: 'TLSv1.2' | 'TLSv1.3';
  maxVersion: 'TLSv1.2' | 'TLSv1.3';
  /** IANA or OpenSSL names; empty = the platform's. */
  cipherSuites: string[];
  /** ALPN protocols offered, most preferred first. */
  alpn: string[];
}

/** Host and protocol on a bind. key: `listener/<bind port>/<name>` */
export interface Listener {
  kind: 'listener';
  key: string;
  bindKey: string;
  name: string;
  /** The gateway's name, as logs and metrics say it. */
  gateway: string;
  namespace: string;
  /** The set of listeners that it comes from; absent: the gateway's own. */
  listenerSet?: { name: string; namespace: string };
  /** Exact, `*.suffix`, or '' for any. Lower-case. */
  hostname: string;
  protocol: 'HTTP' | 'HTTPS' | 'TCP' | 'TLS' | 'HBONE';
  tls: ServerTls | null;
  /** Policies that run before a route is chosen. */
  policies: PolicyMap;
  /** Parts of the listener that are accepted but not executed yet and that protect; its routes answer 503 naming them. */
  inactive: string[];
}

export type PathMatch = { exact: string } | { pathPrefix: string } | { regex: string };
export type ValueMatch = { exact: string } | { regex: string };

export interface RouteMatch {
  path: PathMatch;
  /** Upper-case; '' = any. */
  method: string;
  /** Names lower-case; `:method`, `:authority`, `:path`, `:scheme` are allowed. */
  headers: { name: string; value: ValueMatch }[];
  query: { name: string; value: ValueMatch }[];
}

/** key: `route/<listener or group>/<name>` */
export interface Route {
  kind: 'route';
  key: string;
  /** Listeners it serves; empty for a route of a route group. */
  listenerKeys: string[];
  /** Set on a route of a group: the group's key. */
  groupKey: string;
  name: string;
  namespace: string;
  ruleName: string;
  /** The kind its name is one of, where kinds share names (`GRPCRoute`); absent: `HTTPRoute`. */
  nameKind?: string;
  /** Exact or `*.suffix`, lower-case; empty = any. */
  hostnames: string[];
  /** Never empty: without `matches` it is one prefix `/`. */
  matches: RouteMatch[];
  policies: PolicyMap;
  backends: RouteBackend[];
  /** Place in its source: of two equally specific routes the earlier wins. */
  order: number;
}

/** A backend as a route names it. `policies` are the backend-level policies given inline. */
export interface RouteBackend {
  weight: number;
  target: BackendTarget;
  policies: PolicyMap;
}

export type BackendTarget =
  | { kind: 'host'; host: string; port: number }
  | { kind: 'unix'; path: string }
  | { kind: 'service'; namespace: string; name: string; port: number }
  /** A named backend: the key of a Backend resource. */
  | { kind: 'backend'; key: string }
  | { kind: 'ai'; ai: AiBackend }
  /** The `llm:` section's model router: the key of an LlmRouter resource. */
  | { kind: 'llm'; key: string }
  | { kind: 'routeGroup'; key: string }
  /** A kind that is described and validated, but not executed by this version: answers 503 `not_active`. */
  | { kind: 'inactive'; name: string; value: unknown }
  /** `invalid`: answers 500. */
  | { kind: 'invalid' };

/** A named backend. key: `backend/<namespace>/<name>` */
export interface Backend {
  kind: 'backend';
  key: string;
  name: string;
  namespace: string;
  target: BackendTarget;
  policies: PolicyMap;
}

/** One provider of an `ai` backend or of an `llm` model. */
export interface AiProvider {
  /** Unique within its backend. */
  name: string;
  /** Registered provider kind: openAI, anthropic, custom, gemini …, `demo`. */
  provider: string;
  /** The provider's own settings, as its schema describes them (`model`, …). */
  settings: Readonly<Record<string, unknown>>;
  /** `host:port` in place of the provider's own; '' = default. */
  hostOverride: string;
  /** True where the override speaks TLS (an https baseUrl). Without an override the provider decides. */
  hostOverrideTls: boolean;
  /** Replaces the whole path; '' = none. */
  pathOverride: string;
  /** Replaces the provider's base path `/v1`; '' = none. */
  pathPrefix: string;
  tokenize: boolean;
  policies: PolicyMap;
}

/** Priority groups, best first: a lower group serves only while every provider above is evicted. */
export interface AiBackend {
  groups: AiProvider[][];
}

/** One entry of `llm.models`, the most specific first. */
export interface LlmModel {
  /** Pattern: at most one `*`, leading, trailing or alone. */
  name: string;
  visibility: 'public' | 'internal';
  /** All must match; an empty list always does. */
  headers: { name: string; value: ValueMatch }[];
  provider: AiProvider;
  /** Model-level policies (defaults, overrides, transformation, guardrails, auth …). */
  policies: PolicyMap;
  /** What a path that no format claims is done with. */
  passthrough: 'detect' | 'opaque';
  /** Names of parts accepted but not executed yet that protect the model: requests for it answer 503 naming them. */
  inactive: string[];
  /** When it was configured, as lists of models say it; Unix seconds. Only control planes know. */
  created?: number;
}

/** The `llm:` section. key: `llm/<name>` */
export interface LlmRouter {
  kind: 'llmRouter';
  key: string;
  models: LlmModel[];
  virtualModels: VirtualModel[];
}

/** A name that stands for a choice of models. */
export interface VirtualModel {
  name: string;
  /** As a model's. */
  created?: number;
  routing:
    | { kind: 'weighted'; targets: { model: string; weight: number }[] }
    /** The lowest priority is tried first. */
    | { kind: 'failover'; targets: { model: string; priority: number }[] }
    /** The first whose CEL condition holds; '' always does. */
    | { kind: 'conditional'; targets: { model: string; when: string }[] };
}

/** A policy attached from outside to what it targets. key: `policy/<namespace>/<name>` */
export interface TargetedPolicy {
  kind: 'policy';
  key: string;
  name: string;
  target:
    | { kind: 'gateway'; gateway: string; namespace: string; listener: string; port: number }
    | { kind: 'listenerSet'; name: string; namespace: string; listener: string }
    /** `nameKind`: see Route.nameKind; absent: routes of any kind. */
    | { kind: 'route'; name: string; namespace: string; ruleName: string; nameKind?: string }
    | { kind: 'backend'; name: string; namespace: string; section: string }
    | { kind: 'service'; hostname: string; namespace: string; port: number };
  /**
   * What it is a policy of, on what the target reaches: its routes (of a backend: itself), what runs before one is chosen, all of their
   * backends, or the connections of clients.
   */
  phase: 'route' | 'gateway' | 'backend' | 'frontend';
  policies: PolicyMap;
  order: number;
  /** More specific policies don't take the place of this one. */
  override?: true;
}

/** A group of routes that a route may delegate to. key: `routeGroup/<name>` */
export interface RouteGroup {
  kind: 'routeGroup';
  key: string;
  name: string;
}

/** A part of a locality compares by its text, the empty one too. */
export interface Locality {
  region: string;
  zone: string;
  subzone: string;
}

/** Where a waypoint, or a network's gateway, is reached. */
export interface GatewayAddress {
  /** `network/ip` (the network may be empty), or `namespace/hostname` of a service. */
  destination: string;
  /** 0 = 15008. */
  hboneMtlsPort: number;
}

/** What of a locality an endpoint has in common with the gateway, to be preferred. */
export type LoadBalancerScope = 'Region' | 'Zone' | 'Subzone' | 'Node' | 'Cluster' | 'Network';

export interface LoadBalancer {
  /** The most important first: an endpoint ranks by how many of them it matches before the first it doesn't. */
  routingPreferences: LoadBalancerScope[];
  /** `Failover`: the best ranked endpoints, then the next. `Strict`: those that match all. Otherwise preferences are not looked at. */
  mode: 'Standard' | 'Strict' | 'Failover' | 'Passthrough';
  healthPolicy: 'OnlyHealthy' | 'AllowAll';
}

/**
 * A service: selects workloads. key: `service/<namespace>/<hostname>`
 *
 * There are many services, and many more workloads: a field that is optional is absent where it is at its default or empty.
 */
export interface Service {
  kind: 'service';
  key: string;
  namespace: string;
  name: string;
  hostname: string;
  /** Service port → target port; 0 = each workload says it. */
  ports: Record<string, number>;
  /** Protocol of service ports that say one. */
  appProtocols?: Record<string, 'Http11' | 'Http2' | 'Grpc' | 'Tcp' | 'Tls'>;
  /** Its own addresses, `network/ip`. */
  vips?: string[];
  /** SPIFFE identities its workloads may have beside their own. */
  subjectAltNames?: string[];
  waypoint?: GatewayAddress;
  /** While it moves from one waypoint to another: all of them, `waypoint` included. */
  weightedWaypoints?: { destination: GatewayAddress; weight: number }[];
  /** Requests from gateways go through the waypoint too. */
  ingressUseWaypoint?: true;
  loadBalancer?: LoadBalancer;
  ipFamilies?: 'Dual' | 'IPv4' | 'IPv6';
  /** The one that others of the same hostname are measured by. */
  canonical?: true;
}

/** That a workload belongs to a service. A list and not keyed by them: of objects with keys of their own each one costs a shape of its own. */
export interface Membership {
  /** The service's key. */
  service: string;
  /** Where the service's ports lead there; one that isn't named, where the service says. */
  ports: { port: number; target: number }[];
}

/** A workload: what runs behind services. key: `workload/<uid>` */
export interface Workload {
  kind: 'workload';
  key: string;
  name: string;
  namespace: string;
  /** IP addresses of the one workload, the preferred first. */
  addresses: string[];
  /** Where it has no address: the name it is found by, or `*.suffix`. */
  hostname?: string;
  healthy: boolean;
  services: Membership[];
  /** How it must be spoken to; absent = plainly. */
  protocol?: 'HBONE' | 'LegacyIstioMtls';
  network?: string;
  /** Where it is reached from other networks. */
  networkGateway?: GatewayAddress;
  waypoint?: GatewayAddress;
  /** Its addresses are its node's. */
  hostNetwork?: true;
  locality?: Locality;
  node?: string;
  /** Absent = `Kubernetes`. */
  clusterId?: string;
  /** Absent = `cluster.local`. */
  trustDomain?: string;
  /** Absent = `default`. */
  serviceAccount?: string;
  /** Its share of requests among equals; 0 = none. Absent = 1. */
  capacity?: number;
}

/** Policies of all connections and requests. key: `frontend` */
export interface Frontend {
  kind: 'frontend';
  key: 'frontend';
  policies: PolicyMap;
}

/** What models cost (`config.modelCatalog`). key: `modelPrices` */
export interface ModelPrices {
  kind: 'modelPrices';
  key: string;
  /** In place of the price file that Sluice comes with; null: that one. */
  file: PriceFile | null;
  stated: StatedPrices;
}

export type Resource =
  | Bind
  | Listener
  | Route
  | Backend
  | LlmRouter
  | TargetedPolicy
  | RouteGroup
  | Service
  | Workload
  | Frontend
  | ModelPrices;

export type ResourceKind = Resource['kind'];
