import type { Stop, StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject, Part, ThinkingPart } from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import { carriedSignature, clientSignature, onlyRedacted } from '../claude/thinking.ts';
import type { Frame, ReplyContext, StreamEncoder } from '../codec.ts';
import { encodeTier, encodeUsage, messageId } from './answer.ts';
import { encodeCitation } from './citations.ts';
import { type ClientSide, encodePart } from './encode-parts.ts';
import { encodeFault } from './faults.ts';
import { FORMAT } from './own.ts';
import { encodeStop } from './stops.ts';

type Emit = (frame: Frame) => void;

/** A part of the answer that has begun and not ended. */
interface OpenPart {
  /** As far as it is known, without the deltas. */
  part: Part;
  /** Number of its block; -1 until there is something to say. */
  block: number;
}

/**
 * Writes a stream of events (https://docs.anthropic.com/en/api/messages-streaming). A block begins with the first that it has to say:
 * empty ones are refused when the client sends them back. Of several answers the first is told.
 */
export class MessagesStreamEncoder implements StreamEncoder {
  readonly #context: ReplyContext;
  readonly #side: ClientSide;
  readonly #open = new Map<number, OpenPart>();
  #started = false;
  #over = false;
  #blocks = 0;
  #calls = false;
  #stop: Stop | null = null;
  #usage: Usage | null = null;

  constructor(context: ReplyContext) {
    this.#context = context;
    this.#side = { to: 'client', request: context.request };
  }

  part(part: StreamPart, emit: Emit): void {
    if (this.#over || ('choice' in part && part.choice !== 0)) return;
    switch (part.type) {
      case 'start':
        this.#start(part, emit);
        break;
      case 'usage':
        this.#usage = part.usage;
        break;
      case 'ping':
        if (this.#started) send(emit, 'ping', {});
        break;
      case 'finish':
        this.#stop ??= part.stop;
        break;
      case 'error':
        this.#over = true;
        emit({ event: 'error', data: JSON.stringify(encodeFault(part.fault).body) });
        break;
      case 'end':
        this.#end(emit);
        break;
      case 'logprobs':
        break;
      case 'part':
        this.#begin(part.index, part.part, emit);
        break;
      default:
        this.#delta(part, emit);
    }
  }

  #start({ id, model, serviceTier }: { id: string; model: string; serviceTier?: string }, emit: Emit): void {
    if (this.#started) return;
    this.#started = true;
    send(emit, 'message_start', {
      message: {
        id: messageId(id),
        type: 'message',
        role: 'assistant',
        model: model || this.#context.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...encodeUsage(null), ...encodeTier(serviceTier) },
      },
    });
  }

  #begin(index: number, part: Part, emit: Emit): void {
    if (!this.#started) this.#start({ id: '', model: '' }, emit);
    const open: OpenPart = { part, block: -1 };
    this.#open.set(index, open);
    switch (part.kind) {
      case 'text':
      case 'refusal':
        if (part.text !== '') this.#text(open, part.text, emit);
        if (part.kind === 'text') for (const citation of part.citations ?? []) this.#cite(open, citation, emit);
        break;
      case 'thinking':
        if (part.text !== '') this.#think(open, part.text, emit);
        break;
      case 'audio':
        if (part.transcript) this.#text(open, part.transcript, emit);
        break;
      case 'tool_call': {
        this.#calls = true;
        const [block] = encodePart({ ...part, arguments: '', custom: false }, this.#side);
        this.#block(open, block ?? {}, emit);
        if (part.custom === true) this.#json(open, '{"input":"', emit);
        if (part.arguments !== '') this.#arguments(open, part.arguments, emit);
        break;
      }
      case 'other':
        if (part.format === FORMAT) this.#other(open, part.value, emit);
        break;
      default:
        break;
    }
  }

  /** A provider's own tool: its input follows the block, as a call's does. */
  #other(open: OpenPart, value: JsonObject, emit: Emit): void {
    const { input } = value;
    const calls = typeof value.type === 'string' && value.type.endsWith('tool_use') && input !== undefined;
    this.#block(open, calls ? { ...value, input: {} } : value, emit);
    if (calls) this.#json(open, JSON.stringify(input), emit);
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

  #block(open: OpenPart, block: JsonObject, emit: Emit): void {
    open.block = this.#blocks++;
    send(emit, 'content_block_start', { index: open.block, content_block: block });
  }

  #text(open: OpenPart, text: string, emit: Emit): void {
    if (text === '') return;
    if (open.block < 0) this.#block(open, { type: 'text', text: '' }, emit);
    deltaOf(emit, open, { type: 'text_delta', text });
  }

  #cite(open: OpenPart, citation: Parameters<typeof encodeCitation>[0], emit: Emit): void {
    const encoded = encodeCitation(citation, true);
    if (encoded === null) return;
    if (open.block < 0) this.#block(open, { type: 'text', text: '' }, emit);
    deltaOf(emit, open, { type: 'citations_delta', citation: encoded });
  }

