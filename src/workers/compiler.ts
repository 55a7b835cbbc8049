import type { Adapter, AdapterServices, CompiledBackend, Replier } from '../adapters/adapter.ts';
import { LLM_MAX_BUFFER_BYTES } from '../adapters/llm/limits.ts';
import { GatewayError } from '../errors/table.ts';
import type { BackendType } from '../exchange.ts';
import type { PolicyDefinition } from '../policies/definition.ts';
import { frontendHttpLimits } from '../policies/frontend-http.ts';
import type { PolicyServices } from '../policies/services.ts';
import type { PolicyLevel } from '../resources/catalogue.ts';
import { backendKey } from '../resources/keys.ts';
import { mergePolicies, type PolicyLayer } from '../resources/merge-policies.ts';
import { listenerTargets, routeTargets, targetName } from '../resources/policy-targets.ts';
import type { SimpleBackend } from '../resources/schema/backend-ref.ts';
import { parseHostPort } from '../resources/schema/common.ts';
import type {
  AiBackend,
  Backend,
  BackendTarget,
  Bind,
  Frontend,
  Listener,
  PolicyMap,
  Resource,
  RouteBackend,
  TargetedPolicy,
} from '../resources/types.ts';
import type { BackendHooks, Dispatch } from '../upstream/call.ts';
import type { Cluster, ClusterSpec } from '../upstream/cluster.ts';
import type { Dependencies, Dependent } from './dependencies.ts';
import { holdingTo } from './holding.ts';
import type { PlannedListener, PlannedRoute } from './planned.ts';
import {
  backendHooks,
  compilePolicies,
  type ListenerProgram,
  type PolicySet,
  type Refusal,
  type RouteProgram,
  refuseUnguarded,
  type WeightedBackend,
  wrapDispatch,
} from './program.ts';
import type { TargetedPolicies } from './targeted-policies.ts';

/** What compiling needs besides the resources. */
export interface CompilerServices {
  readonly policies: ReadonlyMap<string, PolicyDefinition>;
  readonly adapters: ReadonlyMap<BackendTarget['kind'], Adapter>;
  readonly policyServices: PolicyServices;
  readonly adapterServices: AdapterServices;
  readonly dispatch: Dispatch;
  readonly reply: Replier;
  cluster(spec: ClusterSpec): Cluster;
}

/** The resources as the compiler reads them. */
export interface CompilerView {
  readonly resources: ReadonlyMap<string, Resource>;
  readonly targeted: TargetedPolicies;
  readonly dependencies: Dependencies;
}

const NO_POLICIES: PolicyMap = {};
const NO_SET: PolicySet = {
  steps: [],
  onResponse: [],
  wraps: [],
  prepares: [],
  tls: null,
  holdBody: false,
  unguarded: [],
  values: {},
};

/** Policies that are attached to where a route is, or to the route, for all of its backends: below a backend's own, and above. */
interface Around {
  readonly general: readonly PolicyLayer[];
  readonly specific: readonly PolicyLayer[];
}

/** Turns listeners and routes with everything that applies to them into programs, and notes what they were made from. */
export class Compiler {
  readonly #services: CompilerServices;
  readonly #view: CompilerView;
  /** What is being compiled: whatever is looked up meanwhile becomes a dependency of it. */
  #current: Dependent | null = null;

  constructor(services: CompilerServices, view: CompilerView) {
    this.#services = services;
    this.#view = view;
  }

  listener(listener: PlannedListener): ListenerProgram {
    return this.#for(listener, () => {
      const { resource } = listener;
      this.#uses(resource.key);
      const targets = this.#targetsOf(resource);
      const all = [this.#frontend(), ...this.#attached(targets, 'frontend')];
      const frontend = this.#policies(this.#merged(all), 'frontend', 'frontend');
      const maps = [...this.#attached(targets, 'gateway'), resource.policies];
      const own = this.#policies(this.#merged(maps), 'gateway', resource.key);
      return {
        steps: [...frontend.steps, ...own.steps],
        onResponse: [...frontend.onResponse, ...own.onResponse],
        refusal: refuseUnguarded([...frontend.unguarded, ...own.unguarded, ...resource.inactive]),
      };
    });
  }

