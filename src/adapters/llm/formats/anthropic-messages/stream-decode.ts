import type { ProviderFault, StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject, Part } from '../../../../facts/conversation.ts';
import type { ReportedUsage } from '../../usage.ts';
import { MemberReader } from '../claude/member-reader.ts';
import { toolOf, VALUE_TOOL } from '../claude/names.ts';
import { type AnswerContext, type Frame, type StreamDecoder, TooMuchToHold } from '../codec.ts';
import { Fields, isObject, parseObject } from '../fields.ts';
import { decodeTier, isAnswerTool, ownMembers } from './answer.ts';
import { decodeCitation } from './citations.ts';
import { decodeParts } from './decode-parts.ts';
import { decodeFault } from './faults.ts';
import { mergeMessagesUsage, messagesUsage } from './native.ts';
import { extraOf, FORMAT } from './own.ts';
import { decodeStop } from './stops.ts';

type Emit = (part: StreamPart) => void;

/** Characters of the inputs of a provider's own tools, which the hub knows as wholes only. */
const MAX_HELD = 1024 * 1024;
/** Content blocks of one answer; further ones are not read. */
const MAX_BLOCKS = 10_000;

/** A content block that has begun and not ended. */
interface OpenBlock {
  /** Its number in the hub; -1 while it is held. */
  readonly index: number;
  /** How the pieces of a call's input are passed on. */
  readonly input: 'arguments' | 'text' | 'held';
  /** Takes the part out of the input that is meant. */
  readonly reader: MemberReader | null;
  /** The block as it began, where it is held until it ends, and the input so far. */
  value: JsonObject;
  held: string;
}

