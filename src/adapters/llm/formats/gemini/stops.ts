import type { Stop, StopCause } from '../../../../facts/answer.ts';

/** `FinishReason` (https://ai.google.dev/api/generate-content#FinishReason), of both of Google's APIs. */
const CAUSES: ReadonlyMap<string, StopCause> = new Map([
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['CONTINUATION', 'pause'],
  ['SAFETY', 'content_filter'],
  ['RECITATION', 'content_filter'],
  ['LANGUAGE', 'content_filter'],
  ['BLOCKLIST', 'content_filter'],
  ['PROHIBITED_CONTENT', 'content_filter'],
  ['SPII', 'content_filter'],
  ['MODEL_ARMOR', 'content_filter'],
  ['IMAGE_SAFETY', 'content_filter'],
  ['IMAGE_PROHIBITED_CONTENT', 'content_filter'],
  ['IMAGE_RECITATION', 'content_filter'],
  ['MALFORMED_FUNCTION_CALL', 'malformed_tool_call'],
  ['UNEXPECTED_TOOL_CALL', 'malformed_tool_call'],
  ['TOO_MANY_TOOL_CALLS', 'error'],
  ['MALFORMED_RESPONSE', 'error'],
  ['MISSING_THOUGHT_SIGNATURE', 'error'],
  ['NO_IMAGE', 'error'],
  ['IMAGE_OTHER', 'error'],
  ['OTHER', 'error'],
]);

const REASONS: Readonly<Record<StopCause, string>> = {
  stop: 'STOP',
  stop_sequence: 'STOP',
  tool_calls: 'STOP',
  length: 'MAX_TOKENS',
  context_length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
  refusal: 'SAFETY',
  malformed_tool_call: 'MALFORMED_FUNCTION_CALL',
  // A client would go on by a token that only Google gives.
  pause: 'OTHER',
  error: 'OTHER',
};

/** What an answer holds by the time it stops. */
export interface Said {
  readonly calls: boolean;
  readonly anything: boolean;
}

/**
 * Gemini stops for tool calls as for anything else. Words it doesn't have (others who serve its API say `FUNCTION_CALL`, say) end an answer
 * that there is; without one they are an error. '' and unspecified: not stopped yet.
 */
export function decodeStop(reason: string, said: Said): Stop | null {
  if (reason === '' || reason === 'FINISH_REASON_UNSPECIFIED') return null;
  const cause = CAUSES.get(reason) ?? (said.anything ? 'stop' : 'error');
  return { cause: cause === 'stop' && said.calls ? 'tool_calls' : cause, raw: reason };
}

/** Gemini's own word where the answer was its own. */
export function encodeStop({ cause, raw }: Stop): string {
  const own = CAUSES.get(raw);
  return own === cause || (own === 'stop' && REASONS[cause] === 'STOP') ? raw : REASONS[cause];
}
