import type { StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject, Part } from '../../../../facts/conversation.ts';
import { BlockStreamEncoder, type BlockWords, type Emit, type Piece } from '../claude/block-stream.ts';
import { carriedSignature } from '../claude/thinking.ts';
import type { Frame, ReplyContext } from '../codec.ts';
import { encodeTier, encodeUsage, messageId } from './answer.ts';
import { encodeCitation } from './citations.ts';
import { type ClientSide, encodePart } from './encode-parts.ts';
import { encodeFault } from './faults.ts';
import { FORMAT } from './own.ts';
import { encodeStop } from './stops.ts';

/** Writes a stream of events (https://docs.anthropic.com/en/api/messages-streaming). */
export class MessagesStreamEncoder extends BlockStreamEncoder {
  readonly #context: ReplyContext;

  constructor(context: ReplyContext) {
    super(wordsFor({ to: 'client', request: context.request }));
    this.#context = context;
  }

  protected begin(start: Extract<StreamPart, { type: 'start' }> | null, emit: Emit): void {
    send(emit, 'message_start', {
      message: {
        id: messageId(start?.id ?? ''),
        type: 'message',
        role: 'assistant',
        model: start?.model || this.#context.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...encodeUsage(null), ...encodeTier(start?.serviceTier) },
      },
    });
  }

  protected blockStart(index: number, block: JsonObject, emit: Emit): void {
    send(emit, 'content_block_start', { index, content_block: block });
  }

  protected blockDelta(index: number, delta: JsonObject, emit: Emit): void {
    send(emit, 'content_block_delta', { index, delta });
  }

  protected blockStop(index: number, emit: Emit): void {
    send(emit, 'content_block_stop', { index });
  }

  protected override ping(emit: Emit): void {
    send(emit, 'ping', {});
  }

  protected fault({ fault }: Extract<StreamPart, { type: 'error' }>): Frame {
    return { event: 'error', data: JSON.stringify(encodeFault(fault).body) };
  }

  /** The reason goes out with the counts, which may still come. */
  protected finished(): void {}

  protected ended(emit: Emit): void {
    const delta = encodeStop(this.stop ?? { cause: 'stop', raw: '' }, this.calls);
    send(emit, 'message_delta', { delta, usage: encodeUsage(this.usage) });
    send(emit, 'message_stop', {});
  }
}

const TEXT = { type: 'text', text: '' };
const THINKING = { type: 'thinking', thinking: '', signature: '' };

function wordsFor(side: ClientSide): BlockWords {
  const blockOf = (part: Part): JsonObject => encodePart(part, side)[0] ?? {};
  return {
    text: (text) => ({ block: TEXT, delta: { type: 'text_delta', text } }),
    thinking: (thinking) => ({ block: THINKING, delta: { type: 'thinking_delta', thinking } }),
    signature: (signature) => ({ block: THINKING, delta: { type: 'signature_delta', signature } }),
    redacted: (part) => ({ block: blockOf(part), delta: null }),
    carried: (signature) => ({ block: carriedSignature(signature), delta: null }),
    citation(citation) {
      const encoded = encodeCitation(citation, true);
      return encoded === null ? null : { block: TEXT, delta: { type: 'citations_delta', citation: encoded } };
    },
    call: (part) => blockOf({ ...part, arguments: '', custom: false }),
    arguments: argumentsDelta,
    whole: (part) => (part.kind === 'other' && part.format === FORMAT ? ownBlock(part.value) : null),
  };
}

/** A provider's own tool: its input follows the block, as a call's does. */
function ownBlock(value: JsonObject): Piece {
  const { type, input } = value;
  const calls = typeof type === 'string' && type.endsWith('tool_use') && input !== undefined;
  return calls
    ? { block: { ...value, input: {} }, delta: argumentsDelta(JSON.stringify(input)) }
    : { block: value, delta: null };
}

function argumentsDelta(partial_json: string): JsonObject {
  return { type: 'input_json_delta', partial_json };
}

function send(emit: Emit, event: string, members: JsonObject): void {
  emit({ event, data: JSON.stringify({ type: event, ...members }) });
}
