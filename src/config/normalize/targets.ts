import { nearest } from '../../resources/did-you-mean.ts';
import { parseHostPort } from '../../resources/schema/common.ts';
import type { LocalNamedAiProvider, LocalNamedBackend, LocalRouteBackend } from '../../resources/schema/index.ts';
import type { AiBackend, AiProvider, BackendTarget } from '../../resources/types.ts';
import type { Path } from '../fault.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';

/** Backend kinds that are described and validated, but not executed. */
const INACTIVE_KINDS = ['mcp', 'aws', 'dynamic', 'internal'] as const;

/** Names that backends refer to. */
export interface KnownNames {
  /** `namespace/name` of named backends; the namespace is empty in a file. */
  backends: ReadonlySet<string>;
  routeGroups: ReadonlySet<string>;
  /** `namespace/hostname`; null where services also come from elsewhere, so that a missing one is no fault. */
  services: ReadonlySet<string> | null;
}

/** Key of the named backend that `reference` (`name` or `namespace/name`) means. */
export function backendKey(reference: string): string {
  return `backend/${qualified(reference)}`;
}

function qualified(reference: string): string {
  return reference.includes('/') ? reference : `/${reference}`;
}

type BackendSection = Section<LocalRouteBackend> | Section<LocalNamedBackend>;

/** Reads the one backend kind that `section` holds. */
export function normalizeTarget(context: Context, section: BackendSection, known: KnownNames): BackendTarget {
  const any = section as Section<Partial<LocalRouteBackend>>;
  const host = any.get('host');
  if (host !== undefined) return hostTarget(context, host, any.at('host'));
  const service = any.get('service');
  if (service !== undefined) return serviceTarget(context, service, any.at('service', 'name'), known);
  const backend = any.get('backend');
  if (backend !== undefined) {
    checkName(context, 'backend', backend, known.backends, any.at('backend'));
    return { kind: 'backend', key: backendKey(backend) };
  }
  const group = any.get('routeGroup');
  if (group !== undefined) {
    checkName(context, 'route group', group, known.routeGroups, any.at('routeGroup'));
    return { kind: 'routeGroup', key: `routeGroup/${group}` };
  }
  const ai = any.section('ai');
  if (ai !== undefined) return { kind: 'ai', ai: aiBackend(context, ai as Section) };
  for (const name of INACTIVE_KINDS) {
    const value = any.get(name);
    if (value === undefined) continue;
    context.inactive(any.at(name));
    return { kind: 'inactive', name, value };
  }
  any.get('invalid');
  return { kind: 'invalid' };
}

/** `host:port` or `unix:/path`. */
export function hostTarget(context: Context, host: string, path: Path): BackendTarget {
  try {
    const parsed = parseHostPort(host);
    return 'path' in parsed ? { kind: 'unix', path: parsed.path } : { kind: 'host', ...parsed };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const hint = host.includes('://')
      ? 'write host:port, and `policies: {backendTLS: {}}` for TLS'
      : `add the port, e.g. ${host.includes(' ') ? 'example.com' : host.split(':')[0]}:80`;
    context.fault(path, error.message, hint);
    return { kind: 'invalid' };
  }
}

function serviceTarget(
  context: Context,
  service: { name: string; port: number },
  path: Path,
  known: KnownNames,
): BackendTarget {
  const slash = service.name.indexOf('/');
  if (slash <= 0 || slash === service.name.length - 1) {
    context.fault(path, `"${service.name}" is not namespace/hostname`);
    return { kind: 'invalid' };
  }
  if (known.services !== null) checkName(context, 'service', service.name, known.services, path);
  return {
    kind: 'service',
    namespace: service.name.slice(0, slash),
    name: service.name.slice(slash + 1),
    port: service.port,
  };
}

function checkName(context: Context, noun: string, name: string, known: ReadonlySet<string>, path: Path): void {
  if (known.has(name) || known.has(qualified(name))) return;
  const names = [...known].map((one) => (one.startsWith('/') ? one.slice(1) : one));
  const near = nearest(name, names);
  context.fault(path, `there is no ${noun} "${name}"`, near === undefined ? undefined : `did you mean "${near}"?`);
}

/** A single provider, or priority groups of providers. */
function aiBackend(context: Context, section: Section): AiBackend {
  const grouped = section as unknown as Section<{ groups?: { providers: LocalNamedAiProvider[] }[] }>;
  const names = new Set<string>();
  if (grouped.value.groups === undefined) {
    return { groups: [[aiProvider(context, section as unknown as Section<LocalNamedAiProvider>, names)]] };
  }
  const groups = grouped
    .list('groups')
    .map((group) => group.list('providers').map((provider) => aiProvider(context, provider, names)));
  if (groups.length === 0 || groups.some((group) => group.length === 0)) {
    context.fault(section.at('groups'), 'each group needs at least one provider');
  }
  return { groups };
}

function aiProvider(context: Context, section: Section<LocalNamedAiProvider>, names: Set<string>): AiProvider {
  const name = section.get('name');
  if (names.has(name)) context.fault(section.at('name'), `two providers of the backend are named "${name}"`);
  names.add(name);
  const [provider = '', settings] =
    Object.entries(section.get('provider')).find(([, value]) => value !== undefined) ?? [];
  noteProvider(context, provider, section.at('provider', provider));
  const hostOverride = section.get('hostOverride') ?? '';
  if (hostOverride !== '') hostTarget(context, hostOverride, section.at('hostOverride'));
  return {
    name,
    provider,
    settings: (settings ?? {}) as AiProvider['settings'],
    hostOverride,
    hostOverrideTls: false,
    pathOverride: section.get('pathOverride') ?? '',
    pathPrefix: section.get('pathPrefix') ?? '',
    tokenize: section.get('tokenize'),
    policies: context.policies(section.section('policies'), 'backend'),
  };
}

/** Reports a provider that this version does not execute. */
export function noteProvider(context: Context, provider: string, path: Path): void {
  if (context.catalogue.providers.get(provider)?.active === false) context.inactive(path);
}
