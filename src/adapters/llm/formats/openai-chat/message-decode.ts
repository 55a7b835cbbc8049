import type {
  JsonObject,
  Message,
  Part,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { isObject } from '../fields.ts';
import { readAnnotations } from './citations.ts';
import { audioType, readMedia } from './media.ts';
import { cacheMark, extraOf, FORMAT, given, ISSUER } from './own.ts';
import { readThinking, type Sign } from './thinking.ts';
import { googleSignature, otherExtraContent, readToolCall } from './tool-calls.ts';

/** Reads the messages of a request, one for one. Throws `invalid_request_body` with the place. */
export function readMessages(body: Fields, sign: (native: string) => Sign): Message[] {
  const reader = new MessageReader(sign);
  return body.objects('messages').map((message) => reader.read(message));
}

const COMMON = new Set(['role', 'content', 'name']);
const OF_TOOL = new Set([...COMMON, 'tool_call_id']);

class MessageReader {
  readonly #sign: (native: string) => Sign;
  /** Ids of calls of custom tools: their results don't say it. */
  readonly #custom = new Set<string>();
  /** Calls of the legacy kind have no ids: they are counted, and a result belongs to the last. */
  #legacyCalls = 0;

  constructor(sign: (native: string) => Sign) {
    this.#sign = sign;
  }

  read(message: Fields): Message {
    const role = message.requiredString('role');
    switch (role) {
      case 'system':
      case 'developer':
      case 'user':
        return this.#withMark(message, {
          role,
          parts: readContent(message),
          ...given('name', message.string('name')),
          ...extraOf(message.rest(COMMON)),
        });
      case 'assistant':
        return this.#withMark(message, this.#assistant(message));
      case 'tool':
        return this.#withMark(message, {
          role,
          parts: [this.#result(message, message.requiredString('tool_call_id'))],
          ...extraOf(message.rest(OF_TOOL)),
        });
      case 'function':
        return { role: 'tool', parts: [this.#result(message, legacyId(this.#legacyCalls))] };
      default:
        throw message.fault('role', 'must be "system", "developer", "user", "assistant" or "tool"');
    }
  }

  #assistant(message: Fields): Message {
    const { parts, rest } = readAssistant(message, this.#sign(ISSUER), this.#sign('google'), () => {
      this.#legacyCalls++;
      return legacyId(this.#legacyCalls);
    });
    for (const part of parts) if (part.kind === 'tool_call' && part.custom === true) this.#custom.add(part.id);
    return { role: 'assistant', parts, ...given('name', message.string('name')), ...extraOf(rest) };
  }

  #result(message: Fields, callId: string): ToolResultPart {
    return {
      kind: 'tool_result',
      callId,
      name: message.string('name') ?? '',
      content: readContent(message),
      isError: false,
      ...(this.#custom.has(callId) ? { custom: true } : {}),
    };
  }

  /** A mark of the message stands behind its last part. */
  #withMark(source: Fields, message: Message): Message {
    const mark = cacheMark(source);
    const last = message.parts.at(-1);
    if (mark.cache === undefined || last === undefined) return message;
    return { ...message, parts: [...message.parts.slice(0, -1), { ...last, ...mark }] };
  }
}

function legacyId(count: number): string {
  return `call_function_${count}`;
}

/** The content of a message: one text, or parts. */
function readContent(message: Fields): Part[] {
  const { content } = message.value;
  if (typeof content === 'string') return content === '' ? [] : [{ kind: 'text', text: content }];
  return message.objects('content').flatMap(readPart);
}

const OF_TEXT = new Set(['type', 'text']);
const OF_REFUSAL = new Set(['type', 'refusal']);

function readPart(part: Fields): Part[] {
  const type = part.requiredString('type');
  switch (type) {
    case 'text': {
      const text = part.requiredString('text');
      return text === '' ? [] : [{ kind: 'text', text, ...cacheMark(part), ...extraOf(part.rest(OF_TEXT)) }];
    }
    case 'refusal':
      return [{ kind: 'refusal', text: part.requiredString('refusal'), ...extraOf(part.rest(OF_REFUSAL)) }];
    case 'thinking':
      return [{ kind: 'thinking', text: nestedText(part.value.thinking) }];
    default:
      return [readMedia(part) ?? { kind: 'other', format: FORMAT, name: type, value: part.value, ...cacheMark(part) }];
  }
}

/** Mistral has thinking as content: `{type: 'thinking', thinking: [{type: 'text', text}]}`. */
function nestedText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  return value.map((item) => (isObject(item) && typeof item.text === 'string' ? item.text : '')).join('');
}

export const OF_ASSISTANT = new Set([
  ...COMMON,
  'refusal',
  'reasoning',
  'reasoning_content',
  'reasoning_details',
  'annotations',
  'audio',
  'images',
  'tool_calls',
  'function_call',
  'extra_content',
]);

/**
 * The parts of an assistant's message, of a request's history or of an answer, and the members nobody else knows. `sign`: whose a
 * signature of thinking is; `signGoogle`: whose one in `extra_content` is.
 */
export function readAssistant(
  message: Fields,
  sign: Sign,
  signGoogle: Sign,
  madeUpId: () => string,
): { parts: Part[]; rest: JsonObject | undefined } {
  let rest = otherExtraContent(message.value, message.rest(OF_ASSISTANT));
  const parts: Part[] = [...readThinking(message, sign), ...readContent(message)];
  const text = parts.findLastIndex((part) => part.kind === 'text');
  const signature = googleSignature(message.value);
  if (signature !== undefined) {
    const signed = {
      ...((parts[text] as TextPart | undefined) ?? { kind: 'text', text: '' }),
      signature: signGoogle(signature),
    };
    if (text < 0) parts.push(signed);
    else parts[text] = signed;
  }
  const others = readAnnotations(message, parts);
  if (others.length > 0) rest = { ...rest, annotations: others };
  const refusal = message.string('refusal');
  if (refusal !== undefined && refusal !== '') parts.push({ kind: 'refusal', text: refusal });
  const audio = message.object('audio');
  if (audio !== undefined) parts.push(readAnswerAudio(audio));
  for (const image of message.objects('images')) {
    const part = readMedia(image);
    if (part !== null) parts.push(part);
  }
  for (const call of message.objects('tool_calls')) parts.push(readToolCall(call, signGoogle, madeUpId));
  const legacy = message.object('function_call');
  if (legacy !== undefined) parts.push(readLegacyCall(legacy, madeUpId()));
  return { parts, rest };
}

function readLegacyCall(call: Fields, id: string): ToolCallPart {
  return { kind: 'tool_call', id, name: call.requiredString('name'), arguments: call.string('arguments') ?? '' };
}

export const OF_AUDIO = new Set(['id', 'data', 'transcript']);

/** Audio that the model answered with; in a request only its id. */
function readAnswerAudio(audio: Fields): Part {
  const id = audio.string('id') ?? '';
  const data = audio.string('data');
  return {
    kind: 'audio',
    source:
      data === undefined
        ? { type: 'file', issuer: ISSUER, id, mediaType: '' }
        : { type: 'base64', mediaType: audioType('wav'), data },
    ...given('transcript', audio.string('transcript')),
    id,
    ...extraOf(audio.rest(OF_AUDIO)),
  };
}
