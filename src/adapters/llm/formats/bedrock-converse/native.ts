import type { JsonObject } from '../../../../facts/conversation.ts';
import { emptyUsage, inputTokens, outputTokens, totalTokens, type Usage } from '../../../../facts/llm.ts';
import { count, type ReportedUsage } from '../../usage.ts';
import type { Format } from '../format.ts';

/**
 * Converse (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html): `inputTokens` is what was neither
 * read from a cache nor written to it; `outputTokens` includes thinking.
 */
export function converseUsage(report: ReportedUsage): Usage {
  return {
    ...emptyUsage(),
    input: count(report.inputTokens) ?? 0,
    cachedInput: count(report.cacheReadInputTokens) ?? 0,
    cacheWrite: count(report.cacheWriteInputTokens) ?? 0,
    output: count(report.outputTokens) ?? 0,
  };
}

/** The same counts on the wire; those of caches where there are any. */
export function reportOf(usage: Usage): JsonObject {
  return {
    inputTokens: usage.input,
    outputTokens: outputTokens(usage),
    totalTokens: totalTokens(usage),
    ...(inputTokens(usage) === usage.input
      ? {}
      : { cacheReadInputTokens: usage.cachedInput, cacheWriteInputTokens: usage.cacheWrite }),
  };
}

/** What `invoke-with-response-stream` says at its end, whatever the model (`amazon-bedrock-invocationMetrics`). */
export function invocationUsage(metrics: ReportedUsage): Usage {
  return converseUsage({
    inputTokens: metrics.inputTokenCount,
    outputTokens: metrics.outputTokenCount,
    cacheReadInputTokens: metrics.cacheReadInputTokenCount,
    cacheWriteInputTokens: metrics.cacheWriteInputTokenCount,
  });
}

export const bedrockConverse: Format = {
  operation: 'chat',
  countsCachesApart: true,
  dialect: 'bedrock',
  free: false,
  usageOnRequest: false,
  mergeUsage: (_before, report) => report,
  toUsage: converseUsage,
  // Its streams are no server-sent events.
  stream: null,
};

/** Counting tokens before a request (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html): nothing is used. */
export const bedrockCountTokens: Format = {
  ...bedrockConverse,
  operation: 'count_tokens',
  free: true,
  toUsage: emptyUsage,
};
