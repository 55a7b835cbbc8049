import type { Stop, StopCause } from '../../../../facts/answer.ts';
import type { Conversation, JsonObject, Part } from '../../../../facts/conversation.ts';
import { inputTokens, outputTokens, totalTokens, type Usage } from '../../../../facts/llm.ts';
import type { ReplyContext } from '../codec.ts';
import type { Fields } from '../fields.ts';
import { splitInstructions } from './input-encode.ts';
import { responseId } from './own.ts';
import { encodeParameters } from './parameters.ts';

/** The response object: what it says of the request, how it ended and what it cost. */

const NOTHING_LOST = { drop: () => {} };

/** A response before there is anything in it. */
export function responseObject(
  head: { readonly id: string; readonly model: string; readonly created: number; readonly serviceTier?: string },
  context: ReplyContext,
): JsonObject {
  return {
    id: context.response?.id ?? responseId(head.id),
    object: 'response',
    created_at: head.created || context.now,
    status: 'in_progress',
    completed_at: null,
    error: null,
    incomplete_details: null,
    model: head.model || context.model,
    output: [],
    usage: null,
    service_tier: head.serviceTier ?? null,
    ...echo(context.request),
    ...(context.response?.previousId != null && { previous_response_id: context.response.previousId }),
  };
}

/** The members in which a response repeats what was asked for, with what holds where the client said nothing. */
function echo(request: Conversation): JsonObject {
  const { include: _, moderation: __, service_tier: ___, ...parameters } = encodeParameters(request, NOTHING_LOST);
  return {
    background: false,
    max_output_tokens: null,
    max_tool_calls: null,
    parallel_tool_calls: true,
    previous_response_id: null,
    prompt_cache_key: null,
    safety_identifier: null,
    store: request.store ?? true,
    temperature: null,
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: null,
    truncation: 'disabled',
    user: null,
    ...parameters,
    instructions: splitInstructions(request.messages).instructions ?? null,
    metadata: parameters.metadata ?? {},
    reasoning: { effort: null, summary: null, ...(parameters.reasoning as JsonObject | undefined) },
    text: { format: { type: 'text' }, ...(parameters.text as JsonObject | undefined) },
  };
}

/** Members of a response that are the hub's or repeat the request: what is left is what only the provider knows. */
export const RESPONSE: ReadonlySet<string> = new Set([
  'id',
  'object',
  'created_at',
  'completed_at',
  'status',
  'error',
  'incomplete_details',
  'model',
  'output',
  'output_text',
  'usage',
  'background',
  'instructions',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'parallel_tool_calls',
  'previous_response_id',
  'prompt_cache_key',
  'reasoning',
  'safety_identifier',
  'service_tier',
  'store',
  'temperature',
  'text',
  'tool_choice',
  'tools',
  'top_logprobs',
  'top_p',
  'truncation',
  'user',
]);

/** Why a response ended; null where it hasn't. `parts`: what it holds. */
export function decodeStop(
  response: Fields,
  parts: { readonly calls: boolean; readonly refusal: boolean },
): Stop | null {
  const status = response.string('status') ?? 'completed';
  switch (status) {
    case 'queued':
    case 'in_progress':
      return null;
    case 'completed':
      if (parts.calls) return { cause: 'tool_calls', raw: status };
      return { cause: parts.refusal ? 'refusal' : 'stop', raw: status };
    case 'incomplete': {
      const raw = response.object('incomplete_details')?.string('reason') ?? status;
      return { cause: raw === 'content_filter' ? 'content_filter' : 'length', raw };
    }
    default:
      return { cause: 'error', raw: response.object('error')?.string('code') ?? status };
  }
}

/** Which of `parts` tell of the reason why an answer ended. */
export function telling(parts: readonly Part[]): { calls: boolean; refusal: boolean } {
  return {
    calls: parts.some((part) => part.kind === 'tool_call'),
    refusal: parts.some((part) => part.kind === 'refusal'),
  };
}

const INCOMPLETE: ReadonlyMap<StopCause, string> = new Map([
  ['length', 'max_output_tokens'],
  ['context_length', 'max_output_tokens'],
  ['pause', 'max_output_tokens'],
  ['content_filter', 'content_filter'],
]);

const FAILED: ReadonlySet<StopCause> = new Set(['error', 'malformed_tool_call']);

/** `status`, `incomplete_details` and `error` of a response. null: it simply ended. */
export function encodeStop(stop: Stop | null): {
  status: string;
  incomplete_details: JsonObject | null;
  error: JsonObject | null;
} {
  const reason = stop && INCOMPLETE.get(stop.cause);
  if (stop && reason) return { status: 'incomplete', incomplete_details: { reason }, error: null };
  if (stop && FAILED.has(stop.cause)) {
    const error = { code: 'server_error', message: `The model's answer broke off (${stop.raw || stop.cause}).` };
    return { status: 'failed', incomplete_details: null, error };
  }
  return { status: 'completed', incomplete_details: null, error: null };
}

/** Input counts what was cached, output what was reasoning. */
export function encodeUsage(usage: Usage): JsonObject {
  return {
    input_tokens: inputTokens(usage),
    input_tokens_details: { cached_tokens: usage.cachedInput, cache_write_tokens: usage.cacheWrite },
    output_tokens: outputTokens(usage),
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: totalTokens(usage),
  };
}
