import type { StreamPart } from '../../../../facts/answer.ts';
import type { Extra, JsonObject, Part } from '../../../../facts/conversation.ts';
import { BlockStreamEncoder, type BlockWords, type Emit, type Piece } from '../claude/block-stream.ts';
import { carriedSignature } from '../claude/thinking.ts';
import type { Frame, ReplyContext } from '../codec.ts';
import { compact, isObject } from '../fields.ts';
import { clientName } from '../names.ts';
import { markSignature } from '../signatures.ts';
import { withUncounted } from '../uncounted.ts';
import { wrapped } from './answer.ts';
import { encodeCitation } from './citations.ts';
import { FORMAT, ownExtra } from './extra.ts';
import { encodeException } from './faults.ts';
import { encodeAnswerImage } from './media.ts';
import { reportOf } from './native.ts';
import { encodeStop, encodeStopSequence } from './stops.ts';

/**
 * Writes a stream of events (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html) as Bedrock
 * does: blocks of text and thinking begin with their first delta, calls with an event of their own.
 */
export class ConverseStreamEncoder extends BlockStreamEncoder {
  readonly #context: ReplyContext;
  #tier: string | undefined;
  /** What only this format knows of the answer. */
  #own: JsonObject = {};

  constructor(context: ReplyContext) {
    super(wordsFor(context));
    this.#context = context;
  }

  protected begin(start: Extract<StreamPart, { type: 'start' }> | null, emit: Emit): void {
    this.#tier = start?.serviceTier;
    this.#own = ownExtra(start?.extra);
    send(emit, 'messageStart', { role: 'assistant' });
  }

  protected blockStart(contentBlockIndex: number, start: JsonObject, emit: Emit): void {
    send(emit, 'contentBlockStart', { start, contentBlockIndex });
  }

  protected blockDelta(contentBlockIndex: number, delta: JsonObject, emit: Emit): void {
    send(emit, 'contentBlockDelta', { delta, contentBlockIndex });
  }

  protected blockStop(contentBlockIndex: number, emit: Emit): void {
    send(emit, 'contentBlockStop', { contentBlockIndex });
  }

  protected override extra(extra: Extra, ofChoice: boolean): void {
    if (!ofChoice) this.#own = { ...this.#own, ...ownExtra(extra) };
  }

  protected fault({ fault }: Extract<StreamPart, { type: 'error' }>): Frame {
    return encodeException(fault);
  }

  protected finished(emit: Emit): void {
    const stop = this.stop ?? { cause: 'stop', raw: '' };
    this.closeAll(emit);
    const fields = encodeStopSequence(stop, this.#context.request);
    const stopReason = encodeStop(stop, this.calls);
    const { additionalModelResponseFields: own } = this.#own;
    const additionalModelResponseFields = isObject(own) ? { ...own, ...fields } : fields;
    send(emit, 'messageStop', compact({ stopReason, additionalModelResponseFields }));
  }

  protected ended(emit: Emit): void {
    if (this.stop === null) this.finished(emit);
    const { additionalModelResponseFields: _, usage, ...own } = this.#own;
    send(
      emit,
      'metadata',
      compact({
        usage: this.usage === null ? undefined : withUncounted(reportOf(this.usage), usage),
        metrics: { latencyMs: this.#context.elapsedMs?.() ?? 0 },
        serviceTier: this.#tier === undefined ? undefined : { type: this.#tier },
        ...own,
      }),
    );
  }
}

function wordsFor({ request }: ReplyContext): BlockWords {
  const unannounced = (delta: JsonObject): Piece => ({ block: null, delta });
  const thinking = (reasoningContent: JsonObject): Piece => unannounced({ reasoningContent });
  const sealed = (data: string): Piece => thinking({ redactedContent: wrapped(data) });
  return {
    text: (text) => unannounced({ text }),
    thinking: (text) => thinking({ text }),
    signature: (signature) => thinking({ signature }),
    redacted: (_part, data) => sealed(markSignature(data)),
    carried: (signature) => sealed(String(carriedSignature(signature).data)),
    citation: (citation) => unannounced({ citation: encodeCitation(citation) }),
    call: ({ id, name }) => ({ toolUse: { toolUseId: id, name: clientName(name, request) } }),
    arguments: argumentsDelta,
    whole: wholePiece,
  };
}

/** Images, and what tools that Bedrock ran itself were given and gave. */
function wholePiece(part: Part): Piece | null {
  if (part.kind === 'image') {
    const image = encodeAnswerImage(part)?.image;
    if (!isObject(image)) return null;
    return { block: { image: { format: image.format } }, delta: { image: { source: image.source } } };
  }
  if (part.kind !== 'other' || part.format !== FORMAT) return null;
  const { toolUse, toolResult } = part.value;
  if (isObject(toolUse)) {
    const { input, ...start } = toolUse;
    return { block: { toolUse: start }, delta: argumentsDelta(JSON.stringify(input ?? {})) };
  }
  if (!isObject(toolResult)) return null;
  const { content, ...start } = toolResult;
  return { block: { toolResult: start }, delta: { toolResult: content ?? [] } };
}

function argumentsDelta(input: string): JsonObject {
  return { toolUse: { input } };
}

function send(emit: Emit, event: string, members: JsonObject): void {
  emit({ event, data: JSON.stringify(members) });
}
