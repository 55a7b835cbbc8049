import type { Preset } from './preset.ts';

/** Cohere; its chat follows OpenAI under another path: https://docs.cohere.com/docs/compatibility-api. */
export const cohere: Preset = {
  title: 'Cohere',
  baseUrl: 'https://api.cohere.ai',
  formats: {
    completions: '/compatibility/v1/chat/completions',
    embeddings: '/compatibility/v1/embeddings',
    cohereEmbed: '/v2/embed',
    cohereRerank: '/v2/rerank',
  },
  embedsTextsOnly: true,
  quirks: () => ({ maxTokens: 'max_tokens', developer: true, efforts: ['none', 'high'] }),
};
