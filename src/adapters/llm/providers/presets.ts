import { z } from 'zod';
import type { FormatName } from '../formats/route-types.ts';
import { openCustom } from './custom.ts';
import type { ProviderDefinition } from './provider.ts';
import { modelSetting } from './settings.ts';

interface Preset {
  readonly title: string;
  readonly baseUrl: string;
  /** Formats at their usual path, or with a whole path of their own. */
  readonly formats: Partial<Record<FormatName, string>>;
}

const USUAL = '';

/** Services that speak a known API under another address. */
const PRESETS: Readonly<Record<string, Preset>> = {
  cohere: {
    title: 'Cohere',
    baseUrl: 'https://api.cohere.ai',
    formats: {
      completions: '/compatibility/v1/chat/completions',
      embeddings: '/compatibility/v1/embeddings',
      cohereEmbed: '/v2/embed',
      cohereRerank: '/v2/rerank',
    },
  },
  ollama: {
    title: 'Ollama on this machine',
    baseUrl: 'http://localhost:11434/v1',
    formats: { completions: USUAL, responses: USUAL, embeddings: USUAL },
  },
  baseten: {
    title: 'Baseten',
    baseUrl: 'https://inference.baseten.co/v1',
    formats: { completions: USUAL, messages: USUAL },
  },
  cerebras: { title: 'Cerebras', baseUrl: 'https://api.cerebras.ai/v1', formats: { completions: USUAL } },
  deepinfra: {
    title: 'DeepInfra',
    baseUrl: 'https://api.deepinfra.com/v1/openai',
    formats: { completions: USUAL, messages: '/anthropic/v1/messages', embeddings: USUAL },
  },
  deepseek: {
    title: 'DeepSeek',
    baseUrl: 'https://api.deepseek.com/v1',
    formats: { completions: USUAL, messages: '/anthropic/v1/messages', responses: USUAL },
  },
  groq: {
    title: 'Groq',
    baseUrl: 'https://api.groq.com/openai/v1',
    formats: { completions: USUAL, responses: USUAL },
  },
  huggingface: {
    title: 'Hugging Face inference providers',
    baseUrl: 'https://router.huggingface.co/v1',
    formats: { completions: USUAL, responses: USUAL },
  },
  mistral: {
    title: 'Mistral',
    baseUrl: 'https://api.mistral.ai/v1',
    formats: { completions: USUAL, embeddings: USUAL },
  },
  openrouter: {
    title: 'OpenRouter',
    baseUrl: 'https://openrouter.ai/api/v1',
    formats: { completions: USUAL, messages: USUAL, responses: USUAL, embeddings: USUAL, rerank: USUAL },
  },
  togetherai: {
    title: 'Together AI',
    baseUrl: 'https://api.together.xyz/v1',
    formats: { completions: USUAL, embeddings: USUAL, rerank: USUAL },
  },
  xai: {
    title: 'xAI',
    baseUrl: 'https://api.x.ai/v1',
    formats: { completions: USUAL, responses: USUAL, realtime: USUAL },
  },
  fireworks: {
    title: 'Fireworks AI',
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    formats: { completions: USUAL, messages: USUAL, responses: USUAL, embeddings: USUAL, rerank: USUAL },
  },
};

/** Those that agentgateway has no names for. Of a server whose versions differ, what all of them take; the rest is converted. */
const OWN_PRESETS: Readonly<Record<string, Preset>> = {
  vllm: {
    title: 'vLLM on this machine',
    baseUrl: 'http://localhost:8000/v1',
    formats: { completions: USUAL, embeddings: USUAL, rerank: USUAL },
  },
  sglang: {
    title: 'SGLang on this machine',
    baseUrl: 'http://localhost:30000/v1',
    formats: { completions: USUAL, embeddings: USUAL },
  },
  llamacpp: {
    title: "llama.cpp's server on this machine",
    baseUrl: 'http://localhost:8080/v1',
    formats: { completions: USUAL, embeddings: USUAL, rerank: USUAL },
  },
  lmstudio: {
    title: 'LM Studio on this machine',
    baseUrl: 'http://localhost:1234/v1',
    formats: { completions: USUAL, embeddings: USUAL },
  },
  perplexity: { title: 'Perplexity', baseUrl: 'https://api.perplexity.ai', formats: { completions: USUAL } },
  nvidia: {
    title: 'NVIDIA NIM',
    baseUrl: 'https://integrate.api.nvidia.com/v1',
    formats: { completions: USUAL, embeddings: USUAL },
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
  };
  return {
    name,
    schema: z.strictObject({ model: modelSetting }),
    summary: `${preset.title}: ${service.formats.map(({ type }) => type).join(', ')}.`,
    active: true,
    baseUrl: preset.baseUrl,
    open: (provider) => openCustom(provider, service),
  };
}
