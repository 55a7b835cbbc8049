import type { Stop, StreamPart } from '../../../../facts/answer.ts';
import type { Citation, JsonObject, OtherPart, Part, ThinkingPart } from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import { clientSignature, onlyRedacted } from '../claude/thinking.ts';
import type { Frame, ReplyContext, StreamEncoder } from '../codec.ts';
import { compact, isObject } from '../fields.ts';
import { clientName } from '../names.ts';
import { markSignature } from '../signatures.ts';
import { signatureBlocks, wrapped } from './answer.ts';
import { encodeCitation } from './citations.ts';
import { FORMAT } from './extra.ts';
import { encodeException } from './faults.ts';
import { encodeAnswerImage } from './media.ts';
import { reportOf } from './native.ts';
import { encodeStop, encodeStopSequence } from './stops.ts';

type Emit = (frame: Frame) => void;

/** A part of the answer that has begun and not ended. */
interface OpenPart {
  /** As far as it is known, without the deltas. */
  part: Part;
  /** Number of its block; -1 until there is something to say. */
  block: number;
}

/**
 * Writes a stream of events (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html) as Bedrock
 * does: blocks of text and thinking begin with their first delta, calls with an event of their own. Of several answers the first is told.
 */
export class ConverseStreamEncoder implements StreamEncoder {
  readonly #context: ReplyContext;
  readonly #open = new Map<number, OpenPart>();
  #started = false;
  #over = false;
  #blocks = 0;
  #calls = false;
  #stop: Stop | null = null;
  #usage: Usage | null = null;
  #tier: string | undefined;

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  part(part: StreamPart, emit: Emit): void {
    if (this.#over || ('choice' in part && part.choice !== 0)) return;
    switch (part.type) {
      case 'start':
        this.#tier = part.serviceTier;
        this.#start(emit);
        break;
      case 'usage':
        this.#usage = part.usage;
        break;
      case 'finish':
        this.#finish(part.stop, emit);
        break;
      case 'error':
        this.#over = true;
        emit(encodeException(part.fault));
        break;
      case 'end':
        this.#end(emit);
        break;
      case 'ping':
      case 'logprobs':
        break;
      case 'part':
        this.#begin(part.index, part.part, emit);
        break;
      default:
        this.#delta(part, emit);
    }
  }

  #start(emit: Emit): void {
    if (this.#started) return;
    this.#started = true;
    send(emit, 'messageStart', { role: 'assistant' });
  }

  #begin(index: number, part: Part, emit: Emit): void {
    this.#start(emit);
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
      case 'image': {
        const block = encodeAnswerImage(part)?.image;
        if (!isObject(block)) break;
        this.#block(open, { image: { format: block.format } }, emit);
        this.#say(open, { image: { source: block.source } }, emit);
        break;
      }
      case 'tool_call': {
        this.#calls = true;
        const { id, name, custom } = part;
        this.#block(open, { toolUse: { toolUseId: id, name: clientName(name, this.#context.request) } }, emit);
        if (custom === true) this.#json(open, '{"input":"', emit);
        this.#arguments(open, part.arguments, emit);
        break;
      }
      case 'other':
        this.#other(open, part, emit);
        break;
      default:
        break;
    }
  }

  /** A tool that Bedrock ran itself. */
  #other(open: OpenPart, { format, value }: OtherPart, emit: Emit): void {
    if (format !== FORMAT) return;
    if (isObject(value.toolUse)) {
      const { input, ...start } = value.toolUse;
      this.#block(open, { toolUse: start }, emit);
      this.#json(open, JSON.stringify(input ?? {}), emit);
    } else if (isObject(value.toolResult)) {
      const { content, ...start } = value.toolResult;
      this.#block(open, { toolResult: start }, emit);
      this.#say(open, { toolResult: content ?? [] }, emit);
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

  #block(open: OpenPart, start: JsonObject, emit: Emit): void {
    open.block = this.#blocks++;
    send(emit, 'contentBlockStart', { start, contentBlockIndex: open.block });
  }

  /** Blocks of text and thinking have no event for their start. */
  #say(open: OpenPart, delta: JsonObject, emit: Emit): void {
    if (open.block < 0) open.block = this.#blocks++;
    send(emit, 'contentBlockDelta', { delta, contentBlockIndex: open.block });
  }

  #text(open: OpenPart, text: string, emit: Emit): void {
    if (text !== '') this.#say(open, { text }, emit);
  }

  #cite(open: OpenPart, citation: Citation, emit: Emit): void {
    this.#say(open, { citation: encodeCitation(citation) }, emit);
  }

  #think(open: OpenPart, text: string, emit: Emit): void {
    if (text !== '') this.#say(open, { reasoningContent: { text } }, emit);
  }

  #arguments(open: OpenPart, text: string, emit: Emit): void {
    const custom = open.part.kind === 'tool_call' && open.part.custom === true;
    this.#json(open, custom ? JSON.stringify(text).slice(1, -1) : text, emit);
  }

  #json(open: OpenPart, input: string, emit: Emit): void {
    if (input !== '' && open.block >= 0) this.#say(open, { toolUse: { input } }, emit);
  }

  #close(open: OpenPart, emit: Emit): void {
    const { part } = open;
    if (part.kind === 'thinking') this.#sign(open, part, emit);
    if (part.kind === 'tool_call' && part.custom === true) this.#json(open, '"}', emit);
    if (open.block >= 0) send(emit, 'contentBlockStop', { contentBlockIndex: open.block });
    const signature = part.kind === 'text' || part.kind === 'tool_call' ? part.signature : undefined;
    for (const { reasoningContent } of signatureBlocks(signature)) {
      const carrier: OpenPart = { part: { kind: 'text', text: '' }, block: -1 };
      this.#say(carrier, { reasoningContent }, emit);
      send(emit, 'contentBlockStop', { contentBlockIndex: carrier.block });
    }
  }

  /** The signature of thinking comes last. */
  #sign(open: OpenPart, part: ThinkingPart, emit: Emit): void {
    const redacted = open.block < 0 ? onlyRedacted(part) : undefined;
    if (redacted !== undefined) {
      this.#say(open, { reasoningContent: { redactedContent: wrapped(markSignature(redacted)) } }, emit);
      return;
    }
    const signature = clientSignature(part);
    if (signature !== '') this.#say(open, { reasoningContent: { signature } }, emit);
  }

  #finish(stop: Stop, emit: Emit): void {
    if (this.#stop !== null) return;
    this.#stop = stop;
    this.#start(emit);
    for (const open of this.#open.values()) this.#close(open, emit);
    this.#open.clear();
    const fields = encodeStopSequence(stop, this.#context.request);
    const stopReason = encodeStop(stop, this.#calls);
    send(emit, 'messageStop', compact({ stopReason, additionalModelResponseFields: fields }));
  }

  #end(emit: Emit): void {
    this.#finish({ cause: 'stop', raw: '' }, emit);
    this.#over = true;
    send(
      emit,
      'metadata',
      compact({
        usage: this.#usage === null ? undefined : reportOf(this.#usage),
        metrics: { latencyMs: this.#context.elapsedMs?.() ?? 0 },
        serviceTier: this.#tier === undefined ? undefined : { type: this.#tier },
      }),
    );
  }
}

function send(emit: Emit, event: string, members: JsonObject): void {
  emit({ event, data: JSON.stringify(members) });
}
