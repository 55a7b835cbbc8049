import type { z } from 'zod';
import type { Wire } from './wire.ts';

/**
 * What a configuration source must know of policies and providers without importing them: `workers` and `primary` build a
 * Catalogue from the registries and hand it to `config`, `xds` and `controller` as an argument.
 */

/** Where a policy may be attached. */
export type PolicyLevel = 'frontend' | 'gateway' | 'route' | 'backend';

/** A part of a policy's value that is accepted but not executed by this version. */
export interface InactivePart {
  /** Path inside the policy's value; [] = the whole policy. */
  path: (string | number)[];
  /** True where serving without it would serve unprotected: what it covers answers 503. */
  protects: boolean;
}

/** Something wrong with a policy's value that its schema can't say. */
export interface PolicyFault {
  path: (string | number)[];
  message: string;
}

/** The messages in which control planes say policies: `oneof kind` of TrafficPolicySpec, BackendPolicySpec and FrontendPolicySpec. */
export type PolicySpec = 'traffic' | 'backend' | 'frontend';

/**
 * How control planes say a policy: the field of each spec that holds it, and its message. A policy may have several fields of one spec: it is
 * written in the first that can say it, and where a place is given more than one of them, what the first says goes before the others,
 * member by member. A field may be several policies': a message of it is that one's which can read it.
 */
export interface PolicyWire {
  readonly spec: PolicySpec;
  readonly field: string;
  readonly message: Wire;
  /** How an entry of the policy's conditional form is said, where that isn't what the policy's value is. */
  readonly entry?: Wire;
}

export interface CatalogueEntry {
  /** agentgateway's name, or ours (then `own` is true). */
  readonly name: string;
  readonly schema: z.ZodType;
  /** One line for the reference page. */
  readonly summary: string;
  readonly levels: readonly PolicyLevel[];
  /** Does the policy protect (authentication, authorization, network rules, guards, limits)? */
  readonly protects: boolean;
  /** False: described and validated, not executed by this version. */
  readonly active: boolean;
  readonly own?: boolean;
  /** Name in configuration where it isn't `name`: two levels may use one name for different policies (`http`). */
  readonly yamlName?: string;
  /** Other names configuration takes for it. */
  readonly aliases?: readonly string[];
  /** Schemas of levels where the value's shape differs from `schema`. */
  readonly schemas?: Readonly<Partial<Record<PolicyLevel, z.ZodType>>>;
  /** Absent for what only files can say. */
  readonly wire?: readonly PolicyWire[];
  /** Parts of a value of an active policy that are not executed yet. */
  inactiveParts?(value: unknown): InactivePart[];
  /** Faults beyond the schema. */
  faults?(value: unknown): PolicyFault[];
  /** One value of two that are given for one place, the more general first. */
  merge?(general: unknown, specific: unknown): unknown;
}

export interface ProviderEntry {
  /** Name in configuration: openAI, anthropic, gemini … */
  readonly name: string;
  readonly schema: z.ZodType;
  readonly summary: string;
  readonly active: boolean;
  /** Sluice's own, not agentgateway's. */
  readonly own?: boolean;
  /** For presets: the base URL its requests go to, e.g. https://api.groq.com/openai/v1. */
  readonly baseUrl?: string;
}

/** Why a text is no CEL expression. */
export interface ExpressionFault {
  readonly message: string;
  /** Where in the text, in UTF-16 units from 0. */
  readonly offset: number;
}

/** Compiles the expressions of one configuration, to say what is wrong with them. */
export interface ExpressionChecker {
  /** What is wrong with the configuration's own functions; null = nothing. Where something is, `check` knows none of them. */
  readonly functionsFault: ExpressionFault | null;
  check(text: string): ExpressionFault | null;
}

export interface Catalogue {
  readonly policies: ReadonlyMap<string, CatalogueEntry>;
  readonly providers: ReadonlyMap<string, ProviderEntry>;
  /** Opens the check of a configuration's expressions, given its `config.customFunctions` ('' = none). Absent: none are checked. */
  readonly expressions?: (customFunctions: string) => ExpressionChecker;
}
