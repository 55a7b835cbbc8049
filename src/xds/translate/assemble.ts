import type { Catalogue } from '../../resources/catalogue.ts';
import { backendKey } from '../../resources/keys.ts';
import { mergePolicies, OverridingPolicies, type PolicyLayer } from '../../resources/merge-policies.ts';
import { unguardedPolicies } from '../../resources/policy-check.ts';
import { byPrecedence, listenerTargets, targetName } from '../../resources/policy-targets.ts';
import type {
  Backend,
  BackendTarget,
  Frontend,
  Listener,
  PolicyMap,
  Resource,
  Route,
  TargetedPolicy,
} from '../../resources/types.ts';
import { inlineBackendName, nameOf, ownerOfBackend } from './keys.ts';
import { completeTls, type TlsDefaults } from './listener.ts';
import { assembleRouter, entriesOf, type ModelView, type RouterEntries, routeToRouter } from './model-router.ts';
import type { ModelPiece } from './models.ts';
import type { Piece } from './pieces.ts';

type Kept<Kind extends Piece['kind']> = Extract<Piece, { kind: Kind }>;

const FRONTEND = 'frontend';

/**
 * Pieces as they are known by now, and the resources they make together. Whatever is missing yet is left out; when it comes, `touchedBy` says
 * which resources are made anew.
 */
export class Pieces {
  readonly #catalogue: Catalogue;
  readonly #byKey = new Map<string, Piece>();
  /** Names of groups → their members. */
  readonly #groups = new Map<string, Set<Piece>>();

  /** What models came down to, with what that was made from. */
  readonly #made = new WeakMap<
    ModelPiece,
    { backend: Backend | undefined; policies: number; entries: RouterEntries }
  >();
  /** Grows whenever a policy that is attached to a backend comes or goes. */
  #backendPolicies = 0;

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  at(key: string): Piece | undefined {
    return this.#byKey.get(key);
  }

  add(piece: Piece): void {
    this.#byKey.set(piece.key, piece);
    this.#note(piece);
    for (const name of groupsOf(piece)) {
      const group = this.#groups.get(name);
      if (group === undefined) this.#groups.set(name, new Set([piece]));
      else group.add(piece);
    }
  }

  remove(piece: Piece): void {
    this.#byKey.delete(piece.key);
    this.#note(piece);
    for (const name of groupsOf(piece)) {
      const group = this.#groups.get(name);
      group?.delete(piece);
      if (group?.size === 0) this.#groups.delete(name);
    }
  }

