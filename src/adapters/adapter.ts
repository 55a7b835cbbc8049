import type { Expressions } from '../cel/index.ts';
import type { ErrorDialect } from '../errors/render.ts';
import type { GatewayError } from '../errors/table.ts';
import type { EndCause, Exchange } from '../exchange.ts';
import type { TokenCount } from '../facts/llm.ts';
import type { DownstreamUpgrade, UpgradedConnection } from '../facts/upgrade.ts';
import type { Settings } from '../resources/settings.ts';
import type { BackendTarget, PolicyMap, Resource } from '../resources/types.ts';
import type { EndpointTable } from '../state/shared/endpoint-table.ts';
import type { MemoryBudget } from '../state/shared/memory-budget.ts';
import type { Store } from '../state/stores/store.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { PriceCatalog } from '../telemetry/prices/catalog.ts';
import type { BackendHooks, Dispatch } from '../upstream/call.ts';
import type { Cluster, ClusterSpec } from '../upstream/cluster.ts';
import type { Credentials } from '../upstream/credentials/credentials.ts';
import type { GuardedFetcher } from '../upstream/guarded-fetch.ts';

/**
 * What an adapter gets to serve one request with: the route's compiled parts and the pipeline's way back to the client.
 * One object a compiled route backend, shared by its requests; nothing in it is per request.
 */
export interface RouteContext {
  /** The plain dispatch wrapped by the route's retry, timeout and mirror. */
  readonly dispatch: Dispatch;
  /** Backend-level policies given on the route and on its backend reference. */
  readonly hooks: BackendHooks;
  /** Effective policy values by name, for policies that an adapter executes as data (`ai`, `onClientAbort` …). */
  readonly values: PolicyMap;
  /** Bytes of a request body this route may hold (frontendPolicies.http.maxBufferSize; null = the adapter's default). */
  readonly maxBufferBytes: number | null;
  /** True where a policy (retry, mirror) needs the request body held. */
  readonly holdBody: boolean;
  readonly reply: Replier;
  /** Where requests are shared by weight: all of the route's backends that can serve, this one among them. */
  readonly beside?: () => readonly { readonly backend: CompiledBackend; readonly context: RouteContext }[];
}

/** The pipeline's end of a reply; runs response policies, sets status, counts bytes, ends the exchange once. */
export interface Replier {
  /** Sends the head: response policies run here. `headers`: flat, lower-case, hop-by-hop fields already removed. */
  head(exchange: Exchange, status: number, headers: string[]): void;
  /** Grants a switch of protocols with status 101: response policies run on its fields. Null where the exchange has ended. */
  upgrade(exchange: Exchange, upgrade: DownstreamUpgrade, headers: string[]): UpgradedConnection | null;
  /** False: wait for `exchange.downstream.onDrain`. */
  data(exchange: Exchange, chunk: Buffer): boolean;
  /** Completes the reply and ends the exchange. */
  end(exchange: Exchange, trailers?: readonly string[]): void;
  /** A whole reply made here; ends the exchange. */
  local(exchange: Exchange, status: number, headers: string[], body: Buffer | string): void;
  /** Renders the error in the client's dialect before the head, breaks the reply off after it; ends the exchange. */
  error(exchange: Exchange, error: GatewayError): void;
  /** The exchange ends with nothing more to send (the client is gone and everything is accounted). */
  finish(exchange: Exchange, cause: EndCause): void;
}

/** A backend compiled by its adapter: serves exchanges to their end through `context.reply`. */
export interface CompiledBackend {
  /** Throwing (or rejecting) is the same as `reply.error`. */
  handle(exchange: Exchange, context: RouteContext): void | Promise<void>;
  /** The client's language, where this kind of backend has one: for errors that come up before `handle` is reached. */
  errorDialect?(exchange: Exchange): ErrorDialect;
}

/** What a worker lends to the adapters whose backends it compiles. */
export interface AdapterServices {
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly credentials: Credentials;
  readonly cel: Expressions;
  /** Health and load that all workers know of. */
  readonly endpoints: Pick<EndpointTable, 'endpoint'>;
  /** Process-wide budget of held request bodies. */
  readonly bodies: MemoryBudget;
  /** Process-wide budget of streams drained for clients that have gone. */
  readonly drains: MemoryBudget;
  readonly drainTimeoutMs: number;
  /** What outlives a request or a worker. */
  readonly store: Store;
  /** How long a response that is kept here is, and the largest. */
  readonly storedResponses: Settings['storedResponses'];
  readonly prices: PriceCatalog;
  /** For what a client's URL names: guarded where it goes. */
  readonly fetcher: GuardedFetcher;
  /** Tokens of `texts` for a model, counted off the event loop. Never rejects. */
  countTokens(texts: readonly string[], model: string): Promise<TokenCount>;
  /** The texts of lists of cl100k_base tokens, null for what is none; null where there is no time for it. Never rejects. */
  decodeTokens(lists: readonly (readonly number[])[]): Promise<readonly (string | null)[] | null>;
  /** One per key and worker; the same key gives the same cluster. */
  cluster(spec: ClusterSpec): Cluster;
  /** Compiles backend-level policies (of an AI provider, say); `scope` is unique and stable. */
  hooks(policies: PolicyMap, scope: string): BackendHooks;
  /** Another resource by key, as of this snapshot. */
  resource(key: string): Resource | undefined;
}

/** One backend kind, or several of one family. */
export interface Adapter {
  readonly kinds: readonly BackendTarget['kind'][];
  /** `scope` is unique and stable: endpoint rows are keyed by it. */
  compile(target: BackendTarget, scope: string, services: AdapterServices): CompiledBackend;
}
