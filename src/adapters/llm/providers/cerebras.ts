import { type Preset, USUAL } from './preset.ts';

/** Cerebras; what of OpenAI's it refuses: https://inference-docs.cerebras.ai/resources/openai. */
export const cerebras: Preset = {
  title: 'Cerebras',
  baseUrl: 'https://api.cerebras.ai/v1',
  formats: { completions: USUAL, textCompletions: USUAL },
  quirks: () => ({
    withoutThinking: true,
    refused: {
      frequency_penalty: 'frequencyPenalty',
      presence_penalty: 'presencePenalty',
      parallel_tool_calls: 'parallelToolCalls',
      service_tier: 'serviceTier',
    },
  }),
};
