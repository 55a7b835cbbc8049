import { type Preset, USUAL } from './preset.ts';

/**
 * Mistral (https://docs.mistral.ai/api/#tag/chat/operation/chat_completion_v1_chat_completions_post). It refuses every member that it has
 * no word for, names of participants among them. A stream's usage comes without being asked for.
 */
export const mistral: Preset = {
  title: 'Mistral',
  baseUrl: 'https://api.mistral.ai/v1',
  formats: { completions: USUAL, embeddings: USUAL },
  embedsTextsOnly: true,
  quirks: () => ({
    maxTokens: 'max_tokens',
    withoutThinking: true,
    renamed: { seed: 'random_seed' },
    required: 'any',
    shortIds: true,
    refused: {
      stream_options: null,
      logprobs: 'logprobs',
      top_logprobs: 'logprobs',
      user: 'user',
      metadata: 'metadata',
      modalities: 'modalities',
      audio: 'modalities',
      service_tier: 'serviceTier',
      prompt_cache_key: 'cacheKey',
      verbosity: 'verbosity',
    },
    refusedInMessages: { name: 'participantName', refusal: 'refusalHistory', annotations: 'citationHistory' },
  }),
};
