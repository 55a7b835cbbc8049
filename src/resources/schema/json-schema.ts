import { z } from 'zod';
import type { Catalogue } from '../catalogue.ts';
import type { SchemaMarks } from './common.ts';
import { buildConfigSchema } from './index.ts';

/** A JSON Schema (draft 2020-12), as far as this program looks into one. */
export interface JsonSchema {
  $schema?: string;
  $id?: string;
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  title?: string;
  description?: string;
  type?: string | string[];
  format?: string;
  const?: unknown;
  enum?: unknown[];
  default?: unknown;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  writeOnly?: boolean;
  /** Sluice's own field. */
  'x-sluice'?: boolean;
  /** A CEL expression. */
  'x-cel'?: boolean;
  /** False: accepted, not executed by this version. */
  'x-active'?: boolean;
}

/**
 * The JSON Schema of the configuration file, for editors (`# yaml-language-server: $schema=…`), `sluice schema` and the
 * reference pages. It accepts all that the loader accepts; the loader checks more (durations, expressions, references).
 * Secrets are `writeOnly`, own fields `x-sluice`, CEL texts `x-cel`, and what this version doesn't execute `x-active: false`.
 */
export function jsonSchema(catalogue: Catalogue): JsonSchema {
  const { $schema, ...rest } = toJsonSchema(buildConfigSchema(catalogue));
  const schema: JsonSchema = {
    ...($schema === undefined ? {} : { $schema }),
    title: 'Sluice configuration',
    description: 'The local configuration file: agentgateway’s names and shapes, and Sluice’s own fields (`x-sluice`).',
    ...rest,
  };
  markInactive(schema, catalogue);
  return schema;
}

/** The JSON Schema of what `schema` takes as input. */
export function toJsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema: keywords }) {
      const target = keywords as Record<string, unknown>;
      const marks = (zodSchema as unknown as z.ZodType).meta() as SchemaMarks | undefined;
      const { secret, own, cel, keywords: more } = marks ?? {};
      for (const mark of ['secret', 'own', 'cel', 'keywords', 'id']) delete target[mark];
      if (secret === true) target.writeOnly = true;
      if (own === true) target['x-sluice'] = true;
      if (cel === true) target['x-cel'] = true;
      if (more !== undefined && target.$ref === undefined) Object.assign(target, more);
    },
  }) as JsonSchema;
}

/** Titles of the maps that hold policies; their fields are marked where the policy is not active. */
const POLICY_MAPS: ReadonlySet<string> = new Set([
  'FrontendPolicies',
  'GatewayPolicies',
  'RoutePolicies',
  'BackendPolicies',
  'TCPRoutePolicies',
  'TCPBackendPolicies',
  'MCPTargetPolicies',
  'UIPolicies',
  'LlmPolicies',
  'Gateway',
  'GatewayListener',
]);

function markInactive(schema: JsonSchema, catalogue: Catalogue): void {
  const frontend = new Map<string, boolean>();
  const others = new Map<string, boolean>();
  for (const entry of catalogue.policies.values()) {
    const names = [entry.yamlName ?? entry.name, ...(entry.aliases ?? [])];
    for (const name of names) (entry.levels.includes('frontend') ? frontend : others).set(name, entry.active);
  }
  for (const [id, definition] of Object.entries(schema.$defs ?? {})) {
    if (!POLICY_MAPS.has(id)) continue;
    const active = id === 'FrontendPolicies' ? frontend : others;
    for (const [name, field] of Object.entries(definition.properties ?? {})) {
      if (active.get(name) === false) field['x-active'] = false;
    }
  }
  for (const [name, field] of Object.entries(schema.$defs?.AiProvider?.properties ?? {})) {
    if (catalogue.providers.get(name)?.active === false) field['x-active'] = false;
  }
}
