import type { Usage } from '../../facts/llm.ts';

/**
 * A provider's count of tokens, turned into disjoint buckets. Providers disagree whether input counts what came from a cache and
 * output what was reasoning, so each format says which convention it has; the sum of the buckets is the provider's total either way.
 */

/** A usage object as a provider reports it. */
export type ReportedUsage = Readonly<Record<string, unknown>>;

/** Larger counts are taken for nonsense: they would make sums inexact. */
const MAX_TOKENS = 2 ** 45;

/** A reported count: undefined where there is none; never negative or a fraction. */
export function count(value: unknown): number | undefined {
  if (typeof value !== 'number' || Number.isNaN(value)) return undefined;
  return Math.min(Math.max(Math.trunc(value), 0), MAX_TOKENS);
}

/** `usage[group][name]`, where a provider breaks a count down. */
export function detail(usage: ReportedUsage, group: string, name: string): number | undefined {
  const details = usage[group];
  return typeof details === 'object' && details !== null ? count((details as ReportedUsage)[name]) : undefined;
}

export interface InclusiveCounts {
  /** Whole prompt, cached tokens included. */
  input: number | undefined;
  /** Whole answer. Reasoning is part of it, with some providers it is not: the total tells. */
  output: number | undefined;
  total: number | undefined;
  cached: number | undefined;
  cacheWrite: number | undefined;
  reasoning: number | undefined;
}

/**
 * Buckets from counts where the input includes what was cached (OpenAI's convention). Where the parts contradict the total, the
 * total holds: what it has beyond the prompt was output.
 */
export function fromInclusive(counts: InclusiveCounts): Usage {
  const sum = (counts.input ?? 0) + (counts.output ?? 0);
  const total = counts.total === undefined || counts.total === 0 ? sum : counts.total;
  const prompt = Math.min(counts.input ?? Math.max(total - (counts.output ?? 0), 0), total);
  const answer = total - prompt;
  const cachedInput = Math.min(counts.cached ?? 0, prompt);
  const cacheWrite = Math.min(counts.cacheWrite ?? 0, prompt - cachedInput);
  const reasoning = Math.min(counts.reasoning ?? 0, answer);
  return { input: prompt - cachedInput - cacheWrite, cachedInput, cacheWrite, output: answer - reasoning, reasoning };
}

/** Bytes of a request body that make up a token, roughly; English text has 4. */
const BYTES_PER_TOKEN = 4;

export function estimateTokens(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}
