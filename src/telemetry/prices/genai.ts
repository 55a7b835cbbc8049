import { z } from 'zod';
import type { Match, Period, PricedModel, PriceFile, Rates } from '../../resources/prices.ts';

/** Prices as the project genai-prices publishes them (https://github.com/pydantic/genai-prices, MIT): its data.json, and its packages. */

const price = z.union([
  z.number(),
  z.object({ base: z.number(), tiers: z.array(z.object({ start: z.number(), price: z.number() })) }),
]);
const prices = z.record(z.string(), price.optional());
type Prices = z.output<typeof prices>;

const constraint = z.union([
  z.object({ start_date: z.string() }),
  z.object({ start_time: z.string(), end_time: z.string() }),
]);
const match: z.ZodType<TheirMatch> = z.lazy(() =>
  z.union([
    z.object({ equals: z.string() }),
    z.object({ starts_with: z.string() }),
    z.object({ ends_with: z.string() }),
    z.object({ contains: z.string() }),
    z.object({ regex: z.string() }),
    z.object({ and: z.array(match) }),
    z.object({ or: z.array(match) }),
  ]),
);
type TheirMatch = Exclude<Match, { not: Match }>;

const provider = z.object({
  id: z.string(),
  fallback_model_providers: z.array(z.string()).nullish(),
  models: z.array(
    z.object({
      id: z.string(),
      match,
      prices: z.union([z.array(z.object({ constraint: constraint.nullish(), prices })), prices]),
    }),
  ),
});

/** What data.json holds: a list of providers. */
export const genaiSchema = z.array(provider);
export type GenaiProviders = z.output<typeof genaiSchema>;

/** Telemetry name of a provider here → its id there. */
const PROVIDERS: Readonly<Record<string, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  'gcp.gemini': 'google',
  'aws.bedrock': 'aws',
  azure: 'azure',
  groq: 'groq',
  mistral: 'mistral',
  deepseek: 'deepseek',
  togetherai: 'together',
  fireworks: 'fireworks',
  xai: 'x-ai',
  cohere: 'cohere',
  openrouter: 'openrouter',
  perplexity: 'perplexity',
  cerebras: 'cerebras',
  baseten: 'baseten',
};
/** Providers there whose prices are taken. */
export const GENAI_IDS: readonly string[] = Object.values(PROVIDERS);
/** Providers that charge what another does. */
const ALIASES = { 'gcp.vertex_ai': 'gcp.gemini' };
const HERE = new Map(Object.entries(PROVIDERS).map(([here, there]) => [there, here]));

/** Throws where it has none of the providers known here. */
export function fromGenai(all: GenaiProviders, source: PriceFile['source']): PriceFile {
  const providers: Record<string, PriceFile['providers'][string]> = {};
  for (const [here, there] of Object.entries(PROVIDERS)) {
    const found = all.find(({ id }) => id === there);
    if (found === undefined) continue;
    const fallbacks = (found.fallback_model_providers ?? []).flatMap((id) => HERE.get(id) ?? []);
    providers[here] = { ...(fallbacks.length > 0 && { fallbacks }), models: found.models.map(modelOf) };
  }
  if (Object.keys(providers).length === 0) throw new Error('no provider in it is known');
  return { source, aliases: ALIASES, providers };
}

function modelOf({ id, match: name, prices: given }: GenaiProviders[number]['models'][number]): PricedModel {
  const periods = Array.isArray(given) ? given : [{ prices: given }];
  return { id, match: matchOf(name), prices: periods.map(periodOf) };
}

/** Rates in USD per million tokens, by their names there. */
const RATES: Readonly<Record<keyof Rates, string>> = {
  input: 'input_mtok',
  output: 'output_mtok',
  cacheRead: 'cache_read_mtok',
  cacheWrite: 'cache_write_mtok',
  reasoning: 'output_reasoning_mtok',
  inputAudio: 'input_audio_mtok',
  outputAudio: 'output_audio_mtok',
  cacheReadAudio: 'cache_audio_read_mtok',
};

/** Rates of prompts of more than `over` tokens. */
function ratesOf(all: Prices, over: number): Rates {
  const rates: Partial<Record<keyof Rates, number>> = {};
  for (const [name, key] of Object.entries(RATES) as [keyof Rates, string][]) {
    const one = all[key];
    if (one === undefined) continue;
    rates[name] = typeof one === 'number' ? one : (one.tiers.findLast(({ start }) => start <= over)?.price ?? one.base);
  }
  return rates;
}

function periodOf(given: {
  prices: Prices;
  constraint?: { start_date: string } | { start_time: string; end_time: string } | null | undefined;
}): Period {
  const { constraint: when } = given;
  const starts = Object.values(given.prices).flatMap((one) =>
    typeof one === 'object' ? one.tiers.map(({ start }) => start) : [],
  );
  const tiers = [...new Set(starts)]
    .sort((a, b) => a - b)
    .map((contextOver) => ({ contextOver, rates: ratesOf(given.prices, contextOver) }));
  return {
    ...(when && 'start_date' in when && { from: when.start_date }),
    ...(when && 'start_time' in when && { daily: [when.start_time, when.end_time] as const }),
    rates: ratesOf(given.prices, -1),
    ...(tiers.length > 0 && { tiers }),
  } as Period;
}

/** Their one use of a look-ahead says what a name must not have; linear-time expressions have none, so it becomes a `not`. */
function matchOf(given: TheirMatch): Match {
  if ('and' in given) return { and: (given.and as TheirMatch[]).map(matchOf) };
  if ('or' in given) return { or: (given.or as TheirMatch[]).map(matchOf) };
  if (!('regex' in given)) return given;
  const negative = /^\^\(\?!((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)(.*)$/.exec(given.regex);
  if (negative === null) return given;
  const not: Match = { not: { regex: `^${negative[1]}` } };
  return negative[2] === '' ? not : { and: [not, { regex: `^${negative[2]}` }] };
}
