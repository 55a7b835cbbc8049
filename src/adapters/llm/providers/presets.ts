import { z } from 'zod';
import type { FormatName } from '../formats/route-types.ts';
import { cerebras } from './cerebras.ts';
import { cohere } from './cohere.ts';
import { openCustom } from './custom.ts';
import { groq } from './groq.ts';
import { mistral } from './mistral.ts';
import { ollama } from './ollama.ts';
import { type Preset, USUAL } from './preset.ts';
import type { ProviderDefinition } from './provider.ts';
import { modelSetting } from './settings.ts';
import { xai } from './xai.ts';

/** Those whose reference has the longest answer under its first name alone. */
const firstName = () => ({ maxTokens: 'max_tokens' }) as const;

/** Services that speak a known API under another address. */
const PRESETS: Readonly<Record<string, Preset>> = {
  cohere,
  ollama,
  baseten: {
    title: 'Baseten',
    baseUrl: 'https://inference.baseten.co/v1',
    formats: { completions: USUAL, messages: USUAL },
  },
  cerebras,
  deepinfra: {
    title: 'DeepInfra',
    baseUrl: 'https://api.deepinfra.com/v1/openai',
    formats: { completions: USUAL, textCompletions: USUAL, messages: '/anthropic/v1/messages', embeddings: USUAL },
  },
  deepseek: {
    title: 'DeepSeek',
    baseUrl: 'https://api.deepseek.com/v1',
    formats: { completions: USUAL, messages: '/anthropic/v1/messages', responses: USUAL },
    statelessResponses: true,
  },
  groq,
  huggingface: {
    title: 'Hugging Face inference providers',
    baseUrl: 'https://router.huggingface.co/v1',
    formats: { completions: USUAL, responses: USUAL },
    quirks: firstName,
  },
  mistral,
  openrouter: {
    title: 'OpenRouter',
    baseUrl: 'https://openrouter.ai/api/v1',
    formats: {
      completions: USUAL,
      textCompletions: USUAL,
      messages: USUAL,
      responses: USUAL,
      embeddings: USUAL,
      rerank: USUAL,
    },
    statelessResponses: true,
    embedsTextsOnly: true,
  },
  togetherai: {
    title: 'Together AI',
    baseUrl: 'https://api.together.xyz/v1',
    formats: { completions: USUAL, textCompletions: USUAL, embeddings: USUAL, rerank: USUAL },
    quirks: firstName,
  },
  xai,
  fireworks: {
    title: 'Fireworks AI',
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    formats: {
      completions: USUAL,
      textCompletions: USUAL,
      messages: USUAL,
      responses: USUAL,
      embeddings: USUAL,
      rerank: USUAL,
    },
  },
};

/** Those that agentgateway has no names for. Of a server whose versions differ, what all of them take; the rest is converted. */
const OWN_PRESETS: Readonly<Record<string, Preset>> = {
  vllm: {
    title: 'vLLM on this machine',
    baseUrl: 'http://localhost:8000/v1',
    formats: { completions: USUAL, textCompletions: USUAL, embeddings: USUAL, rerank: USUAL },
  },
  sglang: {
    title: 'SGLang on this machine',
    baseUrl: 'http://localhost:30000/v1',
    formats: { completions: USUAL, textCompletions: USUAL, embeddings: USUAL },
  },
  llamacpp: {
    title: "llama.cpp's server on this machine",
    baseUrl: 'http://localhost:8080/v1',
    formats: { completions: USUAL, textCompletions: USUAL, embeddings: USUAL, rerank: USUAL },
  },
  lmstudio: {
    title: 'LM Studio on this machine',
    baseUrl: 'http://localhost:1234/v1',
    formats: { completions: USUAL, textCompletions: USUAL, embeddings: USUAL },
    quirks: firstName,
  },
  perplexity: {
    title: 'Perplexity',
    baseUrl: 'https://api.perplexity.ai',
    formats: { completions: USUAL },
    quirks: firstName,
  },
  nvidia: {
    title: 'NVIDIA NIM',
    baseUrl: 'https://integrate.api.nvidia.com/v1',
    formats: { completions: USUAL, textCompletions: USUAL, embeddings: USUAL },
    quirks: firstName,
  },
};

/** One definition a preset. */
export const PRESET_PROVIDERS: readonly ProviderDefinition[] = [
  ...Object.entries(PRESETS).map(([name, preset]) => definePreset(name, preset)),
  ...Object.entries(OWN_PRESETS).map(([name, preset]) => ({ ...definePreset(name, preset), own: true })),
];

function definePreset(name: string, preset: Preset): ProviderDefinition {
  const url = new URL(preset.baseUrl);
  const tls = url.protocol === 'https:';
  const service = {
    telemetryName: name,
    origin: { host: url.hostname, port: url.port === '' ? (tls ? 443 : 80) : Number(url.port), tls },
    basePath: url.pathname === '/' ? '' : url.pathname,
    formats: Object.entries(preset.formats).map(([type, path]) => ({ type: type as FormatName, path })),
    ...(preset.quirks !== undefined && { quirks: preset.quirks }),
  };
  return {
    name,
    schema: z.strictObject({ model: modelSetting }),
    summary: `${preset.title}: ${service.formats.map(({ type }) => type).join(', ')}.`,
    active: true,
    baseUrl: preset.baseUrl,
    open: (provider) => ({
      ...openCustom(provider, service),
      ...(preset.statelessResponses === true && { statelessResponses: true }),
      ...(preset.embedsTextsOnly === true && { embedsTextsOnly: true }),
    }),
  };
}
