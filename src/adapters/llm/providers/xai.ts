import type { ChatQuirks } from './chat-quirks.ts';
import { type Preset, USUAL } from './preset.ts';

/** xAI; what models that reason refuse: https://docs.x.ai/docs/guides/reasoning. */
export const xai: Preset = {
  title: 'xAI',
  baseUrl: 'https://api.x.ai/v1',
  formats: { completions: USUAL, responses: USUAL, realtime: USUAL, textCompletions: USUAL },
  quirks: (model) => ({
    efforts: effortsOf(model),
    ...(reasons(model) && {
      refused: { presence_penalty: 'presencePenalty', frequency_penalty: 'frequencyPenalty', stop: 'stop' },
    }),
  }),
};

function reasons(model: string): boolean {
  return !model.includes('non-reasoning') && /^grok-(?:3-mini|[4-9]|code)/.test(model);
}

/** Most reason as they see fit, and refuse to be told how much. */
function effortsOf(model: string): NonNullable<ChatQuirks['efforts']> {
  if (model.startsWith('grok-3-mini')) return ['low', 'high'];
  return /^grok-4\.(?:3|20-multi-agent)/.test(model) ? ['low', 'medium', 'high'] : [];
}
