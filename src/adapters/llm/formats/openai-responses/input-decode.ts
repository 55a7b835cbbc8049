import type { Message, Part, Role, ToolResultPart } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { given } from '../openai-chat/own.ts';
import { decodeContent, decodeToolOutput } from './content.ts';
import { extraOf, FORMAT, ISSUER, itemRest, ownId } from './own.ts';
import { TurnReader } from './turn.ts';

const MESSAGE = new Set(['type', 'role', 'content', 'id']);
const OUTPUT = new Set(['type', 'call_id', 'output']);

/** `instructions` and `input` as messages: `instructions` is the first of them, and what one turn of the model said is one. */
export function decodeInput(body: Fields): Message[] {
  const reader = new InputReader();
  const instructions = body.string('instructions');
  if (instructions !== undefined) reader.text('system', instructions);
  if (typeof body.value.input === 'string') reader.text('user', body.value.input);
  else for (const item of body.objects('input')) reader.item(item);
  return reader.end();
}

class InputReader {
  readonly #messages: Message[] = [];
  #turn: TurnReader | null = null;

  text(role: Role, text: string): void {
    this.#push({ role, parts: [{ kind: 'text', text }] });
  }

  item(item: Fields): void {
    const type = item.string('type') ?? typeless(item);
    if (type === 'message') return this.#message(item);
    if (type === 'function_call_output' || type === 'custom_tool_call_output') {
      this.#push({ role: 'tool', parts: [toolResult(item, type)] });
    } else if (type === 'item_reference' || !isFromClient(type)) {
      this.#turn ??= new TurnReader(ISSUER, false);
      this.#turn.item(item);
    } else {
      this.#push({ role: 'tool', parts: [{ kind: 'other', format: FORMAT, name: type, value: item.value }] });
    }
  }

  end(): Message[] {
    this.#endTurn();
    return this.#messages;
  }

  #message(item: Fields): void {
    const role = item.requiredString('role');
    if (role === 'assistant') {
      this.#turn ??= new TurnReader(ISSUER, false);
      this.#turn.item(item);
      return;
    }
    if (role !== 'user' && role !== 'system' && role !== 'developer') throw item.fault('role', 'is none there is');
    const { content } = item.value;
    const parts: Part[] =
      typeof content === 'string' ? [{ kind: 'text', text: content }] : item.objects('content').map(decodeContent);
    this.#push({ role, parts, ...given('id', ownId(item)), ...extraOf(itemRest(item, MESSAGE)) });
  }

  #push(message: Message): void {
    this.#endTurn();
    this.#messages.push(message);
  }

  #endTurn(): void {
    if (this.#turn === null) return;
    if (this.#turn.parts.length > 0) this.#messages.push({ role: 'assistant', parts: this.#turn.parts });
    this.#turn = null;
  }
}

/** What an item without a type is. */
function typeless(item: Fields): string {
  if (item.has('role')) return 'message';
  if (item.has('id')) return 'item_reference';
  throw item.fault('type', 'is missing');
}

/** Items of the client's but messages are what came of the model's calls. */
function isFromClient(type: string): boolean {
  return type.endsWith('_output') || type === 'mcp_approval_response';
}

function toolResult(item: Fields, type: string): ToolResultPart {
  return {
    kind: 'tool_result',
    callId: item.requiredString('call_id'),
    name: '',
    content: decodeToolOutput(item),
    isError: false,
    ...(type === 'custom_tool_call_output' && { custom: true }),
    ...extraOf(itemRest(item, OUTPUT)),
  };
}
