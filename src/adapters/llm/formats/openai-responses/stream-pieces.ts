import type { StreamPart } from '../../../../facts/answer.ts';
import type { Part, Signature } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { decodeAnnotation, decodeLogprobs } from './annotations.ts';
import { telling } from './response.ts';

type PieceKind = 'text' | 'refusal' | 'thinking' | 'arguments';

/** Under which names whole forms have what deltas gave in pieces. */
const MEMBERS: Readonly<Record<PieceKind, readonly string[]>> = {
  text: ['text'],
  refusal: ['refusal'],
  thinking: ['text'],
  arguments: ['arguments', 'input'],
};

/** The parts of an answer that is being streamed, in the order in which they began. */
export class Pieces {
  emit: (part: StreamPart) => void = () => {};
  /** What among them tells why the answer ended. */
  readonly tells = { calls: false, refusal: false };
  #next = 0;

  open(kind: PieceKind, part: Part): Piece {
    return new Piece(this, this.#begin(part), kind, part.kind === 'tool_call' ? part.arguments.length : 0);
  }

  /** A part that came in one. */
  whole(part: Part): void {
    this.emit({ type: 'part_end', choice: 0, index: this.#begin(part) });
  }

  #begin(part: Part): number {
    const { calls, refusal } = telling([part]);
    this.tells.calls ||= calls;
    this.tells.refusal ||= refusal;
    const index = this.#next++;
    this.emit({ type: 'part', choice: 0, index, part });
    return index;
  }
}

/** One of them. What is said of it after its end is not heard. */
export class Piece {
  readonly kind: PieceKind;
  readonly #pieces: Pieces;
  readonly #index: number;
  #isOpen = true;
  /** Characters, citations and log-probabilities that were emitted. */
  #said: number;
  #citations = 0;
  #logprobs = 0;

  constructor(pieces: Pieces, index: number, kind: PieceKind, said: number) {
    this.#pieces = pieces;
    this.#index = index;
    this.kind = kind;
    this.#said = said;
  }

  say(text: string): void {
    if (!this.#isOpen || text === '') return;
    this.#said += text.length;
    const place = { choice: 0, index: this.#index };
    if (this.kind === 'arguments') this.#pieces.emit({ type: this.kind, ...place, json: text });
    else this.#pieces.emit({ type: this.kind, ...place, text });
  }

  /** The log-probabilities that an event has. */
  logprobs(event: Fields): void {
    const logprobs = decodeLogprobs(event.value);
    if (!this.#isOpen || logprobs.length === 0) return;
    this.#logprobs += logprobs.length;
    this.#pieces.emit({ type: 'logprobs', choice: 0, logprobs });
  }

  cite(annotation: Fields): void {
    if (!this.#isOpen || this.kind !== 'text') return;
    this.#citations++;
    this.#pieces.emit({ type: 'citation', choice: 0, index: this.#index, citation: decodeAnnotation(annotation) });
  }

  sign(signature: Signature): void {
    if (this.#isOpen) this.#pieces.emit({ type: 'signature', choice: 0, index: this.#index, signature });
  }

  /** What the whole form has beyond the deltas. */
  complete(whole: Fields): void {
    if (this.#said === 0) {
      this.say(MEMBERS[this.kind].map((name) => whole.string(name)).find((text) => text !== undefined) ?? '');
    }
    if (this.kind !== 'text') return;
    if (this.#logprobs === 0) this.logprobs(whole);
    for (const annotation of whole.objects('annotations').slice(this.#citations)) this.cite(annotation);
  }

  close(): void {
    if (this.#isOpen) this.#pieces.emit({ type: 'part_end', choice: 0, index: this.#index });
    this.#isOpen = false;
  }
}
