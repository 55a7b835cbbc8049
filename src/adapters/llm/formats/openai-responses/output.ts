import type { TokenLogprob } from '../../../../facts/answer.ts';
import type {
  Citation,
  Conversation,
  JsonObject,
  Part,
  RefusalPart,
  Signature,
  TextPart,
  ThinkingPart,
  ToolCallPart,
} from '../../../../facts/conversation.ts';
import { TooMuchToHold } from '../codec.ts';
import { clientName } from '../names.ts';
import { encodeLogprob } from './annotations.ts';
import { type ContentWriter, MessageItem } from './output-message.ts';
import { ReasoningItem } from './output-reasoning.ts';
import { FORMAT, madeUpId, ownExtra } from './own.ts';
import { attachedText } from './thinking.ts';
import { itemOf } from './turn.ts';

/** Takes the events that tell of an output as it grows. */
export type OnEvent = (type: string, members: JsonObject) => void;

/** Writes one part of an answer. */
export interface PartWriter {
  /** Text, thinking or arguments. */
  write(delta: string): void;
  cite(citation: Citation): void;
  sign(signature: Signature): void;
  end(): void;
}

/**
 * The `output` of a response, built part by part, whole or in a stream. The pieces of a message share an item, as do those of one
 * reasoning; such an item is done when something else begins.
 */
export class Output {
  readonly items: JsonObject[] = [];
  readonly #request: Conversation;
  readonly #onEvent: OnEvent;
  #spare: number;
  /** The item that may go on with the next part. */
  #group: MessageItem | ReasoningItem | null = null;
  #text: ContentWriter | null = null;
  #logprobs: JsonObject[] = [];
  /** By id: the indices of items that were announced. */
  readonly #announced = new Map<unknown, number>();

  /** `maxHeldBytes`: of all that is kept for the whole forms. */
  constructor(request: Conversation, maxHeldBytes: number, onEvent: OnEvent) {
    this.#request = request;
    this.#spare = maxHeldBytes;
    this.#onEvent = onEvent;
  }

  /** A part with what it already holds; null where the format has no place for it. */
  begin(part: Part): PartWriter | null {
    const writer = this.#writer(part);
    if (writer === null) return null;
    const text = heldText(part);
    if (text !== '') writer.write(text);
    if (part.kind === 'text') for (const citation of part.citations ?? []) writer.cite(citation);
    if ('signature' in part && part.signature !== undefined) writer.sign(part.signature);
    return writer;
  }

