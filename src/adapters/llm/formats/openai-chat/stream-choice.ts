import type { StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject, Part } from '../../../../facts/conversation.ts';
import { Fields, isObject, rest } from '../fields.ts';
import { OF_CHOICE } from './answer.ts';
import { moved, readCitation } from './citations.ts';
import { audioType, readMedia } from './media.ts';
import { OF_ASSISTANT, OF_AUDIO } from './message-decode.ts';
import { FORMAT, given } from './own.ts';
import { readStop } from './stop.ts';
import { StreamCalls } from './stream-calls.ts';
import { plainThinking, readDetail, type Sign } from './thinking.ts';
import { googleSignature } from './tool-calls.ts';
import { readLogprobs } from './usage.ts';

type Emit = (part: StreamPart) => void;

/** What comes piece by piece in members that say no index: one of each is open at most, and what follows another is a new part. */
type Flowing = 'text' | 'thinking' | 'refusal' | 'audio';

/** One choice of a stream: makes parts of its deltas. */
export class StreamChoice {
  readonly #choice: number;
  readonly #sign: Sign;
  readonly #calls: StreamCalls;
  #next = 0;
  #open: { readonly kind: Flowing; readonly index: number } | null = null;
  /** Of the open thinking: its index in `reasoning_details`, -1 without one; and whether it is a summary. */
  #detail = { at: -1, summary: false };
  /** Characters of text that came, and those of them before the open text. */
  #textLength = 0;
  #textBase = 0;
  #refused = false;
  finished = false;

  constructor(choice: number, seed: string, sign: Sign) {
    this.#choice = choice;
    this.#sign = sign;
    this.#calls = new StreamCalls(choice, seed, sign, (part, emit) => this.#begin(part, emit));
  }

