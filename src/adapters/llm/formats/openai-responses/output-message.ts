import type { Citation, JsonObject, Signature } from '../../../../facts/conversation.ts';
import { encodeAnnotation } from './annotations.ts';
import type { Output, PartWriter } from './output.ts';
import { madeUpId } from './own.ts';

/** A `message` item as it is written: its pieces one after the other, or side by side. */
export class MessageItem {
  readonly #output: Output;
  readonly #item: JsonObject;
  readonly #index: number;
  readonly #content: JsonObject[] = [];
  #open = 0;

  /** `members`: what the message says beside its content. */
  constructor(output: Output, members: JsonObject = {}) {
    this.#output = output;
    this.#item = {
      id: madeUpId('msg'),
      type: 'message',
      status: 'in_progress',
      role: 'assistant',
      content: this.#content,
      ...members,
    };
    this.#index = output.add(this.#item);
  }

  /** True while no piece of it is being written. */
  get idle(): boolean {
    return this.#open === 0;
  }

  begin(content: JsonObject): ContentWriter {
    this.#open++;
    const place = {
      item_id: this.#item.id,
      output_index: this.#index,
      content_index: this.#content.push(content) - 1,
    };
    return new ContentWriter(this, this.#output, content, place);
  }

  ended(): void {
    this.#open--;
    this.#output.idle(this);
  }

  close(status: string): void {
    this.#output.close(this.#index, status);
  }
}

/** One `output_text` or `refusal`. */
export class ContentWriter implements PartWriter {
  readonly #message: MessageItem;
  readonly #output: Output;
  readonly #content: JsonObject;
  readonly #place: JsonObject;
  readonly #member: 'text' | 'refusal';
  #text = '';
  #signature: Signature | undefined;
  open = true;

  constructor(message: MessageItem, output: Output, content: JsonObject, place: JsonObject) {
    this.#message = message;
    this.#output = output;
    this.#content = content;
    this.#place = place;
    this.#member = content.type === 'refusal' ? 'refusal' : 'text';
    output.event('response.content_part.added', { ...place, part: content });
  }

  get isText(): boolean {
    return this.#member === 'text';
  }

  write(delta: string, logprobs: readonly JsonObject[] = []): void {
    this.#output.hold(delta);
    this.#text += delta;
    this.#content[this.#member] = this.#text;
    if (this.isText) {
      const all = [...this.#output.takeLogprobs(), ...logprobs];
      this.keepLogprobs(all);
      this.#output.event('response.output_text.delta', { ...this.#place, delta, logprobs: all });
    } else this.#output.event('response.refusal.delta', { ...this.#place, delta });
  }

  keepLogprobs(logprobs: readonly JsonObject[]): void {
    if (logprobs.length > 0) (this.#content.logprobs as JsonObject[]).push(...logprobs);
  }

  cite(citation: Citation): void {
    if (!this.isText) return;
    const annotation = encodeAnnotation(citation, this.#text.length);
    this.#output.hold(JSON.stringify(annotation));
    const annotations = this.#content.annotations as JsonObject[];
    const annotationIndex = annotations.push(annotation) - 1;
    this.#output.event('response.output_text.annotation.added', {
      ...this.#place,
      annotation_index: annotationIndex,
      annotation,
    });
  }

  sign(signature: Signature): void {
    this.#signature = signature;
  }

  end(): void {
    this.open = false;
    const said = this.isText ? { text: this.#text, logprobs: this.#content.logprobs } : { refusal: this.#text };
    this.#output.event(this.isText ? 'response.output_text.done' : 'response.refusal.done', {
      ...this.#place,
      ...said,
    });
    this.#output.event('response.content_part.done', { ...this.#place, part: this.#content });
    this.#message.ended();
    if (this.#signature !== undefined) this.#output.attach(this.#signature, '');
  }
}
