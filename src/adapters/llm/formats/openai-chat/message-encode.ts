import type {
  AudioPart,
  JsonObject,
  Message,
  Part,
  TextPart,
  ThinkingPart,
  ToolCallPart,
  ToolResultPart,
} from '../../../../facts/conversation.ts';
import type { EncodeContext } from '../codec.ts';
import { safeName } from '../names.ts';
import { signatureFor } from '../signatures.ts';
import { writeAnnotations } from './citations.ts';
import { writeAudio, writeFile, writeImage, writeVideo } from './media.ts';
import { FORMAT, ISSUER, ownExtra, saysCacheMark } from './own.ts';
import { type Seal, writeThinking } from './thinking.ts';
import { callId, writeGoogleSignature, writeToolCall } from './tool-calls.ts';

/**
 * Writes messages for a provider. Results of tools become messages of their own, right behind the calls; what else was beside them
 * follows. A result and an assistant's message hold text alone here: their media are shown in a user message behind them.
 */
export function writeMessages(messages: readonly Message[], context: EncodeContext): JsonObject[] {
  const writer = new MessageWriter(context);
  for (const message of messages) writer.write(message);
  return writer.end();
}

class MessageWriter {
  readonly #context: EncodeContext;
  readonly #seal: Seal;
  readonly #out: JsonObject[] = [];
  /** Media on their way to the next user message. */
  #shown: JsonObject[] = [];

  constructor(context: EncodeContext) {
    this.#context = context;
    this.#seal = (signature) => signatureFor(signature, context.issuer);
  }

  write(message: Message): void {
    const last = message.parts.at(-1);
    for (const part of message.parts) this.#noteMarks(part, part === last ? ownExtra(message) : {});
    if (message.role === 'assistant') {
      this.#show();
      this.#assistant(message);
      return;
    }
    const others: Part[] = [];
    let results = 0;
    for (const part of message.parts) {
      if (part.kind !== 'tool_result') others.push(part);
      else {
        results++;
        this.#result(part, message);
      }
    }
    if (results > 0 && others.length === 0) return;
    if (message.role === 'tool' || message.role === 'user') this.#user(message, others);
    else {
      this.#show();
      this.#out.push(this.#message(message.role, this.#content(others), message));
    }
  }

  end(): JsonObject[] {
    this.#show();
    return this.#out;
  }

  #user(message: Message, parts: readonly Part[]): void {
    const content = [...this.#shown, ...this.#content(parts)];
    this.#shown = [];
    this.#out.push(this.#message('user', content, message));
  }

