import type { StreamPart } from '../../../../facts/answer.ts';
import type { Extra, JsonObject, Part } from '../../../../facts/conversation.ts';
import { BlockStreamEncoder, type BlockWords, type Emit, type Piece } from '../claude/block-stream.ts';
import { carriedSignature } from '../claude/thinking.ts';
import type { Frame, ReplyContext } from '../codec.ts';
import { optional } from '../fields.ts';
import { withUncounted } from '../uncounted.ts';
import { encodeTier, encodeUsage, messageId } from './answer.ts';
import { encodeCitation } from './citations.ts';
import { type ClientSide, encodePart } from './encode-parts.ts';
import { encodeFault } from './faults.ts';
import { FORMAT, ownFields } from './own.ts';
import { encodeStop } from './stops.ts';

/** Writes a stream of events (https://docs.anthropic.com/en/api/messages-streaming). */
export class MessagesStreamEncoder extends BlockStreamEncoder {
  readonly #context: ReplyContext;
  /** What only this format knows of the answer, and of its end, that is still to be told. */
  #own: JsonObject = {};
  #ownEnd: JsonObject = {};

  constructor(context: ReplyContext) {
    super(wordsFor({ to: 'client', request: context.request }));
    this.#context = context;
  }

  protected begin(start: Extract<StreamPart, { type: 'start' }> | null, emit: Emit): void {
    const { usage, ...own } = ownFields(start?.extra) ?? {};
    send(emit, 'message_start', {
      message: {
        id: messageId(start?.id ?? ''),
        type: 'message',
        role: 'assistant',
        model: start?.model || this.#context.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: withUncounted({ ...encodeUsage(null), ...encodeTier(start?.serviceTier) }, usage),
        ...own,
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

  protected override extra(extra: Extra, ofChoice: boolean): void {
    const fields = ownFields(extra);
    if (ofChoice) this.#ownEnd = { ...this.#ownEnd, ...fields };
    else this.#own = { ...this.#own, ...fields };
  }

  protected fault({ fault }: Extract<StreamPart, { type: 'error' }>): Frame {
    return { event: 'error', data: JSON.stringify(encodeFault(fault).body) };
  }

  /** The reason goes out with the counts, which may still come. */
  protected finished(): void {}

  protected ended(emit: Emit): void {
    const { usage, container, ...own } = this.#own;
    const stop = encodeStop(this.stop ?? { cause: 'stop', raw: '' }, this.calls);
    const delta = { ...stop, ...this.#ownEnd, ...optional('container', container) };
    send(emit, 'message_delta', { delta, usage: withUncounted(encodeUsage(this.usage), usage), ...own });
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
  if (type === 'compaction') {
    const { content = null, encrypted_content = null, ...block } = value;
    return {
      block: { ...block, content: null, encrypted_content: null },
      delta: { type: 'compaction_delta', content, encrypted_content },
    };
  }
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
