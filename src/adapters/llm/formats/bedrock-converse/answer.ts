import type { Answer } from '../../../../facts/answer.ts';
import type { JsonObject, Part, Signature, ThinkingPart } from '../../../../facts/conversation.ts';
import { ANSWER_TOOL, inputOf, VALUE_TOOL } from '../claude/names.ts';
import { carriedSignature, clientSignature, isBare, onlyRedacted } from '../claude/thinking.ts';
import type { AnswerContext, ReplyContext } from '../codec.ts';
import { compact, Fields, isObject } from '../fields.ts';
import { clientName } from '../names.ts';
import { markSignature } from '../signatures.ts';
import { decodeBlocks } from './blocks-decode.ts';
import { encodeCitation } from './citations.ts';
import { FORMAT, ownExtra, restOf } from './extra.ts';
import { encodeAnswerImage } from './media.ts';
import { converseUsage, reportOf } from './native.ts';
import { decodeStop, encodeStop, encodeStopSequence } from './stops.ts';

/** Whole answers (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax). */

const KNOWN = new Set(['output', 'stopReason', 'usage', 'serviceTier', 'additionalModelResponseFields']);
export const COUNTED: ReadonlySet<string> = new Set([
  'inputTokens',
  'outputTokens',
  'totalTokens',
  'cacheReadInputTokens',
  'cacheWriteInputTokens',
]);

/** Reads a provider's answer, whatever it is. Bedrock names neither the answer nor the model. */
export function decodeAnswer(json: JsonObject, { issuer, model }: AnswerContext): Answer {
  const body = Fields.ofAnswer(json);
  const content = body.object('output')?.object('message')?.objects('content') ?? [];
  const parts = decodeBlocks(content, issuer);
  const structured = content.some((block) => isAnswerTool(block.object('toolUse')?.string('name')));
  const calls = parts.some(({ kind }) => kind === 'tool_call');
  const reason = body.string('stopReason');
  const responseFields = body.json('additionalModelResponseFields');
  const usage = body.object('usage');
  const tier = body.object('serviceTier')?.string('type');
  const rest = compact({
    usage: usage?.rest(COUNTED),
    additionalModelResponseFields: withoutStop(responseFields),
  });
  return {
    id: '',
    model,
    created: 0,
    choices: [
      { index: 0, parts, stop: reason === undefined ? null : decodeStop(reason, responseFields, structured, calls) },
    ],
    usage: usage === undefined ? null : converseUsage(usage.value),
    ...(tier === undefined ? {} : { serviceTier: tier }),
    ...restOf(body, KNOWN, rest),
  };
}

export function isAnswerTool(name: string | undefined): boolean {
  return name === ANSWER_TOOL || name === VALUE_TOOL;
}

/** What remains of a model's own fields when the hub has the stop sequence. */
export function withoutStop(fields: JsonObject | undefined): JsonObject | undefined {
  if (fields === undefined) return undefined;
  const { stop_sequence: _, delta, ...rest } = fields;
  if (isObject(delta)) {
    const { stop_sequence: _, ...others } = delta;
    if (Object.keys(others).length > 0) rest.delta = others;
  } else if (delta !== undefined) rest.delta = delta;
  return Object.keys(rest).length === 0 ? undefined : rest;
}

/** Writes an answer for a client: the first, where there are several. */
export function encodeAnswer(answer: Answer, context: ReplyContext): JsonObject {
  const [choice] = answer.choices;
  const parts = choice?.parts ?? [];
  const stop = choice?.stop ?? { cause: 'stop', raw: '' };
  const { usage, additionalModelResponseFields: fields, ...own } = ownExtra(answer.extra);
  const sequence = encodeStopSequence(stop, context.request);
  return compact({
    output: { message: { role: 'assistant', content: parts.flatMap((part) => encodePart(part, context)) } },
    stopReason: encodeStop(
      stop,
      parts.some(({ kind }) => kind === 'tool_call'),
    ),
    usage: answer.usage === null ? undefined : { ...reportOf(answer.usage), ...(usage as object | undefined) },
    metrics: { latencyMs: context.elapsedMs?.() ?? 0 },
    additionalModelResponseFields: sequence === undefined ? fields : { ...(fields as object | undefined), ...sequence },
    serviceTier: answer.serviceTier === undefined ? undefined : { type: answer.serviceTier },
    ...own,
  });
}

/** The blocks that a part becomes; none where it has nothing to say, or the format no word for it. */
export function encodePart(part: Part, { request }: ReplyContext): JsonObject[] {
  switch (part.kind) {
    case 'text': {
      const { text, citations } = part;
      // Bedrock refuses a blank text when the client brings it back.
      if (text === '' && citations === undefined) return signatureBlocks(part.signature);
      const block =
        citations === undefined
          ? { text }
          : {
              citationsContent: {
                content: [{ text }],
                citations: citations.map(encodeCitation),
                ...ownExtra(part.extra),
              },
            };
      return [block, ...signatureBlocks(part.signature)];
    }
    case 'refusal':
      return part.text === '' ? [] : [{ text: part.text }];
    case 'thinking':
      return encodeThinking(part);
    case 'tool_call': {
      const { id, name, extra, signature } = part;
      const toolUse = { toolUseId: id, name: clientName(name, request), input: inputOf(part), ...ownExtra(extra) };
      return [{ toolUse }, ...signatureBlocks(signature)];
    }
    case 'image': {
      const block = encodeAnswerImage(part);
      return block === null ? [] : [block];
    }
    case 'audio':
      return part.transcript === undefined || part.transcript === '' ? [] : [{ text: part.transcript }];
    case 'other':
      return part.format === FORMAT ? [part.value] : [];
    default:
      return [];
  }
}

function encodeThinking(part: ThinkingPart): JsonObject[] {
  const redacted = onlyRedacted(part);
  if (redacted !== undefined) return [{ reasoningContent: { redactedContent: wrapped(markSignature(redacted)) } }];
  if (isBare(part)) return [];
  return [{ reasoningContent: { reasoningText: { text: part.text, signature: clientSignature(part) } } }];
}

/** The block behind a part that carries its signature to a client; none without one. */
export function signatureBlocks(signature: Signature | undefined): JsonObject[] {
  if (signature === undefined) return [];
  const { data } = carriedSignature(signature);
  return [{ reasoningContent: { redactedContent: wrapped(String(data)) } }];
}

/** Redacted thinking is bytes on the wire: what a client is given is their base64. */
export function wrapped(text: string): string {
  return Buffer.from(text).toString('base64');
}
