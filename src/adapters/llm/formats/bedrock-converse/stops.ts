import type { Stop, StopCause } from '../../../../facts/answer.ts';
import type { Conversation, JsonObject } from '../../../../facts/conversation.ts';
import { isObject } from '../fields.ts';
import { ownExtra } from './extra.ts';

/** Why an answer ended (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html). */

const CAUSES: ReadonlyMap<string, StopCause> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop_sequence'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'context_length'],
  ['tool_use', 'tool_calls'],
  ['content_filtered', 'content_filter'],
  ['guardrail_intervened', 'content_filter'],
  ['malformed_tool_use', 'malformed_tool_call'],
  ['malformed_model_output', 'error'],
  // Claude's own words, where they come through.
  ['refusal', 'refusal'],
  ['pause_turn', 'pause'],
]);

const REASONS: Readonly<Record<StopCause, string>> = {
  stop: 'end_turn',
  stop_sequence: 'stop_sequence',
  length: 'max_tokens',
  context_length: 'model_context_window_exceeded',
  tool_calls: 'tool_use',
  content_filter: 'content_filtered',
  refusal: 'content_filtered',
  pause: 'end_turn',
  malformed_tool_call: 'malformed_tool_use',
  error: 'malformed_model_output',
};

/** Where models keep the stop sequence that was met: in a whole answer, and in a stream. */
export const STOP_SEQUENCE_PATHS: readonly string[] = ['/stop_sequence', '/delta/stop_sequence'];

/**
 * `responseFields`: the model's own fields that were asked for. `structured`: the model called the tool that is its answer; `calls`: it
 * called others.
 */
export function decodeStop(
  raw: string,
  responseFields: JsonObject | undefined,
  structured: boolean,
  calls: boolean,
): Stop {
  const cause = CAUSES.get(raw) ?? 'stop';
  if (cause === 'tool_calls' && structured && !calls) return { cause: 'stop', raw };
  const delta = responseFields?.delta;
  const sequence = responseFields?.stop_sequence ?? (isObject(delta) ? delta.stop_sequence : undefined);
  return cause === 'stop_sequence' && typeof sequence === 'string' ? { cause, raw, sequence } : { cause, raw };
}

/** Of words that mean the same, the provider's own. `calls`: the answer has tool calls; clients run them where the reason says so. */
export function encodeStop({ cause, raw }: Stop, calls: boolean): string {
  if (cause === 'stop' && calls) return REASONS.tool_calls;
  return CAUSES.get(raw) === cause && raw !== 'refusal' && raw !== 'pause_turn' ? raw : REASONS[cause];
}

/** The stop sequence for a client that asked for it where models have it; undefined for one that didn't. */
export function encodeStopSequence({ sequence }: Stop, request: Conversation): JsonObject | undefined {
  if (sequence === undefined) return undefined;
  const own = ownExtra(request.extra).additionalModelResponseFieldPaths;
  const paths: readonly unknown[] = Array.isArray(own) ? own : STOP_SEQUENCE_PATHS;
  const fields: JsonObject = {};
  if (paths.includes('/stop_sequence')) fields.stop_sequence = sequence;
  if (paths.includes('/delta/stop_sequence')) fields.delta = { stop_sequence: sequence };
  return Object.keys(fields).length === 0 ? undefined : fields;
}
