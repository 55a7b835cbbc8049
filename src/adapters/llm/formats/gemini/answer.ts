import type { Answer, AnswerChoice, TokenLogprob } from '../../../../facts/answer.ts';
import type { Extra, JsonObject, Part, TextPart } from '../../../../facts/conversation.ts';
import { inputTokens, totalTokens, type Usage } from '../../../../facts/llm.ts';
import type { AnswerContext, ReplyContext } from '../codec.ts';
import { compact, Fields, isObject, optional } from '../fields.ts';
import { clientName } from '../names.ts';
import { AnswerCallIds } from './call-ids.ts';
import { CitationWriter, decodeCitations, TextPlaces } from './citations.ts';
import { answeredCall } from './free-text.ts';
import { geminiModel } from './models.ts';
import { geminiUsage } from './native.ts';
import { decodePart, ownExtra, type PartReader } from './part-decode.ts';
import { encodePart, type PartWriter } from './part-encode.ts';
import { wireSignature, wireThinking } from './signature.ts';
import { decodeStop, encodeStop } from './stops.ts';

/** Whole answers (https://ai.google.dev/api/generate-content#generatecontentresponse). */

const KNOWN: ReadonlySet<string> = new Set(['responseId', 'modelVersion', 'createTime', 'candidates', 'usageMetadata']);
const CANDIDATE_KNOWN: ReadonlySet<string> = new Set([
  'content',
  'finishReason',
  'index',
  'logprobsResult',
  'citationMetadata',
]);
const COUNTS: ReadonlySet<string> = new Set([
  'promptTokenCount',
  'cachedContentTokenCount',
  'candidatesTokenCount',
  'thoughtsTokenCount',
  'totalTokenCount',
]);

export function decodeAnswer(body: JsonObject, context: AnswerContext): Answer {
  const answer = Fields.ofAnswer(body);
  const id = answer.string('responseId') ?? '';
  const choices = answer
    .objects('candidates')
    .map((candidate, place) => decodeCandidate(candidate, place, id, context));
  const blocked = blockReason(answer);
  if (choices.length === 0 && blocked !== '')
    choices.push({ index: 0, parts: [], stop: { cause: 'content_filter', raw: blocked } });
  return {
    id,
    model: answer.string('modelVersion') || context.model,
    created: createdAt(answer),
    choices,
    usage: decodeUsage(answer),
    ...ownExtra(compact({ ...answer.rest(KNOWN), usageMetadata: ownUsage(answer) })),
  };
}

/** What only this format knows of an answer, but for its usage. */
export function ownMembers(answer: Fields): JsonObject | undefined {
  return answer.rest(KNOWN);
}

/** What a report of usage says beside the hub's counts; tokens of tools' results, which those include, are among it. */
export function ownUsage(answer: Fields): JsonObject | undefined {
  return answer.object('usageMetadata')?.rest(COUNTS);
}

/** Why the prompt was refused; ''. */
export function blockReason(answer: Fields): string {
  return answer.object('promptFeedback')?.string('blockReason') ?? '';
}

export function createdAt(answer: Fields): number {
  const time = Date.parse(answer.string('createTime') ?? '');
  return Number.isNaN(time) ? 0 : Math.max(Math.floor(time / 1000), 0);
}

/** null where nothing was counted. */
export function decodeUsage(answer: Fields): Usage | null {
  const counts = answer.json('usageMetadata');
  return counts === undefined || !Object.keys(counts).some((name) => COUNTS.has(name)) ? null : geminiUsage(counts);
}

export function answerReader(issuer: string, responseId: string, choice: number): PartReader {
  return {
    ids: new AnswerCallIds(responseId, choice),
    signature: (text) => (text === '' ? undefined : { issuer, data: text }),
    call: answeredCall,
  };
}

export function choiceIndex(candidate: Fields, place: number): number {
  const index = candidate.number('index') ?? place;
  return Number.isInteger(index) && index >= 0 ? index : place;
}

function decodeCandidate(candidate: Fields, place: number, id: string, context: AnswerContext): AnswerChoice {
  const index = choiceIndex(candidate, place);
  const reader = answerReader(context.issuer, id, index);
  const parts: Part[] = [];
  /** Where a part of the content is among the hub's. */
  const places = new Map<number, number>();
  const content = candidate.object('content')?.objects('parts') ?? [];
  for (const [at, item] of content.entries()) {
    const part = decodePart(item, reader);
    if (part !== null) places.set(at, parts.push(part) - 1);
  }
  attachCitations(candidate, parts, places);
  const said = { calls: parts.some(({ kind }) => kind === 'tool_call'), anything: parts.length > 0 };
  const logprobs = decodeLogprobs(candidate);
  return {
    index,
    parts,
    stop: decodeStop(candidate.string('finishReason') ?? '', said),
    ...(logprobs.length > 0 && { logprobs }),
    ...ownExtra(ownCandidate(candidate)),
  };
}

/** What only this format knows of a candidate. Of its grounding all is kept: the hub has the sources of statements alone. */
export function ownCandidate(candidate: Fields): JsonObject | undefined {
  return candidate.rest(CANDIDATE_KNOWN);
}