/** Reads a stream of events (https://docs.anthropic.com/en/api/messages-streaming). */
export class MessagesStreamDecoder implements StreamDecoder {
  readonly #context: AnswerContext;
  readonly #open = new Map<number, OpenBlock>();
  #started = false;
  #finished = false;
  #over = false;
  #next = 0;
  #held = 0;
  #structured = false;
  #calls = false;
  #usage: ReportedUsage | null = null;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  event(frame: Frame, emit: Emit): void {
    if (this.#over || frame.data === '' || frame.data === '[DONE]') return;
    const body = parseObject(frame.data);
    if (body === null) {
      this.#fail(broken("An event of the provider's stream is not a JSON object."), emit);
      return;
    }
    const fields = Fields.ofAnswer(body);
    switch (fields.string('type') ?? frame.event) {
      case 'message_start':
        this.#start(fields.object('message') ?? fields, emit);
        break;
      case 'content_block_start':
        this.#begin(fields, emit);
        break;
      case 'content_block_delta':
        this.#delta(fields, emit);
        break;
      case 'content_block_stop':
        this.#end(fields.number('index') ?? -1, emit);
        break;
      case 'message_delta':
        this.#message(fields, emit);
        break;
      case 'message_stop':
        this.#finish('', undefined, emit);
        this.#over = true;
        emit({ type: 'end' });
        break;
      case 'ping':
        if (this.#started) emit({ type: 'ping' });
        break;
      case 'error':
        this.#fail(decodeFault(0, body, ''), emit);
        break;
      default:
        break;
    }
  }

  end(emit: Emit): void {
    if (!this.#over) this.#fail(broken("The provider's stream ended before its last event."), emit);
  }

  #fail(fault: ProviderFault, emit: Emit): void {
    this.#over = true;
    emit({ type: 'error', fault });
  }

  #start(message: Fields, emit: Emit): void {
    if (this.#started) return;
    this.#started = true;
    const usage = message.object('usage');
    emit({
      type: 'start',
      id: message.string('id') ?? '',
      model: message.string('model') || this.#context.model,
      created: 0,
      ...decodeTier(usage),
      ...extraOf(ownMembers(message)),
    });
    this.#report(usage, emit);
  }

  #report(usage: Fields | undefined, emit: Emit): void {
    if (usage === undefined) return;
    this.#usage = mergeMessagesUsage(this.#usage, usage.value);
    emit({ type: 'usage', usage: messagesUsage(this.#usage) });
  }

  #begin(fields: Fields, emit: Emit): void {
    const at = fields.number('index') ?? this.#next;
    const block = fields.object('content_block');
    if (this.#finished || block === undefined || this.#open.has(at) || this.#next >= MAX_BLOCKS) return;
    if (!this.#started) this.#start(Fields.ofAnswer({}), emit);
    const { value } = block;
    const type = block.string('type') ?? '';
    if (type === 'tool_use') {
      this.#beginCall(at, block, emit);
      return;
    }
    // The input of a provider's own tool comes in pieces, a compaction in one; the hub knows them as wholes only.
    if (isObject(value.input) || type.endsWith('tool_use') || type === 'compaction') {
      this.#open.set(at, { index: -1, input: 'held', reader: null, value, held: '' });
      return;
    }
    const [part] = decodeParts([block], this.#context.issuer);
    if (part === undefined) return;
    this.#open.set(at, { index: this.#next, input: 'arguments', reader: null, value, held: '' });
    this.#emitPart(part, emit);
  }

  #beginCall(at: number, block: Fields, emit: Emit): void {
    const name = block.string('name') ?? '';
    const structured = isAnswerTool(name);
    const tool = toolOf(name);
    if (structured) this.#structured = true;
    else this.#calls = true;
    let reader: MemberReader | null = null;
    if (name === VALUE_TOOL) reader = new MemberReader('json');
    else if (tool.custom) reader = new MemberReader('text');
    const input = structured ? 'text' : 'arguments';
    const open: OpenBlock = { index: this.#next, input, reader, value: {}, held: '' };
    this.#open.set(at, open);
    const [call] = decodeParts([block], this.#context.issuer);
    if (call?.kind === 'tool_call') this.#emitPart({ ...call, arguments: '' }, emit);
    else this.#emitPart({ kind: 'text', text: '' }, emit);
    // Some who speak the format give the whole input at once.
    const whole = block.json('input') ?? {};
    if (Object.keys(whole).length > 0) this.#input(open, JSON.stringify(whole), emit);
  }

  #emitPart(part: Part, emit: Emit): void {
    emit({ type: 'part', choice: 0, index: this.#next, part });
    this.#next++;
  }

  #delta(fields: Fields, emit: Emit): void {
    const open = this.#open.get(fields.number('index') ?? -1);
    const delta = fields.object('delta');
    if (open === undefined || delta === undefined) return;
    const { index } = open;
    const type = delta.string('type');
    if (type === 'input_json_delta') {
      this.#input(open, delta.string('partial_json') ?? '', emit);
    } else if (type === 'compaction_delta') {
      const { type: _, ...compaction } = delta.value;
      open.value = { ...open.value, ...compaction };
    } else if (index < 0) {
      return;
    } else if (type === 'text_delta') {
      const text = delta.string('text') ?? '';
      if (text !== '') emit({ type: 'text', choice: 0, index, text });
    } else if (type === 'thinking_delta') {
      const text = delta.string('thinking') ?? '';
      if (text !== '') emit({ type: 'thinking', choice: 0, index, text });
    } else if (type === 'signature_delta') {
      const data = delta.string('signature') ?? '';
      if (data !== '') emit({ type: 'signature', choice: 0, index, signature: { issuer: this.#context.issuer, data } });
    } else if (type === 'citations_delta') {
      const citation = delta.object('citation');
      if (citation !== undefined) emit({ type: 'citation', choice: 0, index, citation: decodeCitation(citation) });
    }
  }

  /** One more piece of a call's input. */
  #input(open: OpenBlock, piece: string, emit: Emit): void {
    if (open.input === 'held') {
      this.#held += piece.length;
      if (this.#held > MAX_HELD) throw new TooMuchToHold();
      open.held += piece;
      return;
    }
    this.#passOn(open, open.reader === null ? piece : open.reader.write(piece), emit);
  }

  #passOn({ input, index }: OpenBlock, text: string, emit: Emit): void {
    if (text === '') return;
    if (input === 'text') emit({ type: 'text', choice: 0, index, text });
    else emit({ type: 'arguments', choice: 0, index, json: text });
  }

  #end(at: number, emit: Emit): void {
    const open = this.#open.get(at);
    if (open === undefined) return;
    this.#open.delete(at);
    if (open.input === 'held') {
      this.#held -= open.held.length;
      const input = open.held === '' ? open.value.input : (parseObject(open.held) ?? open.held);
      const block = Fields.ofAnswer(input === undefined ? open.value : { ...open.value, input });
      const [part] = decodeParts([block], this.#context.issuer);
      if (part === undefined) return;
      const index = this.#next;
      this.#emitPart(part, emit);
      emit({ type: 'part_end', choice: 0, index });
      return;
    }
    if (open.reader !== null) this.#passOn(open, open.reader.end(), emit);
    emit({ type: 'part_end', choice: 0, index: open.index });
  }

  #message(fields: Fields, emit: Emit): void {
    if (!this.#started) this.#start(Fields.ofAnswer({}), emit);
    const delta = fields.object('delta');
    this.#own(fields, delta, emit);
    const reason = delta?.string('stop_reason');
    if (reason !== undefined) this.#finish(reason, delta?.string('stop_sequence'), emit);
    this.#report(fields.object('usage'), emit);
  }

  /** What only this format knows of the answer and of its end. */
  #own(event: Fields, delta: Fields | undefined, emit: Emit): void {
    const details = delta?.json('stop_details');
    if (details !== undefined && !this.#finished) {
      emit({ type: 'extra', choice: 0, extra: { format: FORMAT, fields: { stop_details: details } } });
    }
    const inside = delta && ownMembers(delta);
    const around = ownMembers(event);
    if (inside === undefined && around === undefined) return;
    emit({ type: 'extra', extra: { format: FORMAT, fields: { ...inside, ...around } } });
  }

  #finish(reason: string, sequence: string | undefined, emit: Emit): void {
    if (this.#finished) return;
    if (!this.#started) this.#start(Fields.ofAnswer({}), emit);
    for (const at of [...this.#open.keys()]) this.#end(at, emit);
    this.#finished = true;
    emit({ type: 'finish', choice: 0, stop: decodeStop(reason, sequence, this.#structured, this.#calls) });
  }
}

function broken(message: string): ProviderFault {
  return { status: 502, message, type: '', code: '', param: '' };
}
