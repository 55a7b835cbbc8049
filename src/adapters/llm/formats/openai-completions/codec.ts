import type { Conversation, JsonObject } from '../../../../facts/conversation.ts';
import type { ClientCodec, PathFacts } from '../codec.ts';
import { Fields } from '../fields.ts';
import { encodeFault } from '../openai-chat/faults.ts';
import { extraOf, given } from '../openai-chat/own.ts';
import { promptConversation } from '../prompt.ts';
import { encodeAnswer } from './answer.ts';
import { CompletionsStreamEncoder } from './stream-encode.ts';

const KNOWN = new Set([
  'model',
  'prompt',
  'suffix',
  'echo',
  'best_of',
  'logprobs',
  'max_tokens',
  'n',
  'stop',
  'stream',
  'stream_options',
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'seed',
  'user',
]);

/** The names that clients of legacy completions know features by. */
const column: ClientCodec['column'] = {
  fields: {
    maxTokens: 'max_tokens',
    temperature: 'temperature',
    topP: 'top_p',
    frequencyPenalty: 'frequency_penalty',
    presencePenalty: 'presence_penalty',
    seed: 'seed',
    stop: 'stop',
    choices: 'n',
    logprobs: 'logprobs',
    user: 'user',
  },
  // The text behind the gap that is to be filled; forms of answers that are no JSON schema, in vLLM's names.
  essential: new Set([
    'suffix',
    'guided_json',
    'guided_regex',
    'guided_choice',
    'guided_grammar',
    'structured_outputs',
  ]),
};

/**
 * Legacy completions (https://platform.openai.com/docs/api-reference/completions/create) as a client of other formats' providers speaks
 * them: a prompt is the one turn of a conversation, the answer's text its completion. `body`: the request, whose prompt the answer
 * may have to echo.
 *
 * Throws `invalid_request_body` with the place of what is wrong.
 */
export function completionsCodec(body: JsonObject): ClientCodec {
  const fields = Fields.ofRequest(body);
  const echo = fields.boolean('echo') === true ? readPrompt(fields) : '';
  return {
    format: 'textCompletions',
    column,
    unsaid: unsaid(fields),
    decodeRequest,
    encodeAnswer: (answer, context) => encodeAnswer(answer, context, echo),
    streamEncoder: (context) => new CompletionsStreamEncoder(context, echo),
    encodeFault,
  };
}

/** A best of several can't be had from a conversation where more are made than are wanted. */
function unsaid(fields: Fields): string[] {
  const names: string[] = [];
  if ((fields.string('suffix') ?? '') !== '') names.push('suffix');
  if ((fields.number('best_of') ?? 0) > (fields.number('n') ?? 1)) names.push('best_of');
  if (fields.boolean('echo') === true && fields.has('logprobs')) names.push('echo.logprobs');
  return names;
}

function decodeRequest(body: JsonObject, path: PathFacts): Conversation {
  const fields = Fields.ofRequest(body);
  const prompt = readPrompt(fields);
  const { stop } = fields.value;
  const { include_usage: _, ...options } = fields.json('stream_options') ?? {};
  const rest = {
    // Parameters that servers take in both of OpenAI's formats, as they are.
    ...fields.rest(KNOWN),
    ...(Object.keys(options).length === 0 ? {} : { stream_options: options }),
  };
  const conversation = promptConversation(prompt, path, {
    ...given('maxTokens', fields.number('max_tokens')),
    ...given('temperature', fields.number('temperature')),
    ...given('topP', fields.number('top_p')),
    ...given('frequencyPenalty', fields.number('frequency_penalty')),
    ...given('presencePenalty', fields.number('presence_penalty')),
    ...given('seed', fields.number('seed')),
    ...given('stop', typeof stop === 'string' ? [stop] : fields.strings('stop')),
    ...given('choices', fields.number('n')),
    ...given('logprobs', fields.number('logprobs')),
  });
  return {
    ...conversation,
    model: fields.string('model') ?? path.model,
    stream: fields.boolean('stream') ?? path.stream,
    ...given('user', fields.string('user')),
    ...extraOf(Object.keys(rest).length === 0 ? undefined : rest),
  };
}

/** One text. Several prompts would be several requests, and tokens mean something to the model alone that they were made for. */
function readPrompt(fields: Fields): string {
  const { prompt } = fields.value;
  const one = Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : prompt;
  if (typeof one === 'string') return one;
  if (Array.isArray(one) && one.every((item) => typeof item === 'string') && one.length > 0) {
    throw fields.fault('prompt', 'must be one text: this provider answers one prompt a request');
  }
  throw fields.fault('prompt', one === undefined || one === null ? 'is missing' : 'must be a text, not tokens');
}
