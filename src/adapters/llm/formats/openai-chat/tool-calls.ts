import type { JsonObject, ToolCallPart } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { isObject } from '../fields.ts';
import { safeId } from '../names.ts';
import { extraOf, given, ownExtra } from './own.ts';
import type { Seal, Sign } from './thinking.ts';

/** A call as it stands in `tool_calls`, of a function or of a custom tool, whole or the beginning of a streamed one. */

export const OF_CALL = new Set(['id', 'type', 'function', 'custom', 'index', 'extra_content']);

/** `madeUpId`: of a call whose provider gave it none. */
export function readToolCall(call: Fields, sign: Sign, madeUpId: () => string): ToolCallPart {
  const isCustom = call.value.type === 'custom' && call.has('custom');
  const tool = call.requiredObject(isCustom ? 'custom' : 'function');
  const id = call.string('id');
  const signature = googleSignature(call.value);
  const rest = call.rest(OF_CALL);
  return {
    kind: 'tool_call',
    id: id === undefined || id === '' ? madeUpId() : id,
    name: tool.requiredString('name'),
    arguments: argumentsText(tool, isCustom ? 'input' : 'arguments'),
    ...(isCustom ? { custom: true } : {}),
    ...given('signature', signature === undefined ? undefined : sign(signature)),
    ...extraOf(otherExtraContent(call.value, rest)),
  };
}

/** Some send the object in place of its text. */
function argumentsText(tool: Fields, name: string): string {
  const value = tool.value[name];
  return isObject(value) ? JSON.stringify(value) : (tool.string(name) ?? '');
}

/**
 * Google's endpoints for this format sign calls and text in `extra_content`, Gemini's as `google` and Vertex's as `vertex`
 * (https://ai.google.dev/gemini-api/docs/thought-signatures).
 */
export function googleSignature(value: JsonObject): string | undefined {
  const content = value.extra_content;
  if (!isObject(content)) return undefined;
  const google = isObject(content.google) ? content.google : content.vertex;
  const signature = isObject(google) ? google.thought_signature : undefined;
  return typeof signature === 'string' && signature !== '' ? signature : undefined;
}

/** `rest` with `extra_content` where that holds something else than a signature. */
export function otherExtraContent(value: JsonObject, rest: JsonObject | undefined): JsonObject | undefined {
  const content = value.extra_content;
  if (content === undefined || content === null || googleSignature(value) !== undefined) return rest;
  return { ...rest, extra_content: content };
}

export function writeGoogleSignature(signature: string): JsonObject {
  return { extra_content: { google: { thought_signature: signature } } };
}

/** OpenAI takes no longer ids. */
const MAX_ID = 40;

/** The id as the format takes it, the same for a call and its result. */
export function callId(id: string): string {
  return id.length <= MAX_ID && id !== '' ? id : safeId(id, 'call_', MAX_ID);
}

/** `name`, `id`: as their reader knows them. `seal`: for the signature. */
export function writeToolCall(part: ToolCallPart, id: string, name: string, seal: Seal): JsonObject {
  const signature = part.signature && seal(part.signature);
  return {
    id,
    ...(part.custom === true
      ? { type: 'custom', custom: { name, input: part.arguments } }
      : { type: 'function', function: { name, arguments: part.arguments } }),
    ...(signature === undefined ? {} : writeGoogleSignature(signature)),
    ...ownExtra(part),
  };
}
