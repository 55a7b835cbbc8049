import type { PolicyLayer } from '../../resources/merge-policies.ts';
import type {
  AiProvider,
  Backend,
  LlmModel,
  LlmRouter,
  PolicyMap,
  Route,
  VirtualModel,
} from '../../resources/types.ts';
import { WireError, type WireMessage } from '../../resources/wire.ts';
import { modelBackendName, nameOf, orderedName, readOrdered, routerKey, routerName } from './keys.ts';
import { below, messageIn, messagesIn, type Notes, numberIn, required, textIn } from './notes.ts';
import type { PolicySpecs } from './policies.ts';
import { backendName, readReference } from './references.ts';

type Drawn = Extract<VirtualModel['routing'], { kind: 'weighted' | 'conditional' }>;

/** One entry of a model router. */
export interface ModelPiece {
  readonly kind: 'model';
  readonly key: string;
  /** Place among those that are equally specific. */
  readonly order: number;
  /** Key of the LlmRouter. */
  readonly router: string;
  /** The listener that a router of its own serves, where the control plane names no router; '' = it does. */
  readonly listener: string;
  /** The name, or pattern, that clients ask for. */
  readonly model: string;
  readonly visibility: LlmModel['visibility'];
  /** Policies of the model, and those of the way to its provider. */
  readonly policies: PolicyMap;
  readonly connection: PolicyMap;
  /** Key of the Backend that serves it; '' for a virtual model that others stand for. */
  readonly backend: string;
  /** Others that stand for it; null: the backend's providers do. */
  readonly routing: Drawn | null;
  /** True where the backend's providers are a virtual model's. */
  readonly failover: boolean;
}

/** Policies of models that Sluice knows as the model's, not its provider's. */
const OF_MODELS: ReadonlySet<string> = new Set(['ai', 'authorization']);

/** ModelRoute. Throws WireError. */
export function readModelRoute(wire: WireMessage, specs: PolicySpecs, notes: Notes): ModelPiece {
  const { name: ownKey, order } = readOrdered(required(wire, 'key'));
  const model = below(['match'], () => required(messageIn(wire, 'match'), 'model'));
  if (!isPattern(model))
    throw new WireError(`"${model}": at most one *, and only at one end or alone`, ['match', 'model']);
  const router = textIn(wire, 'router_key');
  const listener = textIn(wire, 'listener_key');
  if (router === '' && listener === '') throw new WireError('is missing', ['router_key']);
  const ai = messageIn(wire, 'ai_policy');
  const authorization = messageIn(wire, 'authorization');
  const aiPolicies = ai === undefined ? {} : specs.readAll('backend', 'ai_policy', [{ ai }], 'backend', notes);
  const rules =
    authorization === undefined ? {} : specs.readAll('traffic', 'authorization', [{ authorization }], 'route', notes);
  const base = {
    kind: 'model',
    key: `model/${ownKey}`,
    order,
    router: router === '' ? `llm/${listener}` : routerKey(router),
    listener: router === '' ? listener : '',
    model,
    policies: { ...aiPolicies, ...rules },
  } as const;
  const concrete = messageIn(wire, 'concrete_model');
  if (concrete !== undefined) {
    const visibility = concrete.model_visibility === 'INTERNAL' ? 'internal' : 'public';
    const backend = below(['concrete_model', 'backend'], () => readBackend(concrete));
    const connection = below(['concrete_model'], () =>
      specs.readAll('backend', 'backend_policies', messagesIn(concrete, 'backend_policies'), 'backend', notes),
    );
    return { ...base, visibility, backend, connection, routing: null, failover: false };
  }
  const virtual = messageIn(wire, 'virtual_model');
  if (virtual === undefined) throw new WireError('a model of a kind that this version does not know');
  if (model.includes('*')) throw new WireError('a virtual model has a name, not a pattern', ['match', 'model']);
  return below(['virtual_model'], () => ({
    ...base,
    visibility: 'public' as const,
    connection: {},
    ...readVirtual(virtual, specs),
  }));
}

function readVirtual(wire: WireMessage, specs: PolicySpecs): Pick<ModelPiece, 'backend' | 'routing' | 'failover'> {
  const failover = messageIn(wire, 'failover');
  if (failover !== undefined) {
    return { backend: below(['failover', 'backend'], () => readBackend(failover)), routing: null, failover: true };
  }
  const weighted = messageIn(wire, 'weighted');
  if (weighted !== undefined) {
    const targets = targetsOf(weighted, 'weighted').map((one) => ({ ...one, weight: numberIn(one.wire, 'weight') }));
    if (targets.every(({ weight }) => weight === 0))
      throw new WireError('the weights of all targets are 0', ['weighted']);
    const routing = { kind: 'weighted' as const, targets: targets.map(({ model, weight }) => ({ model, weight })) };
    return { backend: '', routing, failover: false };
  }
  const conditional = messageIn(wire, 'conditional');
  if (conditional === undefined) throw new WireError('routing of a kind that this version does not know');
  const targets = targetsOf(conditional, 'conditional').map(({ model, wire: one }, index, all) => {
    const when = textIn(one, 'when');
    const path = ['conditional', 'targets', index];
    if (when === '' && index < all.length - 1)
      throw new WireError('a target without `when` can only be the last', path);
    const fault = when === '' ? null : specs.checker.expression(when);
    if (fault !== null) throw new WireError(fault, [...path, 'when']);
    return { model, when };
  });
  return { backend: '', routing: { kind: 'conditional', targets }, failover: false };
}

