import type { StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject, Part, Signature } from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import { type Frame, type ReplyContext, type StreamEncoder, TooMuchToHold } from '../codec.ts';
import { answerHead, encodeLogprobs, encodeUsage, ownOf, replyWriter } from './answer.ts';
import { CitationWriter, TextPlaces } from './citations.ts';
import { encodeFault } from './faults.ts';
import { encodePart, type PartWriter } from './part-encode.ts';
import { encodeStop } from './stops.ts';

type Emit = (frame: Frame) => void;

/** A part that has begun and not ended. */
interface OpenPart {
  readonly part: Part;
  /** Arguments of a call, which Gemini only has whole. */
  json: string;
  signature: Signature | undefined;
  /** The text so far, in which citations give places. */
  readonly places: TextPlaces;
  /** Where the part stands among the choice's. */
  readonly at: number;
}

class Choice {
  readonly open = new Map<number, OpenPart>();
  readonly citations = new CitationWriter();
  parts = 0;
  finishReason: string | null = null;
  /** What only this format knows of it and is still to be told; and what grounds it. */
  own: JsonObject | null = null;
  grounding: JsonObject | null = null;
}

/**
 * Writes Gemini's stream: every delta is an answer of its own. Arguments of calls are held until they are whole; sources are said with the
 * reason of the end, and that with the usage, since clients look for both in the last event.
 */
export class GeminiStreamEncoder implements StreamEncoder {
  readonly #context: ReplyContext;
  readonly #choices = new Map<number, Choice>();
  readonly #writer: PartWriter;
  #head: JsonObject;
  #usage: Usage | null = null;
  /** What only this format knows of the answer and is still to be told; and of its usage. */
  #own: JsonObject | null = null;
  #ownUsage: unknown;
  #heldBytes = 0;

  constructor(context: ReplyContext) {
    this.#context = context;
    this.#writer = replyWriter(context);
    this.#head = answerHead({ id: '', model: '', created: 0 }, context);
  }

  part(part: StreamPart, emit: Emit): void {
    switch (part.type) {
      case 'start':
        this.#head = answerHead(part, this.#context);
        this.#answerOwn(ownOf(part.extra));
        return;
      case 'extra':
        if (part.choice === undefined) this.#answerOwn(ownOf(part.extra));
        else this.#choiceOwn(part.choice, ownOf(part.extra));
        return;
      case 'part':
        this.#begin(part.choice, part.index, part.part, emit);
        return;
      case 'text':
      case 'refusal':
        this.#open(part)?.places.append(part.text);
        this.#piece(part.choice, { text: part.text }, emit);
        return;
      case 'thinking':
        this.#piece(part.choice, { text: part.text, thought: true }, emit);
        return;
      case 'signature':
        this.#sign(part, part.signature, emit);
        return;
      case 'arguments': {
        const open = this.#open(part);
        if (open === undefined) return;
        this.#hold(part.json.length);
        open.json += part.json;
        return;
      }
      case 'audio':
        this.#audio(part, emit);
        return;
      case 'citation': {
        const open = this.#open(part);
        if (open !== undefined)
          this.#hold(this.#choice(part.choice).citations.add(part.citation, open.at, open.places));
        return;
      }
      case 'logprobs': {
        const logprobsResult = encodeLogprobs(part.logprobs);
        this.#candidate(part.choice, { content: EMPTY, logprobsResult }, emit);
        return;
      }
      case 'part_end':
        this.#end(part.choice, part.index, emit);
        return;
      case 'finish':
        this.#choice(part.choice).finishReason = encodeStop(part.stop);
        return;
      case 'usage':
        this.#usage = part.usage;
        return;
      case 'ping':
        return;
      case 'error':
        emit({ event: '', data: JSON.stringify(encodeFault(part.fault).body) });
        return;
      case 'end':
        this.#finish(emit);
    }
  }

