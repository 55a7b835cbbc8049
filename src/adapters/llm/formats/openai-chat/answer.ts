import { createHash, randomUUID } from 'node:crypto';
import type { Answer, AnswerChoice } from '../../../../facts/answer.ts';
import type { AudioPart, ImagePart, JsonObject, Part, ToolCallPart } from '../../../../facts/conversation.ts';
import type { AnswerContext, ReplyContext } from '../codec.ts';
import { Fields, isObject } from '../fields.ts';
import { clientName } from '../names.ts';
import { markSignature } from '../signatures.ts';
import { withUncounted } from '../uncounted.ts';
import { writeAnnotations } from './citations.ts';
import { urlOf } from './media.ts';
import { readAssistant } from './message-decode.ts';
import { extraOf, given, ownExtra } from './own.ts';
import { finishReason, readStop, stopSequence } from './stop.ts';
import type { Sign } from './thinking.ts';
import { writeThinking } from './thinking.ts';
import { writeGoogleSignature, writeToolCall } from './tool-calls.ts';
import { ownUsage, readLogprobs, readUsage, writeLogprobs, writeUsage } from './usage.ts';

/** Whole answers (https://platform.openai.com/docs/api-reference/chat/object). */

export const OF_ANSWER = new Set(['id', 'object', 'created', 'model', 'choices', 'usage', 'service_tier']);
export const OF_CHOICE = new Set(['index', 'message', 'delta', 'finish_reason', 'stop_reason', 'logprobs']);

/** Reads whatever comes: what is not as it should be counts as absent. */
export function decodeAnswer(body: JsonObject, context: AnswerContext): Answer {
  const fields = Fields.ofAnswer(body);
  const id = fields.string('id') ?? '';
  const sign: Sign = (data) => ({ issuer: context.issuer, data });
  const seed = callSeed(id);
  const usage = ownUsage(body);
  return {
    id,
    model: fields.string('model') || context.model,
    created: fields.number('created') ?? 0,
    choices: fields.objects('choices').map((choice, i) => decodeChoice(choice, i, sign, seed)),
    usage: readUsage(body),
    ...given('serviceTier', fields.string('service_tier')),
    ...extraOf(usage === undefined ? fields.rest(OF_ANSWER) : { ...fields.rest(OF_ANSWER), usage }),
  };
}

function decodeChoice(choice: Fields, position: number, sign: Sign, seed: string): AnswerChoice {
  const index = choice.number('index') ?? position;
  let calls = 0;
  const message = choice.requiredObject('message');
  const { parts, rest } = readAssistant(message, sign, sign, () => madeUpCallId(seed, index, calls++));
  const said = saidIn(parts);
  const reason = choice.string('finish_reason');
  const around = choice.rest(OF_CHOICE);
  return {
    index,
    parts,
    stop: reason === undefined ? null : readStop(reason, choice.value.stop_reason, said),
    ...given('logprobs', readLogprobs(choice.value.logprobs)),
    ...extraOf(rest === undefined ? around : { ...around, message: rest }),
  };
}

function saidIn(parts: readonly Part[]) {
  return {
    calls: parts.some((part) => part.kind === 'tool_call'),
    refusal: parts.some((part) => part.kind === 'refusal'),
  };
}

/** What makes ids for the calls of one answer that stay apart from those of all others. */
export function callSeed(answerId: string): string {
  return answerId === '' ? randomUUID() : answerId;
}

/** An id for a call whose provider gave it none. */
export function madeUpCallId(seed: string, choice: number, call: number): string {
  return `call_${createHash('sha256').update(`${seed}/${choice}/${call}`).digest('hex').slice(0, 24)}`;
}

/** The id of an answer whose provider gave it none. */
export function madeUpAnswerId(): string {
  return `chatcmpl-${randomUUID().replaceAll('-', '')}`;
}

