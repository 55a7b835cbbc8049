import type { Conversation, JsonObject, WireFormat } from '../../../facts/conversation.ts';
import type { Codec, EncodeContext, Frame } from '../formats/codec.ts';
import { isObject, parseObject } from '../formats/fields.ts';
import { markSignature, signatureFor } from '../formats/signatures.ts';

/** Members of requests that hold what was said: of a request in the provider's own format they alone may have to be written anew. */
const TURNS: ReadonlyMap<string, readonly string[]> = new Map<WireFormat, readonly string[]>([
  ['messages', ['system', 'messages']],
  ['responses', ['instructions', 'input']],
  ['converse', ['system', 'messages']],
]);

/** True where a format's own clients are given the provider's own words, with marks on its signatures alone. */
export function keepsOwnWords(format: string): boolean {
  return TURNS.has(format);
}

/** A request in the provider's own format. */
export interface OwnBody {
  readonly bytes: Buffer;
  readonly body: JsonObject;
  /** Its turns may pass as they are: they bear no marks, and no media that the gateway fetched. */
  readonly asItIs: boolean;
}

/**
 * What a provider gets of a request in its own format: all that the client said, with its turns as the hub writes them where they have to
 * be. Its provider judges the rest.
 */
export function ownRequest(own: OwnBody, codec: Codec, conversation: Conversation, context: EncodeContext): Buffer {
  const { stream, messages, sampling, reasoning } = conversation;
  const foreign = holdsOthersThinking(messages, context.issuer);
  if (own.asItIs && !foreign) return own.bytes;
  const body = { ...own.body };
  // Claude doesn't go on thinking behind a call whose thinking it isn't given.
  const thinks = foreign && body.thinking !== undefined;
  const said = codec.encodeRequest(
    {
      model: context.model,
      stream,
      messages,
      tools: [],
      sampling: thinks ? sampling : {},
      ...(thinks && { reasoning }),
    },
    context,
  );
  for (const name of TURNS.get(codec.format) ?? []) if (said[name] !== undefined) body[name] = said[name];
  if (thinks && said.thinking === undefined) delete body.thinking;
  return Buffer.from(JSON.stringify(body));
}

/** Whether there is thinking that `issuer` would refuse, or be told as a text. */
export function holdsOthersThinking(messages: Conversation['messages'], issuer: string): boolean {
  return messages.some(({ parts }) =>
    parts.some(
      (part) => part.kind === 'thinking' && signatureFor(part.redacted ?? part.signature, issuer) === undefined,
    ),
  );
}

/**
 * Marks the signatures in an answer that is in the client's own format, so that it comes back to its issuer alone. Everything else stays
 * as the provider said it.
 */
export class OwnAnswer {
  readonly #issuer: string;
  /** Blocks of a stream whose signature has begun: what follows of it bears no mark of its own. */
  readonly #begun = new Set<unknown>();

  constructor(issuer: string) {
    this.#issuer = issuer;
  }

  /** An answer in one piece. */
  whole(body: JsonObject): JsonObject {
    return {
      ...body,
      ...(Array.isArray(body.content) && { content: body.content.map((block) => this.#marked(block)) }),
      ...(isObject(body.output) && { output: { ...body.output, message: this.#message(body.output.message) } }),
      ...(Array.isArray(body.output) && { output: body.output.map((item) => this.#marked(item)) }),
    };
  }

  /** An event of a stream. */
  frame(frame: Frame): Frame {
    if (!/signature|redacted|encrypted_content/.test(frame.data)) return frame;
    const event = parseObject(frame.data);
    return event === null ? frame : { event: frame.event, data: JSON.stringify(this.#event(event)) };
  }

  #event(event: JsonObject): JsonObject {
    const { content_block, delta, item, response, index } = event;
    if (isObject(content_block)) return { ...event, content_block: this.#marked(content_block) };
    if (isObject(item)) return { ...event, item: this.#marked(item) };
    if (isObject(response)) return { ...event, response: this.whole(response) };
    if (isObject(delta) && isObject(delta.reasoningContent)) return { ...event, delta: this.#reasoning(event, delta) };
    if (!isObject(delta) || delta.type !== 'signature_delta' || this.#begun.has(index)) return event;
    this.#begun.add(index);
    return { ...event, delta: { ...delta, signature: this.#mark(delta.signature) } };
  }

  /** A piece of Converse's thinking. */
  #reasoning({ contentBlockIndex: index }: JsonObject, delta: JsonObject): JsonObject {
    if (this.#begun.has(index) || !isObject(delta.reasoningContent)) return delta;
    const { signature, redactedContent } = delta.reasoningContent;
    if (signature === undefined && redactedContent === undefined) return delta;
    this.#begun.add(index);
    return { ...delta, reasoningContent: this.#converse(delta.reasoningContent) };
  }

  #message(message: unknown): unknown {
    if (!isObject(message) || !Array.isArray(message.content)) return message;
    return { ...message, content: message.content.map((block) => this.#marked(block)) };
  }

  /** What holds a signature, or thinking in bytes, of Converse. */
  #converse(holder: JsonObject): JsonObject {
    const { signature, redactedContent } = holder;
    const told = this.#mark(redactedContent);
    return {
      ...holder,
      ...(signature !== undefined && { signature: this.#mark(signature) }),
      ...(typeof told === 'string' && { redactedContent: told === '' ? '' : Buffer.from(told).toString('base64') }),
    };
  }

  /** A block of Anthropic's or Converse's, or an item of OpenAI's. */
  #marked(part: unknown): unknown {
    if (!isObject(part)) return part;
    if (isObject(part.reasoningContent)) {
      const { reasoningText } = part.reasoningContent;
      const text = isObject(reasoningText) ? { reasoningText: this.#converse(reasoningText) } : {};
      return { ...part, reasoningContent: { ...this.#converse(part.reasoningContent), ...text } };
    }
    if (part.type === 'thinking') return { ...part, signature: this.#mark(part.signature) };
    if (part.type === 'redacted_thinking') return { ...part, data: this.#mark(part.data) };
    if (part.type !== 'reasoning' || part.encrypted_content === undefined) return part;
    return { ...part, encrypted_content: this.#mark(part.encrypted_content) };
  }

  #mark(data: unknown): unknown {
    return typeof data === 'string' && data !== '' ? markSignature({ issuer: this.#issuer, data }) : data;
  }
}
