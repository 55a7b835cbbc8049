import { anthropic } from './anthropic.ts';
import { azure } from './azure.ts';
import { bedrock } from './bedrock.ts';
import { copilot } from './copilot.ts';
import { custom } from './custom.ts';
import { anthropicOrDemo, demo, openAIOrDemo } from './demo.ts';
import { gemini } from './gemini.ts';
import { openAI } from './openai.ts';
import { PRESET_PROVIDERS } from './presets.ts';
import type { ProviderDefinition } from './provider.ts';
import { vertex } from './vertex.ts';

/** Every provider there is, one line each. */
const ALL: readonly ProviderDefinition[] = [
  openAI,
  anthropic,
  custom,
  ...PRESET_PROVIDERS,
  azure,
  bedrock,
  copilot,
  gemini,
  vertex,
  demo,
  openAIOrDemo,
  anthropicOrDemo,
];

export const PROVIDERS: ReadonlyMap<string, ProviderDefinition> = new Map(
  ALL.map((provider) => [provider.name, provider]),
);
