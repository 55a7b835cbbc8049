import type { ProviderFault, StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject, Part } from '../../../../facts/conversation.ts';
import type { AnswerContext, Frame, StreamDecoder } from '../codec.ts';
import { Fields, parseObject } from '../fields.ts';
import { given } from '../openai-chat/own.ts';
import { streamFault } from './faults.ts';
import { ownUsage, responsesUsage } from './native.ts';
import { extraOf, FORMAT, ownId } from './own.ts';
import { decodeStop, RESPONSE } from './response.ts';
import { type Piece, Pieces } from './stream-pieces.ts';
import { decodeReasoning } from './thinking.ts';
import { decodeCall, messageMembers, TurnReader, withItem } from './turn.ts';

type Emit = (part: StreamPart) => void;

/** An item that isn't done. */
interface Item {
  readonly type: string;
  /** As it was announced. */
  readonly fields: Fields;
  readonly pieces: Map<string, Piece>;
  /** Of a message: what its first piece bears. */
  readonly members: ReturnType<typeof messageMembers>;
}

/**
 * Reads a stream of the responses API. Deltas become deltas; what came as a whole only (a provider that leaves deltas or even items to the
 * last event, built-in tools' calls) is taken from there. Several items may be under way side by side.
 */
export class ResponsesStreamDecoder implements StreamDecoder {
  readonly #context: AnswerContext;
  readonly #items = new Map<number, Item>();
  /** Places in the output, and ids, of items that are done: the last event repeats them. */
  readonly #done = new Set<number | string>();
  readonly #pieces = new Pieces();
  #afterMessage = false;
  #started = false;
  #over = false;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  event(frame: Frame, emit: Emit): void {
    if (this.#over || frame.data === '' || frame.data === '[DONE]') return;
    this.#pieces.emit = emit;
    const body = parseObject(frame.data);
    if (body === null) return this.#broken("An event of the provider's stream is not a JSON object.");
    const event = Fields.ofAnswer(body);
    const type = event.string('type') ?? frame.event;
    if (type === 'error' || (type === '' && event.has('error'))) {
      return this.#fault(streamFault(event.json('error') ?? event.value));
    }
    this.#padding(event);
    this.#event(type, event);
  }

  end(emit: Emit): void {
    this.#pieces.emit = emit;
    if (!this.#over) this.#broken("The provider's stream ended before the answer did.");
  }

  #event(type: string, event: Fields): void {
    switch (type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return this.#start(event.object('response'));
      case 'response.output_item.added':
        return this.#added(event);
      case 'response.output_item.done':
        return this.#itemDone(place(event), event.object('item'));
      case 'response.content_part.added':
        return this.#contentAdded(event);
      case 'response.content_part.done':
        return this.#contentDone(event);
      case 'response.output_text.delta':
        return this.#delta(event, 'text');
      case 'response.refusal.delta':
        return this.#delta(event, 'refusal');
      case 'response.output_text.done':
      case 'response.refusal.done':
        return this.#piece(event, contentKey(event))?.complete(event);
      case 'response.output_text.annotation.added':
        return this.#annotation(event);
      case 'response.reasoning_summary_part.added':
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_summary_text.done':
        return this.#thinking(event, `summary ${event.number('summary_index') ?? 0}`, true);
      case 'response.reasoning_text.delta':
      case 'response.reasoning_text.done':
        return this.#thinking(event, contentKey(event), false);
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        return this.#piece(event, CALL)?.say(event.string('delta') ?? '');
      case 'response.function_call_arguments.done':
      case 'response.custom_tool_call_input.done':
        return this.#piece(event, CALL)?.complete(event);
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
      case 'response.cancelled':
        return this.#finish(type.slice('response.'.length), event.object('response') ?? Fields.ofAnswer({}));
      case 'response.reasoning_summary_part.done':
        return;
      default:
        // Built-in tools at work, keep-alives: nothing that others would understand, but the provider is there.
        if (this.#started) this.#pieces.emit({ type: 'ping', ...extraOf(eventOf(type, event)) });
    }
  }

  /** What hides the length of an event belongs to the event that it becomes. */
  #padding({ value: { obfuscation } }: Fields): void {
    if (obfuscation !== undefined) {
      this.#pieces.emit({ type: 'extra', choice: 0, extra: { format: FORMAT, fields: { obfuscation } } });
    }
  }

