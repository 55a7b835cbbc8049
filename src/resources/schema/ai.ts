import { z } from 'zod';
import type { Catalogue, ProviderEntry } from '../catalogue.ts';
import type { PolicyMap } from '../types.ts';
import { exactlyOne, own } from './common.ts';

/** LLM providers and the `ai` backend. */

/** True for a preset: a named OpenAI-compatible service with its base URL, known to `llm.models` only. */
export function isPreset(provider: ProviderEntry): boolean {
  return provider.baseUrl !== undefined;
}

/** `{openAI: {…}}`, `{anthropic: {…}}` …: one key, the provider's settings under it. */
export function aiProvider(catalogue: Catalogue): z.ZodType<Readonly<Record<string, unknown>>> {
  const shape: Record<string, z.ZodType> = {};
  for (const provider of catalogue.providers.values()) {
    if (isPreset(provider)) continue;
    const settings = provider.schema.optional().describe(provider.summary);
    shape[provider.name] = provider.own === true ? own(settings) : settings;
  }
  return exactlyOne(z.strictObject(shape), Object.keys(shape)).meta({
    id: 'AiProvider',
    title: 'AI provider',
  }) as unknown as z.ZodType<Readonly<Record<string, unknown>>>;
}

function providerShape(provider: z.ZodType<Readonly<Record<string, unknown>>>, policies: z.ZodType<PolicyMap>) {
  return {
    name: z.string().describe('Name, unique within the backend.'),
    provider: provider.describe('The provider and its settings.'),
    hostOverride: z.string().nullish().describe("`host:port` in place of the provider's own."),
    pathOverride: z.string().nullish().describe('Path that every request is sent to.'),
    pathPrefix: z.string().nullish().describe("Prefix in place of the provider's base path."),
    tokenize: z.boolean().default(false).describe('Count prompt tokens before sending, for token limits.'),
    policies: policies.nullish().describe('Policies of the provider.'),
  };
}

/** One provider, or priority groups of providers. */
export function aiBackend(provider: z.ZodType<Readonly<Record<string, unknown>>>, policies: z.ZodType<PolicyMap>) {
  const single = z
    .strictObject(providerShape(provider, policies))
    .meta({ id: 'NamedAiProvider', title: 'Named AI provider' });
  const groups = z.strictObject({
    groups: z
      .array(z.strictObject({ providers: z.array(single).describe('Providers that share the load.') }))
      .describe('Best first: a group serves only while every provider of the groups before it is evicted.'),
  });
  return z.union([single, groups]);
}
