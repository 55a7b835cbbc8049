import type { ProviderFault, StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject, Part } from '../../../../facts/conversation.ts';
import { MemberReader } from '../claude/member-reader.ts';
import { toolOf, VALUE_TOOL } from '../claude/names.ts';
import { type AnswerContext, type Frame, type StreamDecoder, TooMuchToHold } from '../codec.ts';
import { Fields, isObject, parseObject } from '../fields.ts';
import { COUNTED, isAnswerTool, withoutStop } from './answer.ts';
import { decodeBlocks } from './blocks-decode.ts';
import { decodeCitation } from './citations.ts';
import { FORMAT } from './extra.ts';
import { decodeException, isException } from './faults.ts';
import { mediaTypeOf } from './media.ts';
import { converseUsage } from './native.ts';
import { decodeStop } from './stops.ts';

type Emit = (part: StreamPart) => void;

/** Characters of what the hub knows as a whole only: images, redacted thinking, inputs of the provider's own tools. */
const MAX_HELD = 32 * 1024 * 1024;
/** Content blocks of one answer; further ones are not read. */
const MAX_BLOCKS = 10_000;

const KNOWN_METADATA: ReadonlySet<string> = new Set(['usage']);

/** A content block that has begun and not ended. */
interface OpenBlock {
  /** Its part's number in the hub; -1 while there is none. */
  index: number;
  /** What its deltas add to. */
  kind: 'unknown' | 'text' | 'thinking' | 'arguments' | 'answer' | 'image' | 'redacted' | 'other';
  /** Takes the part out of a call's input that is meant. */
  readonly reader: MemberReader | null;
  /** As it began, where it is held until it ends; and what it holds. */
  readonly start: JsonObject;
  held: string;
  /** A call had some input. */
  filled: boolean;
}

/**
 * Reads a stream of events (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html). Text and
 * thinking come without a start of their block.
 */
export class ConverseStreamDecoder implements StreamDecoder {
  readonly #context: AnswerContext;
  readonly #open = new Map<number, OpenBlock>();
  #started = false;
  #finished = false;
  #over = false;
  #blocks = 0;
  #next = 0;
  #held = 0;
  #structured = false;
  #calls = false;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  event(frame: Frame, emit: Emit): void {
    if (this.#over) return;
    const body = parseObject(frame.data);
    if (isException(frame.event)) {
      this.#fail(decodeException(frame, body), emit);
      return;
    }
    if (body === null) {
      this.#fail(broken("An event of the provider's stream is not a JSON object."), emit);
      return;
    }
    const fields = Fields.ofAnswer(body);
    const at = fields.number('contentBlockIndex') ?? -1;
    switch (frame.event) {
      case 'messageStart':
        this.#start(emit);
        break;
      case 'contentBlockStart':
        this.#begin(at, fields.json('start') ?? {}, emit);
        break;
      case 'contentBlockDelta':
        this.#delta(at, fields.object('delta'), emit);
        break;
      case 'contentBlockStop':
        this.#end(at, emit);
        break;
      case 'messageStop':
        this.#finish(fields, emit);
        break;
      case 'metadata':
        this.#metadata(fields, emit);
        break;
      default:
        break;
    }
  }

  end(emit: Emit): void {
    if (this.#over) return;
    if (!this.#finished) {
      this.#fail(broken("The provider's stream ended before its last event."), emit);
      return;
    }
    this.#over = true;
    emit({ type: 'end' });
  }

  #fail(fault: ProviderFault, emit: Emit): void {
    this.#over = true;
    emit({ type: 'error', fault });
  }

