import { type Preset, USUAL } from './preset.ts';

/** Groq; what of OpenAI's it refuses: https://console.groq.com/docs/openai#currently-unsupported-openai-features. */
export const groq: Preset = {
  title: 'Groq',
  baseUrl: 'https://api.groq.com/openai/v1',
  formats: { completions: USUAL, responses: USUAL },
  statelessResponses: true,
  quirks: () => ({
    withoutThinking: true,
    refused: { logprobs: 'logprobs', top_logprobs: 'logprobs', n: 'choices' },
    refusedInMessages: { name: 'participantName' },
  }),
};