  /** A policy of a backend concerns whatever models that serves. */
  #note(piece: Piece): void {
    if (piece.kind === 'policy' && piece.policy.target.kind === 'backend') this.#backendPolicies++;
  }

  /** Keys of the resources that a piece is part of, or has a say in. */
  touchedBy(piece: Piece): string[] {
    switch (piece.kind) {
      case 'nothing':
        return [];
      case 'resource':
        return piece.key === FRONTEND ? [FRONTEND, ...this.#keys(LISTENERS)] : [piece.key];
      case 'bind':
        return [piece.key, ...this.#keys(`listeners of ${piece.key}`)];
      case 'part':
        // TLS that is said for all connections is every listener's.
        return piece.owner === FRONTEND && TLS in piece.policies ? [FRONTEND, ...this.#keys(LISTENERS)] : [piece.owner];
      case 'reach':
        return [piece.owner];
      case 'backend':
        return [ownerOfBackend(nameOf(piece.key)) ?? piece.key, ...this.#routersOf(piece.key)];
      case 'policy':
        return [piece.key, ...this.#touchedByPolicy(piece.policy)];
      case 'model':
        return piece.listener === '' ? [piece.router] : [piece.router, routeToRouter(piece.listener).key];
      case 'router':
        return piece.backend === '' ? [piece.router] : [piece.router, piece.backend];
      default:
        return [piece.key];
    }
  }

  #touchedByPolicy({ target, phase, policies }: TargetedPolicy): string[] {
    if (phase === 'frontend' && TLS in policies) return this.#keys(LISTENERS);
    if (target.kind !== 'backend') return [];
    return this.#keys(`backends ${target.namespace}/${target.name}`).flatMap((key) => this.#routersOf(key));
  }

  /** The resource under `key` as its pieces make it; null = none, undefined = as it was: it is not remembered. */
  resource(key: string): Resource | null | undefined {
    const piece = this.#byKey.get(key);
    switch (piece?.kind) {
      case 'resource':
        return piece.resource ?? undefined;
      case 'bind':
        return piece.internal ? null : piece.bind;
      case 'listener':
        return this.#listener(piece);
      case 'route':
        return this.#route(piece.route.get());
      case 'backend':
        return ownerOfBackend(nameOf(key)) === null ? piece.backend : null;
      case 'policy':
        return piece.policy;
      default:
        return this.#composed(key);
    }
  }

  /** A resource that no piece is by itself. */
  #composed(key: string): Resource | null {
    if (key === FRONTEND) return this.#frontend();
    const [declared] = this.#members(`declares ${key}`, 'router');
    if (key.startsWith('llm/')) {
      const models = this.#members(`router ${key}`, 'model');
      if (models.length === 0 && declared === undefined) return null;
      return assembleRouter(
        key,
        models.sort(byOrder).map((model) => this.#entries(model)),
      );
    }
    const [model] = this.#members(`served by ${key}`, 'model');
    if (model !== undefined) return routeToRouter(model.listener);
    return declared === undefined ? null : routerBackend(key, declared.router);
  }

  #frontend(): Frontend | null {
    const policies = this.#parts(FRONTEND);
    return Object.keys(policies).length === 0 ? null : { kind: 'frontend', key: FRONTEND, policies };
  }

  /** The policies that are part of a resource. */
  #parts(owner: string): PolicyMap {
    const parts = this.#members(`parts of ${owner}`, 'part');
    return parts.length === 0 ? {} : this.#merge(parts.sort(byOrder).map(({ policies }) => policies));
  }

  #listener({ listener, tls }: Kept<'listener'>): Listener {
    const piece = this.#byKey.get(listener.bindKey);
    const bind = piece?.kind === 'bind' ? piece.bind : undefined;
    const tunnel = bind?.tunnelProtocol ?? 'direct';
    return {
      ...listener,
      tls: tls === null ? null : completeTls(tls, this.#tlsDefaults(listener, bind?.port ?? 0)),
      policies: this.#parts(listener.key),
      inactive: tunnel === 'direct' ? listener.inactive : [...listener.inactive, `tunnelProtocol ${tunnel}`],
    };
  }

  /** What the `frontend.tls` policies say that this listener is under, the most general first. */
  #tlsDefaults(listener: Listener, port: number): TlsDefaults {
    const policies = this.#members(FRONTEND_TLS, 'policy').map(({ policy }) => policy);
    const targeted = listenerTargets(listener, port).flatMap((target) => {
      const name = targetName(target);
      return policies.filter((policy) => targetName(policy.target) === name).sort(byPrecedence);
    });
    const frontend = this.resource(FRONTEND) as Frontend | null | undefined;
    const merged = this.#merge([frontend?.policies ?? {}, ...targeted.map(layerOf)]);
    return (merged[TLS] ?? {}) as TlsDefaults;
  }

  #route(route: Route): Route {
    const policies = this.#parts(route.key);
    const backends = route.backends.map((backend, index) => {
      const inline = this.#inlineBackend(route.key, index, backend.target);
      return inline === null ? backend : { ...backend, target: inline };
    });
    const others = this.#members(`listeners of ${route.key}`, 'reach').sort(byOrder);
    const listenerKeys = [...route.listenerKeys, ...others.map(({ listener }) => listener)];
    return { ...route, listenerKeys, policies: { ...route.policies, ...policies }, backends };
  }

  /** What stands in the route itself and comes as a backend of its own. */
  #inlineBackend(route: string, index: number, target: BackendTarget): BackendTarget | null {
    if (target.kind !== 'backend' || target.key !== backendKey(inlineBackendName(route, index))) return null;
    const piece = this.#byKey.get(target.key);
    return piece?.kind === 'backend' ? piece.backend.target : null;
  }

  /** What a model makes of its backend; remembered, since a router is made anew for each of its models that comes. */
  #entries(model: ModelPiece): RouterEntries {
    const piece = this.#byKey.get(model.backend);
    const backend = piece?.kind === 'backend' ? piece.backend : undefined;
    const known = this.#made.get(model);
    if (known !== undefined && known.backend === backend && known.policies === this.#backendPolicies)
      return known.entries;
    const entries = entriesOf(model, backend, this.#view);
    this.#made.set(model, { backend, policies: this.#backendPolicies, entries });
    return entries;
  }

  readonly #view: ModelView = {
    attached: (backend, section) => {
      const policies = this.#members(onBackend(backend, section), 'policy').map(({ policy }) => policy);
      return policies.sort(byPrecedence).map(layerOf);
    },
    merge: (layers) => this.#merge(layers),
    unguarded: (policies) => unguardedPolicies(this.#catalogue, policies),
  };

  #merge(layers: readonly PolicyLayer[]): PolicyMap {
    return mergePolicies(layers, this.#catalogue.policies);
  }

  #members<Kind extends Piece['kind']>(group: string, kind: Kind): Kept<Kind>[] {
    const found: Kept<Kind>[] = [];
    for (const piece of this.#groups.get(group) ?? []) if (piece.kind === kind) found.push(piece as Kept<Kind>);
    return found;
  }

  #keys(group: string): string[] {
    return [...(this.#groups.get(group) ?? [])].map(({ key }) => key);
  }

  #routersOf(backend: string): string[] {
    return this.#members(`models of ${backend}`, 'model').map(({ router }) => router);
  }
}