  /** It goes out with the next event; of the usage, with that. */
  #answerOwn({ usageMetadata, ...fields }: JsonObject): void {
    if (usageMetadata !== undefined) this.#ownUsage = usageMetadata;
    for (const name in fields) {
      this.#own ??= {};
      this.#own[name] = fields[name];
    }
  }

  /** It goes out with the choice's next event; what grounds it at the end, where clients look for it. */
  #choiceOwn(index: number, fields: JsonObject): void {
    const choice = this.#choice(index);
    const { groundingMetadata } = fields;
    if (groundingMetadata !== undefined) {
      this.#hold(JSON.stringify(groundingMetadata).length);
      choice.grounding = { ...choice.grounding, ...(groundingMetadata as JsonObject) };
    }
    for (const name in fields) {
      if (name === 'groundingMetadata') continue;
      choice.own ??= {};
      choice.own[name] = fields[name];
    }
  }

  #choice(index: number): Choice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = new Choice();
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #open({ choice, index }: { choice: number; index: number }): OpenPart | undefined {
    return this.#choices.get(choice)?.open.get(index);
  }

  #begin(index: number, at: number, part: Part, emit: Emit): void {
    const choice = this.#choice(index);
    const open: OpenPart = { part, json: '', signature: undefined, places: new TextPlaces(), at: choice.parts++ };
    choice.open.set(at, open);
    if (part.kind === 'tool_call') {
      open.json = part.arguments;
      this.#hold(part.arguments.length);
      return;
    }
    if (part.kind === 'text') {
      open.places.append(part.text);
      for (const citation of part.citations ?? []) this.#hold(choice.citations.add(citation, open.at, open.places));
    }
    if (isEmpty(part)) return;
    // What stands for a thought's signature is said at its end, as the signature itself.
    this.#write(index, part.kind === 'thinking' ? { kind: 'thinking', text: part.text } : part, emit);
  }

  #sign(at: { choice: number; index: number }, signature: Signature, emit: Emit): void {
    const open = this.#open(at);
    if (open === undefined) return;
    if (open.part.kind === 'text') this.#write(at.choice, { kind: 'text', text: '', signature }, emit);
    else open.signature = signature;
  }

  /** Writes the pieces that a part becomes. */
  #write(index: number, part: Part, emit: Emit): void {
    const pieces: JsonObject[] = [];
    encodePart(part, this.#writer, pieces);
    for (const piece of pieces) this.#piece(index, piece, emit);
  }

  #audio(part: Extract<StreamPart, { type: 'audio' }>, emit: Emit): void {
    const open = this.#open(part)?.part;
    if (part.data === '' || open?.kind !== 'audio') return;
    const mediaType = open.source.type === 'base64' ? open.source.mediaType : '';
    this.#write(part.choice, { kind: 'audio', source: { type: 'base64', mediaType, data: part.data } }, emit);
  }

  #end(index: number, at: number, emit: Emit): void {
    const choice = this.#choice(index);
    const open = choice.open.get(at);
    choice.open.delete(at);
    if (open?.part.kind !== 'tool_call' && open?.part.kind !== 'thinking') return;
    const signature = open.signature ?? open.part.signature;
    const signed = { ...open.part, ...(signature && { signature }) };
    if (signed.kind === 'thinking') return this.#write(index, { ...signed, text: '' }, emit);
    this.#heldBytes -= open.json.length;
    this.#write(index, { ...signed, arguments: open.json }, emit);
  }

  /** The last event: why each choice stopped, and what it cost. */
  #finish(emit: Emit): void {
    const candidates: JsonObject[] = [];
    for (const [index, { finishReason, citations, grounding, own }] of this.#choices) {
      if (finishReason === null) continue;
      const sources = citations.members();
      if (grounding !== null) sources.groundingMetadata = grounding;
      candidates.push({ content: EMPTY, finishReason, index, ...sources, ...own });
    }
    const usageMetadata = this.#usage === null ? {} : { usageMetadata: encodeUsage(this.#usage, this.#ownUsage) };
    if (candidates.length === 0 && this.#usage === null && this.#own === null) return;
    emit({ event: '', data: JSON.stringify({ candidates, ...usageMetadata, ...this.#head, ...this.#own }) });
  }

  #piece(index: number, part: JsonObject, emit: Emit): void {
    this.#candidate(index, { content: { role: 'model', parts: [part] } }, emit);
  }

  #candidate(index: number, members: JsonObject, emit: Emit): void {
    const choice = this.#choices.get(index);
    const candidate = choice?.own == null ? { ...members, index } : { ...members, index, ...choice.own };
    emit({ event: '', data: JSON.stringify({ candidates: [candidate], ...this.#head, ...this.#own }) });
    if (choice !== undefined) choice.own = null;
    this.#own = null;
  }

  /** Counts characters, of which a byte is the least. Throws `TooMuchToHold`. */
  #hold(characters: number): void {
    this.#heldBytes += characters;
    if (this.#heldBytes > this.#context.maxHeldBytes) throw new TooMuchToHold();
  }
}

/** Clients read the parts of a candidate without looking whether there are any. */
const EMPTY = { role: 'model', parts: [{ text: '' }] };

/** A part whose deltas are still to come. */
function isEmpty(part: Part): boolean {
  if (part.kind === 'text') return part.text === '' && part.signature === undefined;
  if (part.kind === 'thinking' || part.kind === 'refusal') return part.text === '';
  return part.kind === 'audio' && part.source.type === 'base64' && part.source.data === '';
}