/** The answer as the client of `context` reads it. What chat completions have no place for (a provider's own tools) is left out. */
export function encodeAnswer(answer: Answer, context: ReplyContext): JsonObject {
  const { usage, ...own } = ownExtra(answer);
  return {
    id: answer.id || madeUpAnswerId(),
    object: 'chat.completion',
    created: answer.created || context.now,
    model: answer.model || context.model,
    choices: answer.choices.map((choice) => encodeChoice(choice, context)),
    ...given('usage', answer.usage === null ? undefined : withUncounted(writeUsage(answer.usage), usage)),
    ...given('service_tier', answer.serviceTier),
    ...own,
  };
}

function encodeChoice(choice: AnswerChoice, context: ReplyContext): JsonObject {
  const { message: inner, ...around } = ownExtra(choice);
  const said = saidIn(choice.parts);
  const legacy = context.request.legacyFunctions === true;
  return {
    index: choice.index,
    message: encodeMessage(choice.parts, isObject(inner) ? inner : {}, context),
    logprobs: writeLogprobs(choice.logprobs, said.refusal && choice.parts.every(({ kind }) => kind === 'refusal')),
    finish_reason: choice.stop === null ? null : finishReason(choice.stop, said, legacy),
    ...(choice.stop === null ? {} : stopSequence(choice.stop)),
    ...around,
  };
}

function encodeMessage(parts: readonly Part[], own: JsonObject, context: ReplyContext): JsonObject {
  const { annotations, ...rest } = own;
  const texts = ofKind(parts, 'text');
  const content = texts.map((part) => part.text).join('');
  const refusals = ofKind(parts, 'refusal');
  const images = ofKind(parts, 'image');
  const [audio] = ofKind(parts, 'audio');
  const signature = texts.findLast((part) => part.signature !== undefined)?.signature;
  return {
    role: 'assistant',
    content: texts.length === 0 ? null : content,
    refusal: refusals.length === 0 ? null : refusals.map((part) => part.text).join(''),
    ...writeThinking(ofKind(parts, 'thinking'), markSignature),
    ...writeAnnotations(parts, annotations),
    ...given('audio', audio === undefined ? undefined : writeAnswerAudio(audio)),
    ...given('images', images.length === 0 ? undefined : images.flatMap(writeAnswerImage)),
    ...writeCalls(ofKind(parts, 'tool_call'), context),
    ...(signature === undefined ? {} : writeGoogleSignature(markSignature(signature))),
    ...rest,
  };
}

function ofKind<K extends Part['kind']>(parts: readonly Part[], kind: K): Extract<Part, { kind: K }>[] {
  return parts.filter((part): part is Extract<Part, { kind: K }> => part.kind === kind);
}

/** OpenAI's answers have no images; OpenRouter's do, as `image_url` objects. */
export function writeAnswerImage({ source }: ImagePart): JsonObject[] {
  const url = urlOf(source);
  return url === null ? [] : [{ type: 'image_url', image_url: { url } }];
}

export function writeAnswerAudio(part: AudioPart): JsonObject {
  return {
    id: part.id ?? '',
    ...(part.source.type === 'base64' ? { data: part.source.data } : {}),
    ...given('transcript', part.transcript),
    ...ownExtra(part),
  };
}

/** A client of functions is told its first call as it knows it; others, which it did not allow, as what they are. */
function writeCalls(calls: readonly ToolCallPart[], context: ReplyContext): JsonObject {
  const legacy = context.request.legacyFunctions === true ? calls[0] : undefined;
  const others = legacy === undefined ? calls : calls.slice(1);
  return {
    ...given(
      'function_call',
      legacy && { name: clientName(legacy.name, context.request), arguments: legacy.arguments },
    ),
    ...given('tool_calls', others.length === 0 ? undefined : others.map((call) => writeCall(call, context))),
  };
}

export function writeCall(part: ToolCallPart, { request }: ReplyContext): JsonObject {
  return writeToolCall(part, part.id, clientName(part.name, request), markSignature);
}
