import type { CustomTool, JsonObject, TextPart, ToolCallPart } from '../../../../facts/conversation.ts';
import { parseObject } from '../fields.ts';
import { answerInCall } from './output.ts';

/**
 * Tools whose argument is free text, which Gemini hasn't: functions with one string. An answer is read without its request, so the name
 * tells them apart.
 */
const PREFIX = 'sluice_text_';
const SCHEMA = { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] };

export function freeTextName(name: string): string {
  return PREFIX + name;
}

export function freeTextFunction({ name, description, grammar }: CustomTool): JsonObject {
  const rules = grammar === undefined ? '' : `The input must match this grammar: ${JSON.stringify(grammar)}`;
  const told = [description ?? '', rules].filter((text) => text !== '').join('\n\n');
  return { name: freeTextName(name), ...(told !== '' && { description: told }), parametersJsonSchema: SCHEMA };
}

/** A call that a provider answered with, as the client's tool knows it; the answer itself where the call stands for it. */
export function answeredCall(call: ToolCallPart): ToolCallPart | TextPart {
  const answer = answerInCall(call);
  if (answer !== undefined) return { kind: 'text', text: answer, ...(call.signature && { signature: call.signature }) };
  if (!call.name.startsWith(PREFIX)) return call;
  const input = parseObject(call.arguments)?.input;
  const text = typeof input === 'string' ? input : call.arguments;
  return { ...call, name: call.name.slice(PREFIX.length), arguments: text, custom: true };
}

/** Arguments as the object Gemini insists on; what is none is passed on as text, since a call in the history must not be lost. */
export function callArguments({ arguments: text, custom }: ToolCallPart): JsonObject {
  if (custom === true) return { input: text };
  if (text.trim() === '') return {};
  return parseObject(text) ?? { input: text };
}
