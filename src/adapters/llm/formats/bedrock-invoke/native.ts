import { emptyUsage, type Usage } from '../../../../facts/llm.ts';
import { count, type ReportedUsage } from '../../usage.ts';
import { converseUsage } from '../bedrock-converse/native.ts';
import { detect } from '../detect.ts';
import type { Format } from '../format.ts';

/** Nova's counts of caches have names of their own. */
function invokeUsage(report: ReportedUsage): Usage {
  if (!('cacheReadInputTokenCount' in report)) return detect.toUsage(report);
  return converseUsage({
    ...report,
    cacheReadInputTokens: report.cacheReadInputTokenCount,
    cacheWriteInputTokens: report.cacheWriteInputTokenCount,
  });
}

const INPUT = 'x-amzn-bedrock-input-token-count';
const OUTPUT = 'x-amzn-bedrock-output-token-count';
const CACHE_READ = 'x-amzn-bedrock-cache-read-input-token-count';
const CACHE_WRITE = 'x-amzn-bedrock-cache-write-input-token-count';

/** The counts that Bedrock puts into the head of every answer, whatever the model; null where there are none. */
function usageOfHeaders(headers: readonly string[]): Usage | null {
  const counts = new Map<string, number>();
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.startsWith('x-amzn-bedrock-')) counts.set(name, count(Number(headers[i + 1])) ?? 0);
  }
  if (!counts.has(INPUT) && !counts.has(OUTPUT)) return null;
  return {
    ...emptyUsage(),
    input: counts.get(INPUT) ?? 0,
    cachedInput: counts.get(CACHE_READ) ?? 0,
    cacheWrite: counts.get(CACHE_WRITE) ?? 0,
    output: counts.get(OUTPUT) ?? 0,
  };
}

/**
 * `invoke` and `invoke-with-response-stream`: a model's own API behind Bedrock's path. The body of an answer may say more than its head,
 * which is the same for all; streams are no server-sent events.
 */
export const bedrockInvoke: Format = {
  operation: 'chat',
  countsCachesApart: true,
  dialect: 'bedrock',
  free: false,
  usageOnRequest: false,
  mergeUsage: (_before, report) => report,
  toUsage: invokeUsage,
  usageOfHeaders,
  stream: null,
};
