import type {
  Extra,
  JsonObject,
  MediaSource,
  Part,
  Signature,
  ToolCallPart,
  ToolResultPart,
} from '../../../../facts/conversation.ts';
import { compact, type Fields, isObject } from '../fields.ts';
import type { CallIds } from './call-ids.ts';
import { isGoogleFile, mediaKind, typeOfUrl } from './media.ts';
import { thinkingSignature } from './signature.ts';

/** What a part's decoder has to know of where the part stands. */
export interface PartReader {
  readonly ids: CallIds;
  /** undefined where the text is none. */
  signature(text: string): Signature | undefined;
  /** The call as the client's tool knows it, or what it stands for. */
  call(call: ToolCallPart): Part;
}

const KNOWN: ReadonlySet<string> = new Set([
  'text',
  'thought',
  'thoughtSignature',
  'inlineData',
  'fileData',
  'functionCall',
  'functionResponse',
]);

/** Members that say something of a part and are none. */
const NOTES = new Set(['thought', 'thoughtSignature', 'videoMetadata', 'mediaResolution', 'partMetadata']);

export function ownExtra(fields: JsonObject | undefined): { readonly extra?: Extra } {
  return fields === undefined || Object.keys(fields).length === 0
    ? {}
    : { extra: { format: 'generateContent', fields } };
}

/** A `Part` (https://ai.google.dev/api/caching#Part); null where there is nothing in it. */
export function decodePart(part: Fields, reader: PartReader): Part | null {
  const rest = part.rest(KNOWN);
  const signature = reader.signature(part.string('thoughtSignature') ?? '');
  const thought = part.boolean('thought') === true;
  const text = part.string('text');
  // Pictures of a thought are no part of the answer.
  if (thought && hasData(part)) return otherPart(part.value);
  if (thought && (text !== undefined || rest === undefined)) {
    const signed = signature === undefined ? {} : thinkingSignature(signature);
    return { kind: 'thinking', text: text ?? '', summary: true, ...signed, ...ownExtra(rest) };
  }
  const call = part.object('functionCall');
  if (call !== undefined) return reader.call({ ...toolCall(call, reader.ids, rest), ...(signature && { signature }) });
  const result = part.object('functionResponse');
  if (result !== undefined) return toolResult(result, reader, signedRest(part, rest));
  const media = mediaPart(part, signature, rest);
  if (media !== null) return media;
  if (text !== undefined || (signature !== undefined && rest === undefined)) {
    return { kind: 'text', text: text ?? '', ...(signature && { signature }), ...ownExtra(rest) };
  }
  return rest === undefined ? null : otherPart(part.value);
}

function hasData(part: Fields): boolean {
  return part.has('inlineData') || part.has('fileData') || part.has('functionCall') || part.has('functionResponse');
}

function otherPart(value: JsonObject): Part {
  const names = Object.keys(value);
  const name = names.find((candidate) => !NOTES.has(candidate)) ?? names[0] ?? '';
  return { kind: 'other', format: 'generateContent', name, value };
}

/** Where the hub has no place for a signature, it stays what it is. */
function signedRest(part: Fields, rest: JsonObject | undefined): JsonObject | undefined {
  const signature = part.string('thoughtSignature');
  return signature === undefined ? rest : { ...rest, thoughtSignature: signature };
}

const CALL_KNOWN: ReadonlySet<string> = new Set(['id', 'name', 'args']);

function toolCall(call: Fields, ids: CallIds, rest: JsonObject | undefined): ToolCallPart {
  const name = call.requiredString('name');
  const args = JSON.stringify(call.json('args') ?? {});
  const id = ids.call(nonEmpty(call.string('id')), name, args);
  const beside = call.rest(CALL_KNOWN);
  const extra = ownExtra(compact({ ...rest, functionCall: beside }));
  return { kind: 'tool_call', id, name, arguments: args, ...extra };
}

