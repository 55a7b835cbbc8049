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
import type { ModelPiece } from './models.ts';
import { backendName } from './references.ts';

/** Model routers, put together from models and the backends that serve them. */

/** Policies of models that Sluice knows as the model's, not its provider's. */
const OF_MODELS: ReadonlySet<string> = new Set(['ai', 'authorization']);

/** Letters that must match: the more, the more specific. */
function specificity({ name }: { name: string }): number {
  return name.includes('*') ? name.length - 1 : name.length;
}

/** What a router's entries refer to. */
export interface ModelView {
  /** Policies attached from outside to a backend, or to the provider of it that `section` names. */
  attached(backend: Backend, section: string): PolicyLayer[];
  merge(layers: readonly PolicyLayer[]): PolicyMap;
  /** Names of what protects among policies but isn't executed. */
  unguarded(policies: PolicyMap): string[];
}

/** What one entry of a router comes down to. */
export interface RouterEntries {
  readonly models: readonly LlmModel[];
  readonly virtualModels: readonly VirtualModel[];
}

/** The LlmRouter that these entries make, sorted as a file's models are. */
export function assembleRouter(key: string, entries: readonly RouterEntries[]): LlmRouter {
  const models = entries.flatMap((one) => one.models).sort((a, b) => specificity(b) - specificity(a));
  return { kind: 'llmRouter', key, models, virtualModels: entries.flatMap((one) => one.virtualModels) };
}

/** What a piece makes of its backend (undefined: it hasn't come yet, and until then there is no such model). */
export function entriesOf(piece: ModelPiece, backend: Backend | undefined, view: ModelView): RouterEntries {
  const { model: name, routing, failover } = piece;
  if (routing !== null) return { models: [], virtualModels: [{ name, ...createdOf(piece), routing }] };
  if (backend === undefined) return { models: [], virtualModels: [] };
  const groups = backend.target.kind === 'ai' ? backend.target.ai.groups : [];
  const [only, ...others] = groups.flat();
  if (only === undefined) return { models: [unservable(piece, backend, view)], virtualModels: [] };
  if (!failover && others.length === 0) return { models: [modelOf(piece, backend, only, view)], virtualModels: [] };
  if (name.includes('*')) {
    // A pattern stands for names that are not known; none of them could be made a virtual model.
    const model = { ...modelOf(piece, backend, only, view), inactive: ['backend with several providers'] };
    return { models: [model], virtualModels: [] };
  }
  const { internal, targets } = providersAsModels(piece, backend, groups, view);
  return { models: internal, virtualModels: [{ name, ...createdOf(piece), routing: { kind: 'failover', targets } }] };
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
    ...createdOf(piece),
  };
}

function createdOf({ created }: ModelPiece): { created?: number } {
  return created === 0 ? {} : { created };
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
