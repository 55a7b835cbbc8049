import type { Stop, StreamPart } from '../../../../facts/answer.ts';
import type {
  Citation,
  Extra,
  JsonObject,
  Part,
  Signature,
  ThinkingPart,
  ToolCallPart,
} from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import type { Frame, StreamEncoder } from '../codec.ts';
import { clientSignature, isBare, onlyRedacted } from './thinking.ts';

export type Emit = (frame: Frame) => void;

/** A piece of a block as it goes out: the block that begins it (null: its first delta does), and a delta (null: there is none). */
export interface Piece {
  readonly block: JsonObject | null;
  readonly delta: JsonObject | null;
}

/** A format's words for what blocks say. */
export interface BlockWords {
  text(text: string): Piece;
  thinking(text: string): Piece;
  signature(text: string): Piece;
  /** Thinking that can't be read. */
  redacted(part: ThinkingPart, data: Signature): Piece;
  /** A block of its own that carries the signature of the part before it. */
  carried(signature: Signature): Piece;
  /** null where the format has no word for it. */
  citation(citation: Citation): Piece | null;
  call(part: ToolCallPart): JsonObject;
  arguments(json: string): JsonObject;
  /** A part that comes whole; null where the format can't say it. */
  whole(part: Part): Piece | null;
}

/** A part of the answer that has begun and not ended. */
interface OpenPart {
  /** As far as it is known, without the deltas. */
  part: Part;
  /** Number of its block; -1 until there is something to say. */
  block: number;
}

/**
 * Writes an answer as numbered blocks, as Anthropic and Bedrock stream it. A block begins with the first that it has to say: empty ones are
 * refused when the client sends them back. Of several answers the first is told.
 */
export abstract class BlockStreamEncoder implements StreamEncoder {
  readonly #words: BlockWords;
  readonly #open = new Map<number, OpenPart>();
  #over = false;
  #blocks = 0;
  #started = false;
  /** The answer has tool calls. */
  protected calls = false;
  protected stop: Stop | null = null;
  protected usage: Usage | null = null;

  constructor(words: BlockWords) {
    this.#words = words;
  }

  /** Begins the answer, once: `start` null where the provider's own start didn't come. */
  protected abstract begin(start: Extract<StreamPart, { type: 'start' }> | null, emit: Emit): void;
  protected abstract blockStart(index: number, block: JsonObject, emit: Emit): void;
  protected abstract blockDelta(index: number, delta: JsonObject, emit: Emit): void;
  protected abstract blockStop(index: number, emit: Emit): void;
  protected abstract fault(part: Extract<StreamPart, { type: 'error' }>): Frame;
  /** The provider said why it stopped, once; `stop` holds it. Its parts have ended or will. */
  protected abstract finished(emit: Emit): void;
  protected abstract ended(emit: Emit): void;
  protected ping(_emit: Emit): void {}
  /** What only one format knows, of the choice or of the whole answer. */
  protected extra(_extra: Extra, _ofChoice: boolean): void {}