  /** Of the text at hand, or else of the next. */
  logprobs(logprobs: readonly TokenLogprob[]): void {
    const encoded = logprobs.map(encodeLogprob);
    this.hold(JSON.stringify(encoded));
    if (this.#text === null) this.#logprobs.push(...encoded);
    else if (this.#text.open) this.#text.write('', encoded);
    else this.#text.keepLogprobs(encoded);
  }

  takeLogprobs(): readonly JsonObject[] {
    const taken = this.#logprobs;
    if (taken.length > 0) this.#logprobs = [];
    return taken;
  }

  /** Nothing more is written. `isIncomplete`: the answer was cut off, and with it what was written last. */
  settle(isIncomplete: boolean): void {
    const last = this.items.at(-1);
    if (isIncomplete && last?.status !== undefined) last.status = 'incomplete';
    this.#regroup(null);
  }

  event(type: string, members: JsonObject): void {
    this.#onEvent(type, members);
  }

  /** Throws `TooMuchToHold` where there is no room for it. */
  hold(text: string): void {
    this.#spare -= Buffer.byteLength(text);
    if (this.#spare < 0) throw new TooMuchToHold();
  }

  /** The index of a new item. */
  add(item: JsonObject): number {
    const index = this.items.push(item) - 1;
    this.event('response.output_item.added', { output_index: index, item });
    return index;
  }

  /** The item is done. `status`: where it has one, unless it says another by now. */
  close(index: number, status: string | undefined): void {
    const item = this.items[index];
    if (item === undefined) return;
    if (status !== undefined && item.status === 'in_progress') item.status = status;
    this.event('response.output_item.done', { output_index: index, item });
  }

  /** Nothing of the item is being written: it is done if nothing may follow. */
  idle(item: MessageItem | ReasoningItem): void {
    if (this.#group !== item && item.idle) item.close('completed');
  }

  /** Nothing may follow in the item. */
  leave(item: MessageItem | ReasoningItem): void {
    if (this.#group === item) this.#regroup(null);
    else this.idle(item);
  }

  /** A signature that no other item has a place for. */
  attach(signature: Signature, target: string): void {
    this.#regroup(null);
    const text = attachedText(signature, target);
    this.hold(text);
    this.close(this.add({ id: madeUpId('rs'), type: 'reasoning', summary: [], encrypted_content: text }), undefined);
  }

  #regroup(next: MessageItem | ReasoningItem | null): void {
    const before = this.#group;
    this.#group = next;
    if (before?.idle) before.close('completed');
  }

  #writer(part: Part): PartWriter | null {
    switch (part.kind) {
      case 'text':
      case 'refusal':
        return this.#content(part);
      case 'thinking':
        return this.#thinking(part);
      case 'tool_call':
        this.#regroup(null);
        return new CallWriter(this, { ...part, name: clientName(part.name, this.#request) });
      case 'audio':
        return this.#content({ kind: 'text', text: '' });
      case 'image':
        if (part.source.type === 'url') return this.#content({ kind: 'text', text: '' });
        if (part.source.type === 'base64') this.#whole(picture(part.source.data, ownExtra(part)));
        return null;
      case 'other':
        if (part.format === FORMAT) this.#whole(part.value);
        return null;
      default:
        return null;
    }
  }

  #content(part: TextPart | RefusalPart): ContentWriter {
    const members = itemOf(part);
    let message = this.#group;
    if (!(message instanceof MessageItem) || members !== undefined) {
      this.#regroup(null);
      message = new MessageItem(this, members);
      this.#group = message;
    }
    const { item: _, ...own } = ownExtra(part);
    const content =
      part.kind === 'text'
        ? { type: 'output_text', annotations: [], logprobs: [], text: '', ...own }
        : { type: 'refusal', refusal: '', ...own };
    const writer = message.begin(content);
    if (writer.isText) this.#text = writer;
    return writer;
  }

  /** A client that asked for summaries looks for thinking there. */
  #thinking(part: ThinkingPart): PartWriter {
    const isSummary = part.summary === true || this.#request.reasoning?.summary !== undefined;
    const said = isSummary ? { ...part, summary: true } : part;
    let reasoning = this.#group;
    if (!(reasoning instanceof ReasoningItem) || !reasoning.takes(said)) {
      this.#regroup(null);
      reasoning = new ReasoningItem(this, said);
      this.#group = reasoning;
    }
    return reasoning.begin(said);
  }

  /** An item of which the whole is still to come. It has an id, by which that is known. */
  announce(item: JsonObject): void {
    if (typeof item.id !== 'string' || this.#announced.has(item.id)) return;
    this.#regroup(null);
    this.hold(JSON.stringify(item));
    this.#announced.set(item.id, this.add(item));
  }

  /** The index of the announced item with an id. */
  announced(id: unknown): number | undefined {
    return this.#announced.get(id);
  }

  #whole(item: JsonObject): void {
    const at = this.#announced.get(item.id);
    if (at === undefined) this.#regroup(null);
    this.hold(JSON.stringify(item));
    if (at !== undefined) this.items[at] = item;
    this.close(at ?? this.add(item), undefined);
  }
}

function heldText(part: Part): string {
  switch (part.kind) {
    case 'text':
    case 'refusal':
    case 'thinking':
      return part.text;
    case 'tool_call':
      return part.arguments;
    case 'audio':
      return part.transcript ?? '';
    case 'image':
      return part.source.type === 'url' ? part.source.url : '';
    default:
      return '';
  }
}

function picture(data: string, own: JsonObject): JsonObject {
  return { id: madeUpId('ig'), type: 'image_generation_call', status: 'completed', result: data, ...own };
}

/** A `function_call` or a `custom_tool_call`. */
class CallWriter implements PartWriter {
  readonly #output: Output;
  readonly #item: JsonObject;
  readonly #index: number;
  readonly #part: ToolCallPart;
  readonly #member: 'arguments' | 'input';
  readonly #event: string;
  #text = '';
  #signature: Signature | undefined;

  constructor(output: Output, part: ToolCallPart) {
    const custom = part.custom === true;
    this.#output = output;
    this.#part = part;
    this.#member = custom ? 'input' : 'arguments';
    this.#event = custom ? 'response.custom_tool_call_input' : 'response.function_call_arguments';
    this.#item = {
      id: madeUpId(custom ? 'ctc' : 'fc'),
      type: custom ? 'custom_tool_call' : 'function_call',
      status: 'in_progress',
      call_id: part.id,
      name: part.name,
      [this.#member]: '',
      ...ownExtra(part),
    };
    this.#index = output.add(this.#item);
  }

  write(delta: string): void {
    this.#output.hold(delta);
    this.#text += delta;
    this.#item[this.#member] = this.#text;
    this.#output.event(`${this.#event}.delta`, { ...this.#place(), delta });
  }

  cite(): void {}

  sign(signature: Signature): void {
    this.#signature = signature;
  }

  end(): void {
    // Clients parse the arguments, and without any that would fail.
    if (this.#text === '' && this.#member === 'arguments') this.write('{}');
    const name = this.#member === 'arguments' ? { name: this.#part.name } : {};
    this.#output.event(`${this.#event}.done`, { ...this.#place(), ...name, [this.#member]: this.#text });
    this.#output.close(this.#index, 'completed');
    if (this.#signature !== undefined) this.#output.attach(this.#signature, this.#part.id);
  }

  #place(): JsonObject {
    return { item_id: this.#item.id, output_index: this.#index };
  }
}
