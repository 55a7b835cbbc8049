import type {
  ImagePart,
  JsonObject,
  Message,
  Part,
  RefusalPart,
  TextPart,
  ThinkingPart,
  ToolCallPart,
  ToolResultPart,
} from '../../../../facts/conversation.ts';
import type { EncodeContext } from '../codec.ts';
import { safeId, safeName } from '../names.ts';
import { given } from '../openai-chat/own.ts';
import { signatureFor } from '../signatures.ts';
import { encodeAnnotation } from './annotations.ts';
import { encodeContent, encodeToolOutput, plainText } from './content.ts';
import { behavesAsOpenAI, FORMAT, ownExtra } from './own.ts';
import { continuesItem, reasoningMembers } from './thinking.ts';
import { itemOf } from './turn.ts';

/** The first message where it is a system prompt of plain text, and the rest. */
export function splitInstructions(messages: readonly Message[]): {
  instructions: string | undefined;
  rest: readonly Message[];
} {
  const [first, ...rest] = messages;
  const [only] = first?.parts ?? [];
  const isPlain =
    first?.role === 'system' && first.parts.length === 1 && first.name === undefined && first.id === undefined;
  if (isPlain && only?.kind === 'text' && only.extra === undefined && first.extra === undefined) {
    return { instructions: only.text, rest };
  }
  return { instructions: undefined, rest: messages };
}

/** Messages as items of `input`. */
export class InputWriter {
  readonly items: JsonObject[] = [];
  readonly #context: EncodeContext;

  constructor(context: EncodeContext) {
    this.#context = context;
  }

  message(message: Message): void {
    if (message.name !== undefined) this.#context.losses.drop('participantName');
    if (message.role === 'assistant') this.#turn(message.parts);
    else this.#input(message);
  }

  /** Results of tools come first: the calls they answer stand right before. */
  #input(message: Message): void {
    const { role, parts, id } = message;
    const content: JsonObject[] = [];
    for (const part of parts) {
      if (part.kind === 'tool_result') this.#toolResult(part);
      else if (part.kind === 'other' && role === 'tool') this.#other(part.format, part.name, part.value);
      else content.push(...encodeContent(part, this.#context));
    }
    if (content.length === 0 && parts.length > 0) return;
    const text = plainText(content);
    const said = { role: role === 'tool' ? 'user' : role, content: text ?? content };
    this.items.push({ type: 'message', ...given('id', id), ...said, ...ownExtra(message) });
  }

  #toolResult(part: ToolResultPart): void {
    const { losses } = this.#context;
    if (part.isError) losses.drop('toolResultError');
    if (part.cache !== undefined) losses.drop('cacheMarks');
    this.items.push({
      type: part.custom === true ? 'custom_tool_call_output' : 'function_call_output',
      call_id: safeId(part.callId, 'call_'),
      output: encodeToolOutput(part.content, this.#context),
      ...ownExtra(part),
    });
  }

  #other(format: string, name: string, value: JsonObject): void {
    if (format === FORMAT) this.items.push(value);
    else this.#context.losses.drop('providerTools', name);
  }