  #start(emit: Emit): void {
    if (this.#started) return;
    this.#started = true;
    emit({ type: 'start', id: '', model: this.#context.model, created: 0 });
  }

  /** The block with this number; opened where it wasn't, null where no more are read. */
  #block(at: number, start: JsonObject = {}, reader: MemberReader | null = null): OpenBlock | null {
    const known = this.#open.get(at);
    if (known !== undefined) return known;
    if (this.#finished || this.#blocks >= MAX_BLOCKS) return null;
    this.#blocks++;
    const open: OpenBlock = { index: -1, kind: 'unknown', reader, start, held: '', filled: false };
    this.#open.set(at, open);
    return open;
  }

  #begin(at: number, start: JsonObject, emit: Emit): void {
    this.#start(emit);
    const { toolUse, toolResult, image } = start;
    if (this.#open.has(at)) return;
    if (isObject(toolUse)) this.#beginCall(at, toolUse, emit);
    else {
      const open = this.#block(at, start);
      if (open === null) return;
      if (isObject(image)) open.kind = 'image';
      else if (isObject(toolResult)) open.kind = 'other';
    }
  }

  #beginCall(at: number, toolUse: JsonObject, emit: Emit): void {
    const use = Fields.ofAnswer(toolUse);
    const name = use.string('name') ?? '';
    const tool = toolOf(name);
    const reader = name === VALUE_TOOL ? new MemberReader('json') : tool.custom ? new MemberReader('text') : null;
    const open = this.#block(at, { toolUse }, reader);
    if (open === null) return;
    if (use.has('type')) {
      open.kind = 'other';
      return;
    }
    if (isAnswerTool(name)) {
      this.#structured = true;
      open.kind = 'answer';
      this.#part(open, { kind: 'text', text: '' }, emit);
      return;
    }
    this.#calls = true;
    open.kind = 'arguments';
    const [call] = decodeBlocks([Fields.ofAnswer({ toolUse })], this.#context.issuer);
    if (call?.kind === 'tool_call') this.#part(open, { ...call, arguments: '' }, emit);
  }

  #part(open: OpenBlock, part: Part, emit: Emit): void {
    this.#start(emit);
    open.index = this.#next++;
    emit({ type: 'part', choice: 0, index: open.index, part });
  }

  #delta(at: number, delta: Fields | undefined, emit: Emit): void {
    const open = delta === undefined ? null : this.#block(at);
    if (delta === undefined || open === null) return;
    const text = delta.string('text');
    if (text !== undefined) this.#text(open, text, emit);
    const input = delta.object('toolUse')?.string('input');
    if (input !== undefined) this.#input(open, input, emit);
    const reasoning = delta.object('reasoningContent');
    if (reasoning !== undefined) this.#reasoning(open, reasoning, emit);
    const citation = delta.object('citation');
    if (citation !== undefined) this.#cite(open, citation, emit);
    const bytes = delta.object('image')?.object('source')?.string('bytes');
    if (bytes !== undefined && open.kind === 'image') this.#hold(open, bytes);
    if (delta.has('toolResult') && open.kind === 'other')
      this.#hold(open, `${JSON.stringify(delta.value.toolResult)}\n`);
  }

  #text(open: OpenBlock, text: string, emit: Emit): void {
    if (!this.#is(open, 'text', emit) || text === '') return;
    emit({ type: 'text', choice: 0, index: open.index, text });
  }

  #cite(open: OpenBlock, citation: Fields, emit: Emit): void {
    if (!this.#is(open, 'text', emit)) return;
    emit({ type: 'citation', choice: 0, index: open.index, citation: decodeCitation(citation) });
  }

  #reasoning(open: OpenBlock, reasoning: Fields, emit: Emit): void {
    const redacted = reasoning.string('redactedContent');
    if (redacted !== undefined) {
      if (open.kind === 'unknown') open.kind = 'redacted';
      if (open.kind === 'redacted') this.#hold(open, redacted);
      return;
    }
    const text = reasoning.string('text') ?? '';
    const data = reasoning.string('signature') ?? '';
    if (!this.#is(open, 'thinking', emit)) return;
    const { index } = open;
    if (text !== '') emit({ type: 'thinking', choice: 0, index, text });
    if (data !== '') emit({ type: 'signature', choice: 0, index, signature: { issuer: this.#context.issuer, data } });
  }

  /** True where the block is of the kind; one of no kind yet becomes it. */
  #is(open: OpenBlock, kind: 'text' | 'thinking', emit: Emit): boolean {
    if (open.kind === 'unknown') {
      open.kind = kind;
      this.#part(open, { kind, text: '' }, emit);
    }
    return open.kind === kind;
  }

  /** One more piece of a call's input. */
  #input(open: OpenBlock, piece: string, emit: Emit): void {
    if (open.kind === 'other') this.#hold(open, piece);
    if ((open.kind !== 'arguments' && open.kind !== 'answer') || piece === '') return;
    open.filled = true;
    this.#passOn(open, open.reader === null ? piece : open.reader.write(piece), emit);
  }

  #passOn({ kind, index }: OpenBlock, text: string, emit: Emit): void {
    if (text === '') return;
    if (kind === 'answer') emit({ type: 'text', choice: 0, index, text });
    else emit({ type: 'arguments', choice: 0, index, json: text });
  }

