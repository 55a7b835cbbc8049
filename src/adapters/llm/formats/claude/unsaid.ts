import type { Conversation } from '../../../../facts/conversation.ts';
import type { EncodeContext } from '../codec.ts';

/** Drops what neither Anthropic's nor Bedrock's format has a word for. */
export function dropUnsaid(conversation: Conversation, losses: EncodeContext['losses']): void {
  const { sampling, modalities, verbosity, cacheKey } = conversation;
  if (sampling.frequencyPenalty !== undefined) losses.drop('frequencyPenalty');
  if (sampling.presencePenalty !== undefined) losses.drop('presencePenalty');
  if (sampling.seed !== undefined) losses.drop('seed');
  if ((sampling.choices ?? 1) > 1) losses.drop('choices');
  if (sampling.logprobs !== undefined) losses.drop('logprobs');
  if (modalities?.some((modality) => modality !== 'text')) losses.drop('modalities');
  if (verbosity !== undefined) losses.drop('verbosity');
  if (cacheKey !== undefined) losses.drop('cacheKey');
}
