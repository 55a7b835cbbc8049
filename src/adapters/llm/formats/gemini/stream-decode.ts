import type { StreamPart } from '../../../../facts/answer.ts';
import type { AudioPart, JsonObject, Part, TextPart, ThinkingPart } from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import type { AnswerContext, Frame, StreamDecoder } from '../codec.ts';
import { Fields, isObject } from '../fields.ts';
import {
  answerReader,
  blockReason,
  choiceIndex,
  createdAt,
  decodeLogprobs,
  decodeUsage,
  ownCandidate,
  ownMembers,
  ownUsage,
} from './answer.ts';
import { decodeCitations, TextPlaces } from './citations.ts';
import { decodeFault } from './faults.ts';
import { decodePart, type PartReader } from './part-decode.ts';
import { decodeStop } from './stops.ts';

type Emit = (part: StreamPart) => void;

const FORMAT = 'generateContent';

/** Choices that one stream may have; candidates beyond are not looked at. */
const MAX_CHOICES = 128;

/** One candidate as it grows. Its events have no places for parts: what is like the last piece goes on with it. */
class Choice {
  readonly #choice: number;
  readonly #reader: PartReader;
  #next = 0;
  #open: 'text' | 'thinking' | 'audio' | null = null;
  /** A signature closes what it signs. */
  #signed = false;
  #mediaType = '';
  #places = new TextPlaces();
  #called = false;
  finished = false;

  constructor(choice: number, reader: PartReader) {
    this.#choice = choice;
    this.#reader = reader;
  }

