import { nearest } from '../../resources/did-you-mean.ts';
import type { LocalLlm, LocalLlmModel, LocalLlmVirtualModel } from '../../resources/schema/index.ts';
import type { LlmModel, LlmRouter, PolicyMap, VirtualModel } from '../../resources/types.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';
import { type Attachments, carriesHttp, type OpenListener, type Ports } from './listeners.ts';
import {
  baseOf,
  composeProvider,
  type ModelPolicies,
  type ProviderBase,
  readModelPolicies,
  readParams,
  readProviders,
} from './llm-providers.ts';
import { type Routes, valueMatches } from './routes.ts';

const DEFAULT_PORT = 4000;
const ROUTER_KEY = 'llm/default';
const ROUTE_NAME = 'llm:request';

/**
 * The `llm:` section: an LlmRouter with its models, and the route that leads to it, on gateways or on a port of its own.
 * Policies of the connection to a provider (auth, TLS, headers, health, tunnel) go to the model's provider; what concerns the
 * request itself (the `ai` policy's fields, authorization) to the model.
 */
export function normalizeLlm(
  context: Context,
  llm: Section<LocalLlm>,
  ports: Ports,
  attachments: Attachments,
  routes: Routes,
): void {
  const policies = llm.section('policies') as Section | undefined;
  const shared = policies?.take('guardrails') ?? undefined;
  if (shared !== undefined && policies !== undefined) noteGuards(context, shared, policies);

  const providers = readProviders(context, llm);
  const models = llm
    .list('models')
    .flatMap((model, index) => normalizeModel(context, model, index, providers, shared))
    .sort((a, b) => specificity(b.name) - specificity(a.name));
  const router: LlmRouter = {
    kind: 'llmRouter',
    key: ROUTER_KEY,
    models,
    virtualModels: llm.list('virtualModels').map((model) => normalizeVirtualModel(context, model, models)),
  };
  checkVirtualNames(context, llm);
  context.emit(router, llm.path);

  const requestPolicies = (policies === undefined ? {} : context.policies(policies, 'route')) as Record<
    string,
    unknown
  >;
  const { listeners, attached } = listenersOf(context, llm, ports, attachments);
  if (!attached) {
    const [listener] = listeners;
    // On a port of its own, what can run before a route is chosen runs there.
    for (const [name, value] of Object.entries(requestPolicies)) {
      if (listener === undefined || context.catalogue.policies.get(name)?.levels.includes('gateway') !== true) continue;
      listener.resource.policies = { ...listener.resource.policies, [name]: value };
      delete requestPolicies[name];
    }
  }
  routes.emit({
    scope: 'llm',
    listenerKeys: listeners.map(({ resource }) => resource.key),
    groupKey: '',
    name: ROUTE_NAME,
    namespace: context.identity.namespace,
    ruleName: '',
    hostnames: [],
    matches: [{ path: { pathPrefix: '/' }, method: '', headers: [], query: [] }],
    policies: requestPolicies as PolicyMap,
    backends: [{ weight: 1, target: { kind: 'llm', key: ROUTER_KEY }, policies: {} }],
    order: Number.MAX_SAFE_INTEGER,
  });
}

function listenersOf(
  context: Context,
  llm: Section<LocalLlm>,
  ports: Ports,
  attachments: Attachments,
): { listeners: OpenListener[]; attached: boolean } {
  const gateways = llm.get('gateways');
  const port = llm.get('port') ?? null;
  const tls = llm.section('tls');
  const driver = llm.get('driver');
  const standalone = port !== null || tls !== undefined;
  if (gateways.length > 0 && standalone) {
    context.fault(
      llm.at('gateways'),
      'gateways and port or tls exclude each other',
      'set the port and tls of the gateway',
    );
  }
  if (gateways.length > 0 || (!standalone && attachments.has('default'))) {
    if (driver !== undefined) context.fault(llm.at('driver'), 'the driver is chosen by the gateway', 'set it there');
    return { listeners: attachments.resolve(gateways, llm.path, { noun: 'llm', serves: carriesHttp }), attached: true };
  }
  const opened = ports.open({
    port: port ?? DEFAULT_PORT,
    path: llm.path,
    title: 'llm',
    tunnelProtocol: 'direct',
    driver: driver ?? 'auto',
  });
  if (opened === undefined) return { listeners: [], attached: false };
  const listener = ports.listen(opened, {
    path: llm.path,
    name: 'llm',
    gateway: context.identity.gateway,
    namespace: context.identity.namespace,
    hostname: '',
    protocol: undefined,
    tls,
    policies: {},
  });
  return { listeners: [listener], attached: false };
}

