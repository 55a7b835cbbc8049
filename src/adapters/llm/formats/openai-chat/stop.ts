import type { Stop, StopCause } from '../../../../facts/answer.ts';

/** Why an answer ended: `finish_reason`. OpenAI has five words; others added theirs. */
const CAUSES: ReadonlyMap<string, StopCause> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['content_filter', 'content_filter'],
  // Mistral: the context is full.
  ['model_length', 'context_length'],
  ['refusal', 'refusal'],
  ['malformed_function_call', 'malformed_tool_call'],
  // OpenRouter, Mistral; DeepSeek; vLLM.
  ['error', 'error'],
  ['insufficient_system_resource', 'error'],
  ['abort', 'error'],
]);

/** What was in the answer, as far as it tells more than the provider's word. */
export interface Said {
  readonly calls: boolean;
  readonly refusal: boolean;
}

/** `sequence`: vLLM's `stop_reason`, the stop sequence met (or the number of a token). */
export function readStop(reason: string, sequence: unknown, { calls, refusal }: Said): Stop {
  let cause = CAUSES.get(reason.toLowerCase()) ?? 'stop';
  if (cause === 'stop') {
    // OpenAI has no word for a refusal; some say `stop` where tools are called.
    if (refusal) cause = 'refusal';
    else if (calls) cause = 'tool_calls';
    else if (typeof sequence === 'string' && sequence !== '') return { cause: 'stop_sequence', raw: reason, sequence };
  }
  return { cause, raw: reason };
}

/**
 * OpenAI's word for a cause; clients know no other. `length` says that the answer is not complete. `refusal`: the answer says in its own
 * member that the model refused.
 */
const WORDS: Readonly<Record<StopCause, string>> = {
  stop: 'stop',
  stop_sequence: 'stop',
  length: 'length',
  context_length: 'length',
  tool_calls: 'tool_calls',
  content_filter: 'content_filter',
  refusal: 'content_filter',
  pause: 'stop',
  malformed_tool_call: 'stop',
  error: 'length',
};

/** `legacy`: the client knows `function_call` only. */
export function finishReason({ cause }: Stop, said: Said, legacy: boolean): string {
  if (cause === 'refusal' && said.refusal) return 'stop';
  return cause === 'tool_calls' && legacy ? 'function_call' : WORDS[cause];
}

/** The sequence met, where the provider says which. */
export function stopSequence({ sequence }: Stop): { stop_reason?: string } {
  return sequence === undefined ? {} : { stop_reason: sequence };
}
