import { nearest } from '../../resources/did-you-mean.ts';
import { splitBaseUrl } from '../../resources/host-port.ts';
import type { LocalLlm, LocalLlmModel, LocalLlmProvider } from '../../resources/schema/index.ts';
import { validate } from '../../resources/schema/validate.ts';
import type { AiProvider, PolicyMap } from '../../resources/types.ts';
import type { Path } from '../fault.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';
import { hostTarget, noteProvider } from './targets.ts';

/**
 * The providers of `llm:` models. A model names a provider, or refers to an entry of `llm.providers` whose parameters and
 * defaults it takes where it says nothing itself.
 */

type Params = NonNullable<LocalLlmModel['params']>;
type LocalProvider = LocalLlmModel['provider'];

/** Connection policies that models and provider defaults name in their own way: local field → policy. */
const CONNECTION_POLICIES = {
  requestHeaders: 'requestHeaderModifier',
  responseHeaders: 'responseHeaderModifier',
  backendTLS: 'backendTLS',
  tls: 'backendTLS',
  auth: 'backendAuth',
  health: 'health',
  backendTunnel: 'backendTunnel',
} as const;

/** Fields of the `ai` policy that models and provider defaults name in their own way: local field → field of the policy. */
const AI_FIELDS = {
  defaults: 'defaults',
  overrides: 'overrides',
  transformation: 'transformations',
  finalTransformation: 'finalTransformations',
  promptCaching: 'promptCaching',
  mediaFetch: 'mediaFetch',
  guardrails: 'promptGuard',
} as const;

/** Parameters → settings of the provider that takes them. */
const SETTINGS: Readonly<Record<string, Readonly<Partial<Record<keyof Params, string>>>>> = {
  vertex: { vertexRegion: 'region', vertexProject: 'projectId' },
  bedrock: { awsRegion: 'region' },
  azure: {
    azureResourceName: 'resourceName',
    azureResourceType: 'resourceType',
    azureApiVersion: 'apiVersion',
    azureProjectName: 'projectName',
  },
};
const PROVIDER_PARAMS = [
  'awsRegion',
  'vertexRegion',
  'vertexProject',
  'azureResourceName',
  'azureResourceType',
  'azureApiVersion',
  'azureProjectName',
] as const satisfies readonly (keyof Params)[];

/** Policies that one source (a model, or a provider's defaults) gives. */
export interface ModelPolicies {
  /** Policies of the connection, by policy name. */
  connection: Record<string, unknown>;
  /** Fields of the `ai` policy. */
  ai: Record<string, unknown>;
}

/** What a model builds on: provider, parameters and defaults. */
export interface ProviderBase {
  provider: string;
  /** Settings of a custom provider; empty for others. */
  custom: Readonly<Record<string, unknown>>;
  params: Partial<Params>;
  policies: ModelPolicies;
}

/** Entries of `llm.providers` by name. */
export function readProviders(context: Context, llm: Section<LocalLlm>): Map<string, ProviderBase> {
  const providers = new Map<string, ProviderBase>();
  for (const section of llm.list('providers')) {
    const name = section.get('name');
    if (providers.has(name)) context.fault(section.at('name'), `two providers are named "${name}"`);
    const provider = section.get('provider');
    if (typeof provider === 'object' && 'reference' in provider) {
      context.fault(section.at('provider', 'reference'), 'a shared provider cannot refer to another');
      continue;
    }
    const defaults = section.section('defaults') as Section | undefined;
    providers.set(name, {
      ...named(context, provider, section.at('provider')),
      params: readParams(context, section),
      policies: defaults === undefined ? { connection: {}, ai: {} } : readModelPolicies(context, defaults),
    });
  }
  return providers;
}

