import { z } from 'zod';
import type { Catalogue, CatalogueEntry, PolicyLevel } from '../catalogue.ts';
import type { PolicyMap } from '../types.ts';
import { aliases, own } from './common.ts';

/** Policies per place of attachment, composed from the catalogue: a new policy shows up wherever its levels say. */

/** Policies that a connection to an MCP target can carry. */
const MCP_TARGET_POLICIES = [
  'requestHeaderModifier',
  'transformations',
  'backendTLS',
  'backendAuth',
  'http',
  'tcp',
  'backendTunnel',
] as const;

/** Policies of raw TCP routes and of their backends. */
const TCP_ROUTE_POLICIES = ['backendTLS'] as const;
const TCP_BACKEND_POLICIES = ['backendTLS', 'backendTunnel'] as const;
/** Policies that may stand in front of the console. */
const UI_POLICIES = ['cors', 'oidc', 'jwtAuth', 'authorization', 'extAuthz', 'basicAuth', 'apiKey', 'csrf'] as const;

/** A shape whose keys come from the catalogue and so are not known to the compiler. */
export type DynamicShape = Readonly<Record<never, z.ZodType>>;

/** The name the entry has in configuration; its catalogue name where they don't differ. */
export function configName(entry: Pick<CatalogueEntry, 'name' | 'yamlName'>): string {
  return entry.yamlName ?? entry.name;
}

/** The entry's schema at `level`. */
export function schemaAt(entry: Pick<CatalogueEntry, 'schema' | 'schemas'>, level: PolicyLevel): z.ZodType {
  return entry.schemas?.[level] ?? entry.schema;
}

function entriesAt(catalogue: Catalogue, level: PolicyLevel): CatalogueEntry[] {
  return [...catalogue.policies.values()].filter((entry) => entry.levels.includes(level));
}

function shapeOf(entries: readonly CatalogueEntry[], level: PolicyLevel): Record<string, z.ZodType> {
  const shape: Record<string, z.ZodType> = {};
  for (const entry of entries) {
    const schema = schemaAt(entry, level).nullish().describe(entry.summary);
    for (const name of [configName(entry), ...(entry.aliases ?? [])])
      shape[name] = entry.own === true ? own(schema) : schema;
  }
  return shape;
}

/** The policies of `level` as fields to spread into a larger object. */
export function policyShape(catalogue: Catalogue, level: PolicyLevel): DynamicShape {
  return shapeOf(entriesAt(catalogue, level), level);
}

function mapOf(entries: readonly CatalogueEntry[], level: PolicyLevel, title: string): z.ZodType<PolicyMap> {
  const groups = entries.filter((entry) => entry.aliases !== undefined);
  const schema = aliases(
    z.strictObject(shapeOf(entries, level)),
    groups.map((entry) => [configName(entry), ...(entry.aliases ?? [])]),
  );
  return schema.meta({
    id: title.replaceAll(/ ./g, ([, letter = '']) => letter.toUpperCase()),
    title,
  }) as unknown as z.ZodType<PolicyMap>;
}

/** Every policy map of the configuration. */
export interface PolicyMaps {
  readonly frontend: z.ZodType<PolicyMap>;
  readonly gateway: z.ZodType<PolicyMap>;
  readonly route: z.ZodType<PolicyMap>;
  readonly backend: z.ZodType<PolicyMap>;
  readonly mcpTarget: z.ZodType<PolicyMap>;
  readonly tcpRoute: z.ZodType<PolicyMap>;
  readonly tcpBackend: z.ZodType<PolicyMap>;
  readonly ui: z.ZodType<PolicyMap>;
}

export function policyMaps(catalogue: Catalogue): PolicyMaps {
  const named = (level: PolicyLevel, names: readonly string[], title: string) =>
    mapOf(
      entriesAt(catalogue, level).filter((entry) => names.includes(entry.name)),
      level,
      title,
    );
  const all = (level: PolicyLevel, title: string) => mapOf(entriesAt(catalogue, level), level, title);
  return {
    frontend: all('frontend', 'Frontend policies'),
    gateway: all('gateway', 'Gateway policies'),
    route: all('route', 'Route policies'),
    backend: all('backend', 'Backend policies'),
    mcpTarget: named('backend', MCP_TARGET_POLICIES, 'MCP target policies'),
    tcpRoute: named('route', TCP_ROUTE_POLICIES, 'TCP route policies'),
    tcpBackend: named('backend', TCP_BACKEND_POLICIES, 'TCP backend policies'),
    ui: mapOf(
      [...catalogue.policies.values()].filter((entry) => (UI_POLICIES as readonly string[]).includes(entry.name)),
      'route',
      'UI policies',
    ),
  };
}

/**
 * The policies given in `value` (a policy map, or an object that holds policies beside other fields), keyed by catalogue
 * name: aliases are resolved, nulls and other fields left out.
 */
export function collectPolicies(
  catalogue: Catalogue,
  level: PolicyLevel,
  value: Readonly<Record<string, unknown>> | null | undefined,
): PolicyMap {
  const collected: Record<string, unknown> = {};
  if (value === null || value === undefined) return collected;
  for (const entry of entriesAt(catalogue, level)) {
    for (const name of [configName(entry), ...(entry.aliases ?? [])]) {
      const policy = value[name];
      if (policy !== undefined && policy !== null) collected[entry.name] = policy;
    }
  }
  return collected;
}

/**
 * The schema of one field of a policy's value, where configuration also takes that field on its own (an `llm` model's
 * `guardrails` are the `ai` policy's `promptGuard`). Absent where the catalogue has no such policy.
 */
export function policyField(catalogue: Catalogue, policy: string, field: string): z.ZodType | undefined {
  const schema = catalogue.policies.get(policy)?.schema;
  if (!(schema instanceof z.ZodObject)) return undefined;
  const found: unknown = schema.shape[field];
  return found instanceof z.ZodType ? found : undefined;
}
