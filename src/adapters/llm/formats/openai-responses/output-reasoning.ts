import type { JsonObject, Signature, ThinkingPart } from '../../../../facts/conversation.ts';
import { markSignature } from '../signatures.ts';
import type { Output, PartWriter } from './output.ts';
import { madeUpId, ownExtra } from './own.ts';
import { continuesItem } from './thinking.ts';

/** A `reasoning` item as it is written: its texts one after the other, and then its signature. */
export class ReasoningItem {
  readonly output: Output;
  readonly item: JsonObject & { readonly summary: JsonObject[] };
  readonly index: number;
  /** The part at hand, with what was written of it. */
  #last: ThinkingPart;
  #open = false;

  constructor(output: Output, first: ThinkingPart) {
    this.output = output;
    this.#last = first;
    const { redacted } = first;
    this.item = {
      id: first.id ?? madeUpId('rs'),
      type: 'reasoning',
      summary: [],
      ...(redacted && { encrypted_content: this.#seal(redacted) }),
      ...ownExtra(first),
    };
    this.index = output.add(this.item);
  }

  get idle(): boolean {
    return !this.#open;
  }

  /** True where `part` belongs into this item. */
  takes(part: ThinkingPart): boolean {
    return this.idle && continuesItem(this.#last, part);
  }

  begin(part: ThinkingPart): ThinkingWriter {
    this.#open = true;
    this.#last = part;
    return new ThinkingWriter(this, part.summary === true);
  }

  ended(text: string, signature: Signature | undefined): void {
    this.#open = false;
    this.#last = { ...this.#last, text, ...(signature && { signature }) };
    if (signature === undefined) return this.output.idle(this);
    this.item.encrypted_content = this.#seal(signature);
    this.output.leave(this);
  }

  close(): void {
    this.output.close(this.index, undefined);
  }

  #seal(signature: Signature): string {
    const text = markSignature(signature);
    this.output.hold(text);
    return text;
  }
}

/** One text of it: a `summary_text` or a `reasoning_text`. */
class ThinkingWriter implements PartWriter {
  readonly #reasoning: ReasoningItem;
  readonly #isSummary: boolean;
  #entry: JsonObject | null = null;
  #place: JsonObject = {};
  #text = '';
  #signature: Signature | undefined;

  constructor(reasoning: ReasoningItem, isSummary: boolean) {
    this.#reasoning = reasoning;
    this.#isSummary = isSummary;
  }

  write(delta: string): void {
    const { output } = this.#reasoning;
    const entry = this.#entry ?? this.#begin();
    if (delta === '') return;
    output.hold(delta);
    this.#text += delta;
    entry.text = this.#text;
    const type = this.#isSummary ? 'response.reasoning_summary_text.delta' : 'response.reasoning_text.delta';
    output.event(type, { ...this.#place, delta });
  }

  cite(): void {}

  sign(signature: Signature): void {
    this.#signature = signature;
  }

  end(): void {
    // Signed but empty thinking is told from what is redacted by a text of its own.
    if (this.#entry === null && this.#signature !== undefined) this.write('');
    if (this.#entry !== null) this.#end(this.#entry);
    this.#reasoning.ended(this.#text, this.#signature);
  }

  /** Only now: thinking that is kept secret has no text. */
  #begin(): JsonObject {
    const { output, item, index } = this.#reasoning;
    const entry: JsonObject = { type: this.#isSummary ? 'summary_text' : 'reasoning_text', text: '' };
    this.#entry = entry;
    const place = { item_id: item.id, output_index: index };
    if (this.#isSummary) {
      this.#place = { ...place, summary_index: item.summary.push(entry) - 1 };
      output.event('response.reasoning_summary_part.added', { ...this.#place, part: entry });
    } else {
      item.content ??= [];
      this.#place = { ...place, content_index: (item.content as JsonObject[]).push(entry) - 1 };
      output.event('response.content_part.added', { ...this.#place, part: entry });
    }
    return entry;
  }

  #end(entry: JsonObject): void {
    const { output } = this.#reasoning;
    const [textDone, partDone] = this.#isSummary
      ? ['response.reasoning_summary_text.done', 'response.reasoning_summary_part.done']
      : ['response.reasoning_text.done', 'response.content_part.done'];
    output.event(textDone as string, { ...this.#place, text: this.#text });
    output.event(partDone as string, { ...this.#place, part: entry });
  }
}
