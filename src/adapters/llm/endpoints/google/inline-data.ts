import { GatewayError } from '../../../../errors/table.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import { mediaTypeOf } from '../../media-fetch/media-type.ts';
import type { FormFile } from '../../multipart.ts';

/** An uploaded file as a part of Gemini's contents (https://ai.google.dev/api/caching#Blob). Throws `invalid_request_body` for what isn't of the kind. */
export function inlineData(file: FormFile, kind: 'image' | 'audio'): JsonObject {
  const { name, filename, contentType, bytes } = file;
  const type = bytes.length === 0 ? null : typeOf(bytes, contentType, filename, kind);
  if (type === null) {
    const article = kind === 'image' ? 'an image' : 'audio';
    throw new GatewayError('invalid_request_body', `The file "${name}" is not ${article} of a known type.`);
  }
  return { inlineData: { mimeType: type, data: bytes.toString('base64') } };
}

function typeOf(bytes: Buffer, contentType: string, filename: string, kind: 'image' | 'audio'): string | null {
  const type = mediaTypeOf(bytes, contentType, filename, kind);
  if (type !== null || kind === 'image') return type === null ? null : (USUAL.get(type) ?? type);
  // Sound in a container of films, and endings that no address has.
  return mediaTypeOf(bytes, contentType, filename, 'video') ?? ENDINGS.get(endingOf(filename)) ?? null;
}

function endingOf(filename: string): string {
  return filename.slice(filename.lastIndexOf('.') + 1).toLowerCase();
}

const ENDINGS: ReadonlyMap<string, string> = new Map([
  ['mpga', 'audio/mp3'],
  ['oga', 'audio/ogg'],
  ['opus', 'audio/ogg'],
  ['aiff', 'audio/aiff'],
]);

/** The names by which Gemini knows its types (https://ai.google.dev/gemini-api/docs/audio#supported-formats). */
const USUAL: ReadonlyMap<string, string> = new Map([
  ['audio/mpeg', 'audio/mp3'],
  ['audio/mpga', 'audio/mp3'],
  ['audio/x-mp3', 'audio/mp3'],
  ['audio/x-wav', 'audio/wav'],
  ['audio/wave', 'audio/wav'],
  ['audio/vnd.wave', 'audio/wav'],
  ['audio/x-flac', 'audio/flac'],
  ['audio/x-m4a', 'audio/m4a'],
  ['audio/x-aiff', 'audio/aiff'],
  ['audio/x-aac', 'audio/aac'],
  ['audio/opus', 'audio/ogg'],
]);
