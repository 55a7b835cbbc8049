import type { CompiledBackend, RouteContext } from '../adapters/adapter.ts';
import type { ErrorDialect } from '../errors/render.ts';
import type { ErrorCode } from '../errors/table.ts';
import type { BackendType, Exchange, LocalReply, ResponseHead } from '../exchange.ts';
import type { CompiledPolicy, PolicyDefinition } from '../policies/definition.ts';
import type { PolicyServices } from '../policies/services.ts';
import type { PolicyLevel } from '../resources/catalogue.ts';
import type { PolicyMap } from '../resources/types.ts';
import type { BackendHooks, Dispatch, UpstreamCall } from '../upstream/call.ts';
import type { UpstreamTls } from '../upstream/cluster.ts';
import { orderPolicies, unguarded } from './effective-policies.ts';

/** A request step: nothing to go on, a reply to answer at once; throws a GatewayError to refuse. */
export type Step = (exchange: Exchange) => LocalReply | undefined | Promise<LocalReply | undefined>;

/** A reason why nothing behind it may serve. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What a listener does before a route is chosen. */
export interface ListenerProgram {
  readonly steps: readonly Step[];
  readonly onResponse: readonly ((head: ResponseHead, exchange: Exchange) => void)[];
  readonly refusal: Refusal | null;
}

/** A route, compiled: closures and tables, nothing to look up by name. */
export interface RouteProgram extends ListenerProgram {
  readonly backends: readonly WeightedBackend[];
  /** Sum of weights; 0 = no backend may be chosen. */
  readonly totalWeight: number;
  /** The language of errors on this route, where its backends have one. */
  readonly errorDialect: ((exchange: Exchange) => ErrorDialect) | null;
}

export interface WeightedBackend {
  readonly name: string;
  readonly type: BackendType;
  readonly weight: number;
  /** The backend's own policies, once it has been chosen. */
  readonly steps: readonly Step[];
  readonly backend: CompiledBackend | null;
  /** Why this backend can't serve; null = it can. */
  readonly refusal: Refusal | null;
  readonly context: RouteContext;
}

/** Compiled policies of one place, taken apart by what they do. */
export interface PolicySet {
  readonly steps: Step[];
  readonly onResponse: ((head: ResponseHead, exchange: Exchange) => void)[];
  readonly wraps: ((next: Dispatch) => Dispatch)[];
  readonly prepares: NonNullable<CompiledPolicy['onUpstream']>[];
  readonly tls: UpstreamTls | null;
  readonly holdBody: boolean;
  /** Names of protecting policies that this version doesn't execute. */
  readonly unguarded: readonly string[];
  readonly values: PolicyMap;
}

/** Steps that hold what policies say they read. */
export interface Holding {
  /** Holds the request's body. */
  readonly request: Step;
  /** Has the response held. */
  response(body: 'replaced' | 'read'): (exchange: Exchange) => undefined;
}

/** Compiles the policies of one place. `scope` is unique and stable: shared-memory rows are keyed by it. */
export function compilePolicies(
  values: PolicyMap,
  level: PolicyLevel,
  scope: string,
  registry: ReadonlyMap<string, PolicyDefinition>,
  services: PolicyServices,
  holding: Holding,
): PolicySet {
  const ordered = orderPolicies(values, registry);
  const steps: Step[] = [];
  const onResponse: PolicySet['onResponse'] = [];
  const wraps: PolicySet['wraps'] = [];
  const prepares: PolicySet['prepares'] = [];
  let tls: UpstreamTls | null = null;
  let holdBody = false;
  let readsBody = false;
  let responseBody: CompiledPolicy['responseBody'];
  for (const { definition, value } of ordered) {
    const compiled = definition.compile?.(value, { key: `${scope}/${definition.name}`, level }, services);
    if (compiled === undefined) continue;
    if (compiled.readsBody === true && !readsBody) {
      readsBody = true;
      // Who may not come this far has nothing held. Before a backend, the adapter holds it.
      if (level === 'backend') holdBody = true;
      else steps.push(holding.request);
    }
    if (compiled.responseBody !== undefined && responseBody !== 'read') responseBody = compiled.responseBody;
    if (compiled.onRequest !== undefined) steps.push(compiled.onRequest.bind(compiled));
    if (compiled.onResponse !== undefined) onResponse.push(compiled.onResponse.bind(compiled));
    if (compiled.wrapDispatch !== undefined) wraps.push(compiled.wrapDispatch.bind(compiled));
    if (compiled.onUpstream !== undefined) prepares.push(compiled.onUpstream.bind(compiled));
    if (compiled.tls !== undefined) tls = compiled.tls;
    if (compiled.holdBody === true) holdBody = true;
  }
  if (responseBody !== undefined) {
    const hold = holding.response(responseBody);
    if (level === 'backend') prepares.unshift((_, exchange) => hold(exchange));
    else steps.unshift(hold);
  }
  return { steps, onResponse, wraps, prepares, tls, holdBody, unguarded: unguarded(ordered, values), values };
}

/** The refusal for what isn't guarded, or null. */
export function refuseUnguarded(names: readonly string[]): Refusal | null {
  if (names.length === 0) return null;
  return {
    code: 'not_active',
    message: `The policy ${names.join(', ')} is configured but not executed by this version, so nothing is served behind it.`,
  };
}

/** What adapters apply to calls, from the policy sets of route and backend, the route's first. */
export function backendHooks(sets: readonly PolicySet[]): BackendHooks {
  const prepares = sets.flatMap((set) => set.prepares);
  const responses = sets.slice(1).flatMap((set) => set.onResponse);
  return {
    prepare: combinePrepares(prepares),
    onResponse: combineResponses(responses),
    tls: sets.reduce<UpstreamTls | null>((tls, set) => set.tls ?? tls, null),
    holdBody: sets.slice(1).some((set) => set.holdBody),
    policies: Object.assign({}, ...sets.slice(1).map((set) => set.values)),
  };
}

function combinePrepares(prepares: readonly NonNullable<CompiledPolicy['onUpstream']>[]): UpstreamCall['prepare'] {
  if (prepares.length <= 1) return prepares[0] ?? null;
  return (call, exchange) => runPrepares(prepares, 0, call, exchange);
}

/** Synchronous while every step is. */
function runPrepares(
  prepares: readonly NonNullable<CompiledPolicy['onUpstream']>[],
  start: number,
  call: UpstreamCall,
  exchange: Exchange,
): void | Promise<void> {
  for (let i = start; i < prepares.length; i++) {
    const pending = prepares[i]?.(call, exchange);
    if (pending instanceof Promise) return pending.then(() => runPrepares(prepares, i + 1, call, exchange));
  }
}

function combineResponses(
  hooks: readonly ((head: ResponseHead, exchange: Exchange) => void)[],
): BackendHooks['onResponse'] {
  if (hooks.length <= 1) return hooks[0] ?? null;
  return (head, exchange) => {
    for (const hook of hooks) hook(head, exchange);
  };
}

/** Wraps the plain dispatch, the first wrapper outermost. */
export function wrapDispatch(plain: Dispatch, wraps: readonly ((next: Dispatch) => Dispatch)[]): Dispatch {
  return wraps.reduceRight((next, wrap) => wrap(next), plain);
}
