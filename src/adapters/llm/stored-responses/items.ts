import type { JsonObject } from '../../../facts/conversation.ts';
import { isObject } from '../formats/fields.ts';
import { madeUpId } from '../formats/openai-responses/own.ts';
import type { StoredResponse } from './records.ts';

/** Items of the responses API (https://platform.openai.com/docs/api-reference/responses/input-items), as clients send and are shown them. */

/** `input` as a list of items, as it was sent. What is no item is left out: whoever reads the request refuses it. */
export function inputItems(input: unknown): JsonObject[] {
  if (typeof input === 'string') return [{ type: 'message', role: 'user', content: input }];
  return Array.isArray(input) ? input.filter(isObject) : [];
}

/** The same as they are listed: each with an id, a type and a status where its type has one, and texts as content. */
export function listedItems(input: unknown): JsonObject[] {
  return inputItems(input).map((item) => {
    const type = typeof item.type === 'string' ? item.type : 'message';
    const id = typeof item.id === 'string' && item.id !== '' ? item.id : madeUpId(ID_PREFIXES.get(type) ?? 'item');
    if (type !== 'message') return STATUS.has(type) ? { status: 'completed', ...item, id } : { ...item, id };
    return { status: 'completed', ...item, type, id, content: contentOf(item) };
  });
}

const ID_PREFIXES: ReadonlyMap<string, string> = new Map([
  ['message', 'msg'],
  ['function_call', 'fc'],
  ['function_call_output', 'fco'],
  ['custom_tool_call', 'ctc'],
  ['custom_tool_call_output', 'ctco'],
  ['reasoning', 'rs'],
]);
const STATUS = new Set(['function_call', 'function_call_output']);

function contentOf({ role, content }: JsonObject): unknown {
  if (typeof content !== 'string') return content;
  return role === 'assistant'
    ? [{ type: 'output_text', text: content, annotations: [] }]
    : [{ type: 'input_text', text: content }];
}

/** Everything that was said up to and in these responses, in order, as items. */
export function itemsOf(chain: readonly StoredResponse[]): JsonObject[] {
  return chain.flatMap(({ input, response }) => [...input, ...inputItems(response.output)]);
}

/** Types whose ids mean nothing to a model, and are looked for in vain by a provider that has not given them. */
const FREE_OF_IDS = new Set([
  'message',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
]);

/** An item of the history as a client without the provider's memory would send it. */
export function withoutMemory(item: JsonObject): JsonObject {
  const isOpenReasoning = item.type === 'reasoning' && !item.encrypted_content;
  if (!isOpenReasoning && !FREE_OF_IDS.has(String(item.type))) return item;
  const { id: _, status: __, ...rest } = item;
  return rest;
}