  /** What one turn of the model said. Pieces of one message stand side by side, and so does the thinking of one item. */
  #turn(parts: readonly Part[]): void {
    let message: (TextPart | RefusalPart)[] = [];
    let thinking: ThinkingPart[] = [];
    const settle = () => {
      if (message.length > 0) this.#message(message);
      if (thinking.length > 0) this.#reasoning(thinking);
      message = [];
      thinking = [];
    };
    for (const part of parts) {
      if (part.kind === 'text' || part.kind === 'refusal') {
        if (thinking.length > 0 || itemOf(part) !== undefined) settle();
        message.push(part);
      } else if (part.kind === 'thinking') {
        const before = thinking.at(-1);
        if (message.length > 0 || (before !== undefined && !continuesItem(before, part))) settle();
        thinking.push(part);
      } else {
        settle();
        this.#single(part);
      }
    }
    settle();
  }

  #single(part: Exclude<Part, TextPart | RefusalPart | ThinkingPart>): void {
    switch (part.kind) {
      case 'tool_call':
        this.#call(part);
        return;
      case 'tool_result':
        this.#toolResult(part);
        return;
      case 'other':
        this.#other(part.format, part.name, part.value);
        return;
      case 'image':
        this.#picture(part);
        return;
      case 'audio':
        if (part.transcript !== undefined) this.#message([{ kind: 'text', text: part.transcript }]);
        else this.#context.losses.drop('audio');
        return;
      default:
        this.#shown(part);
    }
  }

  #message(parts: readonly (TextPart | RefusalPart)[]): void {
    const first = parts[0];
    if (first === undefined) return;
    const members = itemOf(first);
    const plain = parts.length === 1 ? plainOutput(first) : undefined;
    this.items.push({
      type: 'message',
      role: 'assistant',
      content: plain ?? parts.map((part) => this.#output(part)),
      // An answer's message that comes back is expected to be complete.
      ...(members?.id !== undefined && { status: 'completed' }),
      ...members,
    });
  }

  #output(part: TextPart | RefusalPart): JsonObject {
    const { item: _, ...own } = ownExtra(part);
    if (part.cache !== undefined && own.prompt_cache_breakpoint === undefined) this.#context.losses.drop('cacheMarks');
    if (part.kind === 'refusal') return { type: 'refusal', refusal: part.text, ...own };
    const annotations = (part.citations ?? []).map((citation) => encodeAnnotation(citation, part.text.length));
    return { type: 'output_text', text: part.text, annotations, ...own };
  }

  #reasoning(parts: readonly ThinkingPart[]): void {
    const { issuer } = this.#context;
    const seal = (signature: { issuer: string; data: string }) => signatureFor(signature, issuer);
    const named = parts[0]?.id;
    // Others have ids of other shapes, which OpenAI refuses.
    const strict = behavesAsOpenAI(issuer);
    const id = strict && named?.startsWith('rs_') !== true ? undefined : named;
    const sealed = parts.some((part) => [part.signature, part.redacted].some((one) => one && seal(one) !== undefined));
    const foreign =
      !sealed && parts.some(({ signature, redacted }) => signature !== undefined || redacted !== undefined);
    if (sealed || (id !== undefined && !foreign)) {
      this.items.push({ type: 'reasoning', ...given('id', id), ...reasoningMembers(parts, seal) });
      return;
    }
    // Another's thinking. OpenAI takes text as a summary only; models run elsewhere read the text itself.
    const said = parts
      .filter((part) => part.text !== '')
      .map(({ text, summary }) => ({
        kind: 'thinking' as const,
        text,
        ...((strict || summary === true) && { summary: true }),
      }));
    if (said.length > 0) this.items.push({ type: 'reasoning', ...reasoningMembers(said, () => undefined) });
  }

  #call(part: ToolCallPart): void {
    const call = { call_id: safeId(part.id, 'call_'), name: safeName(part.name) };
    const said =
      part.custom === true
        ? { type: 'custom_tool_call', ...call, input: part.arguments }
        : { type: 'function_call', ...call, arguments: part.arguments === '' ? '{}' : part.arguments };
    if (part.cache !== undefined) this.#context.losses.drop('cacheMarks');
    this.items.push({ ...said, ...ownExtra(part) });
  }

  /** A picture of OpenAI's own making is what its tool made; the provider knows no other, so that another's is shown to it. */
  #picture(part: ImagePart): void {
    const own = ownExtra(part);
    if (part.source.type === 'base64' && typeof own.id === 'string') {
      this.items.push({ type: 'image_generation_call', status: 'completed', result: part.source.data, ...own });
    } else this.#shown(part);
  }

  /** What only users can say in this format. */
  #shown(part: Part): void {
    const content = encodeContent(part, this.#context);
    if (content.length > 0) this.items.push({ type: 'message', role: 'user', content });
  }
}

/** The text of a message that is nothing else: as a string every provider takes it. */
function plainOutput(part: TextPart | RefusalPart): string | undefined {
  if (part.kind !== 'text' || (part.citations ?? []).length > 0) return undefined;
  return Object.keys(ownExtra(part)).length === 0 ? part.text : undefined;
}