  #hold(open: OpenBlock, piece: string): void {
    this.#held += piece.length;
    if (this.#held > MAX_HELD) throw new TooMuchToHold();
    open.held += piece;
  }

  #end(at: number, emit: Emit): void {
    const open = this.#open.get(at);
    if (open === undefined) return;
    this.#open.delete(at);
    this.#held -= open.held.length;
    if (open.reader !== null) this.#passOn(open, open.reader.end(), emit);
    // The input of a tool without parameters never comes.
    else if ((open.kind === 'arguments' || open.kind === 'answer') && !open.filled) this.#passOn(open, '{}', emit);
    const whole = this.#whole(open);
    if (whole !== null) this.#part(open, whole, emit);
    if (open.index >= 0) emit({ type: 'part_end', choice: 0, index: open.index });
  }

  /** The part that was held until its block ended; null where it has been told. */
  #whole({ kind, start, held }: OpenBlock): Part | null {
    if (kind === 'redacted') {
      return { kind: 'thinking', text: '', redacted: { issuer: this.#context.issuer, data: held } };
    }
    if (kind === 'image') {
      const format = isObject(start.image) ? start.image.format : undefined;
      const mediaType = mediaTypeOf('image', typeof format === 'string' ? format : '');
      return held === '' ? null : { kind: 'image', source: { type: 'base64', mediaType, data: held } };
    }
    if (kind !== 'other') return null;
    const [name = '', value] = Object.entries(start)[0] ?? [];
    const inner = isObject(value) ? value : {};
    const filled =
      name === 'toolUse'
        ? { ...inner, input: parseObject(held) ?? held }
        : { ...inner, content: held.split('\n').flatMap((line) => (line === '' ? [] : (JSON.parse(line) as unknown))) };
    return { kind: 'other', format: FORMAT, name, value: { [name]: filled } };
  }

  #finish(stop: Fields, emit: Emit): void {
    if (this.#finished) return;
    this.#start(emit);
    for (const at of [...this.#open.keys()]) this.#end(at, emit);
    this.#finished = true;
    const responseFields = stop.json('additionalModelResponseFields');
    const reason = stop.string('stopReason') ?? '';
    const own = withoutStop(responseFields);
    if (own !== undefined) this.#own({ additionalModelResponseFields: own }, emit);
    emit({
      type: 'finish',
      choice: 0,
      stop: decodeStop(reason, responseFields, this.#structured, this.#calls),
    });
  }

  #own(fields: JsonObject, emit: Emit): void {
    emit({ type: 'extra', extra: { format: FORMAT, fields } });
  }

  /** The last event, usually: nothing follows it where the answer has ended. */
  #metadata(metadata: Fields, emit: Emit): void {
    this.#start(emit);
    const usage = metadata.object('usage');
    const beside = usage?.rest(COUNTED);
    const own = metadata.rest(KNOWN_METADATA);
    if (own !== undefined || beside !== undefined) this.#own({ ...own, ...(beside && { usage: beside }) }, emit);
    if (usage !== undefined) emit({ type: 'usage', usage: converseUsage(usage.value) });
    if (this.#finished) this.end(emit);
  }
}

function broken(message: string): ProviderFault {
  return { status: 502, message, type: '', code: '', param: '' };
}
