import { renderError } from '../../../../errors/render.ts';
import type { GatewayError } from '../../../../errors/table.ts';
import { emptyUsage, type Usage } from '../../../../facts/llm.ts';
import { jsonValue } from '../../json-value.ts';
import { count, type ReportedUsage } from '../../usage.ts';
import { beginsWithJson } from '../events.ts';
import type { Format, StreamShape } from '../format.ts';

/**
 * `usageMetadata` (https://ai.google.dev/api/generate-content#UsageMetadata). The prompt's count includes what was cached, but not the
 * results of tools that Google ran; the candidates' count does not include thoughts. What the total has beyond all of them was output.
 */
export function geminiUsage(report: ReportedUsage): Usage {
  const prompt = count(report.promptTokenCount) ?? 0;
  const tools = count(report.toolUsePromptTokenCount) ?? 0;
  const reasoning = count(report.thoughtsTokenCount) ?? 0;
  const candidates = count(report.candidatesTokenCount) ?? 0;
  const cachedInput = Math.min(count(report.cachedContentTokenCount) ?? 0, prompt);
  const input = prompt - cachedInput + tools;
  const known = input + cachedInput + candidates + reasoning;
  const beyond = Math.max((count(report.totalTokenCount) ?? 0) - known, 0);
  return { input, cachedInput, cacheWrite: 0, output: candidates + beyond, reasoning };
}

/** Each event of a stream counts from the start, and leaves out what it has nothing new to say of. */
export function mergeGeminiUsage(before: ReportedUsage | null, report: ReportedUsage): ReportedUsage {
  return before === null ? report : { ...before, ...report };
}

const FINISH_REASON = '"finishReason"';

const stream: StreamShape = {
  isContent: beginsWithJson,
  hasContent: (candidates) =>
    Array.isArray(candidates) && candidates.some((candidate) => hasParts(candidate?.content?.parts)),
  usageName: Buffer.from('"usageMetadata"'),
  isFinal: (candidates) => {
    if (candidates === null || !candidates.includes(FINISH_REASON)) return false;
    const value = jsonValue(candidates);
    return Array.isArray(value) && value.some((candidate) => typeof candidate?.finishReason === 'string');
  },
  jsonArray: true,
  errorEvent: (error: GatewayError) => `data: ${renderError(error, 'google').body}\n\n`,
};

function hasParts(parts: unknown): boolean {
  return Array.isArray(parts) && parts.some((part) => part?.text !== '');
}

/** https://ai.google.dev/api/generate-content */
export const geminiGenerateContent: Format = {
  operation: 'chat',
  dialect: 'google',
  free: false,
  usageOnRequest: false,
  mergeUsage: mergeGeminiUsage,
  toUsage: geminiUsage,
  stream,
};

/** Counting tokens before a request (https://ai.google.dev/api/tokens): nothing is used. */
export const geminiCountTokens: Format = {
  operation: 'count_tokens',
  dialect: 'google',
  free: true,
  usageOnRequest: false,
  mergeUsage: mergeGeminiUsage,
  toUsage: emptyUsage,
  stream: null,
};
