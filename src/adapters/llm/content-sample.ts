import type { AdapterServices } from '../adapter.ts';
import { isObject, parseObject } from './formats/fields.ts';
import { eventData } from './sse.ts';

/** Bytes of a stream's first pieces that are kept: enough to see how much a provider puts into one. */
const MAX_BYTES = 4096;
const MAX_DEPTH = 16;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;

/** Members that hold a piece of an answer, in all formats. */
const TEXTS = new Set([
  ...['content', 'text', 'delta', 'refusal', 'thinking', 'reasoning', 'reasoning_content', 'generation', 'outputText'],
  ...['arguments', 'partial_json', 'input', 'args'],
]);

/**
 * The first pieces of a streamed answer, by which the tokens of all are estimated where the provider's count never comes: some providers
 * send a token a piece, others dozens.
 */
export class ContentSample {
  readonly #pieces: (Buffer | string)[] = [];
  #bytes = 0;

  /** Pieces kept. */
  get size(): number {
    return this.#pieces.length;
  }

  get full(): boolean {
    return this.#bytes >= MAX_BYTES;
  }

  /** An event with its piece, `bytes[start, end)`: server-sent, or JSON alone. */
  add(bytes: Buffer, start: number, end: number): void {
    if (this.full) return;
    this.#bytes += end - start;
    if (end - start <= MAX_BYTES) this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  /** The text of a piece. */
  addText(text: string): void {
    if (this.full) return;
    this.#bytes += text.length;
    this.#pieces.push(text.slice(0, MAX_BYTES));
  }

  /** Tokens of so many pieces, counted off the event loop; one each, where no text was found in them. Never rejects. */
  async estimate(pieces: number, model: string, services: AdapterServices): Promise<number> {
    const texts = this.#pieces.flatMap((piece) => (typeof piece === 'string' ? [piece] : textsOf(piece)));
    const text = texts.join('');
    if (text === '') return pieces;
    const { tokens } = await services.countTokens([text], model);
    return Math.ceil((tokens * pieces) / this.#pieces.length);
  }
}

function textsOf(event: Buffer): string[] {
  const first = event[0];
  const data = first === OPEN_BRACE || first === OPEN_BRACKET ? event : eventData(event, 0, event.length);
  const texts: string[] = [];
  collect(parseObject(`{"content":${data.toString('utf8')}}`), false, 0, texts);
  return texts;
}

function collect(value: unknown, counts: boolean, depth: number, texts: string[]): void {
  if (depth > MAX_DEPTH) return;
  if (typeof value === 'string') {
    if (counts) texts.push(value);
  } else if (Array.isArray(value)) for (const item of value) collect(item, counts, depth + 1, texts);
  else if (isObject(value))
    for (const [name, inner] of Object.entries(value)) collect(inner, TEXTS.has(name), depth + 1, texts);
}
