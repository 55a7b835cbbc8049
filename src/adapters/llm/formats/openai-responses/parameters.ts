import { createHash } from 'node:crypto';
import type { Conversation, JsonObject, OutputFormat, Reasoning, Sampling } from '../../../../facts/conversation.ts';
import type { Losses } from '../features.ts';
import { compact, type Fields, isObject } from '../fields.ts';
import { safeName } from '../names.ts';
import { given } from '../openai-chat/own.ts';
import { effortOf } from '../reasoning.ts';
import { ownExtra } from './own.ts';
import { encodeToolChoice, encodeTools } from './tools.ts';

/** What a request says beside its input. An answer's response object says it once more. */

/** What a conversation loses here is told to. */
export type Drop = Pick<Losses, 'drop'>;

export const LOGPROBS = 'message.output_text.logprobs';
export const ENCRYPTED = 'reasoning.encrypted_content';

const TEXT = new Set(['format', 'verbosity']);
const REASONING = new Set(['effort', 'summary', 'generate_summary']);

/** What `text` says, and its members that only this format knows. */
export function decodeText(body: Fields): {
  output?: OutputFormat;
  verbosity?: string;
  rest: JsonObject | undefined;
} {
  const text = body.object('text');
  if (text === undefined) return { rest: undefined };
  return {
    ...given('output', decodeFormat(text)),
    ...given('verbosity', text.string('verbosity')),
    rest: text.rest(TEXT),
  };
}

function decodeFormat(text: Fields): OutputFormat | undefined {
  const format = text.object('format');
  if (format === undefined) return undefined;
  const type = format.requiredString('type');
  switch (type) {
    case 'text':
      return undefined;
    case 'json_object':
      return { type: 'json' };
    case 'json_schema': {
      const schema = format.json('schema');
      if (schema === undefined) throw format.fault('schema', 'is missing');
      return {
        type: 'schema',
        name: format.requiredString('name'),
        ...given('description', format.string('description')),
        schema,
        ...given('strict', format.boolean('strict')),
      };
    }
    default:
      throw format.fault('type', 'must be "text", "json_object" or "json_schema"');
  }
}

export function decodeReasoningParameter(body: Fields): { reasoning?: Reasoning; rest: JsonObject | undefined } {
  const fields = body.object('reasoning');
  if (fields === undefined) return { rest: undefined };
  const effort = fields.string('effort');
  const summary = fields.string('summary') ?? fields.string('generate_summary');
  const rest = fields.rest(REASONING);
  if (effort === undefined && summary === undefined) return { rest };
  return {
    reasoning: { ...given('effort', effort), ...(summary !== undefined && { summary, include: true }) },
    rest,
  };
}

/** True where the client asked for thinking: then a provider with encrypted reasoning is asked for that too. */
export function asksForReasoning(reasoning: Reasoning | undefined): boolean {
  if (reasoning === undefined) return false;
  const effort = effortOf(reasoning);
  return effort !== 'none' && (effort !== undefined || reasoning.include === true || reasoning.summary !== undefined);
}

/** All parameters of `conversation` but `model`, `stream`, `input`, `instructions`, `include` and `store`. */
export function encodeParameters(conversation: Conversation, losses: Drop): JsonObject {
  const { tools, sampling, metadata, user, cacheKey, legacyFunctions } = conversation;
  const own = ownExtra(conversation);
  dropUnsaid(conversation, losses);
  const encodedTools = encodeTools(tools, losses);
  return compact({
    ...own,
    ...(encodedTools.length > 0 && {
      tools: encodedTools,
      tool_choice: encodeToolChoice(conversation) ?? own.tool_choice,
      parallel_tool_calls: conversation.parallelToolCalls ?? (legacyFunctions === true ? false : undefined),
    }),
    text: filled({ ...members(own.text), ...encodeText(conversation) }),
    reasoning: filled({ ...members(own.reasoning), ...encodeReasoning(conversation.reasoning) }),
    max_output_tokens: sampling.maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_logprobs: sampling.logprobs,
    service_tier: serviceTier(conversation.serviceTier, losses),
    metadata,
    user: user && bounded(user),
    prompt_cache_key: cacheKey && bounded(cacheKey),
  });
}

/** What the format has no word for. */
function dropUnsaid({ sampling, modalities }: Conversation, losses: Drop): void {
  for (const name of UNSAID) if (sampling[name] !== undefined) losses.drop(name);
  if (sampling.frequencyPenalty) losses.drop('frequencyPenalty');
  if (sampling.presencePenalty) losses.drop('presencePenalty');
  if (sampling.stop !== undefined && sampling.stop.length > 0) losses.drop('stop');
  if (sampling.choices !== undefined && sampling.choices !== 1) losses.drop('choices');
  if (modalities?.some((modality) => modality !== 'text')) losses.drop('modalities');
}

const UNSAID = ['topK', 'seed'] as const satisfies readonly (keyof Sampling)[];

function encodeText({ output, verbosity }: Conversation): JsonObject {
  return compact({ format: output && encodeFormat(output), verbosity });
}

function encodeFormat(output: OutputFormat): JsonObject {
  if (output.type === 'json') return { type: 'json_object' };
  const { name, description, schema, strict } = output;
  return compact({
    type: 'json_schema',
    name: name === '' ? 'response' : safeName(name),
    description,
    schema,
    strict,
  });
}

function encodeReasoning(reasoning: Reasoning | undefined): JsonObject {
  if (reasoning === undefined) return {};
  return compact({
    effort: effortOf(reasoning),
    summary: reasoning.summary ?? (reasoning.include === true ? 'auto' : undefined),
  });
}

const TIERS = new Set(['auto', 'default', 'flex', 'scale', 'priority']);

/** Anthropic's and Bedrock's words for the usual tier are others. */
function serviceTier(tier: string | undefined, losses: Drop): string | undefined {
  if (tier === undefined || TIERS.has(tier)) return tier;
  if (tier === 'standard' || tier === 'standard_only') return 'default';
  losses.drop('serviceTier');
  return undefined;
}

/** Characters of a user or a key that OpenAI takes. */
const MAX_LENGTH = 64;

/** A name that is too long becomes another, always the same. */
function bounded(name: string): string {
  return name.length <= MAX_LENGTH ? name : createHash('sha256').update(name).digest('hex').slice(0, MAX_LENGTH);
}

function members(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function filled(object: JsonObject): JsonObject | undefined {
  return Object.keys(object).length === 0 ? undefined : object;
}
