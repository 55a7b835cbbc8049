import type { Expressions } from '../../cel/index.ts';
import type { AiPolicy, PromptCaching } from '../../facts/llm.ts';
import { compileMediaFetch, type MediaFetchOptions } from './media-fetch/options.ts';
import { matchesPattern, specificity } from './model-pattern.ts';
import { type ComputedMember, compileMembers } from './mutate/expressions.ts';
import { FinalTransformations } from './mutate/final.ts';
import { PromptAdditions } from './mutate/prompts.ts';
import { ConfiguredRoutes } from './paths.ts';

/** What the `ai` policies of a route, a backend and a model come to, prepared once. */
export interface CompiledAiPolicy {
  /** Members to set, each with its encoded value: overrides always, defaults where the client has none. */
  readonly overrides: readonly PreparedMember[];
  readonly defaults: readonly PreparedMember[];
  /** Members computed from the body as it came. */
  readonly transformations: readonly ComputedMember[];
  readonly finalTransformations: FinalTransformations | null;
  /** Messages of the operator's. */
  readonly prompts: PromptAdditions | null;
  readonly promptCaching: PromptCaching | null;
  /** null: nothing is fetched. */
  readonly mediaFetch: MediaFetchOptions | null;
  readonly aliases: ModelAliases | null;
  /** Null: the default paths. */
  readonly routes: ConfiguredRoutes | null;
  /** What a conversion can't say is refused, never dropped. */
  readonly strict: boolean;
}

export interface PreparedMember {
  readonly name: string;
  readonly json: string;
  /** The value where it is a string, else ''. */
  readonly text: string;
}

export const NO_AI_POLICY: CompiledAiPolicy = {
  overrides: [],
  defaults: [],
  transformations: [],
  finalTransformations: null,
  prompts: null,
  promptCaching: null,
  mediaFetch: null,
  aliases: null,
  routes: null,
  strict: false,
};

/** Puts policy values together, the more specific last: members and aliases one by one, everything else as a whole. */
export function compileAiPolicy(values: readonly unknown[], cel: Expressions): CompiledAiPolicy {
  const given = values.filter((value): value is AiPolicy => typeof value === 'object' && value !== null);
  if (given.length === 0) return NO_AI_POLICY;
  const overrides = Object.assign({}, ...given.map((value) => value.overrides));
  const defaults = Object.assign({}, ...given.map((value) => value.defaults));
  const final = compileMembers(Object.assign({}, ...given.map((value) => value.finalTransformations)), cel);
  const aliases: Record<string, string> = Object.assign({}, ...given.map((value) => value.modelAliases));
  const routes = given.findLast((value) => value.routes !== undefined && Object.keys(value.routes).length > 0)?.routes;
  return {
    overrides: prepare(overrides),
    defaults: prepare(defaults),
    transformations: compileMembers(Object.assign({}, ...given.map((value) => value.transformations)), cel),
    finalTransformations: final.length === 0 ? null : new FinalTransformations(final),
    prompts: promptsOf(given.findLast((value) => value.prompts)?.prompts),
    promptCaching: given.findLast((value) => value.promptCaching)?.promptCaching ?? null,
    mediaFetch: compileMediaFetch(given.findLast((value) => value.mediaFetch)?.mediaFetch),
    aliases: Object.keys(aliases).length === 0 ? null : new ModelAliases(aliases),
    routes: routes === undefined ? null : new ConfiguredRoutes(routes),
    strict: given.findLast((value) => typeof value.strict === 'boolean')?.strict === true,
  };
}

function promptsOf(prompts: AiPolicy['prompts']): PromptAdditions | null {
  const { prepend = [], append = [] } = prompts ?? {};
  return prepend.length + append.length === 0 ? null : new PromptAdditions(prepend, append);
}

function prepare(members: Readonly<Record<string, unknown>>): PreparedMember[] {
  return Object.entries(members).map(([name, value]) => ({
    name,
    json: JSON.stringify(value),
    text: typeof value === 'string' ? value : '',
  }));
}

/** Other names for models: exact ones first, then patterns, the most specific first. */
export class ModelAliases {
  readonly #exact = new Map<string, string>();
  readonly #patterns: readonly (readonly [string, string])[];

  constructor(aliases: Readonly<Record<string, string>>) {
    const patterns: [string, string][] = [];
    for (const [name, model] of Object.entries(aliases)) {
      if (name.includes('*')) patterns.push([name, model]);
      else this.#exact.set(name, model);
    }
    this.#patterns = patterns.sort(([a], [b]) => specificity(b) - specificity(a));
  }

  /** The model to ask for in place of `model`, which may be the same. */
  resolve(model: string): string {
    const exact = this.#exact.get(model);
    if (exact !== undefined) return exact;
    for (const [pattern, alias] of this.#patterns) if (matchesPattern(pattern, model)) return alias;
    return model;
  }
}
