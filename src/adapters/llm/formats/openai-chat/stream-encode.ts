import type { StreamPart } from '../../../../facts/answer.ts';
import type { Citation, JsonObject, Part } from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import { type Frame, type ReplyContext, type StreamEncoder, TooMuchToHold } from '../codec.ts';
import { markSignature } from '../signatures.ts';
import { withUncounted } from '../uncounted.ts';
import { madeUpAnswerId, writeAnswerAudio, writeAnswerImage, writeCall } from './answer.ts';
import { rangeOf, writeCitation } from './citations.ts';
import { encodeFault } from './faults.ts';
import { FORMAT, given, ownExtra } from './own.ts';
import { finishReason, type Said, stopSequence } from './stop.ts';
import { textDetail, writeDetails } from './thinking.ts';
import { writeGoogleSignature } from './tool-calls.ts';
import { writeLogprobs, writeUsage } from './usage.ts';

type Emit = (frame: Frame) => void;

/** A step that is about one part of a choice. */
type OfPart = Extract<StreamPart, { index: number }>;

/** An open part, as far as its deltas have to know it. */
interface OpenPart {
  readonly kind: Part['kind'];
  /** Position among `tool_calls` or `reasoning_details`; -1 of a call told as the legacy `function_call`. */
  readonly at: number;
  readonly custom: boolean;
  readonly summary: boolean;
  /** Of text: where it begins in the choice's text. */
  readonly base: number;
  /** Of text and of a call's arguments: characters so far. */
  length: number;
  /** Citations whose range is the whole text. */
  citations: Citation[] | null;
}

interface Choice extends Said {
  readonly open: Map<number, OpenPart>;
  calls: boolean;
  refusal: boolean;
  callCount: number;
  thinkingCount: number;
  textLength: number;
  finished: boolean;
}

/**
 * Writes `chat.completion.chunk` events, one for each part: the role first, usage in an event without choices where the client asked for
 * it, then `[DONE]`. Held are only citations that don't say their range, to the end of their text.
 */
export class ChatStreamEncoder implements StreamEncoder {
  readonly #context: ReplyContext;
  readonly #choices = new Map<number, Choice>();
  #head = '';
  #tail = '';
  #usage: Usage | null = null;
  #held = 0;
  /** What only this format knows and the next event is to say; and of the usage. */
  readonly #own = new OwnNews();
  #ownUsage: unknown;

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  part(part: StreamPart, emit: Emit): void {
    switch (part.type) {
      case 'start':
        this.#start(part, emit);
        return;
      case 'usage':
        this.#usage = part.usage;
        return;
      case 'ping':
        // An empty delta: a comment can't be said here, and clients take it for what it is.
        if (this.#choices.get(0)?.finished === false) this.#chunk(0, '{}', emit);
        return;
      case 'extra':
        if (part.extra.format === FORMAT) this.#extra(part.choice, part.extra.fields, emit);
        return;
      case 'error':
        emit({ event: '', data: JSON.stringify(encodeFault(part.fault).body) });
        return;
      case 'end':
        this.#end(emit);
        return;
      case 'logprobs':
        this.#choice(part.choice, emit);
        this.#chunk(part.choice, '{}', emit, JSON.stringify(this.#logprobs(part)));
        return;
      case 'finish':
        this.#finish(part, emit);
        return;
      default:
        this.#ofPart(part, this.#choice(part.choice, emit), emit);
    }
  }

  #start(start: StreamPart & { type: 'start' }, emit: Emit): void {
    const { id, model, created, serviceTier } = start;
    const { system_fingerprint: fingerprint, ...own } = ownExtra(start);
    const head = JSON.stringify({
      id: id || madeUpAnswerId(),
      object: 'chat.completion.chunk',
      created: created || this.#context.now,
      model: model || this.#context.model,
      ...given('service_tier', serviceTier),
      ...given('system_fingerprint', fingerprint),
    });
    this.#head = `${head.slice(0, -1)},"choices":[`;
    // A client that is told the usage at the end finds null in the events before.
    this.#tail = this.#context.includeUsage ? '],"usage":null}' : ']}';
    this.#extra(undefined, own, emit);
    this.#choice(0, emit);
  }