function targetsOf(routing: WireMessage, field: string): { model: string; wire: WireMessage }[] {
  const targets = messagesIn(routing, 'targets');
  if (targets.length === 0) throw new WireError('is empty', [field, 'targets']);
  return targets.map((wire, index) => ({
    model: below([field, 'targets', index], () => required(wire, 'model')),
    wire,
  }));
}

function readBackend(wire: WireMessage): string {
  const target = readReference(messageIn(wire, 'backend'));
  if (target.kind !== 'backend') throw new WireError('names no backend');
  return target.key;
}

function isPattern(name: string): boolean {
  const star = name.indexOf('*');
  return star === -1 || (star === name.lastIndexOf('*') && (star === 0 || star === name.length - 1));
}

/** Letters that must match: the more, the more specific. */
function specificity({ name }: { name: string }): number {
  return name.includes('*') ? name.length - 1 : name.length;
}

/** What a router's entries refer to. */
export interface ModelView {
  backend(key: string): Backend | undefined;
  /** Policies attached from outside to a backend, or to the provider of it that `section` names. */
  attached(backend: Backend, section: string): PolicyLayer[];
  merge(layers: readonly PolicyLayer[]): PolicyMap;
  /** Names of what protects among policies but isn't executed. */
  unguarded(policies: PolicyMap): string[];
}

/** The LlmRouter that these entries make, sorted as a file's models are. */
export function assembleRouter(key: string, pieces: readonly ModelPiece[], view: ModelView): LlmRouter {
  const models: LlmModel[] = [];
  const virtualModels: VirtualModel[] = [];
  const sorted = pieces.toSorted((a, b) => a.order - b.order || (a.key < b.key ? -1 : 1));
  for (const piece of sorted) {
    if (piece.routing !== null) {
      virtualModels.push({ name: piece.model, routing: piece.routing });
      continue;
    }
    const backend = view.backend(piece.backend);
    // Until its backend comes there is no such model.
    if (backend === undefined) continue;
    const target = backend.target;
    const groups = target.kind === 'ai' ? target.ai.groups : null;
    const [only, ...others] = groups?.flat() ?? [];
    if (groups === null || only === undefined) models.push(unservable(piece, backend, view));
    else if (!piece.failover && others.length === 0) models.push(modelOf(piece, backend, only, view));
    else if (piece.model.includes('*'))
      models.push({ ...modelOf(piece, backend, only, view), inactive: ['backend with several providers'] });
    else {
      const { internal, targets } = providersAsModels(piece, backend, groups, view);
      models.push(...internal);
      virtualModels.push({ name: piece.model, routing: { kind: 'failover', targets } });
    }
  }
  models.sort((a, b) => specificity(b) - specificity(a));
  return { kind: 'llmRouter', key, models, virtualModels };
}

function modelOf(piece: ModelPiece, backend: Backend, provider: AiProvider, view: ModelView): LlmModel {
  const all = view.merge([
    ...view.attached(backend, ''),
    backend.policies,
    ...view.attached(backend, provider.name),
    provider.policies,
    piece.connection,
  ]);
  const own = Object.fromEntries(Object.entries(all).filter(([name]) => OF_MODELS.has(name)));
  const connection = Object.fromEntries(Object.entries(all).filter(([name]) => !OF_MODELS.has(name)));
  const policies = view.merge([piece.policies, own]);
  return {
    name: piece.model,
    visibility: piece.visibility,
    headers: [],
    provider: { ...provider, name: modelProviderName(backend), policies: connection },
    policies,
    passthrough: 'detect',
    inactive: [...view.unguarded(policies), ...view.unguarded(connection)],
  };
}

/** Providers of models are known by their backend's name: of a model's backend they are all called alike. */
function modelProviderName({ name, namespace }: Backend): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** A backend with several providers, as a model of its own for each, which nobody can ask for by name. */
function providersAsModels(piece: ModelPiece, backend: Backend, groups: AiProvider[][], view: ModelView) {
  const internal: LlmModel[] = [];
  const targets: { model: string; priority: number }[] = [];
  for (const [priority, providers] of groups.entries()) {
    for (const provider of providers) {
      const name = `${backendName(backend.key)}/${provider.name}`;
      const model = modelOf({ ...piece, model: name, visibility: 'internal' }, backend, provider, view);
      // The provider is asked for what the client asked for, never for the name that only the router knows.
      const settings = { ...provider.settings, model: provider.settings.model ?? piece.model };
      internal.push({ ...model, provider: { ...model.provider, name: provider.name, settings } });
      targets.push({ model: name, priority });
    }
  }
  return { internal, targets };
}

