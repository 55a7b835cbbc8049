import type { ProviderFault, Stop, StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import type { Frame, ReplyContext, StreamEncoder } from '../codec.ts';
import { isObject } from '../fields.ts';
import { withUncounted } from '../uncounted.ts';
import { failureCode } from './faults.ts';
import { Output, type PartWriter } from './output.ts';
import { ownExtra } from './own.ts';
import { encodeStop, encodeUsage, responseObject } from './response.ts';

/**
 * Streams (https://platform.openai.com/docs/api-reference/responses-streaming). Deltas go out as they come; what is repeated whole in
 * `.done` events and in the response at the end is kept, within the limit.
 */
export class ResponsesStreamEncoder implements StreamEncoder {
  readonly #context: ReplyContext;
  readonly #output: Output;
  readonly #writers = new Map<number, PartWriter>();
  #emit: (frame: Frame) => void = () => {};
  #sequence = 0;
  #response: JsonObject | null = null;
  #stop: Stop | null = null;
  #usage: Usage | null = null;
  /** What only this format knows of the response; and what hides the length of the next event. */
  #own: JsonObject = {};
  #padding: unknown;
  #over = false;

  constructor(context: ReplyContext) {
    this.#context = context;
    this.#output = new Output(context.request, context.maxHeldBytes, (type, members) => this.#event(type, members));
  }

  /** Throws `TooMuchToHold`. */
  part(part: StreamPart, emit: (frame: Frame) => void): void {
    // The format has one choice; no client of it asks for more.
    if (this.#over || ('choice' in part && (part.choice ?? 0) !== 0)) return;
    this.#emit = emit;
    if (part.type === 'ping' && this.#response === null) return;
    if (part.type === 'start') this.#start(part);
    else {
      this.#start({ id: '', model: '', created: 0 });
      this.#step(part);
    }
  }

  #step(part: Exclude<StreamPart, { type: 'start' }>): void {
    switch (part.type) {
      case 'part': {
        const writer = this.#output.begin(part.part);
        if (writer !== null) this.#writers.set(part.index, writer);
        return;
      }
      case 'text':
      case 'thinking':
      case 'refusal':
        this.#writers.get(part.index)?.write(part.text);
        return;
      case 'arguments':
        this.#writers.get(part.index)?.write(part.json);
        return;
      case 'audio':
        if (part.transcript !== '') this.#writers.get(part.index)?.write(part.transcript);
        return;
      case 'signature':
        this.#writers.get(part.index)?.sign(part.signature);
        return;
      case 'citation':
        this.#writers.get(part.index)?.cite(part.citation);
        return;
      case 'logprobs':
        this.#output.logprobs(part.logprobs);
        return;
      case 'part_end':
        this.#writers.get(part.index)?.end();
        this.#writers.delete(part.index);
        return;
      case 'finish':
        this.#stop = part.stop;
        return;
      case 'usage':
        this.#usage = part.usage;
        return;
      case 'ping':
        this.#ping(ownExtra(part));
        return;
      case 'extra':
        if (part.choice === undefined) this.#own = { ...this.#own, ...ownExtra(part) };
        else this.#padding = ownExtra(part).obfuscation;
        return;
      case 'error':
        this.#fail(part.fault);
        return;
      case 'end':
        this.#end();
    }
  }

  #start(head: Omit<StreamPart & { type: 'start' }, 'type'>): void {
    if (this.#response !== null) return;
    const { usage, ...own } = ownExtra(head);
    if (usage !== undefined) this.#own = { usage };
    this.#response = { ...responseObject(head, this.#context), ...own };
    this.#event('response.created', { response: this.#response });
    this.#event('response.in_progress', { response: this.#response });
  }

  /** An event of a built-in tool, or one that is known to this format alone, goes out as it came. */
  #ping({ type, item, ...members }: JsonObject): void {
    if (typeof type !== 'string') return this.#event('keepalive', {});
    if (type === 'response.output_item.added' && isObject(item)) return this.#output.announce(item);
    const at = this.#output.announced(members.item_id);
    this.#event(type, {
      ...members,
      ...(item !== undefined && { item }),
      ...(at !== undefined && { output_index: at }),
    });
  }

  #end(): void {
    const stop = encodeStop(this.#stop);
    this.#output.settle(stop.status === 'incomplete');
    const completedAt = stop.status === 'completed' ? Math.max(this.#context.now, this.#created()) : null;
    this.#finish(stop.status, { ...stop, completed_at: completedAt });
  }

  #created(): number {
    return Number(this.#response?.created_at);
  }

  /** What was said so far stands in the response as far as it came. */
  #fail(fault: ProviderFault): void {
    const { message, code, param } = fault;
    this.#event('error', { code: code || failureCode(fault), message, param: param || null });
    for (const item of this.#output.items) if (item.status === 'in_progress') item.status = 'incomplete';
    this.#finish('failed', { status: 'failed', error: { code: failureCode(fault), message } });
  }

  #finish(status: string, members: JsonObject): void {
    this.#over = true;
    const { usage: ownUsage, ...own } = this.#own;
    const usage = this.#usage && withUncounted(encodeUsage(this.#usage), ownUsage);
    this.#event(`response.${status}`, {
      response: { ...this.#response, ...members, ...own, output: this.#output.items, usage },
    });
  }

  #event(type: string, members: JsonObject): void {
    const event: JsonObject = { type, sequence_number: this.#sequence++, ...members };
    if (this.#padding !== undefined) {
      event.obfuscation = this.#padding;
      this.#padding = undefined;
    }
    this.#emit({ event: type, data: JSON.stringify(event) });
  }
}
