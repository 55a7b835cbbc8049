import type { JsonObject, Sampling } from '../../../../facts/conversation.ts';
import type { Losses } from '../features.ts';
import { optional } from '../fields.ts';
import type { ModelTraits } from './models.ts';

/** Anthropic's scale for `temperature` ends at 1, OpenAI's and Gemini's at 2. */
const MOST_TEMPERATURE = 1;
/** What `top_p` may be while the model thinks. */
const LEAST_THINKING_TOP_P = 0.95;

/**
 * The numbers that steer the choice of tokens, as far as the model takes them: the newest take none, none but `top_p` near 1 goes with
 * thinking, and since Opus 4.1 it is either `temperature` or `top_p`.
 */
export function encodeSampling(sampling: Sampling, traits: ModelTraits, thinks: boolean, losses: Losses): JsonObject {
  const stop = sampling.stop?.filter((sequence) => sequence.trim() !== '');
  if (stop !== undefined && stop.length < (sampling.stop?.length ?? 0)) losses.drop('stop');
  let { temperature, topP, topK } = sampling;
  if (temperature !== undefined) temperature = Math.min(Math.max(temperature, 0), MOST_TEMPERATURE);
  if (!traits.sampling || thinks) {
    if (temperature !== undefined && temperature !== 1) losses.drop('temperature');
    temperature = undefined;
    if (topK !== undefined) losses.drop('topK');
    topK = undefined;
  }
  const keepsTopP =
    traits.sampling &&
    (!thinks || (topP ?? 1) >= LEAST_THINKING_TOP_P) &&
    (traits.bothOfSampling || temperature === undefined);
  if (topP !== undefined && !keepsTopP) {
    losses.drop('topP');
    topP = undefined;
  }
  return {
    ...optional('temperature', temperature),
    ...optional('top_p', topP),
    ...optional('top_k', topK),
    ...optional('stop_sequences', stop !== undefined && stop.length > 0 ? stop : undefined),
  };
}
