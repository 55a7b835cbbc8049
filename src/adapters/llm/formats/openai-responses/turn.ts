import type { TokenLogprob } from '../../../../facts/answer.ts';
import type {
  ImagePart,
  JsonObject,
  Part,
  RefusalPart,
  TextPart,
  ToolCallPart,
} from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { given } from '../openai-chat/own.ts';
import { decodeLogprobs } from './annotations.ts';
import { decodeOutput } from './content.ts';
import { extraOf, FORMAT, itemRest, ownExtra } from './own.ts';
import { attach, decodeReasoning } from './thinking.ts';

/** Which members of items the hub has its own places for. */
const MESSAGE = new Set(['type', 'role', 'content']);
const CALL = new Set(['type', 'call_id', 'name', 'arguments']);
const CUSTOM_CALL = new Set(['type', 'call_id', 'name', 'input']);
const IMAGE = new Set(['type', 'result', 'output_format']);

/**
 * Reads the items of one turn of the model, an answer's or one of the history: messages, reasoning, calls. The pieces of a message stand
 * among the other parts; its own members (`id`, `phase`) stand in the `extra` of its first piece as `item`, which also tells it from the
 * message before it.
 */
export class TurnReader {
  readonly parts: Part[] = [];
  /** Of an answer; those of the history stay with their texts. */
  readonly logprobs: TokenLogprob[] = [];
  readonly #issuer: string;
  readonly #isAnswer: boolean;
  #afterMessage: boolean;

  /** `issuer`: whose unmarked signatures are. `afterMessage`: the item before the first was a message. */
  constructor(issuer: string, isAnswer: boolean, afterMessage = false) {
    this.#issuer = issuer;
    this.#isAnswer = isAnswer;
    this.#afterMessage = afterMessage;
  }

  item(item: Fields): void {
    const type = item.string('type') ?? 'message';
    if (type === 'message') {
      this.#message(item);
      this.#afterMessage = true;
      return;
    }
    this.#afterMessage = false;
    switch (type) {
      case 'reasoning':
        return this.#reasoning(item);
      case 'function_call':
      case 'custom_tool_call':
        this.parts.push(decodeCall(item, this.#isAnswer));
        return;
      case 'image_generation_call':
        this.parts.push(this.#image(item) ?? { kind: 'other', format: FORMAT, name: type, value: item.value });
        return;
      default:
        this.parts.push({ kind: 'other', format: FORMAT, name: type, value: item.value });
    }
  }

  #message(item: Fields): void {
    const content = item.value.content;
    const parts: Part[] = [];
    if (typeof content === 'string') parts.push({ kind: 'text', text: content });
    else for (const piece of item.objects('content')) parts.push(...this.#content(piece));
    const first = parts[0] ?? { kind: 'text', text: '' };
    const members = messageMembers(item, this.#isAnswer) ?? (this.#afterMessage ? {} : undefined);
    this.parts.push(members === undefined ? first : withItem(first, members), ...parts.slice(1));
  }

  #content(content: Fields): Part[] {
    const part = decodeOutput(content);
    if (part === null) {
      if (this.#isAnswer) return [];
      throw content.fault('type', 'is of no content that an assistant has');
    }
    if (!this.#isAnswer || part.kind !== 'text') return [part];
    this.logprobs.push(...decodeLogprobs(content.value));
    return [withoutLogprobs(part)];
  }

  #reasoning(item: Fields): void {
    const read = decodeReasoning(item, this.#issuer);
    if (Array.isArray(read)) this.parts.push(...read);
    else attach(this.parts, read);
  }

  /** null while there is no picture yet. */
  #image(item: Fields): ImagePart | null {
    const data = item.string('result');
    if (data === undefined || data === '') return null;
    const format = item.string('output_format');
    const rest = { ...given('output_format', format), ...itemRest(item, IMAGE) };
    return {
      kind: 'image',
      source: { type: 'base64', mediaType: `image/${format ?? 'png'}`, data },
      ...extraOf(Object.keys(rest).length > 0 ? rest : undefined),
    };
  }
}

/** A call of a function or of a custom tool. */
export function decodeCall(item: Fields, isAnswer: boolean): ToolCallPart {
  const custom = item.string('type') === 'custom_tool_call';
  return {
    kind: 'tool_call',
    id: item.requiredString('call_id'),
    name: item.requiredString('name'),
    arguments: item.string(custom ? 'input' : 'arguments') ?? '',
    ...(custom && { custom }),
    ...extraOf(withoutStatus(itemRest(item, custom ? CUSTOM_CALL : CALL), isAnswer)),
  };
}

/** What a message says beside its content. */
export function messageMembers(item: Fields, isAnswer: boolean): JsonObject | undefined {
  return withoutStatus(itemRest(item, MESSAGE), isAnswer);
}

/** `part` as the first of a message with `members`. */
export function withItem<P extends Part>(part: P, members: JsonObject): P {
  if (part.kind === 'other') return part;
  return { ...part, ...extraOf({ ...ownExtra(part), item: members }) };
}

/** The members of the message that begins with `part`; undefined where it goes on. */
export function itemOf(part: TextPart | RefusalPart): JsonObject | undefined {
  const item = ownExtra(part).item;
  return typeof item === 'object' && item !== null ? (item as JsonObject) : undefined;
}

/** In an answer the reason why it stopped says what the status of its items would. */
function withoutStatus(rest: JsonObject | undefined, isAnswer: boolean): JsonObject | undefined {
  if (rest === undefined || !isAnswer) return rest;
  delete rest.status;
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function withoutLogprobs(part: TextPart): TextPart {
  const { logprobs: _, ...rest } = ownExtra(part);
  const { extra: __, ...plain } = part;
  return { ...plain, ...extraOf(Object.keys(rest).length > 0 ? rest : undefined) };
}