/** A model whose backend is none of LLM providers: it answers 503. */
function unservable(piece: ModelPiece, backend: Backend, view: ModelView): LlmModel {
  const provider: AiProvider = {
    name: modelProviderName(backend),
    provider: 'openAI',
    settings: {},
    hostOverride: '',
    hostOverrideTls: false,
    pathOverride: '',
    pathPrefix: '',
    tokenize: false,
    policies: {},
  };
  const kind = backend.target.kind === 'inactive' ? backend.target.name : backend.target.kind;
  return { ...modelOf(piece, { ...backend, policies: {} }, provider, view), inactive: [`backend of kind ${kind}`] };
}

/** Paths that a router of a listener's own serves, as agentgateway's does. */
const PATHS = [
  '/v1/models',
  '/models',
  '/v1/messages/count_tokens',
  '/v1/chat/completions',
  '/v1/messages',
  '/v1/responses',
  '/v1/responses/compact',
  '/v1/images/generations',
  '/v1/images/edits',
  '/v1/images/variations',
  '/v1/embeddings',
  '/v1/rerank',
  '/v2/rerank',
];
const PATH_PATTERNS = [
  '/v[0-9]+(?:beta[0-9]+)?/projects/[^/]+/locations/[^/]+/publishers/[^/]+/models/[^/]+:[A-Za-z]+',
  '/v[0-9]+(?:(?:alpha|beta)[0-9]*)?/models/[^/]+:(?:generateContent|streamGenerateContent|countTokens)',
];

/** The route to the router of a listener whose models name no router. */
export function routeToRouter(listener: string): Route {
  return {
    kind: 'route',
    key: `route/llm:request:${listener}`,
    listenerKeys: [`listener/${listener}`],
    groupKey: '',
    name: 'llm:request',
    namespace: 'internal',
    ruleName: '',
    hostnames: [],
    matches: [
      ...PATHS.map((exact) => ({ path: { exact }, method: '', headers: [], query: [] })),
      ...PATH_PATTERNS.map((regex) => ({ path: { regex }, method: '', headers: [], query: [] })),
    ],
    policies: {},
    backends: [{ weight: 1, target: { kind: 'llm', key: `llm/${listener}` }, policies: {} }],
    order: 0,
  };
}

/** An LlmRouter as a message for each model and backend. Throws WireError for what only files can say. */
export function writeRouter(
  router: LlmRouter,
  specs: PolicySpecs,
  writeProviders: (groups: AiProvider[][]) => WireMessage,
): WireMessage[] {
  const name = routerName(router.key);
  const messages: WireMessage[] = [{ backend: { key: name, model_router: { router_key: name } } }];
  for (const [order, model] of router.models.entries()) {
    const { visibility, headers, provider, policies, passthrough } = model;
    if (headers.length > 0) throw new WireError("can't be said", ['headers']);
    if (passthrough !== 'detect') throw new WireError("can't be said", ['passthrough']);
    const { ai, authorization, ...others } = policies;
    if (Object.keys(others).length > 0) throw new WireError("can't be said", ['policies']);
    const key = modelBackendName(router.key, order);
    messages.push(
      {
        backend: {
          key,
          name: { name: provider.name, namespace: '' },
          ai: writeProviders([[{ ...provider, policies: {} }]]),
        },
      },
      {
        model_route: {
          key: orderedName(order, `${nameOf(router.key)}/model${order}`),
          router_key: name,
          match: { model: model.name },
          concrete_model: {
            model_visibility: visibility === 'internal' ? 'INTERNAL' : 'PUBLIC',
            backend: { backend: key },
            backend_policies: specs.writeAll('backend', provider.policies),
          },
          ...(ai !== undefined && { ai_policy: specs.write('backend', { name: 'ai', value: ai })?.ai }),
          ...(authorization !== undefined && {
            authorization: specs.write('traffic', { name: 'authorization', value: authorization })?.authorization,
          }),
        },
      },
    );
  }
  for (const [index, { name: virtual, routing }] of router.virtualModels.entries()) {
    if (routing.kind === 'failover') throw new WireError("can't be said", [virtual, 'failover']);
    const { kind, targets } = routing;
    messages.push({
      model_route: {
        key: orderedName(router.models.length + index, `${nameOf(router.key)}/virtual${index}`),
        router_key: name,
        match: { model: virtual },
        virtual_model: { [kind]: { targets: targets.map(writeTarget) } },
      },
    });
  }
  return messages;
}

function writeTarget(target: Drawn['targets'][number]): WireMessage {
  if (!('when' in target)) return target;
  return { model: target.model, ...(target.when !== '' && { when: target.when }) };
}