  #start(response: Fields | undefined): void {
    if (this.#started) return;
    this.#started = true;
    this.#pieces.emit({
      type: 'start',
      id: response?.string('id') ?? '',
      model: response?.string('model') ?? this.#context.model,
      created: response?.number('created_at') ?? 0,
      ...given('serviceTier', response?.string('service_tier')),
      ...extraOf(response?.rest(RESPONSE)),
    });
  }

  #added(event: Fields): void {
    const at = place(event);
    const fields = event.object('item');
    const type = fields?.string('type');
    if (fields === undefined || type === undefined || this.#items.has(at) || this.#done.has(at)) return;
    if (type === 'message' || type === 'reasoning') this.#item(at, type, fields);
    else if (type === 'function_call' || type === 'custom_tool_call') {
      const { pieces } = this.#item(at, type, fields);
      pieces.set(CALL, this.#pieces.open('arguments', decodeCall(fields, true)));
    } else {
      this.#start(undefined);
      this.#pieces.emit({ type: 'ping', ...extraOf(eventOf('response.output_item.added', event)) });
    }
  }

  #item(at: number, type: string, fields: Fields): Item {
    this.#start(undefined);
    const isMessage = type === 'message';
    const members = isMessage ? (messageMembers(fields, true) ?? (this.#afterMessage ? {} : undefined)) : undefined;
    const item: Item = { type, fields, pieces: new Map(), members };
    this.#items.set(at, item);
    this.#afterMessage = isMessage;
    return item;
  }

  /** The item an event is about; made where the provider didn't announce it. null where it is over, or of another type. */
  #itemOf(event: Fields, type: 'message' | 'reasoning'): Item | null {
    const at = place(event);
    if (this.#done.has(at)) return null;
    const item = this.#items.get(at) ?? this.#item(at, type, Fields.ofAnswer({ id: event.value.item_id }));
    return item.type === type ? item : null;
  }

  #piece(event: Fields, key: string): Piece | undefined {
    return this.#items.get(place(event))?.pieces.get(key);
  }

  // ---- messages ----

  #contentAdded(event: Fields): void {
    const content = event.object('part');
    const key = contentKey(event);
    switch (content?.string('type')) {
      case 'output_text':
        return this.#content(event, key, 'text', content);
      case 'refusal':
        return this.#content(event, key, 'refusal', content);
      case 'reasoning_text':
        return this.#thinking(event, key, false);
      default:
    }
  }

  #content(event: Fields, key: string, kind: 'text' | 'refusal', content: Fields): void {
    const item = this.#itemOf(event, 'message');
    if (item === null || item.pieces.has(key)) return;
    this.#openContent(item, key, kind).complete(content);
  }

  #openContent(item: Item, key: string, kind: 'text' | 'refusal'): Piece {
    const part: Part = { kind, text: '' };
    const members = item.pieces.size === 0 ? item.members : undefined;
    const piece = this.#pieces.open(kind, members === undefined ? part : withItem(part, members));
    item.pieces.set(key, piece);
    return piece;
  }

  #delta(event: Fields, kind: 'text' | 'refusal'): void {
    const key = contentKey(event);
    const item = this.#itemOf(event, 'message');
    if (item === null) return;
    const piece = item.pieces.get(key) ?? this.#openContent(item, key, kind);
    piece.say(event.string('delta') ?? '');
    piece.logprobs(event);
  }

  #annotation(event: Fields): void {
    const annotation = event.object('annotation');
    if (annotation !== undefined) this.#piece(event, contentKey(event))?.cite(annotation);
  }

  #contentDone(event: Fields): void {
    const piece = this.#piece(event, contentKey(event));
    const content = event.object('part');
    // The end of a reasoning text waits for the signature.
    if (piece === undefined || piece.kind === 'thinking') return;
    if (content !== undefined) piece.complete(content);
    piece.close();
  }

  // ---- reasoning ----

  /** A text of a reasoning item begins, goes on, or is repeated whole. It ends where the next begins, or with the item. */
  #thinking(event: Fields, key: string, summary: boolean): void {
    const item = this.#itemOf(event, 'reasoning');
    if (item === null) return;
    const piece = item.pieces.get(key) ?? this.#openThinking(item, key, summary);
    const delta = event.string('delta');
    if (delta === undefined) piece.complete(event.object('part') ?? event);
    else piece.say(delta);
  }

  #openThinking(item: Item, key: string, summary: boolean): Piece {
    for (const piece of item.pieces.values()) piece.close();
    const id = given('id', ownId(item.fields));
    const piece = this.#pieces.open('thinking', { kind: 'thinking', text: '', ...(summary && { summary }), ...id });
    item.pieces.set(key, piece);
    return piece;
  }

  // ---- ends ----

  #itemDone(at: number, fields: Fields | undefined): void {
    const id = fields?.string('id') ?? at;
    if (this.#done.has(at) || this.#done.has(id)) return;
    this.#done.add(at).add(id);
    const item = this.#items.get(at);
    this.#items.delete(at);
    if (item === undefined || item.pieces.size === 0) {
      if (fields !== undefined) this.#whole(fields, item);
      return;
    }
    if (fields !== undefined) this.#completeItem(item, fields);
    for (const piece of item.pieces.values()) piece.close();
  }

  #completeItem(item: Item, fields: Fields): void {
    if (item.type === 'reasoning') return this.#sign(item, fields);
    if (item.type !== 'message') return item.pieces.get(CALL)?.complete(fields);
    for (const [i, content] of fields.objects('content').entries()) {
      const kind = KINDS.get(content.string('type') ?? '');
      if (kind === undefined) continue;
      const piece = item.pieces.get(`content ${i}`) ?? this.#openContent(item, `content ${i}`, kind);
      piece.complete(content);
    }
  }

  #sign(item: Item, fields: Fields): void {
    const last = [...item.pieces.values()].at(-1);
    const read = decodeReasoning(fields, this.#context.issuer);
    if (last === undefined || !Array.isArray(read)) return;
    const signature = read.at(-1)?.signature ?? read.at(-1)?.redacted;
    if (signature !== undefined) last.sign(signature);
  }

  /** An item of which nothing was streamed. */
  #whole(fields: Fields, announced: Item | undefined): void {
    this.#start(undefined);
    const marked = announced === undefined ? this.#afterMessage : announced.members !== undefined;
    const reader = new TurnReader(this.#context.issuer, true, marked);
    reader.item(fields);
    for (const part of reader.parts) this.#pieces.whole(part);
    if (reader.logprobs.length > 0) this.#pieces.emit({ type: 'logprobs', choice: 0, logprobs: reader.logprobs });
    if (announced === undefined) this.#afterMessage = (fields.string('type') ?? 'message') === 'message';
  }

  #finish(status: string, response: Fields): void {
    this.#start(response);
    const usage = response.json('usage');
    if (status === 'failed' || status === 'cancelled') {
      if (usage !== undefined) this.#pieces.emit({ type: 'usage', usage: responsesUsage(usage) });
      const error = response.json('error') ?? { message: `The response was ${status}.` };
      return this.#fault(streamFault(error));
    }
    for (const [at, item] of response.objects('output').entries()) this.#itemDone(at, item);
    for (const at of [...this.#items.keys()]) this.#itemDone(at, this.#items.get(at)?.fields);
    const ended = Fields.ofAnswer({ ...response.value, status });
    const stop = decodeStop(ended, this.#pieces.tells) ?? { cause: 'stop', raw: status };
    const own = { ...response.rest(RESPONSE), ...given('usage', ownUsage(usage)) };
    if (Object.keys(own).length > 0) this.#pieces.emit({ type: 'extra', extra: { format: FORMAT, fields: own } });
    this.#pieces.emit({ type: 'finish', choice: 0, stop });
    if (usage !== undefined) this.#pieces.emit({ type: 'usage', usage: responsesUsage(usage) });
    this.#over = true;
    this.#pieces.emit({ type: 'end' });
  }

  #broken(message: string): void {
    this.#fault({ status: 502, message, type: '', code: '', param: '' });
  }

  #fault(fault: ProviderFault): void {
    this.#over = true;
    this.#pieces.emit({ type: 'error', fault });
  }
}

/** An event as it stands, but for its number. */
function eventOf(type: string, { value }: Fields): JsonObject | undefined {
  if (type === '' || type === 'keepalive') return undefined;
  const { sequence_number: _, obfuscation: __, ...members } = value;
  return { ...members, type };
}

/** By which an item knows its pieces. */
const CALL = 'call';

const KINDS: ReadonlyMap<string, 'text' | 'refusal'> = new Map([
  ['output_text', 'text'],
  ['refusal', 'refusal'],
]);

function contentKey(event: Fields): string {
  return `content ${event.number('content_index') ?? 0}`;
}

/** Which item of the output an event is about. */
function place(event: Fields): number {
  return event.number('output_index') ?? 0;
}