/** The provider a model names, or refers to. */
export function baseOf(
  context: Context,
  section: Section<LocalLlmModel>,
  providers: ReadonlyMap<string, ProviderBase>,
): ProviderBase | undefined {
  const provider = section.get('provider');
  if (typeof provider === 'object' && 'reference' in provider) {
    const reference = String(provider.reference);
    const found = providers.get(reference);
    if (found === undefined) {
      const near = nearest(reference, providers.keys());
      const hint = near === undefined ? 'define it under llm.providers' : `did you mean "${near}"?`;
      context.fault(section.at('provider', 'reference'), `there is no provider "${reference}"`, hint);
    }
    return found;
  }
  return { ...named(context, provider, section.at('provider')), params: {}, policies: { connection: {}, ai: {} } };
}

function named(context: Context, provider: LocalProvider, path: Path): Pick<ProviderBase, 'provider' | 'custom'> {
  if (typeof provider === 'object') {
    const custom = 'custom' in provider ? (provider.custom as Record<string, unknown>) : {};
    noteProvider(context, 'custom', path);
    return { provider: 'custom', custom };
  }
  const name = provider === 'openai' ? 'openAI' : provider;
  noteProvider(context, name, path);
  return { provider: name, custom: {} };
}

/** Reads the policies of a model or of a provider's defaults, and reports those that are not executed. */
export function readModelPolicies(context: Context, section: Section): ModelPolicies {
  const policies: ModelPolicies = { connection: {}, ai: {} };
  for (const [field, policy] of Object.entries(CONNECTION_POLICIES)) {
    const value = section.take(field);
    if (value === undefined || value === null) continue;
    policies.connection[policy] = value;
    context.policy(policy, value, section.at(field));
  }
  const entry = context.catalogue.policies.get('ai');
  for (const [field, name] of Object.entries(AI_FIELDS)) {
    const value = section.take(field);
    if (value === undefined || value === null) continue;
    policies.ai[name] = value;
    if (entry === undefined) continue;
    for (const fault of entry.faults?.({ [name]: value }) ?? []) {
      context.fault(section.at(field, ...fault.path.slice(1)), fault.message);
    }
    if (!entry.active) context.inactive(section.at(field), entry.protects);
    else {
      for (const part of entry.inactiveParts?.({ [name]: value }) ?? []) {
        context.inactive(section.at(field, ...part.path.slice(1)), part.protects);
      }
    }
  }
  return policies;
}

/** Parameters as given, with what must not stand together reported. */
export function readParams(
  context: Context,
  owner: Section<LocalLlmModel> | Section<LocalLlmProvider>,
): Partial<Params> {
  const params = (owner as Section<LocalLlmModel>).section('params') as Section<Params> | undefined;
  if (params === undefined) return {};
  const given: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(params.value)) {
    params.take(key);
    if (value !== undefined && value !== null && value !== '') given[key] = value;
  }
  const read = given as Partial<Params>;
  if (read.baseUrl !== undefined && read.baseUrl !== null) {
    for (const other of ['hostOverride', 'pathPrefix'] as const) {
      if (read[other] !== undefined) context.fault(params.at(other), `baseUrl and ${other} exclude each other`);
    }
    const wrong = baseUrlFault(read.baseUrl);
    if (wrong !== undefined) context.fault(params.at('baseUrl'), wrong);
  }
  if (read.apiKey !== undefined && read.apiKeys !== undefined)
    context.fault(params.at('apiKeys'), 'apiKey and apiKeys exclude each other');
  if (read.hostOverride) hostTarget(context, read.hostOverride, params.at('hostOverride'));
  for (const name of ['pathOverride', 'pathPrefix'] as const) {
    const path = read[name];
    if (path && !path.startsWith('/')) context.fault(params.at(name), 'a path begins with /');
  }
  return read;
}

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