  /** `parents`: the routes that delegated to it, outermost first; it carries their policies too. */
  route(route: PlannedRoute, parents: readonly PlannedRoute[], listener: PlannedListener): RouteProgram {
    return this.#for(route, () => {
      const { key, backends } = route.resource;
      this.#uses(listener.resource.key);
      const maps = [
        ...this.#attached(this.#targetsOf(listener.resource), 'route'),
        ...[...parents, route].flatMap((one) => this.#routePolicies(one)),
      ];
      const own = this.#policies(this.#merged(maps), 'route', key, this.#bodyLimit(backends));
      const dispatch = wrapDispatch(this.#services.dispatch, own.wraps);
      const sharing = () =>
        compiled.flatMap(({ backend, context, weight }) =>
          backend === null || weight === 0 ? [] : { backend, context },
        );
      const around: Around = {
        general: this.#attached(this.#targetsOf(listener.resource), 'backend'),
        specific: [...parents, route].flatMap((one) => this.#attached(routeTargets(one.resource), 'backend')),
      };
      const compiled: WeightedBackend[] = backends.map((backend, index) => {
        const one = this.#backend(backend, `${key}/backend${index}`, own, dispatch, around);
        return backends.length < 2 ? one : { ...one, context: { ...one.context, beside: sharing } };
      });
      return {
        steps: own.steps,
        onResponse: own.onResponse,
        refusal: refuseUnguarded(own.unguarded),
        backends: compiled,
        totalWeight: compiled.reduce((sum, backend) => sum + backend.weight, 0),
        errorDialect: compiled[0]?.backend?.errorDialect?.bind(compiled[0].backend) ?? null,
      };
    });
  }

  /** Compiles backend-level policies of an adapter's own places (AI providers); `scope` is unique and stable. */
  hooks(policies: PolicyMap, scope: string): BackendHooks {
    const set = this.#policies(policies, 'backend', scope);
    const hooks = backendHooks([NO_SET, set]);
    const refusal = refuseUnguarded(set.unguarded) ?? refuseAnswers(set);
    if (refusal === null) return hooks;
    const prepare = (): never => {
      throw new GatewayError(refusal.code, refusal.message);
    };
    return { ...hooks, prepare };
  }

  /**
   * The cluster of a simple backend reference in a policy (mirror, auxiliary service).
   * @throws GatewayError invalid_backend where it names nothing.
   */
  referenced(reference: SimpleBackend): Cluster {
    const { target, policies } = this.#reference(reference);
    const key = `reference/${JSON.stringify([target, policies])}`;
    const { tls } = this.#policies(policies, 'backend', key);
    return this.#services.cluster({ key, target, tls, policies });
  }

  #reference({ host, service, backend }: SimpleBackend): { target: BackendTarget; policies: PolicyMap } {
    if (host !== undefined) {
      const address = parseHostPort(host);
      const kind = 'path' in address ? 'unix' : 'host';
      return { target: { kind, ...address } as BackendTarget, policies: NO_POLICIES };
    }
    if (service !== undefined) {
      const slash = service.name.indexOf('/');
      const [namespace, name] = [service.name.slice(0, slash), service.name.slice(slash + 1)];
      return { target: { kind: 'service', namespace, name, port: service.port }, policies: NO_POLICIES };
    }
    const named = this.#resource(backendKey(backend ?? '')) as Backend | undefined;
    if (named === undefined) throw new GatewayError('invalid_backend', `The backend "${backend}" does not exist.`);
    return { target: named.target, policies: named.policies };
  }

