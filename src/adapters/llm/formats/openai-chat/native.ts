import { renderError } from '../../../../errors/render.ts';
import type { GatewayError } from '../../../../errors/table.ts';
import type { Usage, UsageDetails } from '../../../../facts/llm.ts';
import { count, detail, fromInclusive, type ReportedUsage } from '../../usage.ts';
import { beginsWithJson } from '../events.ts';
import type { Format, StreamShape } from '../format.ts';

/**
 * Chat completions (https://platform.openai.com/docs/api-reference/chat). `prompt_tokens` includes what was cached and
 * `completion_tokens` what was reasoning; some who speak the format leave reasoning out of it and have it in the total only.
 */
export function chatUsage(report: ReportedUsage): Usage {
  return fromInclusive({
    input: count(report.prompt_tokens),
    output: count(report.completion_tokens),
    total: count(report.total_tokens),
    // DeepSeek and Moonshot name the cached part at the top.
    cached:
      detail(report, 'prompt_tokens_details', 'cached_tokens') ??
      count(report.prompt_cache_hit_tokens) ??
      count(report.cached_tokens),
    cacheWrite: detail(report, 'prompt_tokens_details', 'cache_write_tokens'),
    reasoning: detail(report, 'completion_tokens_details', 'reasoning_tokens'),
  });
}

/** Audio has prices of its own; most answers have none. */
function audioDetails(report: ReportedUsage): UsageDetails | undefined {
  const inputAudioTokens = detail(report, 'prompt_tokens_details', 'audio_tokens') ?? 0;
  const outputAudioTokens = detail(report, 'completion_tokens_details', 'audio_tokens') ?? 0;
  return inputAudioTokens + outputAudioTokens === 0 ? undefined : { inputAudioTokens, outputAudioTokens };
}

/** A later report replaces an earlier one: where there are several (vLLM's continuous usage) each counts from the start. */
export function laterReport(_before: ReportedUsage | null, report: ReportedUsage): ReportedUsage {
  return report;
}

export function openaiErrorEvent(error: GatewayError): string {
  return `data: ${renderError(error, 'openai').body}\n\n`;
}

/** Members of a delta that are part of the answer; `role` alone is not. */
const CONTENT = ['content', 'reasoning_content', 'reasoning', 'tool_calls', 'function_call', 'refusal', 'audio'];

const stream: StreamShape = {
  isContent: beginsWithJson,
  hasContent(choices) {
    if (!Array.isArray(choices)) return false;
    return choices.some((choice) => {
      const delta = choice?.delta;
      return typeof delta === 'object' && delta !== null && CONTENT.some((name) => isFilled(delta[name]));
    });
  },
  errorEvent: openaiErrorEvent,
};

function isFilled(value: unknown): boolean {
  return typeof value === 'string' ? value !== '' : value !== undefined && value !== null;
}

export const openaiChat: Format = {
  operation: 'chat',
  dialect: 'openai',
  free: false,
  usageOnRequest: true,
  mergeUsage: laterReport,
  toUsage: chatUsage,
  detailsOf: audioDetails,
  stream,
};
