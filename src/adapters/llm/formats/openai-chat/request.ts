import { createHash } from 'node:crypto';
import type { Conversation, JsonObject, OutputFormat, Reasoning, Sampling } from '../../../../facts/conversation.ts';
import type { EncodeContext } from '../codec.ts';
import { Fields } from '../fields.ts';
import { safeName } from '../names.ts';
import { effortOf } from '../reasoning.ts';
import { readSignature } from '../signatures.ts';
import { readMessages } from './message-decode.ts';
import { writeMessages } from './message-encode.ts';
import { extraOf, FORMAT, given, ISSUER, ownExtra } from './own.ts';
import { readToolChoice, readTools, writeToolChoice, writeTools } from './tools.ts';

/** Requests (https://platform.openai.com/docs/api-reference/chat/create), with what compatible providers added. */

const KNOWN = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'functions',
  'web_search_options',
  'tool_choice',
  'function_call',
  'parallel_tool_calls',
  'response_format',
  'verbosity',
  'reasoning_effort',
  'reasoning',
  'thinking',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'frequency_penalty',
  'presence_penalty',
  'seed',
  'stop',
  'n',
  'logprobs',
  'top_logprobs',
  'modalities',
  'service_tier',
  'safety_identifier',
  'user',
  'metadata',
  'prompt_cache_key',
]);

/** Throws `invalid_request_body` with the place of what is wrong. */
export function decodeRequest(body: JsonObject): Conversation {
  const fields = Fields.ofRequest(body);
  if (!fields.has('messages')) throw fields.fault('messages', 'is missing');
  const legacy = fields.has('functions');
  return {
    model: fields.string('model') ?? '',
    stream: fields.boolean('stream') ?? false,
    messages: readMessages(fields, (native) => (data) => readSignature(data, native)),
    tools: readTools(fields),
    ...given('toolChoice', readToolChoice(fields)),
    // A client of functions has no place for a second call.
    ...given('parallelToolCalls', legacy ? false : fields.boolean('parallel_tool_calls')),
    ...(legacy ? { legacyFunctions: true } : {}),
    ...given('output', readOutput(fields)),
    ...given('verbosity', fields.string('verbosity')),
    ...given('reasoning', readReasoning(fields)),
    sampling: readSampling(fields),
    ...given('modalities', fields.strings('modalities')),
    ...given('serviceTier', fields.string('service_tier')),
    ...given('user', fields.string('safety_identifier') ?? fields.string('user')),
    ...given('metadata', readMetadata(fields)),
    ...given('cacheKey', fields.string('prompt_cache_key')),
    ...extraOf(readRest(fields)),
  };
}

/** Members nobody else knows, and those that are known by name but say what nobody else can. */
function readRest(fields: Fields): JsonObject | undefined {
  const { include_usage: _, ...options } = fields.json('stream_options') ?? {};
  const format = fields.json('response_format');
  const others = {
    ...fields.rest(KNOWN),
    ...(Object.keys(options).length === 0 ? {} : { stream_options: options }),
    ...(format === undefined || OUTPUTS.has(format.type) ? {} : { response_format: format }),
    ...(fields.has('safety_identifier') && fields.has('user') ? { user: fields.value.user } : {}),
  };
  return Object.keys(others).length === 0 ? undefined : others;
}

const OUTPUTS = new Set<unknown>(['text', 'json_object', 'json_schema']);

function readOutput(fields: Fields): OutputFormat | undefined {
  const format = fields.object('response_format');
  const type = format?.requiredString('type');
  if (type === 'json_object') return { type: 'json' };
  const schema = type === 'json_schema' ? format?.requiredObject('json_schema') : undefined;
  if (schema === undefined) return undefined;
  return {
    type: 'schema',
    name: schema.requiredString('name'),
    ...given('description', schema.string('description')),
    schema: schema.json('schema') ?? {},
    ...given('strict', schema.boolean('strict')),
  };
}

/** OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, and `thinking` as DeepSeek, Z.ai and Moonshot took it from Anthropic. */
function readReasoning(fields: Fields): Reasoning | undefined {
  const thinking = fields.object('thinking');
  const reasoning = fields.object('reasoning');
  const enabled = reasoning?.boolean('enabled');
  const said: Reasoning = {
    ...given('mode', readMode(thinking) ?? (enabled === undefined ? undefined : enabled ? 'enabled' : 'disabled')),
    ...given('effort', fields.string('reasoning_effort') ?? reasoning?.string('effort')),
    ...given('budget', reasoning?.number('max_tokens') ?? thinking?.number('budget_tokens')),
    ...given('include', reasoning?.has('exclude') ? reasoning.boolean('exclude') === false : undefined),
    ...given('summary', reasoning?.string('summary')),
  };
  return Object.keys(said).length === 0 ? undefined : said;
}

function readMode(thinking: Fields | undefined): Reasoning['mode'] {
  const type = thinking?.requiredString('type');
  switch (type) {
    case undefined:
    case 'enabled':
    case 'disabled':
    case 'adaptive':
      return type;
    // Z.ai and others let the model decide.
    case 'auto':
      return 'adaptive';
    default:
      throw thinking?.fault('type', 'must be "enabled", "disabled" or "adaptive"');
  }
}

