import type { z } from 'zod';
import type { Exchange, LocalReply, ResponseHead } from '../exchange.ts';
import type { InactivePart, PolicyFault, PolicyLevel, PolicyWire } from '../resources/catalogue.ts';
import type { Dispatch, UpstreamCall } from '../upstream/call.ts';
import type { UpstreamTls } from '../upstream/cluster.ts';
import type { PolicyServices } from './services.ts';

/**
 * Where in a request's life a policy runs; the order here is the order they run in. Preflights are answered before anyone
 * asks for a credential; nothing is counted against a limit before it is known who asks; what answers locally does so after
 * everything that could refuse.
 */
export const PHASES = [
  'cors',
  'authentication',
  'authorization',
  'limit',
  'fault',
  'request',
  'respond',
  'rewrite',
  'backend',
  'dispatch',
  'llm-request',
  'llm-response',
  'mcp-call',
  'mcp-list',
  'a2a-call',
  'connection',
] as const;

export type Phase = (typeof PHASES)[number];

/** What a policy is compiled to, once per snapshot. Only the functions that are there are called. */
export interface CompiledPolicy {
  /**
   * Runs in phase order before the backend is chosen. Returns nothing to go on, a reply to answer at once; throws a
   * GatewayError to refuse. May be asynchronous; most are not, and then the pipeline never yields.
   */
  onRequest?(exchange: Exchange): LocalReply | undefined | Promise<LocalReply | undefined>;
  /** Runs on the response head on its way to the client (upstream's and local replies alike). */
  onResponse?(head: ResponseHead, exchange: Exchange): void;
  /** Runs once an attempt on the call that is about to leave: backend credentials, backend headers. */
  onUpstream?(call: UpstreamCall, exchange: Exchange): void | Promise<void>;
  /** Wraps the dispatch of a whole request: retry, timeout, mirror. Outermost first in registry order. */
  wrapDispatch?(next: Dispatch): Dispatch;
  /** True where the policy sends the request body more than once, so that it must be held (retry, mirror). */
  holdBody?: boolean;
  /** True where the policy reads the request's body: it is held before the policy runs, `exchange.heldBody`. */
  readsBody?: boolean;
  /** What the policy's `onResponse` does with the response's body: then it runs once that has come, whole (`exchange.heldResponse`). */
  responseBody?: 'replaced' | 'read';
  /** TLS towards the backend (backendTLS). */
  tls?: UpstreamTls;
}

/** Where a compiled policy stands. */
export interface PolicyScope {
  /** Unique and stable across snapshots while the place stays: shared-memory rows (rate limits) are keyed by it. */
  readonly key: string;
  readonly level: PolicyLevel;
}

/**
 * One policy: everything there is to know of it. YAML, xDS, CRDs, JSON schema, reference pages and forms are derived from
 * this. `compile` is absent while the policy is described and validated but not executed yet.
 */
export interface PolicyDefinition<Value = unknown> {
  readonly name: string;
  readonly schema: z.ZodType<Value>;
  readonly summary: string;
  readonly levels: readonly PolicyLevel[];
  readonly phase: Phase;
  readonly protects: boolean;
  /** Sluice's own, not agentgateway's. */
  readonly own?: boolean;
  /** Name in configuration where it isn't `name`; `name` stays unique in the registry. */
  readonly yamlName?: string;
  /** Other names configuration takes for it. */
  readonly aliases?: readonly string[];
  /** Schemas of levels where the value's shape differs from `schema`. */
  readonly schemas?: Readonly<Partial<Record<PolicyLevel, z.ZodType>>>;
  /** How control planes say it; absent for what only files can say. */
  readonly wire?: readonly PolicyWire[];
  inactiveParts?(value: Value): InactivePart[];
  faults?(value: Value): PolicyFault[];
  /** One value of two that are given for one place, the more general first. Without it the more specific stands alone. */
  merge?(general: Value, specific: Value): Value;
  compile?(value: Value, scope: PolicyScope, services: PolicyServices): CompiledPolicy;
}

/**
 * Keeps the value's type from schema to compile while the registry holds definitions of all values alike, and names the
 * schemas, so that the JSON schema refers to them instead of repeating them.
 */
export function definePolicy<Value>(definition: PolicyDefinition<Value>): PolicyDefinition {
  const { schema, schemas } = definition;
  const id = `${definition.name.replaceAll(/(?:^|\.)(\w)/g, (_, first: string) => first.toUpperCase())}Policy`;
  const named = {
    ...definition,
    schema: schema.meta({ id }),
    ...(schemas && {
      schemas: Object.fromEntries(
        Object.entries(schemas).map(([level, other]) => [level, other.meta({ id: `${id}At${level}` })]),
      ),
    }),
  };
  return named as unknown as PolicyDefinition;
}