const RESULT_KNOWN: ReadonlySet<string> = new Set(['id', 'name', 'response', 'parts']);

function toolResult(result: Fields, reader: PartReader, rest: JsonObject | undefined): ToolResultPart {
  const { id, name } = reader.ids.result(nonEmpty(result.string('id')), result.string('name') ?? '');
  const { text, isError } = resultText(result.json('response') ?? {});
  const content: Part[] = [{ kind: 'text', text }];
  for (const item of result.objects('parts')) {
    const media = mediaPart(item, undefined, item.rest(KNOWN));
    content.push(media ?? otherPart(item.value));
  }
  const extra = ownExtra(compact({ ...rest, functionResponse: result.rest(RESULT_KNOWN) }));
  return { kind: 'tool_result', callId: id, name, content, isError, ...extra };
}

/**
 * What a tool gave back. A response is an object; by Google's convention its `output` is the result or its `error` what went wrong, and
 * without either the whole of it is the result.
 */
export function resultText(response: JsonObject): { readonly text: string; readonly isError: boolean } {
  const kind = resultKind(response);
  if (kind === 'output') return { text: response.output as string, isError: false };
  if (kind === 'error' && typeof response.error === 'string') return { text: response.error, isError: true };
  return { text: JSON.stringify(response), isError: kind === 'error' };
}

/** Which convention a response follows; `object`: none, it is the result as it stands. */
export function resultKind(response: JsonObject): 'output' | 'error' | 'object' {
  const names = Object.keys(response);
  if (names.length !== 1) return 'object';
  if (names[0] === 'output' && typeof response.output === 'string') return 'output';
  const { error } = response;
  return names[0] === 'error' && (typeof error === 'string' || isObject(error)) ? 'error' : 'object';
}

function mediaPart(part: Fields, signature: Signature | undefined, rest: JsonObject | undefined): Part | null {
  const blob = part.object('inlineData');
  const file = blob === undefined ? part.object('fileData') : undefined;
  const from = blob ?? file;
  if (from === undefined) return null;
  const uri = file?.requiredString('fileUri') ?? '';
  const given = from.string('mimeType') ?? '';
  const kind = mediaKind(given === '' ? typeOfUrl(uri) : given);
  const source: MediaSource =
    blob !== undefined
      ? { type: 'base64', mediaType: given, data: blob.requiredString('data') }
      : isGoogleFile(uri)
        ? { type: 'file', issuer: 'google', id: uri, mediaType: given }
        : { type: 'url', url: uri, mediaType: given };
  const displayName = from.string('displayName');
  const resolution = kind === 'image' ? detailOf(rest?.mediaResolution) : undefined;
  const kept = compact({
    ...rest,
    mediaResolution: resolution === undefined ? rest?.mediaResolution : undefined,
    displayName: kind === 'file' ? undefined : displayName,
    thoughtSignature: kind === 'image' ? undefined : part.string('thoughtSignature'),
  });
  if (kind === 'file')
    return { kind, source, ...(displayName !== undefined && { name: displayName }), ...ownExtra(kept) };
  if (kind !== 'image') return { kind, source, ...ownExtra(kept) };
  const detail = resolution === undefined ? {} : { detail: resolution };
  return { kind, source, ...detail, ...(signature && { signature }), ...ownExtra(kept) };
}

export const DETAIL_LEVELS: ReadonlyMap<string, string> = new Map([
  ['low', 'MEDIA_RESOLUTION_LOW'],
  ['medium', 'MEDIA_RESOLUTION_MEDIUM'],
  ['high', 'MEDIA_RESOLUTION_HIGH'],
  ['ultra_high', 'MEDIA_RESOLUTION_ULTRA_HIGH'],
]);

function detailOf(resolution: unknown): string | undefined {
  if (!isObject(resolution) || Object.keys(resolution).length !== 1) return undefined;
  for (const [detail, level] of DETAIL_LEVELS) if (resolution.level === level) return detail;
  return undefined;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
