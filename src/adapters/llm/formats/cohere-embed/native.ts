import { emptyUsage, type Usage } from '../../../../facts/llm.ts';
import { count, type ReportedUsage } from '../../usage.ts';
import type { Format } from '../format.ts';
import { laterReport } from '../openai-chat/native.ts';

/** What Cohere's `meta` counts: `billed_units`, or `tokens`. Search units are none. */
export function cohereUsage(report: ReportedUsage): Usage {
  return { ...emptyUsage(), input: (count(report.input_tokens) ?? 0) + (count(report.image_tokens) ?? 0) };
}

function countsTokens(report: ReportedUsage): boolean {
  return count(report.input_tokens) !== undefined || count(report.image_tokens) !== undefined;
}

/** Cohere's embeddings (https://docs.cohere.com/reference/embed). */
export const cohereEmbed: Format = {
  operation: 'embeddings',
  dialect: 'cohere',
  free: false,
  usageOnRequest: false,
  mergeUsage: laterReport,
  toUsage: cohereUsage,
  countsTokens,
  stream: null,
};

/** Cohere's reranking (https://docs.cohere.com/reference/rerank), which it bills by the search. */
export const cohereRerank: Format = { ...cohereEmbed, operation: 'rerank' };
