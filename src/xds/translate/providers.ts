import { list, message, oneWord, text, unless, type Wire, WireError, type WireMessage } from '../../resources/wire.ts';

/** An LLM provider with its own settings: `oneof provider` of AIBackend.Provider, and `model_override`. */
export interface ProviderSettings {
  provider: string;
  settings: Record<string, unknown>;
}

const model = { model: text };

const moderationSide = message({
  mode: unless(
    'MODERATION_MODE_UNSPECIFIED',
    oneWord({ score: 'MODERATION_MODE_SCORE', block: 'MODERATION_MODE_BLOCK' }),
  ),
});

const format = oneWord({
  completions: 'COMPLETIONS',
  messages: 'MESSAGES',
  responses: 'RESPONSES',
  embeddings: 'EMBEDDINGS',
  anthropicTokenCount: 'ANTHROPIC_TOKEN_COUNT',
  realtime: 'REALTIME',
  rerank: 'RERANK',
});

/** Provider → its field, and the message of its settings. */
const OWN: Readonly<Record<string, readonly [field: string, wire: Wire]>> = {
  openAI: [
    'openai',
    message({
      ...model,
      moderation: message({ model: text, policy: message({ input: moderationSide, output: moderationSide }) }),
    }),
  ],
  gemini: ['gemini', message(model)],
  vertex: ['vertex', message({ ...model, region: text, projectId: text })],
  anthropic: ['anthropic', message(model)],
  bedrock: ['bedrock', message({ ...model, region: text, guardrailIdentifier: text, guardrailVersion: text })],
  azure: [
    'azure',
    message({
      ...model,
      resourceName: text,
      resourceType: oneWord({ openAI: 'OPEN_AI', foundry: 'FOUNDRY' }, 'openAI'),
      apiVersion: text,
      projectName: text,
    }),
  ],
  custom: [
    'custom',
    message({ ...model, providerOverride: text, formats: list(message({ type: ['format', format], path: text })) }),
  ],
};

const PRESETS = [
  'cohere',
  'ollama',
  'baseten',
  'cerebras',
  'deepinfra',
  'deepseek',
  'groq',
  'huggingface',
  'mistral',
  'openrouter',
  'togetherai',
  'xai',
  'fireworks',
];
const preset = oneWord(Object.fromEntries(PRESETS.map((name) => [name, `PROVIDER_PRESET_${name.toUpperCase()}`])));

/** Throws WireError. */
export function readProvider(wire: WireMessage): ProviderSettings {
  const read = readOneof(wire);
  const override = wire.model_override;
  return override === undefined ? read : { ...read, settings: { ...read.settings, model: override } };
}

function readOneof(wire: WireMessage): ProviderSettings {
  if (wire.azureopenai !== undefined) throw new WireError('is no longer served; use azure', ['azureopenai']);
  if (wire.provider_preset !== undefined) {
    const provider = preset.read(wire.provider_preset);
    if (provider === undefined) throw new WireError('names no provider', ['provider_preset']);
    return { provider, settings: {} };
  }
  for (const [provider, [field, settings]] of Object.entries(OWN)) {
    if (wire[field] !== undefined) return { provider, settings: settings.read(wire[field]) as Record<string, unknown> };
  }
  throw new WireError('names no provider that this version knows');
}

/** Throws WireError for a provider, or settings, that only files can name. */
export function writeProvider(provider: string, settings: Readonly<Record<string, unknown>>): WireMessage {
  const own = OWN[provider];
  if (own !== undefined) return { [own[0]]: own[1].write(settings) };
  const { model: pinned, ...rest } = settings;
  if (Object.values(rest).some((value) => value !== undefined && value !== null)) throw new WireError("can't be said");
  return { provider_preset: preset.write(provider), ...(typeof pinned === 'string' && { model_override: pinned }) };
}