  /** One event's news of the candidate. */
  event(candidate: Fields, emit: Emit): void {
    if (this.finished) return this.#own(candidate, emit);
    for (const item of candidate.object('content')?.objects('parts') ?? []) {
      const part = decodePart(item, this.#reader);
      if (part !== null) this.#part(part, emit);
    }
    if (this.#open === 'text') this.#cite(candidate, emit);
    const logprobs = decodeLogprobs(candidate);
    if (logprobs.length > 0) emit({ type: 'logprobs', choice: this.#choice, logprobs });
    this.#own(candidate, emit);
    const said = { calls: this.#called, anything: this.#next > 0 };
    const stop = decodeStop(candidate.string('finishReason') ?? '', said);
    if (stop === null) return;
    this.close(emit);
    emit({ type: 'finish', choice: this.#choice, stop });
    this.finished = true;
  }

  #own(candidate: Fields, emit: Emit): void {
    const fields = ownCandidate(candidate);
    if (fields !== undefined) emit({ type: 'extra', choice: this.#choice, extra: { format: FORMAT, fields } });
  }

  close(emit: Emit): void {
    if (this.#open === null) return;
    emit({ type: 'part_end', choice: this.#choice, index: this.#next - 1 });
    this.#open = null;
  }

  #part(part: Part, emit: Emit): void {
    const plain = !('extra' in part);
    if (plain && (part.kind === 'text' || part.kind === 'thinking')) this.#text(part, emit);
    else if (plain && part.kind === 'audio' && part.source.type === 'base64') this.#audio(part, part.source, emit);
    else this.#whole(part, emit);
  }

  #text(part: TextPart | ThinkingPart, emit: Emit): void {
    const { kind, text, signature } = part;
    if (text === '' && signature === undefined) return;
    if (this.#open !== kind || (this.#signed && (text !== '' || signature !== undefined)))
      this.#begin(
        part.kind === 'text' ? { kind: 'text', text: '' } : { kind: 'thinking', text: '', summary: true },
        emit,
      );
    const choice = this.#choice;
    const index = this.#next - 1;
    if (kind === 'text') this.#places.append(text);
    if (text !== '') emit({ type: kind, choice, index, text });
    if (signature === undefined) return;
    emit({ type: 'signature', choice, index, signature });
    this.#signed = true;
  }

  #audio(part: AudioPart, { data, mediaType }: { data: string; mediaType: string }, emit: Emit): void {
    if (this.#open !== 'audio' || this.#mediaType !== mediaType) {
      this.#begin({ ...part, source: { type: 'base64', mediaType, data: '' } }, emit);
      this.#mediaType = mediaType;
    }
    emit({ type: 'audio', choice: this.#choice, index: this.#next - 1, data, transcript: '' });
  }

  #begin(part: TextPart | ThinkingPart | AudioPart, emit: Emit): void {
    this.close(emit);
    this.#open = part.kind;
    this.#signed = false;
    this.#places = new TextPlaces();
    emit({ type: 'part', choice: this.#choice, index: this.#next++, part });
  }

  #whole(part: Part, emit: Emit): void {
    this.close(emit);
    const choice = this.#choice;
    const index = this.#next++;
    if (part.kind === 'tool_call') {
      this.#called = true;
      emit({ type: 'part', choice, index, part: { ...part, arguments: '' } });
      emit({ type: 'arguments', choice, index, json: part.arguments });
    } else emit({ type: 'part', choice, index, part });
    emit({ type: 'part_end', choice, index });
  }

  /** Sources come with the end of the text they belong to, whose events were put together to one part. */
  #cite(candidate: Fields, emit: Emit): void {
    for (const { citation } of decodeCitations(candidate, () => this.#places))
      emit({ type: 'citation', choice: this.#choice, index: this.#next - 1, citation });
  }
}

/**
 * Reads Gemini's stream: each event is an answer of its own with what is new
 * (https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent). It has no mark of its end: an answer is whole once its
 * candidates say why they stopped.
 */
export class GeminiStreamDecoder implements StreamDecoder {
  readonly #context: AnswerContext;
  readonly #choices = new Map<number, Choice>();
  #id = '';
  #usage: Usage | null = null;
  #ownUsage: JsonObject | undefined;
  #started = false;
  #over = false;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  event({ data }: Frame, emit: Emit): void {
    if (this.#over || data === '' || data === '[DONE]') return;
    const value = parsed(data);
    if (value === undefined) {
      this.#fail('The provider sent an event that is not JSON.', emit);
      return;
    }
    if (!isObject(value)) return;
    const answer = Fields.ofAnswer(value);
    if (isObject(value.error)) {
      this.#over = true;
      emit({ type: 'error', fault: decodeFault(0, value, '') });
      return;
    }
    this.#begin(answer, emit);
    this.#ownUsage = ownUsage(answer) ?? this.#ownUsage;
    const own = ownMembers(answer);
    if (own !== undefined) emit({ type: 'extra', extra: { format: FORMAT, fields: own } });
    this.#usage = decodeUsage(answer) ?? this.#usage;
    for (const [place, candidate] of answer.objects('candidates').entries())
      this.#choice(choiceIndex(candidate, place))?.event(candidate, emit);
    const blocked = blockReason(answer);
    const first = blocked === '' ? undefined : this.#choice(0);
    if (first === undefined || first.finished) return;
    first.close(emit);
    first.finished = true;
    emit({ type: 'finish', choice: 0, stop: { cause: 'content_filter', raw: blocked } });
  }

  end(emit: Emit): void {
    if (this.#over) return;
    const choices = [...this.#choices];
    if (!choices.some(([, choice]) => choice.finished)) {
      this.#fail("The provider's stream ended before the answer did.", emit);
      return;
    }
    this.#over = true;
    for (const [index, choice] of choices) {
      if (choice.finished) continue;
      choice.close(emit);
      emit({ type: 'finish', choice: index, stop: { cause: 'error', raw: '' } });
    }
    if (this.#ownUsage !== undefined) {
      emit({ type: 'extra', extra: { format: FORMAT, fields: { usageMetadata: this.#ownUsage } } });
    }
    if (this.#usage !== null) emit({ type: 'usage', usage: this.#usage });
    emit({ type: 'end' });
  }

  #begin(answer: Fields, emit: Emit): void {
    if (this.#started) return;
    this.#started = true;
    this.#id = answer.string('responseId') ?? '';
    const model = answer.string('modelVersion') || this.#context.model;
    emit({ type: 'start', id: this.#id, model, created: createdAt(answer) });
    const usage = decodeUsage(answer);
    if (usage !== null) emit({ type: 'usage', usage });
  }

  #choice(index: number): Choice | undefined {
    const known = this.#choices.get(index);
    if (known !== undefined || index >= MAX_CHOICES) return known;
    const made = new Choice(index, answerReader(this.#context.issuer, this.#id, index));
    this.#choices.set(index, made);
    return made;
  }

  #fail(message: string, emit: Emit): void {
    this.#over = true;
    emit({ type: 'error', fault: { status: 502, message, type: '', code: '', param: '' } });
  }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
