import type { Cost, Usage } from '../facts/llm.ts';

const PER_MILLION = 1e-6;

/**
 * What a provider's prompt cache saved, USD: the tokens read from it at the price of plain input, less what they cost. That tokens written
 * to a cache may cost more than plain ones is not taken off. 0 where nothing was read, or the price is unknown.
 */
export function savedByCache(usage: Usage | null, cost: Cost | null): number {
  if (usage === null || cost === null || usage.cachedInput === 0) return 0;
  return Math.max(usage.cachedInput * (cost.rates.input ?? 0) * PER_MILLION - cost.cacheRead, 0);
}