  #for<Result>(dependent: Dependent, compile: () => Result): Result {
    this.#current = dependent;
    try {
      return compile();
    } finally {
      this.#current = null;
    }
  }

  #uses(key: string): void {
    if (this.#current !== null) this.#view.dependencies.add(this.#current, key);
  }

  #resource(key: string): Resource | undefined {
    this.#uses(key);
    return this.#view.resources.get(key);
  }

  #frontend(): PolicyMap {
    return (this.#resource('frontend') as Frontend | undefined)?.policies ?? NO_POLICIES;
  }

  /** What a listener is attached to by policies from outside: its gateway, perhaps the port of its bind, itself. */
  #targetsOf(listener: Listener): TargetedPolicy['target'][] {
    const bind = this.#resource(listener.bindKey) as Bind | undefined;
    return listenerTargets(listener, bind?.port ?? 0);
  }

  /** Policies attached from outside to these targets; that there are none is a dependency too. */
  #attached(targets: readonly TargetedPolicy['target'][], phase: TargetedPolicy['phase']): PolicyLayer[] {
    return targets.flatMap((target) => {
      const name = targetName(target);
      this.#uses(name);
      return this.#view.targeted.of(name, phase);
    });
  }

  /** Everything a route brings along: what is attached to it, then its own. */
  #routePolicies({ resource }: PlannedRoute): PolicyLayer[] {
    this.#uses(resource.key);
    return [...this.#attached(routeTargets(resource), 'route'), resource.policies];
  }

  #merged(layers: readonly PolicyLayer[]): PolicyMap {
    return mergePolicies(layers, this.#services.policies);
  }

  #policies(values: PolicyMap, level: PolicyLevel, scope: string, limit?: number): PolicySet {
    const { policies, policyServices, adapterServices } = this.#services;
    const most = frontendHttpLimits(this.#frontend()).maxBufferBytes ?? limit ?? null;
    return compilePolicies(values, level, scope, policies, policyServices, holdingTo(most, adapterServices.bodies));
  }

  /** What LLM requests may hold, where one of the backends serves them; undefined: the default. */
  #bodyLimit(backends: readonly RouteBackend[]): number | undefined {
    const targets = backends.map(({ target }) =>
      target.kind === 'backend' ? (this.#resource(target.key) as Backend | undefined)?.target : target,
    );
    return targets.some((target) => target?.kind === 'ai' || target?.kind === 'llm') ? LLM_MAX_BUFFER_BYTES : undefined;
  }

  #backend(
    reference: RouteBackend,
    scope: string,
    own: PolicySet,
    dispatch: Dispatch,
    { general, specific }: Around,
  ): WeightedBackend {
    const resolved = this.#resolve(reference.target, scope);
    const policies = this.#merged([...general, resolved.policies, ...specific, reference.policies]);
    const set = this.#policies(policies, 'backend', scope);
    return {
      name: resolved.name,
      type: resolved.type,
      weight: reference.weight,
      steps: set.steps,
      backend: resolved.backend,
      refusal: resolved.refusal ?? refuseUnguarded(set.unguarded),
      context: {
        dispatch: wrapDispatch(dispatch, set.wraps),
        hooks: backendHooks([own, set]),
        values: { ...own.values, ...policies },
        maxBufferBytes: frontendHttpLimits(this.#frontend()).maxBufferBytes,
        holdBody: own.holdBody || set.holdBody,
        reply: this.#services.reply,
      },
    };
  }

  /** Follows a reference to a named backend and compiles what serves it. */
  #resolve(target: BackendTarget, scope: string): ResolvedBackend {
    if (target.kind === 'backend') return this.#named(target.key);
    if (target.kind === 'llm') this.#uses(target.key);
    if (target.kind === 'inactive') {
      const message = `A backend of kind ${target.name} is configured but not executed by this version.`;
      return refused(target.name, { code: 'not_active', message });
    }
    const adapter = this.#services.adapters.get(target.kind);
    if (adapter === undefined) {
      return refused(target.kind, { code: 'invalid_backend', message: 'The route has no valid backend.' });
    }
    const policies = target.kind === 'service' ? this.#servicePolicies(target) : NO_POLICIES;
    const backend = adapter.compile(target, scope, this.#services.adapterServices);
    return { name: targetLabel(target), type: typeOf(target), backend, refusal: null, policies };
  }

  #named(key: string): ResolvedBackend {
    const named = this.#resource(key) as Backend | undefined;
    if (named === undefined) {
      return refused(key, { code: 'invalid_backend', message: `The backend ${key} does not exist.` });
    }
    const { name, namespace } = named;
    const whole = { kind: 'backend', name, namespace, section: '' } as const;
    const target =
      named.target.kind === 'ai'
        ? ({ kind: 'ai', ai: this.#withSections(named.target.ai, whole) } as const)
        : named.target;
    const inner = this.#resolve(target, key);
    const policies = this.#merged([inner.policies, ...this.#attached([whole], 'route'), named.policies]);
    return { ...inner, name, policies };
  }

  /** A section of an AI backend is one of its providers. */
  #withSections(ai: AiBackend, whole: TargetedPolicy['target'] & { kind: 'backend' }): AiBackend {
    const groups = ai.groups.map((group) =>
      group.map((provider) => {
        const attached = this.#attached([{ ...whole, section: provider.name }], 'route');
        return { ...provider, policies: this.#merged([...attached, provider.policies]) };
      }),
    );
    return { groups };
  }

  #servicePolicies({ namespace, name, port }: BackendTarget & { kind: 'service' }): PolicyMap {
    const whole = { kind: 'service', hostname: name, namespace, port: 0 } as const;
    return this.#merged([NO_POLICIES, ...this.#attached([whole, { ...whole, port }], 'route')]);
  }
}

/** Policies that answer or refuse by themselves have no place behind an adapter's own choice of where to send. */
function refuseAnswers({ steps, values }: PolicySet): Refusal | null {
  if (steps.length === 0) return null;
  const names = Object.keys(values).join(', ');
  return {
    code: 'not_active',
    message: `Of the policies ${names} of a provider one is not executed there by this version.`,
  };
}

interface ResolvedBackend {
  readonly name: string;
  readonly type: BackendType;
  readonly backend: CompiledBackend | null;
  readonly refusal: Refusal | null;
  readonly policies: PolicyMap;
}

function refused(name: string, refusal: Refusal): ResolvedBackend {
  return { name, type: 'unknown', backend: null, refusal, policies: NO_POLICIES };
}

function typeOf({ kind }: BackendTarget): BackendType {
  switch (kind) {
    case 'host':
    case 'unix':
      return 'static';
    case 'service':
      return 'service';
    case 'ai':
    case 'llm':
      return 'ai';
    default:
      return 'unknown';
  }
}

/** How logs and metrics name a backend. */
function targetLabel(target: BackendTarget): string {
  switch (target.kind) {
    case 'host':
      return `${target.host}:${target.port}`;
    case 'unix':
      return `unix:${target.path}`;
    case 'service':
      return `${target.namespace}/${target.name}:${target.port}`;
    case 'ai':
      return target.ai.groups[0]?.[0]?.name ?? 'ai';
    case 'llm':
      return target.key;
    default:
      return target.kind;
  }
}
