import type { Stop, StopCause } from '../../../../facts/answer.ts';

/** Why an answer ended (https://docs.anthropic.com/en/api/handling-stop-reasons). */

const CAUSES: ReadonlyMap<string, StopCause> = new Map([
  ['end_turn', 'stop'],
  ['max_tokens', 'length'],
  ['stop_sequence', 'stop_sequence'],
  ['tool_use', 'tool_calls'],
  ['pause_turn', 'pause'],
  ['refusal', 'refusal'],
  ['model_context_window_exceeded', 'context_length'],
]);

const REASONS: Readonly<Record<StopCause, string>> = {
  stop: 'end_turn',
  stop_sequence: 'stop_sequence',
  length: 'max_tokens',
  context_length: 'model_context_window_exceeded',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
  malformed_tool_call: 'end_turn',
  error: 'end_turn',
};

/** `structured`: the model called the tool that is its answer; `calls`: it called others. */
export function decodeStop(reason: string, sequence: string | undefined, structured: boolean, calls: boolean): Stop {
  const cause = CAUSES.get(reason) ?? 'stop';
  return {
    cause: cause === 'tool_calls' && structured && !calls ? 'stop' : cause,
    raw: reason,
    ...(sequence === undefined ? {} : { sequence }),
  };
}

/** `calls`: the answer has tool calls. Clients run them where the reason says so. */
export function encodeStop(
  { cause, sequence }: Stop,
  calls: boolean,
): { stop_reason: string; stop_sequence: string | null } {
  const reason = cause === 'stop' && calls ? 'tool_use' : REASONS[cause];
  return { stop_reason: reason, stop_sequence: sequence ?? null };
}
