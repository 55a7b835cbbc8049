import type { JsonObject, Reasoning } from '../../../../facts/conversation.ts';
import type { Losses } from '../features.ts';
import { type Fields, optional } from '../fields.ts';
import { boundedBudget, budgetOf, budgetOfEffort, effortOfBudget, isReasoningOff } from '../reasoning.ts';
import type { ModelTraits } from './models.ts';

/**
 * Thinking (https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking): by a budget of tokens on the older models, as the
 * model sees fit on the newer ones, and there by `output_config.effort` (https://docs.anthropic.com/en/docs/build-with-claude/effort).
 */

/** The least budget the API takes, tokens. */
const LEAST_BUDGET = 1024;
const THINKING = new Set(['type', 'budget_tokens', 'display']);

/** `rest`: what of `thinking` the hub has no place for. */
export function decodeReasoning(
  thinking: Fields | undefined,
  effort: string | undefined,
): { readonly reasoning?: Reasoning; readonly rest?: JsonObject } {
  if (thinking === undefined) return effort === undefined ? {} : { reasoning: { effort, effortOnly: true } };
  const mode = thinking.requiredString('type');
  const display = thinking.string('display');
  const known = display === undefined || display === 'summarized' || display === 'omitted';
  if ((mode !== 'enabled' && mode !== 'disabled' && mode !== 'adaptive') || !known) {
    return {
      ...optional('reasoning', effort === undefined ? undefined : { effort, effortOnly: true }),
      rest: thinking.value,
    };
  }
  const reasoning: Reasoning = {
    mode,
    ...optional('effort', effort),
    ...optional('budget', thinking.number('budget_tokens')),
    ...optional('include', display === undefined ? undefined : display === 'summarized'),
  };
  return { reasoning, ...optional('rest', thinking.rest(THINKING)) };
}

export interface ThinkingPlan {
  readonly thinking?: JsonObject;
  readonly effort?: string;
  /** Tokens that the longest answer must be above; 0 = any will do. */
  readonly budget: number;
}

export interface ThinkingLimits {
  readonly traits: ModelTraits;
  /** The tool choice forces a tool. */
  readonly forced: boolean;
  /** The turn so far has no thinking where it needs some. */
  readonly unthought: boolean;
  readonly losses: Losses;
}

/** What a request says of thinking. Where the model or the rest of the request won't have it, it is left out and told. */
export function planThinking(reasoning: Reasoning | undefined, limits: ThinkingLimits): ThinkingPlan {
  if (reasoning === undefined) return { budget: 0 };
  const { traits, losses } = limits;
  const asked = reasoning.effort === 'none' ? undefined : reasoning.effort;
  const effort = optional('effort', effortWithin(traits, asked));
  if (isReasoningOff(reasoning)) {
    if (traits.disables) return { thinking: { type: 'disabled' }, ...effort, budget: 0 };
    // Thinks always: as little as it can.
    return { ...optional('effort', traits.efforts[0]), budget: 0 };
  }
  if (reasoning.effortOnly === true) {
    if (effort.effort === undefined) losses.drop('reasoningEffort');
    return { ...effort, budget: 0 };
  }
  const tokens = budgetOf(reasoning);
  if (tokens === undefined) return { ...effort, budget: 0 };
  const feature = reasoning.effort === undefined ? 'reasoningBudget' : 'reasoningEffort';
  const takes = traits.adaptive || traits.budget;
  if (!takes || (limits.forced && !traits.thinksWhenForced)) {
    losses.drop(feature);
    return { ...effort, budget: 0 };
  }
  const { include, summary, mode, budget } = reasoning;
  const shown = include ?? (summary === undefined ? undefined : true);
  const display = shown === undefined ? {} : { display: shown ? 'summarized' : 'omitted' };
  const byBudget = mode !== 'adaptive' && (mode === 'enabled' || (budget ?? 0) > 0);
  if (traits.adaptive && !(byBudget && traits.budget)) {
    const word = asked ?? (tokens > 0 ? effortOfBudget(tokens) : undefined);
    return { thinking: { type: 'adaptive', ...display }, ...optional('effort', effortWithin(traits, word)), budget: 0 };
  }
  if (limits.unthought && traits.wantsThinkingBack) {
    losses.drop(feature);
    return { ...effort, budget: 0 };
  }
  const wanted = tokens > 0 ? tokens : budgetOfEffort('medium');
  // Of a budget that only stands for a word, half of the longest answer is left for the answer itself.
  const most = (budget ?? 0) > 0 ? traits.mostTokens - LEAST_BUDGET : traits.mostTokens / 2;
  const budget_tokens = boundedBudget(wanted, LEAST_BUDGET, most);
  return { thinking: { type: 'enabled', budget_tokens, ...display }, ...effort, budget: budget_tokens };
}

/** The word the model takes that is nearest to `effort` and not above it; undefined where it takes none. */
function effortWithin({ efforts }: ModelTraits, effort: string | undefined): string | undefined {
  if (effort === undefined || efforts.length === 0) return undefined;
  const scale = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'];
  const at = scale.indexOf(effort);
  if (at < 0) return effort;
  return efforts.findLast((word) => scale.indexOf(word) <= at) ?? efforts[0];
}
