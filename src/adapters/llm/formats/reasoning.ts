import type { Reasoning } from '../../../facts/conversation.ts';

/**
 * Reasoning is asked for in words (OpenAI: effort) or in tokens (Anthropic, Gemini 2.5, Bedrock: budget). This is the one place where
 * one becomes the other.
 *
 * | effort  | tokens | tokens    | effort |
 * | ------- | ------ | --------- | ------ |
 * | none    | 0      | 0         | none   |
 * | minimal | 1024   | 1–4095    | low    |
 * | low     | 2048   | …16383    | medium |
 * | medium  | 8192   | 16384…    | high   |
 * | high    | 24576  |           |        |
 * | xhigh   | 32768  |           |        |
 * | max     | 65536  |           |        |
 *
 * The tokens of minimal, medium and high are those of Google's OpenAI endpoint (https://ai.google.dev/gemini-api/docs/openai#thinking);
 * 1024 is the least Anthropic takes. A budget only becomes one of the words that every reasoning model of OpenAI's takes.
 */
const BUDGETS: ReadonlyMap<string, number> = new Map([
  ['none', 0],
  ['minimal', 1024],
  ['low', 2048],
  ['medium', 8192],
  ['high', 24_576],
  ['xhigh', 32_768],
  ['max', 65_536],
]);

/** As the model sees fit. */
export const DYNAMIC_BUDGET = -1;

/** Tokens for a word of OpenAI's scale; `DYNAMIC_BUDGET` for a word that isn't on it. */
export function budgetOfEffort(effort: string): number {
  return BUDGETS.get(effort) ?? DYNAMIC_BUDGET;
}

/** A word of OpenAI's scale for a budget of 0 tokens or more. */
export function effortOfBudget(tokens: number): 'none' | 'low' | 'medium' | 'high' {
  if (tokens <= 0) return 'none';
  if (tokens < 4096) return 'low';
  return tokens < 16_384 ? 'medium' : 'high';
}

/** The word for what the client asked; undefined: as the model sees fit, or nothing was said. */
export function effortOf({ mode, effort, budget }: Reasoning): string | undefined {
  if (mode === 'disabled') return 'none';
  if (effort !== undefined) return effort;
  if (budget !== undefined) return budget < 0 ? undefined : effortOfBudget(budget);
  return mode === 'enabled' ? 'medium' : undefined;
}

/**
 * The tokens for what the client asked: 0 = none, `DYNAMIC_BUDGET` = as the model sees fit, undefined = nothing was said. The caller
 * keeps them within its model's limits (`boundedBudget`).
 */
export function budgetOf({ mode, effort, budget }: Reasoning): number | undefined {
  if (mode === 'disabled') return 0;
  if (budget !== undefined) return budget < 0 ? DYNAMIC_BUDGET : budget;
  if (effort !== undefined) return budgetOfEffort(effort);
  return mode === undefined ? undefined : DYNAMIC_BUDGET;
}

/** True where the client said that the model shall not think. */
export function isReasoningOff(reasoning: Reasoning): boolean {
  return budgetOf(reasoning) === 0;
}

/** `tokens` moved into a model's limits. 0 and `DYNAMIC_BUDGET` stay what they are. */
export function boundedBudget(tokens: number, least: number, most: number): number {
  return tokens <= 0 ? tokens : Math.max(least, Math.min(tokens, most));
}