  #message(role: string, content: readonly JsonObject[], { name, ...message }: Message): JsonObject {
    return { role, content: contentValue(content), ...(name === undefined ? {} : { name }), ...ownExtra(message) };
  }

  /** Media that no user message followed get one of their own. */
  #show(): void {
    if (this.#shown.length === 0) return;
    this.#out.push({ role: 'user', content: this.#shown });
    this.#shown = [];
  }

  #assistant(message: Message): void {
    const thinking: ThinkingPart[] = [];
    const calls: ToolCallPart[] = [];
    const content: Part[] = [];
    const media: Part[] = [];
    let audio: AudioPart | null = null;
    for (const part of message.parts) {
      if (part.kind === 'thinking') thinking.push(part);
      else if (part.kind === 'tool_call') calls.push(part);
      else if (part.kind === 'audio' && audio === null && this.#knowsAudio(part)) audio = part;
      else if (part.kind === 'audio' && part.transcript !== undefined)
        content.push({ kind: 'text', text: part.transcript });
      else if (part.kind === 'text' || part.kind === 'refusal' || part.kind === 'other') content.push(part);
      else media.push(part);
    }
    const { annotations, ...own } = ownExtra(message);
    const refusal = loneRefusal(content);
    if (refusal !== undefined) content.pop();
    const said = this.#content(content);
    const name = message.name === undefined ? {} : { name: message.name };
    const isEmpty = said.length === 0;
    this.#out.push({
      role: 'assistant',
      content: isEmpty && (calls.length > 0 || refusal !== undefined || audio !== null) ? null : contentValue(said),
      ...name,
      ...(refusal === undefined ? {} : { refusal }),
      ...this.#thinking(thinking),
      ...this.#annotations(content, annotations),
      ...(audio === null ? {} : { audio: { id: audio.id } }),
      ...(calls.length === 0 ? {} : { tool_calls: calls.map((call) => this.#call(call)) }),
      ...this.#textSignature(content),
      ...own,
    });
    this.#shown.push(...this.#content(media));
  }

  /** Citations of URLs, to OpenAI alone: others' messages have no member for them. */
  #annotations(parts: readonly Part[], others: unknown): JsonObject {
    const isKnown = this.#context.issuer === ISSUER;
    const isLost = (part: Part) =>
      part.kind === 'text' && part.citations?.some(({ url }) => !isKnown || url === undefined);
    if (parts.some(isLost)) this.#context.losses.drop('citationHistory');
    return isKnown ? writeAnnotations(parts, others) : {};
  }

  /** The text, and with their signature what the provider signed. */
  #thinking(parts: readonly ThinkingPart[]): JsonObject {
    const { reasoning_content, reasoning_details } = writeThinking(parts, this.#seal);
    // Few take details: only who made some, or whose client has them from a provider, is sent them.
    const native = parts.some((part) => part.extra?.format === FORMAT || this.#isSealed(part));
    return {
      ...(reasoning_content === undefined ? {} : { reasoning_content }),
      ...(native && reasoning_details !== undefined ? { reasoning_details } : {}),
    };
  }

  #isSealed({ signature, redacted }: ThinkingPart): boolean {
    return (
      (signature !== undefined && this.#seal(signature) !== undefined) ||
      (redacted !== undefined && this.#seal(redacted) !== undefined)
    );
  }

  #call(part: ToolCallPart): JsonObject {
    const whole = part.arguments === '' && part.custom !== true ? { ...part, arguments: '{}' } : part;
    return writeToolCall(whole, callId(part.id), safeName(part.name), this.#seal);
  }

  #textSignature(parts: readonly Part[]): JsonObject {
    const text = parts.findLast((part): part is TextPart => part.kind === 'text');
    const signature = text?.signature && this.#seal(text.signature);
    return signature === undefined ? {} : writeGoogleSignature(signature);
  }

  #knowsAudio({ id, source }: AudioPart): boolean {
    return id !== undefined && id !== '' && (source.type !== 'file' || source.issuer === this.#context.issuer);
  }

  #result(part: ToolResultPart, message: Message): void {
    const content: JsonObject[] = [];
    const media: JsonObject[] = [];
    for (const item of part.content) {
      const target = item.kind === 'text' || item.kind === 'refusal' || item.kind === 'other' ? content : media;
      target.push(...this.#content([item]));
    }
    const id = callId(part.callId);
    if (media.length > 0) {
      if (content.length === 0) content.push({ type: 'text', text: 'The result is shown in the next user message.' });
      this.#shown.push({ type: 'text', text: `Result of the tool call ${id}:` }, ...media);
    }
    if (part.isError) content.unshift({ type: 'text', text: 'The tool failed.' });
    this.#out.push({
      role: 'tool',
      tool_call_id: id,
      content: contentValue(content),
      ...(part.name === '' ? {} : { name: safeName(part.name) }),
      ...(message.role === 'tool' && message.parts.length === 1 ? ownExtra(message) : {}),
    });
  }

  #content(parts: readonly Part[]): JsonObject[] {
    return parts.flatMap((part) => this.#part(part));
  }

  #part(part: Part): JsonObject[] {
    const { losses } = this.#context;
    switch (part.kind) {
      case 'text':
        return part.text === '' ? [] : [{ type: 'text', text: part.text, ...ownExtra(part) }];
      case 'refusal':
        return [{ type: 'refusal', refusal: part.text, ...ownExtra(part) }];
      case 'image':
        return writeImage(part, this.#context);
      case 'audio':
        return writeAudio(part, this.#context);
      case 'video':
        return writeVideo(part, this.#context);
      case 'file':
        return writeFile(part, this.#context);
      case 'other':
        if (part.format === FORMAT) return [part.value];
        losses.drop('providerTools', part.name);
        return [];
      default:
        // Calls and thinking stand in assistant messages, results in messages of their own; elsewhere they mean nothing.
        losses.drop(part.kind === 'thinking' ? 'thinkingHistory' : 'tools');
        return [];
    }
  }

  /** Breakpoints go out in the words they came in, which other formats don't have. `around`: members of the message. */
  #noteMarks(part: Part, around: JsonObject): void {
    if (part.kind === 'tool_result') for (const item of part.content) this.#noteMarks(item, {});
    if (part.cache === undefined || saysCacheMark(around)) return;
    if (!saysCacheMark(part.kind === 'other' ? part.value : ownExtra(part))) this.#context.losses.drop('cacheMarks');
  }
}

/** One text stands alone, unless more is said of it. */
function contentValue(content: readonly JsonObject[]): string | readonly JsonObject[] {
  const [first] = content;
  if (first === undefined) return '';
  const isText = content.length === 1 && first.type === 'text' && Object.keys(first).length === 2;
  return isText && typeof first.text === 'string' ? first.text : content;
}

/** The refusal at the end of a message's content, where it is the only one: it has a member of its own. */
function loneRefusal(content: readonly Part[]): string | undefined {
  const last = content.at(-1);
  const refusals = content.filter((part) => part.kind === 'refusal').length;
  return refusals === 1 && last?.kind === 'refusal' && last.extra === undefined ? last.text : undefined;
}