function attachCitations(candidate: Fields, parts: Part[], places: ReadonlyMap<number, number>): void {
  const firstText = parts.findIndex(({ kind }) => kind === 'text');
  const textAt = (at: number): { index: number; part: TextPart } | undefined => {
    const index = at < 0 ? firstText : places.get(at);
    const part = index === undefined ? undefined : parts[index];
    return index === undefined || part?.kind !== 'text' ? undefined : { index, part };
  };
  const known = new Map<number, TextPlaces>();
  const placesOf = (at: number): TextPlaces | undefined => {
    const text = textAt(at);
    if (text === undefined) return undefined;
    const before = known.get(text.index);
    if (before !== undefined) return before;
    const made = new TextPlaces();
    made.append(text.part.text);
    known.set(text.index, made);
    return made;
  };
  for (const { part: at, citation } of decodeCitations(candidate, placesOf)) {
    const text = textAt(at);
    if (text === undefined) continue;
    parts[text.index] = { ...text.part, citations: [...(text.part.citations ?? []), citation] };
  }
}

/** One for each step of decoding; a step without a usable token counts as empty, so that the lists stay side by side. */
export function decodeLogprobs(candidate: Fields): TokenLogprob[] {
  const result = candidate.object('logprobsResult');
  if (result === undefined) return [];
  const tops = result.objects('topCandidates');
  return result.objects('chosenCandidates').map((chosen, step) => {
    const top = (tops[step]?.objects('candidates') ?? []).map(decodeLogprob);
    return top.length === 0 ? decodeLogprob(chosen) : { ...decodeLogprob(chosen), top };
  });
}

function decodeLogprob(candidate: Fields): TokenLogprob {
  return {
    token: candidate.string('token') ?? '',
    logprob: candidate.number('logProbability') ?? 0,
    ...optional('id', candidate.number('tokenId')),
  };
}

/** What a client's writer of parts does with signatures: all of them go out, marked. */
export function replyWriter({ request }: ReplyContext): PartWriter {
  return {
    model: geminiModel(''),
    losses: null,
    signature: (signature) => signature && wireSignature(signature),
    thinking: wireThinking,
    toolName: (name) => clientName(name, request),
    nameOf: ({ name }) => name,
  };
}

export function encodeAnswer(answer: Answer, context: ReplyContext): JsonObject {
  const own = ownOf(answer.extra);
  const { usageMetadata, ...extra } = own;
  const writer = replyWriter(context);
  const [only] = answer.choices;
  const isBlocked = isObject(own.promptFeedback) && own.promptFeedback.blockReason === only?.stop?.raw;
  return compact({
    candidates:
      isBlocked && only?.parts.length === 0 ? undefined : answer.choices.map((choice) => encodeChoice(choice, writer)),
    usageMetadata: answer.usage === null ? undefined : encodeUsage(answer.usage, usageMetadata),
    ...answerHead(answer, context),
    ...extra,
  });
}

/** Last moment that a date can be made of, Unix seconds. */
const END_OF_TIME = 8.64e12;

/** Who answered: in a stream each event says it. */
export function answerHead(
  { id, model, created }: Pick<Answer, 'id' | 'model' | 'created'>,
  context: ReplyContext,
): JsonObject {
  const dated = created > 0 && created < END_OF_TIME;
  return compact({
    modelVersion: model === '' ? context.model : model,
    responseId: id === '' ? undefined : id,
    createTime: dated ? new Date(created * 1000).toISOString() : undefined,
  });
}

/** The prompt with what was cached, the answer without thoughts. `own`: what `ownUsage` kept. */
export function encodeUsage(usage: Usage, own: unknown): JsonObject {
  const { cachedInput, output, reasoning } = usage;
  const kept = Fields.ofAnswer(own);
  return compact({
    promptTokenCount: Math.max(inputTokens(usage) - (kept.number('toolUsePromptTokenCount') ?? 0), 0),
    cachedContentTokenCount: cachedInput > 0 ? cachedInput : undefined,
    candidatesTokenCount: output,
    thoughtsTokenCount: reasoning > 0 ? reasoning : undefined,
    totalTokenCount: totalTokens(usage),
    ...kept.value,
  });
}

/** The members that this format's decoder kept; {} where another's did. */
export function ownOf(extra: Extra | undefined): JsonObject {
  return extra?.format === 'generateContent' ? extra.fields : {};
}

function encodeChoice({ index, parts, stop, logprobs, extra }: AnswerChoice, writer: PartWriter): JsonObject {
  const content: JsonObject[] = [];
  const citations = new CitationWriter();
  for (const part of parts) {
    const at = content.length;
    encodePart(part, writer, content);
    if (part.kind !== 'text' || part.citations === undefined) continue;
    const places = new TextPlaces();
    places.append(part.text);
    for (const citation of part.citations) citations.add(citation, at, places);
  }
  return compact({
    content: { role: 'model', parts: content },
    finishReason: stop === null ? undefined : encodeStop(stop),
    index,
    logprobsResult: logprobs === undefined ? undefined : encodeLogprobs(logprobs),
    ...citations.members(),
    ...ownOf(extra),
  });
}

export function encodeLogprobs(logprobs: readonly TokenLogprob[]): JsonObject {
  const wire = ({ token, logprob, id }: TokenLogprob) => compact({ token, tokenId: id, logProbability: logprob });
  return compact({
    chosenCandidates: logprobs.map(wire),
    topCandidates: logprobs.some(({ top }) => top !== undefined && top.length > 0)
      ? logprobs.map(({ top }) => ({ candidates: (top ?? []).map(wire) }))
      : undefined,
  });
}
