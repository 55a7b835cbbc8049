import type { Answer, StreamPart } from '../../facts/answer.ts';
import type { Conversation, JsonObject, Part, ToolCallPart, WireFormat } from '../../facts/conversation.ts';
import type { AnswerContents, LlmContents, PromptText, RouteType, ToolUse } from '../../facts/llm.ts';
import type { HeaderList } from '../../headers.ts';
import { isWireFormat } from './convert/choose.ts';
import { clientCodecOf, isClientFormat } from './convert/client-codecs.ts';
import { frameReader } from './convert/wires.ts';
import type { Frame, StreamDecoder } from './formats/codec.ts';
import { CODECS } from './formats/codecs.ts';
import { isObject, parseObject } from './formats/fields.ts';
import { textOfPart } from './formats/prompt.ts';

/** Parameters that a body has under these very names, whatever else it is. */
const PLAIN_PARAMETERS = ['encoding_format', 'dimensions'] as const;

/** The request as it was received, as long as somebody may ask what it says. */
interface ReceivedRequest {
  readonly bytes: Buffer;
  readonly headers: HeaderList;
  /** As the client named it. */
  readonly model: string;
}

/**
 * What a request and its answer say, read from the bytes of the client's own format when an expression asks for it. What can't be read says
 * nothing.
 */
export class BodyContents implements LlmContents {
  readonly #route: RouteType;
  #request: ReceivedRequest | null;
  #json: JsonObject | null | undefined;
  #conversation: Conversation | null | undefined;

  constructor(route: RouteType, request: ReceivedRequest) {
    this.#route = route;
    this.#request = request;
  }

  letGo(): void {
    this.#request = null;
  }

  prompt(): readonly PromptText[] | null {
    const messages = this.#read()?.messages;
    return messages?.map(({ role, parts }) => ({ role, content: parts.map(textOf).join('') })) ?? null;
  }

  params(): Readonly<Record<string, unknown>> | null {
    const conversation = this.#read();
    const json = this.#json;
    if (!json) return null;
    const params: Record<string, unknown> = Object.fromEntries(
      PLAIN_PARAMETERS.flatMap((name) => (name in json ? [[name, json[name]]] : [])),
    );
    if (!conversation) return params;
    const { temperature, topP, frequencyPenalty, presencePenalty, seed, maxTokens } = conversation.sampling;
    return {
      ...params,
      temperature,
      top_p: topP,
      frequency_penalty: frequencyPenalty,
      presence_penalty: presencePenalty,
      seed,
      max_tokens: maxTokens,
    };
  }

  answer(body: Buffer, contentType: string): AnswerContents | null {
    const route = this.#route;
    if (route === 'textCompletions') return ofTextCompletions(body, contentType);
    const codec = isWireFormat(route) ? CODECS.get(route) : undefined;
    if (codec === undefined || !isWireFormat(route)) return null;
    const context = { issuer: '', model: '' };
    try {
      if (!isJson(contentType)) return ofStream(framesOf(route, body), codec.streamDecoder(context));
      const json: unknown = JSON.parse(body.toString('utf8'));
      if (isObject(json)) return ofAnswer(codec.decodeAnswer(json, context));
      // Gemini's streams may be arrays.
      if (!Array.isArray(json)) return null;
      return ofStream(
        json.map((event) => ({ event: '', data: JSON.stringify(event) })),
        codec.streamDecoder(context),
      );
    } catch {
      return null;
    }
  }

  /** Null where the body is no conversation. */
  #read(): Conversation | null {
    if (this.#conversation !== undefined) return this.#conversation;
    const request = this.#request;
    if (request === null) return null;
    this.#conversation = null;
    const json = parseObject(request.bytes.toString('utf8'));
    this.#json = json;
    if (json === null || !isClientFormat(this.#route)) return null;
    const { headers, model } = request;
    try {
      const codec = clientCodecOf(this.#route, { body: json, model, headers });
      this.#conversation = codec?.decodeRequest(json, { model, stream: false }) ?? null;
    } catch {
      // Passed on as it is, for its provider to refuse.
    }
    return this.#conversation;
  }
}

/** The text of a part of a prompt: of tools' results too, none of media. */
function textOf(part: Part): string {
  if (part.kind === 'tool_result') return part.content.map(textOf).join('');
  return part.kind === 'file' && part.source.type === 'text' ? part.source.text : textOfPart(part);
}

function isJson(contentType: string): boolean {
  return /^application\/json\b/i.test(contentType);
}

function framesOf(format: WireFormat, body: Buffer): Frame[] {
  const frames: Frame[] = [];
  const reader = frameReader(format, body.length + 1);
  reader.write(body, (frame) => frames.push(frame));
  reader.end((frame) => frames.push(frame));
  return frames;
}

/** Legacy completions, whose answers no conversation is decoded from: `choices[].text`, in pieces where it is a stream. */
function ofTextCompletions(body: Buffer, contentType: string): AnswerContents {
  const events = isJson(contentType) ? [body.toString('utf8')] : framesOf('completions', body).map(({ data }) => data);
  const completion: string[] = [];
  for (const event of events) {
    const choices = parseObject(event)?.choices;
    for (const [place, choice] of (Array.isArray(choices) ? choices : []).entries()) {
      if (!isObject(choice) || typeof choice.text !== 'string') continue;
      append(completion, typeof choice.index === 'number' ? choice.index : place, choice.text);
    }
  }
  return { completion, toolCalls: [] };
}

/** Answers come one by one, or by turns; a number beyond those that any provider gives is nonsense. */
function append(completion: string[], choice: number, text: string): void {
  if (!(choice >= 0 && choice < MAX_CHOICES)) return;
  while (completion.length <= choice) completion.push('');
  completion[choice] += text;
}

const MAX_CHOICES = 128;

function ofAnswer({ choices }: Answer): AnswerContents {
  const calls = choices.flatMap(({ parts }) => parts.filter((part) => part.kind === 'tool_call'));
  return {
    completion: choices.map(({ parts }) => parts.map(textOfPart).join('')),
    toolCalls: calls.map(toolUse),
  };
}

function toolUse({ id, name, arguments: text, custom }: ToolCallPart): ToolUse {
  return { id, name, arguments: custom === true ? text : (parseObject(text) ?? text) };
}

/** What has come of a stream, also where it breaks off. */
function ofStream(frames: readonly Frame[], decoder: StreamDecoder): AnswerContents {
  const completion: string[] = [];
  const calls = new Map<string, { -readonly [K in keyof ToolCallPart]: ToolCallPart[K] }>();
  const take = (part: StreamPart) => {
    switch (part.type) {
      case 'part':
        if (part.part.kind === 'tool_call') calls.set(`${part.choice}/${part.index}`, { ...part.part });
        else append(completion, part.choice, textOfPart(part.part));
        break;
      case 'text':
      case 'refusal':
        append(completion, part.choice, part.text);
        break;
      case 'audio':
        append(completion, part.choice, part.transcript);
        break;
      case 'arguments': {
        const call = calls.get(`${part.choice}/${part.index}`);
        if (call !== undefined) call.arguments += part.json;
        break;
      }
      default:
        break;
    }
  };
  for (const frame of frames) decoder.event(frame, take);
  return { completion, toolCalls: [...calls.values()].map(toolUse) };
}
