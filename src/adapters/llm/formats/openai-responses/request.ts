import type { Conversation, JsonObject } from '../../../../facts/conversation.ts';
import type { EncodeContext, PathFacts } from '../codec.ts';
import { compact, Fields } from '../fields.ts';
import { given } from '../openai-chat/own.ts';
import { decodeInput } from './input-decode.ts';
import { InputWriter, splitInstructions } from './input-encode.ts';
import { behavesAsOpenAI, extraOf, FORMAT } from './own.ts';
import {
  asksForReasoning,
  decodeReasoningParameter,
  decodeText,
  ENCRYPTED,
  encodeParameters,
  LOGPROBS,
} from './parameters.ts';
import { decodeToolChoice, decodeTools } from './tools.ts';

/** Requests to `POST /v1/responses` (https://platform.openai.com/docs/api-reference/responses/create). */

const KNOWN = new Set([
  'model',
  'input',
  'instructions',
  'stream',
  'stream_options',
  'store',
  'include',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'text',
  'reasoning',
  'max_output_tokens',
  'temperature',
  'top_p',
  'top_logprobs',
  'service_tier',
  'metadata',
  'user',
  'safety_identifier',
  'prompt_cache_key',
]);

/** Members that say what holds anyway. */
const DEFAULTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['truncation', 'disabled'],
  ['background', false],
]);

/** What may stand in the place of `input`. */
const CONTEXTS = ['previous_response_id', 'conversation', 'prompt'];

/** Throws `invalid_request_body` with the place of what is wrong. */
export function decodeRequest(json: JsonObject, path: PathFacts): Conversation {
  const body = Fields.ofRequest(json);
  if (!body.has('input') && !CONTEXTS.some((name) => body.has(name))) throw body.fault('input', 'is missing');
  const choice = decodeToolChoice(body);
  const { rest: textRest, ...text } = decodeText(body);
  const { rest: reasoningRest, ...reasoning } = decodeReasoningParameter(body);
  const include = body.strings('include') ?? [];
  const topLogprobs = body.number('top_logprobs');
  const user = body.string('user') ?? body.string('safety_identifier');
  const safetyIdentifier = body.string('safety_identifier');
  const extra: JsonObject = compact<JsonObject>({
    ...body.rest(KNOWN),
    include: otherIncludes(include, asksForReasoning(reasoning.reasoning)),
    safety_identifier: safetyIdentifier === user ? undefined : safetyIdentifier,
    text: textRest,
    reasoning: reasoningRest,
    tool_choice: choice === null ? body.value.tool_choice : undefined,
  });
  for (const [name, value] of DEFAULTS) if (extra[name] === value) delete extra[name];
  return {
    model: body.string('model') ?? path.model,
    stream: body.boolean('stream') ?? false,
    messages: decodeInput(body),
    tools: decodeTools(body),
    ...(choice && { toolChoice: choice }),
    ...given('parallelToolCalls', body.boolean('parallel_tool_calls')),
    ...text,
    ...reasoning,
    sampling: {
      ...given('maxTokens', body.number('max_output_tokens')),
      ...given('temperature', body.number('temperature')),
      ...given('topP', body.number('top_p')),
      ...given('logprobs', topLogprobs ?? (include.includes(LOGPROBS) ? 0 : undefined)),
    },
    ...given('store', body.boolean('store')),
    ...given('serviceTier', body.string('service_tier')),
    ...given('user', user),
    ...given('metadata', decodeMetadata(body)),
    ...given('cacheKey', body.string('prompt_cache_key')),
    ...extraOf(Object.keys(extra).length > 0 ? extra : undefined),
  };
}

/** What the hub has no word for. Encrypted reasoning goes without saying where reasoning is asked for. */
function otherIncludes(include: readonly string[], reasons: boolean): string[] | undefined {
  const others = include.filter((name) => name !== LOGPROBS && !(reasons && name === ENCRYPTED));
  return others.length === 0 ? undefined : others;
}

function decodeMetadata(body: Fields): { [name: string]: string } | undefined {
  const metadata = body.object('metadata');
  if (metadata === undefined) return undefined;
  const strings: { [name: string]: string } = {};
  for (const name in metadata.value) {
    const value = metadata.string(name);
    if (value !== undefined) strings[name] = value;
  }
  return strings;
}

/**
 * The request for a provider. What the client did not ask to be stored is not: OpenAI would keep it for 30 days.
 *
 * Throws `unsupported_parameter` where the conversation asks for what the format can't say.
 */
export function encodeRequest(conversation: Conversation, context: EncodeContext): JsonObject {
  const { extra, sampling, store, stream } = conversation;
  if (extra !== undefined && extra.format !== FORMAT) context.losses.dropFields(Object.keys(extra.fields));
  const { instructions, rest } = splitInstructions(conversation.messages);
  const first = conversation.messages[0]?.parts[0];
  if (instructions !== undefined && first?.cache !== undefined) context.losses.drop('cacheMarks');
  const input = new InputWriter(context);
  for (const message of rest) input.message(message);
  const parameters = encodeParameters(conversation, context.losses);
  const include = [
    ...(Array.isArray(parameters.include) ? parameters.include : []),
    ...(sampling.logprobs !== undefined ? [LOGPROBS] : []),
    ...(behavesAsOpenAI(context.issuer) && asksForReasoning(conversation.reasoning) ? [ENCRYPTED] : []),
  ];
  return compact({
    model: context.model,
    instructions,
    input: input.items,
    ...parameters,
    max_output_tokens: maxOutputTokens(sampling.maxTokens, context.issuer),
    include: include.length === 0 ? undefined : include,
    store: store ?? false,
    stream: stream || undefined,
  });
}

/** Fewer tokens OpenAI refuses to make; other clients ask for 1 to see whether a model is there. */
const LEAST_TOKENS = 16;

function maxOutputTokens(maxTokens: number | undefined, issuer: string): number | undefined {
  return maxTokens !== undefined && behavesAsOpenAI(issuer) ? Math.max(maxTokens, LEAST_TOKENS) : maxTokens;
}
