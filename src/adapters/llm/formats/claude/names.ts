import type { ToolCallPart } from '../../../../facts/conversation.ts';
import { isObject, parseObject } from '../fields.ts';
import { MAX_NAME, safeId, safeName } from '../names.ts';

/**
 * Reserved names of tools that stand for something the format has no word for. An answer is read without its request, so the name alone
 * tells: no client's own tool may be called so.
 */

/** A tool that the model is made to call so that its input is the structured answer. */
export const ANSWER_TOOL = 'sluice_answer';
/** The same where the schema is of no object: the answer is the input's `value`. */
export const VALUE_TOOL = 'sluice_value';
/** Before the names of tools whose input is free text: it is the input's `input`. */
const TEXT_TOOL = 'sluice_text_';

/** A tool's name on the wire; `custom`: its input is free text. */
export function wireName(name: string, custom = false): string {
  return custom ? TEXT_TOOL + safeName(name, MAX_NAME - TEXT_TOOL.length) : safeName(name);
}

/** The tool that the model calls by a name on the wire. */
export function toolOf(name: string): { readonly name: string; readonly custom: boolean } {
  const custom = name.startsWith(TEXT_TOOL);
  return { name: custom ? name.slice(TEXT_TOOL.length) : name, custom };
}

/** An id of a call on the wire. */
export function wireId(id: string): string {
  return safeId(id, 'toolu_');
}

/**
 * A call's arguments as the object the format insists on: free text as `{"input": text}`, JSON of another kind as `{"value": it}`, and
 * what is no JSON as `{"arguments": text}`.
 */
export function inputOf({ arguments: text, custom }: ToolCallPart): unknown {
  if (custom) return { input: text };
  if (text.trim() === '') return {};
  const object = parseObject(text);
  if (object !== null) return object;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { arguments: text };
  }
}

/** The free text in the input of a custom tool's call. */
export function textOfInput(input: unknown): string {
  return isObject(input) && typeof input.input === 'string' ? input.input : JSON.stringify(input ?? {});
}

/** The structured answer in the input of `ANSWER_TOOL` or `VALUE_TOOL`. */
export function answerOfInput(tool: string, input: unknown): string {
  const wrapped = tool === VALUE_TOOL && isObject(input) && input.value !== undefined;
  return JSON.stringify((wrapped ? input.value : input) ?? {});
}