  delta(choice: JsonObject, emit: Emit): void {
    // Some send the whole message of what they don't stream.
    const delta = isObject(choice.delta) ? choice.delta : choice.message;
    this.#own(choice, delta, emit);
    if (this.finished) return;
    if (isObject(delta)) this.#members(delta, emit);
    const logprobs = readLogprobs(choice.logprobs);
    if (logprobs !== undefined) emit({ type: 'logprobs', choice: this.#choice, logprobs });
    const { finish_reason: reason } = choice;
    if (typeof reason === 'string' && reason !== '') this.finish(reason, choice.stop_reason, emit);
  }

  finish(reason: string, sequence: unknown, emit: Emit): void {
    this.#endOpen(emit);
    this.#calls.endAll(emit);
    this.#endOpen(emit);
    this.finished = true;
    const stop = readStop(reason, sequence, { calls: this.#calls.any, refusal: this.#refused });
    emit({ type: 'finish', choice: this.#choice, stop });
  }

  /** What only this format knows: beside the delta, in it, and in its audio. */
  #own(choice: JsonObject, delta: unknown, emit: Emit): void {
    const around = rest(choice, OF_CHOICE);
    let message = isObject(delta) ? rest(delta, OF_ASSISTANT) : undefined;
    const audio = isObject(delta) && isObject(delta.audio) ? rest(delta.audio, OF_AUDIO) : undefined;
    if (audio !== undefined) message = { ...message, audio };
    const fields = message === undefined ? around : { ...around, message };
    if (fields !== undefined) emit({ type: 'extra', choice: this.#choice, extra: { format: FORMAT, fields } });
  }

  #members(delta: JsonObject, emit: Emit): void {
    this.#thinking(delta, emit);
    const { content } = delta;
    if (typeof content === 'string') this.#text(content, emit);
    else if (Array.isArray(content)) for (const item of content) this.#contentPart(item, emit);
    if (Array.isArray(delta.annotations)) this.#citations(delta, emit);
    const signature = googleSignature(delta);
    if (signature !== undefined) {
      const index = this.#flow('text', emit);
      emit({ type: 'signature', choice: this.#choice, index, signature: this.#sign(signature) });
    }
    if (typeof delta.refusal === 'string' && delta.refusal !== '') this.#refusal(delta.refusal, emit);
    if (isObject(delta.audio)) this.#audio(Fields.ofAnswer(delta.audio), emit);
    if (Array.isArray(delta.images)) this.#images(delta, emit);
    if (Array.isArray(delta.tool_calls)) {
      for (const call of delta.tool_calls) if (isObject(call)) this.#calls.delta(call, emit);
    }
    if (isObject(delta.function_call)) this.#calls.legacyDelta(delta.function_call, emit);
  }

  #text(text: string, emit: Emit): void {
    if (text === '') return;
    const index = this.#flow('text', emit);
    this.#textLength += text.length;
    emit({ type: 'text', choice: this.#choice, index, text });
  }

  /** Mistral's thinking comes as content. */
  #contentPart(item: unknown, emit: Emit): void {
    if (!isObject(item)) return;
    if (item.type === 'text' && typeof item.text === 'string') this.#text(item.text, emit);
    if (item.type !== 'thinking' || !Array.isArray(item.thinking)) return;
    for (const piece of item.thinking) {
      if (isObject(piece) && typeof piece.text === 'string') this.#plainThinking(piece.text, emit);
    }
  }

  #thinking(delta: JsonObject, emit: Emit): void {
    const { reasoning_details: details } = delta;
    if (!Array.isArray(details)) {
      this.#plainThinking(plainThinking(delta), emit);
      return;
    }
    const objects = details.filter(isObject);
    // Details that only sign or encrypt what stands beside them.
    if (!objects.some(({ text, summary }) => text || summary)) this.#plainThinking(plainThinking(delta), emit);
    for (const detail of objects) this.#thinkingDetail(Fields.ofAnswer(detail), emit);
  }

  #plainThinking(text: string, emit: Emit): void {
    if (text === '') return;
    const index = this.#flow('thinking', emit);
    emit({ type: 'thinking', choice: this.#choice, index, text });
  }

  #thinkingDetail(detail: Fields, emit: Emit): void {
    const { text, signature, ...part } = readDetail(detail, this.#sign);
    const at = detail.number('index') ?? -1;
    const summary = part.summary === true;
    const same = at === this.#detail.at && summary === this.#detail.summary;
    const signsOnly = text === '' && signature !== undefined;
    let index: number;
    if (this.#open?.kind === 'thinking' && (same || signsOnly) && part.redacted === undefined) {
      index = this.#open.index;
    } else {
      if (text === '' && signature === undefined && part.redacted === undefined && part.id === undefined) return;
      index = this.#begin({ ...part, text: '' }, emit);
      this.#open = { kind: 'thinking', index };
      this.#detail = { at, summary };
    }
    if (text !== '') emit({ type: 'thinking', choice: this.#choice, index, text });
    if (signature !== undefined) emit({ type: 'signature', choice: this.#choice, index, signature });
  }

  #refusal(text: string, emit: Emit): void {
    this.#refused = true;
    const index = this.#flow('refusal', emit);
    emit({ type: 'refusal', choice: this.#choice, index, text });
  }

  #audio(audio: Fields, emit: Emit): void {
    const id = audio.string('id');
    const data = audio.string('data') ?? '';
    const transcript = audio.string('transcript') ?? '';
    if (this.#open?.kind !== 'audio') {
      // Streamed audio is always raw samples (`pcm16`).
      const source = { type: 'base64' as const, mediaType: audioType('pcm16'), data: '' };
      this.#open = { kind: 'audio', index: this.#begin({ kind: 'audio', source, ...given('id', id) }, emit) };
    }
    const { index } = this.#open;
    if (data !== '' || transcript !== '') emit({ type: 'audio', choice: this.#choice, index, data, transcript });
  }

  #images(delta: JsonObject, emit: Emit): void {
    for (const image of Fields.ofAnswer(delta).objects('images')) {
      const part = readMedia(image);
      if (part === null) continue;
      const index = this.#begin(part, emit);
      emit({ type: 'part_end', choice: this.#choice, index });
    }
  }

  #citations(delta: JsonObject, emit: Emit): void {
    for (const annotation of Fields.ofAnswer(delta).objects('annotations')) {
      const citation = readCitation(annotation);
      if (citation === null) continue;
      const index = this.#flow('text', emit);
      emit({ type: 'citation', choice: this.#choice, index, citation: moved(citation, -this.#textBase) });
    }
  }

  /** The part that takes deltas of this kind: the open one, or a new one. */
  #flow(kind: 'text' | 'thinking' | 'refusal', emit: Emit): number {
    if (this.#open?.kind === kind) return this.#open.index;
    const index = this.#begin({ kind, text: '' }, emit);
    this.#open = { kind, index };
    if (kind === 'text') this.#textBase = this.#textLength;
    if (kind === 'thinking') this.#detail = { at: -1, summary: false };
    return index;
  }

  #begin(part: Part, emit: Emit): number {
    this.#endOpen(emit);
    this.#calls.endComplete(emit);
    const index = this.#next++;
    emit({ type: 'part', choice: this.#choice, index, part });
    return index;
  }

  #endOpen(emit: Emit): void {
    if (this.#open !== null) emit({ type: 'part_end', choice: this.#choice, index: this.#open.index });
    this.#open = null;
  }
}