  /** It goes out with the event that follows, most often the one of the same event of the provider. */
  #extra(choice: number | undefined, { usage, ...fields }: JsonObject, emit: Emit): void {
    if (choice === undefined && usage !== undefined) this.#ownUsage = usage;
    if (Object.keys(fields).length === 0) return;
    if (choice === undefined) {
      if (this.#own.ofAnswer !== '') this.#flush(emit);
      this.#own.ofAnswer = membersOf(fields);
      return;
    }
    this.#choice(choice, emit);
    if (this.#own.ofChoice !== '') this.#flush(emit);
    const { message, ...around } = fields;
    this.#own.choice = choice;
    this.#own.ofChoice = membersOf(around);
    if (message !== undefined) this.#chunk(choice, JSON.stringify(message), emit);
  }

  #flush(emit: Emit): void {
    if (this.#own.ofChoice !== '') this.#chunk(this.#own.choice, '{}', emit);
    else if (this.#own.ofAnswer !== '') emit({ event: '', data: `${this.#head}${this.#own.takeTail(this.#tail)}` });
  }

  /** The choice, announced with its role. */
  #choice(index: number, emit: Emit): Choice {
    const known = this.#choices.get(index);
    if (known !== undefined) return known;
    const choice: Choice = {
      open: new Map(),
      calls: false,
      refusal: false,
      callCount: 0,
      thinkingCount: 0,
      textLength: 0,
      finished: false,
    };
    this.#choices.set(index, choice);
    this.#chunk(index, '{"role":"assistant","content":""}', emit);
    return choice;
  }

  #chunk(choice: number, delta: string, emit: Emit, logprobs = 'null', finish = 'null', more = ''): void {
    const own = this.#own;
    if (own.ofChoice !== '' && own.choice !== choice) this.#flush(emit);
    const around = own.ofChoice === '' ? more : more + own.takeOfChoice();
    const tail = own.ofAnswer === '' ? this.#tail : own.takeTail(this.#tail);
    const data = `${this.#head}{"index":${choice},"delta":${delta},"logprobs":${logprobs},"finish_reason":${finish}${around}}${tail}`;
    emit({ event: '', data });
  }

  #delta(choice: number, delta: JsonObject, emit: Emit): void {
    this.#chunk(choice, JSON.stringify(delta), emit);
  }

  #ofPart(step: OfPart, choice: Choice, emit: Emit): void {
    if (step.type === 'part') {
      this.#begin(step, choice, emit);
      return;
    }
    const open = choice.open.get(step.index);
    if (open === undefined) return;
    switch (step.type) {
      case 'text':
        this.#text(step.choice, step.text, choice, open, emit);
        return;
      case 'thinking': {
        const detail = { ...textDetail(open.summary, step.text), index: open.at };
        this.#delta(step.choice, { reasoning_content: step.text, reasoning_details: [detail] }, emit);
        return;
      }
      case 'arguments':
        open.length += step.json.length;
        this.#delta(step.choice, argumentsDelta(open, step.json), emit);
        return;
      case 'refusal':
        this.#delta(step.choice, { refusal: step.text }, emit);
        return;
      case 'audio': {
        const { data, transcript } = step;
        const audio = { ...(data === '' ? {} : { data }), ...(transcript === '' ? {} : { transcript }) };
        this.#delta(step.choice, { audio }, emit);
        return;
      }
      case 'signature':
        this.#delta(step.choice, signatureDelta(open, markSignature(step.signature)), emit);
        return;
      case 'citation':
        this.#citation(step.choice, step.citation, open, emit);
        return;
      default:
        this.#partEnd(step, choice, open, emit);
    }
  }

  #begin(step: OfPart & { type: 'part' }, choice: Choice, emit: Emit): void {
    const { part } = step;
    const open = openPart(part, choice, this.#context.request.legacyFunctions === true);
    choice.open.set(step.index, open);
    switch (part.kind) {
      case 'text':
        if (part.text !== '') this.#text(step.choice, part.text, choice, open, emit);
        for (const citation of part.citations ?? []) this.#citation(step.choice, citation, open, emit);
        if (part.signature !== undefined) {
          this.#delta(step.choice, signatureDelta(open, markSignature(part.signature)), emit);
        }
        return;
      case 'thinking': {
        const details = writeDetails(part, open.at, markSignature);
        const content = part.text === '' ? {} : { reasoning_content: part.text };
        if (details.some(saysMore)) this.#delta(step.choice, { ...content, reasoning_details: details }, emit);
        return;
      }
      case 'tool_call': {
        open.length = part.arguments.length;
        const call = writeCall(part, this.#context);
        this.#delta(step.choice, open.at < 0 ? { function_call: call.function } : callDelta(open, call), emit);
        return;
      }
      case 'refusal':
        if (part.text !== '') this.#delta(step.choice, { refusal: part.text }, emit);
        return;
      case 'audio':
        this.#delta(step.choice, { audio: writeAnswerAudio(part) }, emit);
        return;
      case 'image': {
        const images = writeAnswerImage(part);
        if (images.length > 0) this.#delta(step.choice, { images }, emit);
        return;
      }
      default:
        // What the provider's own tools did has no place here.
        return;
    }
  }

  #logprobs({ choice, logprobs }: StreamPart & { type: 'logprobs' }): JsonObject | null {
    const { refusal = false, textLength = 0 } = this.#choices.get(choice) ?? {};
    return writeLogprobs(logprobs, refusal && textLength === 0);
  }

  #text(index: number, text: string, choice: Choice, open: OpenPart, emit: Emit): void {
    choice.textLength += text.length;
    open.length += text.length;
    this.#chunk(index, `{"content":${JSON.stringify(text)}}`, emit);
  }

  #citation(choice: number, citation: Citation, open: OpenPart, emit: Emit): void {
    if (citation.url === undefined) return;
    if ((citation.end ?? -1) >= 0) {
      this.#delta(choice, { annotations: [placed(citation, open)] }, emit);
      return;
    }
    this.#held += JSON.stringify(citation).length;
    if (this.#held > this.#context.maxHeldBytes) throw new TooMuchToHold();
    open.citations ??= [];
    open.citations.push(citation);
  }

  #partEnd(step: OfPart, choice: Choice, open: OpenPart, emit: Emit): void {
    choice.open.delete(step.index);
    // Others stream nothing for a call without arguments; clients of this format parse what came.
    if (open.kind === 'tool_call' && !open.custom && open.length === 0)
      this.#delta(step.choice, argumentsDelta(open, '{}'), emit);
    if (open.citations === null) return;
    this.#held = 0;
    this.#delta(step.choice, { annotations: open.citations.map((citation) => placed(citation, open)) }, emit);
  }

  #finish({ choice: index, stop }: StreamPart & { type: 'finish' }, emit: Emit): void {
    const choice = this.#choice(index, emit);
    choice.finished = true;
    const reason = finishReason(stop, choice, this.#context.request.legacyFunctions === true);
    const { stop_reason: sequence } = stopSequence(stop);
    const more = sequence === undefined ? '' : `,"stop_reason":${JSON.stringify(sequence)}`;
    this.#chunk(index, '{}', emit, 'null', JSON.stringify(reason), more);
  }

  #end(emit: Emit): void {
    if (this.#own.ofChoice !== '') this.#flush(emit);
    if (this.#context.includeUsage && this.#usage !== null) {
      const usage = JSON.stringify(withUncounted(writeUsage(this.#usage), this.#ownUsage));
      emit({ event: '', data: `${this.#head}${this.#own.takeTail(`],"usage":${usage}}`)}` });
    } else this.#flush(emit);
    emit({ event: '', data: '[DONE]' });
  }
}