  part(part: StreamPart, emit: Emit): void {
    if (this.#over || ('choice' in part && (part.choice ?? 0) !== 0)) return;
    switch (part.type) {
      case 'start':
        this.#begin(part, emit);
        break;
      case 'usage':
        this.usage = part.usage;
        break;
      case 'ping':
        if (this.#started) this.ping(emit);
        break;
      case 'finish':
        this.#finish(part.stop, emit);
        break;
      case 'error':
        this.#over = true;
        emit(this.fault(part));
        break;
      case 'end':
        this.#begin(null, emit);
        this.closeAll(emit);
        this.#over = true;
        this.ended(emit);
        break;
      case 'logprobs':
        break;
      case 'extra':
        this.extra(part.extra, part.choice !== undefined);
        break;
      case 'part':
        this.#begin(null, emit);
        this.#part(part.index, part.part, emit);
        break;
      default:
        this.#delta(part, emit);
    }
  }

  /** Ends the blocks that are open. */
  protected closeAll(emit: Emit): void {
    for (const open of this.#open.values()) this.#close(open, emit);
    this.#open.clear();
  }

  #begin(start: Extract<StreamPart, { type: 'start' }> | null, emit: Emit): void {
    if (this.#started) return;
    this.#started = true;
    this.begin(start, emit);
  }

  #finish(stop: Stop, emit: Emit): void {
    if (this.stop !== null) return;
    this.#begin(null, emit);
    this.stop = stop;
    this.finished(emit);
  }

  #part(index: number, part: Part, emit: Emit): void {
    const open: OpenPart = { part, block: -1 };
    this.#open.set(index, open);
    switch (part.kind) {
      case 'text':
      case 'refusal':
        this.#text(open, part.text, emit);
        if (part.kind === 'text') for (const citation of part.citations ?? []) this.#cite(open, citation, emit);
        break;
      case 'thinking':
        this.#think(open, part.text, emit);
        break;
      case 'audio':
        this.#text(open, part.transcript ?? '', emit);
        break;
      case 'tool_call':
        this.calls = true;
        this.#say(open, { block: this.#words.call(part), delta: null }, emit);
        if (part.custom === true) this.#json(open, '{"input":"', emit);
        this.#arguments(open, part.arguments, emit);
        break;
      default: {
        const whole = this.#words.whole(part);
        if (whole !== null) this.#say(open, whole, emit);
      }
    }
  }

  #delta(part: StreamPart & { readonly index: number }, emit: Emit): void {
    const open = this.#open.get(part.index);
    if (open === undefined) return;
    switch (part.type) {
      case 'text':
      case 'refusal':
        this.#text(open, part.text, emit);
        break;
      case 'audio':
        this.#text(open, part.transcript, emit);
        break;
      case 'thinking':
        this.#think(open, part.text, emit);
        break;
      case 'arguments':
        this.#arguments(open, part.json, emit);
        break;
      case 'citation':
        this.#cite(open, part.citation, emit);
        break;
      case 'signature':
        open.part = { ...open.part, signature: part.signature } as Part;
        break;
      case 'part_end':
        this.#open.delete(part.index);
        this.#close(open, emit);
        break;
      default:
        break;
    }
  }

  #say(open: OpenPart, { block, delta }: Piece, emit: Emit): void {
    if (open.block < 0) {
      open.block = this.#blocks++;
      if (block !== null) this.blockStart(open.block, block, emit);
    }
    if (delta !== null) this.blockDelta(open.block, delta, emit);
  }

  #text(open: OpenPart, text: string, emit: Emit): void {
    if (text !== '') this.#say(open, this.#words.text(text), emit);
  }

  #think(open: OpenPart, text: string, emit: Emit): void {
    if (text !== '') this.#say(open, this.#words.thinking(text), emit);
  }

  #cite(open: OpenPart, citation: Citation, emit: Emit): void {
    const piece = this.#words.citation(citation);
    if (piece !== null) this.#say(open, piece, emit);
  }

  /** Free text is the string in an object's one member. */
  #arguments(open: OpenPart, text: string, emit: Emit): void {
    const custom = open.part.kind === 'tool_call' && open.part.custom === true;
    this.#json(open, custom ? JSON.stringify(text).slice(1, -1) : text, emit);
  }

  #json(open: OpenPart, json: string, emit: Emit): void {
    if (json !== '' && open.block >= 0) this.blockDelta(open.block, this.#words.arguments(json), emit);
  }

  #close(open: OpenPart, emit: Emit): void {
    const { part } = open;
    if (part.kind === 'thinking') this.#sign(open, part, emit);
    if (part.kind === 'tool_call' && part.custom === true) this.#json(open, '"}', emit);
    if (open.block >= 0) this.blockStop(open.block, emit);
    const signature = part.kind === 'text' || part.kind === 'tool_call' ? part.signature : undefined;
    if (signature === undefined) return;
    const carrier: OpenPart = { part: { kind: 'text', text: '' }, block: -1 };
    this.#say(carrier, this.#words.carried(signature), emit);
    this.blockStop(carrier.block, emit);
  }

  /** The signature of thinking comes last. */
  #sign(open: OpenPart, part: ThinkingPart, emit: Emit): void {
    const redacted = open.block < 0 ? onlyRedacted(part) : undefined;
    if (redacted !== undefined) {
      this.#say(open, this.#words.redacted(part, redacted), emit);
      return;
    }
    if (open.block >= 0 || !isBare(part)) this.#say(open, this.#words.signature(clientSignature(part)), emit);
  }
}
