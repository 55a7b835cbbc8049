#!/usr/bin/env node
/**
 * Writes data/prices.json, the prices that Sluice comes with, from the package @pydantic/genai-prices (MIT).
 * `npm run prices` after an update of that package; a test compares the file with what this would write.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { findProvider } from '@pydantic/genai-prices';

const FILE = new URL('../data/prices.json', import.meta.url);

/** Telemetry name of a provider here → its id there. */
const PROVIDERS = {
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
/** Providers that charge what another does. */
const ALIASES = { 'gcp.vertex_ai': 'gcp.gemini' };
const HERE = Object.fromEntries(Object.entries(PROVIDERS).map(([here, there]) => [there, here]));

/** Rates in USD per million tokens, under the names that `config.modelCatalog` has for them. */
const RATES = {
  input: 'input_mtok',
  output: 'output_mtok',
  cacheRead: 'cache_read_mtok',
  cacheWrite: 'cache_write_mtok',
  reasoning: 'output_reasoning_mtok',
};

const base = (price) => (typeof price === 'number' ? price : price.base);

function ratesOf(prices, over) {
  const rates = {};
  for (const [name, key] of Object.entries(RATES)) {
    const price = prices[key];
    if (price === undefined) continue;
    const tier = typeof price === 'number' ? undefined : price.tiers.findLast(({ start }) => start <= over);
    rates[name] = tier?.price ?? base(price);
  }
  return rates;
}

function periodOf({ prices, constraint }) {
  const starts = Object.values(prices).flatMap((price) =>
    typeof price === 'object' ? price.tiers.map(({ start }) => start) : [],
  );
  const tiers = [...new Set(starts)]
    .sort((a, b) => a - b)
    .map((contextOver) => ({ contextOver, rates: ratesOf(prices, contextOver) }));
  return {
    ...(constraint?.type === 'start_date' ? { from: constraint.start_date } : {}),
    ...(constraint?.type === 'time_of_date' ? { daily: [constraint.start_time, constraint.end_time] } : {}),
    rates: ratesOf(prices, -1),
    ...(tiers.length > 0 ? { tiers } : {}),
  };
}

/** Their one use of a look-ahead says what a name must not have; linear-time expressions have none, so it becomes a `not`. */
function matchOf(match) {
  if (match.and) return { and: match.and.map(matchOf) };
  if (match.or) return { or: match.or.map(matchOf) };
  if (match.regex === undefined) return match;
  const negative = /^\^\(\?!((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)(.*)$/.exec(match.regex);
  if (negative === null) return match;
  const not = { not: { regex: `^${negative[1]}` } };
  return negative[2] === '' ? not : { and: [not, { regex: `^${negative[2]}` }] };
}

function modelOf({ id, match, prices }) {
  const periods = (Array.isArray(prices) ? prices : [{ prices }]).map(periodOf);
  return { id, match: matchOf(match), prices: periods };
}

export function catalog() {
  const require = createRequire(import.meta.url);
  const manifest = JSON.parse(
    readFileSync(new URL('../package.json', `file://${require.resolve('@pydantic/genai-prices')}`), 'utf8'),
  );
  const providers = {};
  for (const [here, there] of Object.entries(PROVIDERS)) {
    const provider = findProvider({ providerId: there });
    if (provider === undefined) throw new Error(`${manifest.name} knows no provider "${there}"`);
    const fallbacks = (provider.fallback_model_providers ?? []).map((id) => HERE[id]).filter((id) => id !== undefined);
    providers[here] = { ...(fallbacks.length > 0 ? { fallbacks } : {}), models: provider.models.map(modelOf) };
  }
  const { name, version } = manifest;
  // The day the version was taken: it stays as long as the version does.
  const { source: before } = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {};
  const date = (before?.version === version && before.date) || new Date().toISOString().slice(0, 10);
  return { source: { package: name, version, license: 'MIT', date }, aliases: ALIASES, providers };
}

/** A model a line, so that an update can be read as a difference. */
export function render({ source, aliases, providers }) {
  const blocks = Object.entries(providers).map(([name, { fallbacks, models }]) => {
    const lines = models.map((model) => `      ${JSON.stringify(model)}`).join(',\n');
    const head = fallbacks === undefined ? '' : `"fallbacks": ${JSON.stringify(fallbacks)}, `;
    return `    ${JSON.stringify(name)}: {${head}"models": [\n${lines}\n    ]}`;
  });
  return `{\n  "source": ${JSON.stringify(source)},\n  "aliases": ${JSON.stringify(aliases)},\n  "providers": {\n${blocks.join(',\n')}\n  }\n}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(FILE, render(catalog()));
  console.log(`wrote ${fileURLToPath(FILE)}`);
}