/** Members that wait for the next event, as JSON text with a comma before each; '' = none. */
class OwnNews {
  ofAnswer = '';
  ofChoice = '';
  /** Whose `ofChoice` are. */
  choice = 0;

  takeOfChoice(): string {
    const { ofChoice } = this;
    this.ofChoice = '';
    return ofChoice;
  }

  /** The end of an event, with the answer's members in it. */
  takeTail(tail: string): string {
    const { ofAnswer } = this;
    this.ofAnswer = '';
    return `${tail.slice(0, -1)}${ofAnswer}}`;
  }
}

function membersOf(fields: JsonObject): string {
  const text = JSON.stringify(fields).slice(1, -1);
  return text === '' ? '' : `,${text}`;
}

function openPart(part: Part, choice: Choice, legacy: boolean): OpenPart {
  let at = -1;
  if (part.kind === 'thinking') at = choice.thinkingCount++;
  if (part.kind === 'refusal') choice.refusal = true;
  if (part.kind === 'tool_call') {
    // The first call of a client of functions is told in its words.
    if (!legacy || choice.calls) at = choice.callCount++;
    choice.calls = true;
  }
  return {
    kind: part.kind,
    at,
    custom: part.kind === 'tool_call' && part.custom === true,
    summary: part.kind === 'thinking' && part.summary === true,
    base: choice.textLength,
    length: 0,
    citations: null,
  };
}

const BARE = new Set(['type', 'text', 'summary', 'index']);

/** True for a detail that says more than that thinking begins. */
function saysMore(detail: JsonObject): boolean {
  return (detail.text ?? detail.summary) !== '' || Object.keys(detail).some((name) => !BARE.has(name));
}

function callDelta({ at }: OpenPart, call: JsonObject): JsonObject {
  return { tool_calls: [{ index: at, ...call }] };
}

function argumentsDelta(open: OpenPart, json: string): JsonObject {
  if (open.at < 0) return { function_call: { arguments: json } };
  return callDelta(open, open.custom ? { custom: { input: json } } : { function: { arguments: json } });
}

function signatureDelta(open: OpenPart, signature: string): JsonObject {
  if (open.kind === 'thinking') {
    return { reasoning_details: [{ ...textDetail(open.summary, ''), signature, index: open.at }] };
  }
  const signed = writeGoogleSignature(signature);
  return open.kind === 'tool_call' && open.at >= 0 ? callDelta(open, signed) : signed;
}

/** As an annotation of the choice's text. */
function placed(citation: Citation, { base, length }: OpenPart): JsonObject {
  const { start, end } = rangeOf(citation, length);
  return writeCitation({ ...citation, start: base + start, end: base + end });
}
