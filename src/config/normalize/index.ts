import type { Catalogue } from '../../resources/catalogue.ts';
import type { LocalConfig } from '../../resources/schema/index.ts';
import type { ValueFault } from '../../resources/schema/validate.ts';
import type { Settings } from '../../resources/settings.ts';
import type { PolicyMap, Resource } from '../../resources/types.ts';
import type { Path } from '../fault.ts';
import { Section } from '../section.ts';
import type { Environment } from '../substitute.ts';
import { Context, type InactiveNote } from './context.ts';
import { normalizeService, normalizeWorkload, serviceName } from './discovery.ts';
import { normalizeBinds, normalizeGateways, normalizeRouteGroups, normalizeRoutes } from './gateways.ts';
import { Attachments, Ports, type TlsDefaults } from './listeners.ts';
import { normalizeLlm } from './llm.ts';
import { normalizeModelCatalog } from './model-catalog.ts';
import { Routes } from './routes.ts';
import { normalizeMcp, normalizeTcpRoutes, normalizeUi } from './sections.ts';
import { type LoggingSection, normalizeSettings } from './settings.ts';
import { normalizeTargetedPolicy } from './targeted.ts';
import { type KnownNames, normalizeTarget } from './targets.ts';

export type { InactiveNote } from './context.ts';

export interface Normalized {
  resources: Resource[];
  settings: Settings;
  faults: ValueFault[];
  notes: InactiveNote[];
}

/**
 * Turns a validated configuration into resources and settings. Whatever was written (as `written` tells of a path) ends up in
 * a resource, in a setting, in a fault, or in a note that it is not executed.
 */
export function normalize(
  config: LocalConfig,
  catalogue: Catalogue,
  env: Environment,
  written: (path: Path) => boolean,
): Normalized {
  const context = new Context(catalogue);
  const root = new Section(config, [], context.opened as unknown as Section[]);
  const process = root.section('config');
  const logging = process?.section('logging');
  const settings = normalizeSettings(context, process, logging, env);
  normalizeModelCatalog(context, process);
  const given = context.policies(root.section('frontendPolicies'), 'frontend');
  const frontend: PolicyMap = { ...accessLogOf(context, logging, given), ...given };
  if (config.config?.tracing != null && config.frontendPolicies?.tracing != null) {
    context.fault(
      ['config', 'tracing'],
      'config.tracing and frontendPolicies.tracing exclude each other',
      'keep the latter',
    );
  }

  const known = knownNames(config, context.identity.namespace, settings.xds !== null);
  const ports = new Ports(context, tlsDefaults(frontend));
  const attachments = new Attachments(context);
  const routes = new Routes(context, known);
  normalizeBinds(context, root, ports, routes);
  normalizeGateways(context, root, ports, attachments);
  normalizeRoutes(root, attachments, routes);
  normalizeTcpRoutes(context, root, attachments);
  normalizeRouteGroups(context, root, routes);
  normalizeBackends(context, root, known);
  for (const service of root.list('services')) normalizeService(context, service);
  for (const workload of root.list('workloads')) normalizeWorkload(context, workload);
  for (const [order, policy] of root.list('policies').entries()) normalizeTargetedPolicy(context, policy, order);

  const llm = root.section('llm');
  if (llm !== undefined) normalizeLlm(context, llm, ports, attachments, routes);
  const mcp = root.section('mcp');
  if (mcp !== undefined) normalizeMcp(context, mcp, ports, attachments, routes);
  const ui = root.section('ui');
  if (ui !== undefined) normalizeUi(context, ui, attachments, routes);

  ports.finish('proxyProtocol' in frontend, opensTunnels(frontend));
  if (Object.keys(frontend).length > 0) {
    context.emit({ kind: 'frontend', key: 'frontend', policies: frontend }, ['frontendPolicies']);
  }
  noteUnread(context, written);
  return { resources: context.resources, settings, faults: context.faults, notes: context.notes };
}

/** Reports what was written and read by nobody, unless a note of something above it says so already. */
function noteUnread(context: Context, written: (path: Path) => boolean): void {
  const covered = new Set(context.notes.map(({ path }) => JSON.stringify(path)));
  for (const section of context.opened) {
    const unread = section.unread();
    if (unread.length === 0) continue;
    if (section.path.some((_, end) => covered.has(JSON.stringify(section.path.slice(0, end + 1))))) continue;
    for (const key of unread) {
      const path = section.at(key);
      if (written(path) && !covered.has(JSON.stringify(path))) context.inactive(path);
    }
  }
}

/** `config.logging.filter` and `.fields`: agentgateway's older names for what `frontendPolicies.accessLog` holds. */
function accessLogOf(context: Context, logging: LoggingSection | undefined, frontend: PolicyMap): PolicyMap {
  if (logging === undefined || context.catalogue.policies.get('accessLog')?.active !== true) return {};
  const filter = logging.get('filter') ?? null;
  const fields = logging.get('fields') ?? null;
  if (filter === null && fields === null) return {};
  if (frontend.accessLog === undefined) return { accessLog: { filter, ...fields } };
  for (const name of ['filter', 'fields'] as const) {
    if (logging.value[name] != null)
      context.without(logging.at(name), 'frontendPolicies.accessLog stands in its place');
  }
  return {};
}

function normalizeBackends(context: Context, root: Section<LocalConfig>, known: KnownNames): void {
  for (const section of root.list('backends')) {
    const name = section.get('name');
    const target = normalizeTarget(context, section, known);
    const policies = context.policies(section.section('policies'), 'backend');
    context.emit({ kind: 'backend', key: `backend//${name}`, name, namespace: '', target, policies }, section.path);
  }
}

function knownNames(config: LocalConfig, namespace: string, elsewhere: boolean): KnownNames {
  const backends = new Set((config.backends ?? []).map(({ name }) => `/${name}`));
  if (config.mcp !== undefined && config.mcp !== null) backends.add('/mcp');
  return {
    backends,
    routeGroups: new Set((config.routeGroups ?? []).map(({ name }) => name)),
    // Services may also come over xDS; then a file's word alone does not tell which exist.
    services: elsewhere ? null : new Set(config.services.map((service) => serviceName(service, namespace))),
  };
}

function opensTunnels(frontend: PolicyMap): boolean {
  const connect = frontend.connect as { mode?: string } | undefined;
  return connect !== undefined && connect.mode !== 'deny';
}

function tlsDefaults(frontend: PolicyMap): TlsDefaults {
  const tls = (frontend['frontend.tls'] ?? {}) as {
    alpn?: (string | number[])[] | null;
    minVersion?: string | null;
    maxVersion?: string | null;
    cipherSuites?: string[] | null;
  };
  return {
    alpn: tls.alpn?.map((name) => (typeof name === 'string' ? name : String.fromCharCode(...name))) ?? null,
    minVersion: tls.minVersion ?? null,
    maxVersion: tls.maxVersion ?? null,
    cipherSuites: tls.cipherSuites ?? null,
  };
}