const TLS = 'frontend.tls';
const FRONTEND_TLS = 'frontend.tls policies';
const LISTENERS = 'listeners';

/** Groups that a piece is found by. */
function groupsOf(piece: Piece): string[] {
  switch (piece.kind) {
    case 'listener':
      return [LISTENERS, `listeners of ${piece.listener.bindKey}`];
    case 'part':
      return [`parts of ${piece.owner}`];
    case 'reach':
      return [`listeners of ${piece.owner}`];
    case 'backend':
      return [`backends ${piece.backend.namespace}/${piece.backend.name}`];
    case 'policy': {
      const { target, phase, policies } = piece.policy;
      if (target.kind === 'backend') return [onBackend(target, target.section)];
      return phase === 'frontend' && TLS in policies ? [FRONTEND_TLS] : [];
    }
    case 'model': {
      const { router, backend, listener } = piece;
      const groups = [`router ${router}`];
      if (backend !== '') groups.push(`models of ${backend}`);
      if (listener !== '') groups.push(`served by ${routeToRouter(listener).key}`);
      return groups;
    }
    case 'router':
      return [`declares ${piece.router}`, `declares ${piece.backend}`];
    default:
      return [];
  }
}

function onBackend({ namespace, name }: { namespace: string; name: string }, section: string): string {
  return `on ${namespace}/${name}/${section}`;
}

/** By place, then by name. */
function byOrder(a: { order: number; key: string }, b: { order: number; key: string }): number {
  return a.order - b.order || (a.key < b.key ? -1 : 1);
}

function layerOf({ policies, override }: TargetedPolicy): PolicyLayer {
  return override === true ? new OverridingPolicies(policies) : policies;
}

/** The backend by whose name routes find a model router. */
function routerBackend(key: string, router: string): Backend {
  const name = nameOf(key);
  const slash = name.indexOf('/');
  return {
    kind: 'backend',
    key,
    name: name.slice(slash + 1),
    namespace: name.slice(0, slash),
    target: { kind: 'llm', key: router },
    policies: {},
  };
}