function baseUrlFault(text: string): string | undefined {
  const url = parseUrl(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return 'not an http or https URL';
  if (url.username !== '' || url.password !== '') return 'a base URL holds no credentials; use apiKey or auth';
  if (url.search !== '' || url.hash !== '') return 'a base URL has neither query nor fragment';
  return undefined;
}

/** Puts model and base together: what the model says wins, field by field; its address replaces the base's as a whole. */
export function composeProvider(
  context: Context,
  name: string,
  owner: Section<LocalLlmModel>,
  base: ProviderBase,
  own: { params: Partial<Params>; policies: ModelPolicies },
): AiProvider {
  const ownAddress = own.params.baseUrl ?? own.params.hostOverride;
  const { baseUrl, hostOverride, pathPrefix, ...shared } = base.params;
  const inherited = ownAddress === undefined ? base.params : shared;
  const params: Partial<Params> = { ...inherited, ...own.params };
  const policies: Record<string, unknown> = { ...base.policies.connection, ...own.policies.connection };
  const key = keyOf(context, owner, base, own);
  if (key !== undefined) policies.backendAuth = key;
  const settings = settingsOf(context, owner, base, params);
  const address = addressOf(params);
  if (base.provider === 'custom' && address.hostOverride === '') {
    context.fault(owner.path, 'a custom provider needs params.baseUrl');
  }
  return {
    name,
    provider: base.provider,
    settings,
    ...address,
    pathOverride: params.pathOverride ?? '',
    tokenize: base.params.tokenize === true || own.params.tokenize === true,
    policies: policies as PolicyMap,
  };
}

/** The key of `apiKey`, or those of `apiKeys`, as a backendAuth policy; a model's `auth` takes the place of an inherited key. */
function keyOf(
  context: Context,
  owner: Section<LocalLlmModel>,
  base: ProviderBase,
  own: { params: Partial<Params>; policies: ModelPolicies },
): unknown {
  const ownAuth = own.policies.connection.backendAuth !== undefined;
  const baseAuth = base.policies.connection.backendAuth !== undefined;
  const ownKey = keyIn(own.params);
  if (ownKey !== undefined && ownAuth) {
    const name = 'key' in ownKey ? 'apiKey' : 'apiKeys';
    context.fault(owner.at('auth'), `auth and params.${name} exclude each other`);
  }
  const value = ownKey ?? (ownAuth || baseAuth ? undefined : keyIn(base.params));
  if (value === undefined) return undefined;
  const entry = context.catalogue.policies.get('backendAuth');
  const parsed = (entry?.schemas?.backend ?? entry?.schema)?.safeParse(value);
  return parsed?.success === true ? parsed.data : value;
}

function keyIn({ apiKey, apiKeys }: Partial<Params>): { key: unknown } | { keys: unknown } | undefined {
  if (apiKeys) return { keys: apiKeys };
  return apiKey ? { key: apiKey } : undefined;
}

/** https://host:port/path → host, TLS and path prefix. */
function addressOf(params: Partial<Params>): Pick<AiProvider, 'hostOverride' | 'hostOverrideTls' | 'pathPrefix'> {
  const url = params.baseUrl ? parseUrl(params.baseUrl) : null;
  if (url === null) {
    return { hostOverride: params.hostOverride ?? '', hostOverrideTls: false, pathPrefix: params.pathPrefix ?? '' };
  }
  return splitBaseUrl(url);
}

function settingsOf(
  context: Context,
  owner: Section<LocalLlmModel>,
  base: ProviderBase,
  params: Partial<Params>,
): AiProvider['settings'] {
  const names = SETTINGS[base.provider] ?? {};
  const settings: Record<string, unknown> = { ...base.custom };
  if (params.model) settings.model = params.model;
  for (const param of PROVIDER_PARAMS) {
    const value = params[param];
    if (value === undefined || value === null) continue;
    const setting = names[param];
    if (setting !== undefined) settings[setting] = value;
    else context.without(owner.at('params', param), `has no effect with the provider ${base.provider}`);
  }
  const entry = context.catalogue.providers.get(base.provider);
  if (entry === undefined) return settings;
  const { data, faults } = validate(entry.schema, settings);
  for (const fault of faults) {
    const param = Object.entries(names).find(([, setting]) => setting === fault.path[0])?.[0];
    if (param === undefined)
      context.fault([...owner.at('provider', base.provider), ...fault.path], fault.message, fault.hint);
    else context.fault(owner.at('params', param), `${base.provider} needs it; ${fault.message}`, fault.hint);
  }
  return (data ?? settings) as AiProvider['settings'];
}