  #think(open: OpenPart, thinking: string, emit: Emit): void {
    if (thinking === '') return;
    if (open.block < 0) this.#block(open, { type: 'thinking', thinking: '', signature: '' }, emit);
    deltaOf(emit, open, { type: 'thinking_delta', thinking });
  }

  #arguments(open: OpenPart, text: string, emit: Emit): void {
    if (open.block < 0) return;
    const custom = open.part.kind === 'tool_call' && open.part.custom === true;
    this.#json(open, custom ? JSON.stringify(text).slice(1, -1) : text, emit);
  }

  #json(open: OpenPart, partial_json: string, emit: Emit): void {
    if (partial_json !== '') deltaOf(emit, open, { type: 'input_json_delta', partial_json });
  }

  #close(open: OpenPart, emit: Emit): void {
    const { part } = open;
    if (part.kind === 'thinking') this.#sign(open, part, emit);
    if (part.kind === 'tool_call' && part.custom === true) this.#json(open, '"}', emit);
    if (open.block < 0) return;
    send(emit, 'content_block_stop', { index: open.block });
    const signature = part.kind === 'text' || part.kind === 'tool_call' ? part.signature : undefined;
    if (signature !== undefined) this.#alone(carriedSignature(signature), emit);
  }

  /** The signature of thinking comes last. */
  #sign(open: OpenPart, part: ThinkingPart, emit: Emit): void {
    const redacted = open.block < 0 ? onlyRedacted(part) : undefined;
    if (redacted !== undefined) {
      const [block] = encodePart(part, this.#side);
      this.#block(open, block ?? {}, emit);
      return;
    }
    const signature = clientSignature(part);
    if (signature === '') return;
    if (open.block < 0) this.#block(open, { type: 'thinking', thinking: '', signature: '' }, emit);
    deltaOf(emit, open, { type: 'signature_delta', signature });
  }

  #alone(block: JsonObject, emit: Emit): void {
    const open: OpenPart = { part: { kind: 'text', text: '' }, block: -1 };
    this.#block(open, block, emit);
    send(emit, 'content_block_stop', { index: open.block });
  }

  #end(emit: Emit): void {
    this.#over = true;
    if (!this.#started) this.#start({ id: '', model: '' }, emit);
    for (const open of this.#open.values()) this.#close(open, emit);
    const delta = encodeStop(this.#stop ?? { cause: 'stop', raw: '' }, this.#calls);
    send(emit, 'message_delta', { delta, usage: encodeUsage(this.#usage) });
    send(emit, 'message_stop', {});
  }
}

function deltaOf(emit: Emit, { block }: OpenPart, delta: JsonObject): void {
  send(emit, 'content_block_delta', { index: block, delta });
}

function send(emit: Emit, event: string, members: JsonObject): void {
  emit({ event, data: JSON.stringify({ type: event, ...members }) });
}