function readSampling(fields: Fields): Sampling {
  const { stop } = fields.value;
  const logprobs = fields.boolean('logprobs') === true ? (fields.number('top_logprobs') ?? 0) : undefined;
  return {
    ...given('maxTokens', fields.number('max_completion_tokens') ?? fields.number('max_tokens')),
    ...given('temperature', fields.number('temperature')),
    ...given('topP', fields.number('top_p')),
    ...given('topK', fields.number('top_k')),
    ...given('frequencyPenalty', fields.number('frequency_penalty')),
    ...given('presencePenalty', fields.number('presence_penalty')),
    ...given('seed', fields.number('seed')),
    ...given('stop', typeof stop === 'string' ? [stop] : fields.strings('stop')),
    ...given('choices', fields.number('n')),
    ...given('logprobs', logprobs),
  };
}

function readMetadata(fields: Fields): { [name: string]: string } | undefined {
  const metadata = fields.object('metadata');
  if (metadata === undefined) return undefined;
  const read: { [name: string]: string } = {};
  for (const name of Object.keys(metadata.value)) if (metadata.has(name)) read[name] = metadata.requiredString(name);
  return read;
}

/** The request for a provider. It is always asked for the usage of a stream: the client is told it only where it asked itself. */
export function encodeRequest(conversation: Conversation, context: EncodeContext): JsonObject {
  const { sampling, reasoning, extra } = conversation;
  const { losses } = context;
  const own = ownExtra(conversation);
  if (extra !== undefined && extra.format !== FORMAT) losses.dropFields(Object.keys(extra.fields));
  if (sampling.topK !== undefined) losses.drop('topK');
  if (reasoning?.summary !== undefined) losses.drop('reasoningSummary');
  const { stream_options: options, ...others } = own;
  return {
    model: context.model,
    messages: writeMessages(conversation.messages, context),
    ...(conversation.stream ? { stream: true, stream_options: { include_usage: true, ...(options as object) } } : {}),
    ...writeTools(conversation.tools, context),
    ...writeToolChoice(conversation),
    ...given('response_format', conversation.output === undefined ? undefined : writeOutput(conversation.output)),
    ...given('verbosity', conversation.verbosity),
    ...given('reasoning_effort', reasoning === undefined ? undefined : effortOf(reasoning)),
    ...writeSampling(sampling),
    ...writeModalities(conversation, others),
    ...given('service_tier', serviceTier(conversation.serviceTier, context)),
    ...writeUser(conversation.user, context),
    ...given('metadata', conversation.metadata),
    ...given('prompt_cache_key', conversation.cacheKey),
    ...others,
  };
}

function writeOutput(output: OutputFormat): JsonObject {
  if (output.type === 'json') return { type: 'json_object' };
  const { name, description, schema, strict } = output;
  return {
    type: 'json_schema',
    json_schema: {
      name: name === '' ? 'answer' : safeName(name),
      ...given('description', description),
      schema,
      ...given('strict', strict),
    },
  };
}

function writeSampling(sampling: Sampling): JsonObject {
  const { logprobs, stop } = sampling;
  return {
    ...given('max_completion_tokens', sampling.maxTokens),
    ...given('temperature', sampling.temperature),
    ...given('top_p', sampling.topP),
    ...given('frequency_penalty', sampling.frequencyPenalty),
    ...given('presence_penalty', sampling.presencePenalty),
    ...given('seed', sampling.seed),
    ...given('stop', stop === undefined || stop.length === 0 ? undefined : stop),
    ...given('n', sampling.choices),
    ...(logprobs === undefined ? {} : { logprobs: true, ...(logprobs > 0 ? { top_logprobs: logprobs } : {}) }),
  };
}

/** Audio needs a voice and a form, which other formats don't ask for in the same words: a stream can only be raw samples. */
function writeModalities({ modalities, stream }: Conversation, own: JsonObject): JsonObject {
  if (modalities === undefined) return {};
  const audio = modalities.includes('audio') && own.audio === undefined;
  return { modalities, ...(audio ? { audio: { voice: 'alloy', format: stream ? 'pcm16' : 'wav' } } : {}) };
}

const TIERS = new Set(['auto', 'default', 'flex', 'scale', 'priority']);

/** Anthropic's `standard_only` and Gemini's `standard` are `default` here; words that OpenAI doesn't have are refused by it. */
function serviceTier(tier: string | undefined, { losses }: EncodeContext): string | undefined {
  if (tier === undefined || TIERS.has(tier)) return tier;
  if (tier === 'standard' || tier === 'standard_only') return 'default';
  losses.drop('serviceTier');
  return undefined;
}

/** Longest name of an end user. */
const MAX_USER = 64;

/** Under OpenAI's own name to OpenAI, under the one everybody knows to others. A name that is too long becomes its hash. */
function writeUser(user: string | undefined, { issuer }: EncodeContext): JsonObject {
  if (user === undefined) return {};
  const name = user.length <= MAX_USER ? user : createHash('sha256').update(user).digest('hex');
  return issuer === ISSUER ? { safety_identifier: name } : { user: name };
}
