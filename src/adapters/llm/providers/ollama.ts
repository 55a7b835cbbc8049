import { type Preset, USUAL } from './preset.ts';

/** Ollama; it passes over what it doesn't know (https://docs.ollama.com/api/openai-compatibility), so it is told what it does. */
export const ollama: Preset = {
  title: 'Ollama on this machine',
  baseUrl: 'http://localhost:11434/v1',
  formats: { completions: USUAL, responses: USUAL, embeddings: USUAL, textCompletions: USUAL },
  statelessResponses: true,
  embedsTextsOnly: true,
  quirks: () => ({ maxTokens: 'max_tokens' }),
};