function normalizeModel(
  context: Context,
  section: Section<LocalLlmModel>,
  index: number,
  providers: ReadonlyMap<string, ProviderBase>,
  shared: unknown,
): LlmModel[] {
  const name = section.get('name');
  if (!isPattern(name)) context.fault(section.at('name'), `"${name}": at most one *, and only at one end or alone`);
  const base = baseOf(context, section, providers);
  const own = {
    params: readParams(context, section),
    policies: readModelPolicies(context, section as unknown as Section),
  };
  const authorization = (section as unknown as Section).take('authorization') ?? undefined;
  if (authorization !== undefined) context.policy('authorization', authorization, section.at('authorization'));
  const id = section.get('id') ?? `${name}:${index}`;
  const visibility = section.get('visibility') ?? 'public';
  const passthrough = section.get('passthrough') ?? 'detect';
  const matches = section
    .list('matches')
    .map((match) => valueMatches(match.get('headers'), (header) => header.toLowerCase()));
  if (base === undefined) return [];

  const provider = composeProvider(context, `llm:model:${id}`, section, base, own);
  const policies: Record<string, unknown> = {};
  const ai = aiPolicy(base.policies, own.policies, shared);
  if (ai !== undefined) policies.ai = ai;
  if (authorization !== undefined) policies.authorization = authorization;
  const model: LlmModel = {
    name,
    visibility,
    headers: [],
    provider,
    policies,
    passthrough,
    inactive: [...context.unguarded(policies), ...context.unguarded(provider.policies)],
  };
  if (matches.length === 0) return [model];
  return matches.flatMap((headers) => (headers === null ? [] : [{ ...model, headers }]));
}

/** Fields of the `ai` policy, the model's before its provider's; shared guards run before the model's own. */
function aiPolicy(base: ModelPolicies, own: ModelPolicies, shared: unknown): Record<string, unknown> | undefined {
  const ai: Record<string, unknown> = { ...base.ai, ...own.ai };
  const guards = mergeGuards(shared, ai.promptGuard);
  if (guards !== undefined) ai.promptGuard = guards;
  return Object.keys(ai).length === 0 ? undefined : ai;
}

function mergeGuards(shared: unknown, own: unknown): unknown {
  if (shared === undefined || shared === null) return own;
  if (own === undefined || own === null) return shared;
  const [first, second] = [shared as Record<string, unknown>, own as Record<string, unknown>];
  const merged: Record<string, unknown> = { ...first, ...second };
  for (const side of ['request', 'response']) {
    const lists = [first[side], second[side]].filter(Array.isArray);
    if (lists.length > 0) merged[side] = lists.flat();
  }
  return merged;
}

function noteGuards(context: Context, shared: unknown, policies: Section): void {
  const entry = context.catalogue.policies.get('ai');
  for (const part of entry?.inactiveParts?.({ promptGuard: shared }) ?? []) {
    context.inactive(policies.at('guardrails', ...part.path.slice(1)), part.protects);
  }
}

function isPattern(name: string): boolean {
  const star = name.indexOf('*');
  return name !== '' && (star === -1 || (star === name.lastIndexOf('*') && (star === 0 || star === name.length - 1)));
}

/** Letters that must match: the more, the more specific. */
function specificity(name: string): number {
  return name.includes('*') ? name.length - 1 : name.length;
}

function matchesPattern(pattern: string, name: string): boolean {
  if (!pattern.includes('*')) return pattern === name;
  return pattern.startsWith('*') ? name.endsWith(pattern.slice(1)) : name.startsWith(pattern.slice(0, -1));
}

const KINDS = ['weighted', 'failover', 'conditional'] as const;

function normalizeVirtualModel(
  context: Context,
  section: Section<LocalLlmVirtualModel>,
  models: readonly LlmModel[],
): VirtualModel {
  const name = section.get('name');
  const routing = section.get('routing');
  const given = KINDS.filter((kind) => routing[kind] !== undefined && routing[kind] !== null);
  if (given.length !== 1) {
    context.fault(section.at('routing'), `give exactly one of ${KINDS.join(', ')}`);
  }
  for (const kind of given) {
    const targets: readonly { model: string; when?: unknown; weight?: number }[] = routing[kind]?.targets ?? [];
    const path = section.at('routing', kind, 'targets');
    if (targets.length === 0) context.fault(path, 'give at least one target');
    if (kind === 'weighted' && targets.length > 0 && targets.every(({ weight }) => weight === 0)) {
      context.fault(path, 'the weights of all targets are 0');
    }
    for (const [index, target] of targets.entries()) {
      if (!models.some((model) => matchesPattern(model.name, target.model))) {
        const near = nearest(
          target.model,
          models.map((model) => model.name),
        );
        const hint = near === undefined ? undefined : `did you mean "${near}"?`;
        context.fault([...path, index, 'model'], `"${target.model}" matches no entry of llm.models`, hint);
      }
      const open = kind === 'conditional' && (target.when === undefined || target.when === null);
      if (open && index < targets.length - 1) {
        context.fault([...path, index], 'a target without `when` always matches: it can only be the last');
      }
    }
  }
  return { name, routing: virtualRouting(routing) };
}

/** What isn't exactly one of the three is a fault already. */
function virtualRouting({ weighted, failover, conditional }: LocalLlmVirtualModel['routing']): VirtualModel['routing'] {
  if (weighted) return { kind: 'weighted', targets: weighted.targets };
  if (failover) return { kind: 'failover', targets: failover.targets };
  const targets = conditional?.targets ?? [];
  return { kind: 'conditional', targets: targets.map(({ model, when }) => ({ model, when: when ?? '' })) };
}

function checkVirtualNames(context: Context, llm: Section<LocalLlm>): void {
  const seen = new Set<string>();
  for (const [index, { name }] of (llm.value.virtualModels ?? []).entries()) {
    if (seen.has(name)) context.fault(llm.at('virtualModels', index, 'name'), `two virtual models are named "${name}"`);
    seen.add(name);
  }
}
