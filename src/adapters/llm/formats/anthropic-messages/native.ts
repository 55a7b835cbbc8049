import { renderError } from '../../../../errors/render.ts';
import type { GatewayError } from '../../../../errors/table.ts';
import { emptyUsage, type Usage } from '../../../../facts/llm.ts';
import { count, detail, type ReportedUsage } from '../../usage.ts';
import { eventName } from '../events.ts';
import type { Format, StreamShape } from '../format.ts';

/**
 * Messages (https://docs.anthropic.com/en/api/messages): `input_tokens` is what was neither read from a cache nor written to it;
 * `output_tokens` includes thinking.
 */
export function messagesUsage(report: ReportedUsage): Usage {
  const answer = count(report.output_tokens) ?? 0;
  const reasoning = Math.min(detail(report, 'output_tokens_details', 'thinking_tokens') ?? 0, answer);
  return {
    input: count(report.input_tokens) ?? 0,
    cachedInput: count(report.cache_read_input_tokens) ?? 0,
    cacheWrite: count(report.cache_creation_input_tokens) ?? 0,
    output: answer - reasoning,
    reasoning,
  };
}

const COUNTS = ['input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens', 'output_tokens'] as const;

/**
 * A stream reports the input at its start and the output at its end; both count from the start, and who speaks the format for another
 * model may send a 0 where it doesn't know yet. So of each count the largest holds.
 */
export function mergeMessagesUsage(before: ReportedUsage | null, report: ReportedUsage): ReportedUsage {
  if (before === null) return report;
  const merged: Record<string, unknown> = { ...before, ...report };
  for (const name of COUNTS) merged[name] = Math.max(count(before[name]) ?? 0, count(report[name]) ?? 0);
  merged.output_tokens_details = report.output_tokens_details ?? before.output_tokens_details;
  return merged;
}

const stream: StreamShape = {
  isContent: (bytes, start, end) => eventName(bytes, start, end) === 'content_block_delta',
  hasContent: null,
  errorEvent: (error: GatewayError) => `event: error\ndata: ${renderError(error, 'anthropic').body}\n\n`,
};

export const anthropicMessages: Format = {
  operation: 'chat',
  countsCachesApart: true,
  dialect: 'anthropic',
  free: false,
  usageOnRequest: false,
  mergeUsage: mergeMessagesUsage,
  toUsage: messagesUsage,
  stream,
};

/** Counting tokens before a request (https://docs.anthropic.com/en/api/messages-count-tokens): nothing is used. */
export const anthropicCountTokens: Format = {
  operation: 'count_tokens',
  dialect: 'anthropic',
  free: true,
  usageOnRequest: false,
  mergeUsage: mergeMessagesUsage,
  toUsage: emptyUsage,
  stream: null,
};
