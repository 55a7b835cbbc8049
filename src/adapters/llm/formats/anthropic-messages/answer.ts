import { randomUUID } from 'node:crypto';
import type { Answer } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import { ANSWER_TOOL, VALUE_TOOL } from '../claude/names.ts';
import type { AnswerContext, ReplyContext } from '../codec.ts';
import { Fields, optional } from '../fields.ts';
import { type Counted, uncounted, withUncounted } from '../uncounted.ts';
import { decodeContent } from './decode-parts.ts';
import { type ClientSide, encodePart } from './encode-parts.ts';
import { messagesUsage } from './native.ts';
import { extraOf, ownFields } from './own.ts';
import { decodeStop, encodeStop } from './stops.ts';

/** Whole answers (https://docs.anthropic.com/en/api/messages). */

/** Members of an answer, and of the events that bear its head and its end, that the hub has places for. */
const KNOWN = new Set([
  'id',
  'type',
  'role',
  'model',
  'content',
  'stop_reason',
  'stop_sequence',
  'stop_details',
  'usage',
  'delta',
]);
/** Members of `usage` that the hub's counts are made of. */
const COUNTED: Counted = new Map([
  ['input_tokens', null],
  ['output_tokens', null],
  ['cache_creation_input_tokens', null],
  ['cache_read_input_tokens', null],
  ['output_tokens_details', new Set(['thinking_tokens'])],
  ['service_tier', null],
]);

/** Service tiers of answers, by OpenAI's names in the hub. */
const TIER_FROM_WIRE: ReadonlyMap<string, string> = new Map([['standard', 'default']]);
const TIER_TO_WIRE: ReadonlyMap<string, string> = new Map([
  ['default', 'standard'],
  ['priority', 'priority'],
  ['batch', 'batch'],
]);

export function decodeTier(usage: Fields | undefined): { readonly serviceTier?: string } {
  const tier = usage?.string('service_tier');
  return optional('serviceTier', tier === undefined ? undefined : (TIER_FROM_WIRE.get(tier) ?? tier));
}

/** Reads a provider's answer, whatever it is. */
export function decodeAnswer(body: JsonObject, { issuer, model }: AnswerContext): Answer {
  const fields = Fields.ofAnswer(body);
  const parts = decodeContent(fields, 'content', issuer);
  const structured = fields.objects('content').some((block) => isAnswerTool(block.string('name') ?? ''));
  const calls = parts.some((part) => part.kind === 'tool_call');
  const reason = fields.string('stop_reason');
  const usage = fields.object('usage');
  const details = fields.json('stop_details');
  return {
    id: fields.string('id') ?? '',
    model: fields.string('model') || model,
    created: 0,
    choices: [
      {
        index: 0,
        parts,
        stop: reason === undefined ? null : decodeStop(reason, fields.string('stop_sequence'), structured, calls),
        ...extraOf(details && { stop_details: details }),
      },
    ],
    usage: usage === undefined ? null : messagesUsage(usage.value),
    ...decodeTier(usage),
    ...extraOf(ownMembers(fields)),
  };
}

/** What only this format knows of an answer, of a whole one or as one of its events says it. */
export function ownMembers(fields: Fields): JsonObject | undefined {
  const rest = fields.rest(KNOWN);
  const report = fields.json('usage');
  const usage = report && uncounted(report, COUNTED);
  return usage === undefined ? rest : { ...rest, usage };
}

export function isAnswerTool(name: string): boolean {
  return name === ANSWER_TOOL || name === VALUE_TOOL;
}

/** Writes an answer for a client: the first, where there are several. */
export function encodeAnswer(answer: Answer, { model, request }: ReplyContext): JsonObject {
  const side: ClientSide = { to: 'client', request };
  const [choice] = answer.choices;
  const { usage: ownUsage, ...own } = ownFields(answer.extra) ?? {};
  const parts = choice?.parts ?? [];
  const calls = parts.some((part) => part.kind === 'tool_call');
  const stop = choice?.stop ? encodeStop(choice.stop, calls) : { stop_reason: null, stop_sequence: null };
  return {
    id: messageId(answer.id),
    type: 'message',
    role: 'assistant',
    model: answer.model || model,
    content: parts.flatMap((part) => encodePart(part, side)),
    ...stop,
    ...ownFields(choice?.extra),
    usage: withUncounted({ ...encodeUsage(answer.usage), ...encodeTier(answer.serviceTier) }, ownUsage),
    ...own,
  };
}

/** The provider's id, or one made up where it gave none. */
export function messageId(id: string): string {
  return id === '' ? `msg_${randomUUID().replaceAll('-', '')}` : id;
}

export function encodeTier(tier: string | undefined): JsonObject {
  return tier === undefined ? {} : optional('service_tier', TIER_TO_WIRE.get(tier));
}

/** Counts on the wire: what came from a cache is no part of the input, thinking is part of the output. */
export function encodeUsage(usage: Usage | null): JsonObject {
  const { input, cachedInput, cacheWrite, output, reasoning } = usage ?? NO_USAGE;
  return {
    input_tokens: input,
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cachedInput,
    output_tokens: output + reasoning,
    ...(reasoning > 0 ? { output_tokens_details: { thinking_tokens: reasoning } } : {}),
  };
}

const NO_USAGE: Usage = { input: 0, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0 };
