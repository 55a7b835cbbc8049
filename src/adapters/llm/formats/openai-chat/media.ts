import { GatewayError } from '../../../../errors/table.ts';
import type {
  AudioPart,
  FilePart,
  ImagePart,
  JsonObject,
  MediaSource,
  VideoPart,
} from '../../../../facts/conversation.ts';
import type { EncodeContext } from '../codec.ts';
import { dataUrl, parseDataUrl } from '../data-url.ts';
import type { Fields } from '../fields.ts';
import { cacheMark, extraOf, given, ISSUER, ownExtra } from './own.ts';

/**
 * Images, audio, video and documents in the content of messages. `input_audio` and `file` are OpenAI's; `audio_url` and `video_url` are
 * vLLM's and OpenRouter's.
 */

const TYPED = ['type', 'image_url', 'input_audio', 'audio_url', 'video_url', 'file'];

/** The part that a content object of one of the media types is; null for another type. */
export function readMedia(part: Fields): ImagePart | AudioPart | VideoPart | FilePart | null {
  const type = part.string('type') ?? '';
  const common = () => ({ ...cacheMark(part), ...extraOf(part.rest(KNOWN)) });
  switch (type) {
    case 'image_url': {
      const image = urlObject(part, type);
      return { kind: 'image', source: urlSource(image.url), ...given('detail', image.detail), ...common() };
    }
    case 'audio_url':
      return { kind: 'audio', source: urlSource(urlObject(part, type).url), ...common() };
    case 'video_url':
      return { kind: 'video', source: urlSource(urlObject(part, type).url), ...common() };
    case 'input_audio': {
      const audio = part.requiredObject(type);
      const mediaType = audioType(audio.requiredString('format'));
      return { kind: 'audio', source: { type: 'base64', mediaType, data: audio.requiredString('data') }, ...common() };
    }
    case 'file': {
      const file = part.requiredObject(type);
      return { kind: 'file', source: fileSource(file), ...given('name', file.string('filename')), ...common() };
    }
    default:
      return null;
  }
}

const KNOWN = new Set(TYPED);

/** `{url, detail}`; some clients send the URL alone. */
function urlObject(part: Fields, name: string): { url: string; detail: string | undefined } {
  const value = part.value[name];
  if (typeof value === 'string') return { url: value, detail: undefined };
  const object = part.requiredObject(name);
  return { url: object.requiredString('url'), detail: object.string('detail') };
}

export function urlSource(url: string): MediaSource {
  const data = parseDataUrl(url);
  return data === null ? { type: 'url', url, mediaType: '' } : { type: 'base64', ...data };
}

function fileSource(file: Fields): MediaSource {
  const id = file.string('file_id');
  if (id !== undefined) return { type: 'file', issuer: ISSUER, id, mediaType: '' };
  const data = file.requiredString('file_data');
  // OpenRouter takes URLs there.
  const source = urlSource(data);
  if (source.type === 'base64' || data.startsWith('https://') || data.startsWith('http://')) return source;
  return { type: 'base64', mediaType: 'application/pdf', data };
}

/** An image as part of a message's content. */
export function writeImage(part: ImagePart, { losses }: EncodeContext): JsonObject[] {
  const url = urlOf(part.source);
  if (url === null) {
    losses.drop('imageFile');
    return [];
  }
  const detail = imageDetail(part.detail);
  if (detail === undefined && part.detail !== undefined) losses.drop('imageDetail');
  return [{ type: 'image_url', image_url: { url, ...given('detail', detail) }, ...ownExtra(part) }];
}

const DETAILS = new Set(['low', 'high', 'auto']);

/** OpenAI's word for a resolution; Gemini's are `MEDIA_RESOLUTION_LOW`, `_MEDIUM`, `_HIGH`. */
function imageDetail(detail: string | undefined): string | undefined {
  if (detail === undefined || DETAILS.has(detail)) return detail;
  const word = detail.slice(detail.lastIndexOf('_') + 1).toLowerCase();
  if (word === 'medium') return 'auto';
  return DETAILS.has(word) ? word : undefined;
}

export function writeVideo(part: VideoPart, { losses }: EncodeContext): JsonObject[] {
  const url = urlOf(part.source);
  if (url !== null) return [{ type: 'video_url', video_url: { url }, ...ownExtra(part) }];
  losses.drop('video');
  return [];
}

export function writeAudio(part: AudioPart, { losses }: EncodeContext): JsonObject[] {
  const { source } = part;
  if (source.type === 'base64') {
    const audio = { data: source.data, format: audioFormat(source.mediaType) };
    return [{ type: 'input_audio', input_audio: audio, ...ownExtra(part) }];
  }
  const url = urlOf(source);
  if (url !== null) return [{ type: 'audio_url', audio_url: { url }, ...ownExtra(part) }];
  losses.drop('audio');
  return [];
}

/** A document. What it is about, and plain text, become text of their own. */
export function writeFile(part: FilePart, { issuer, losses }: EncodeContext): JsonObject[] {
  if (part.citations === true) losses.drop('fileCitations');
  const context = part.context === undefined ? [] : [{ type: 'text', text: part.context }];
  const { source } = part;
  switch (source.type) {
    case 'base64': {
      const file = { filename: part.name ?? fileName(source.mediaType), file_data: dataUrl(source) };
      return [...context, { type: 'file', file, ...ownExtra(part) }];
    }
    case 'file':
      if (source.issuer !== issuer) {
        throw new GatewayError('unsupported_parameter', `The file "${source.id}" was not uploaded to the provider.`);
      }
      return [
        ...context,
        { type: 'file', file: { file_id: source.id, ...given('filename', part.name) }, ...ownExtra(part) },
      ];
    case 'text': {
      const name = part.name === undefined ? '' : `${part.name}\n\n`;
      return [...context, { type: 'text', text: `${name}${source.text}`, ...ownExtra(part) }];
    }
    default:
      losses.drop('fileUrl');
      return [];
  }
}

/** As a URL, `data:` where the bytes are here; null for what has none. */
export function urlOf(source: MediaSource): string | null {
  if (source.type === 'base64') return dataUrl(source);
  return source.type === 'url' ? source.url : null;
}

/** The provider wants a name; what stands behind the dot tells the type. */
function fileName(mediaType: string): string {
  const subtype = mediaType.slice(mediaType.indexOf('/') + 1);
  return `document.${subtype === 'plain' ? 'txt' : subtype}`;
}

/** OpenAI's names of audio formats that aren't the subtype. */
const AUDIO_TYPES: ReadonlyMap<string, string> = new Map([
  ['mp3', 'audio/mpeg'],
  ['m4a', 'audio/mp4'],
  ['pcm16', 'audio/L16;rate=24000'],
]);

/** Other names that audio types go by. */
const AUDIO_FORMATS: ReadonlyMap<string, string> = new Map([
  ...[...AUDIO_TYPES].map(([format, type]) => [type, format] as const),
  ['audio/x-wav', 'wav'],
  ['audio/wave', 'wav'],
  ['audio/vnd.wave', 'wav'],
]);

export function audioType(format: string): string {
  return AUDIO_TYPES.get(format) ?? `audio/${format}`;
}

function audioFormat(mediaType: string): string {
  return AUDIO_FORMATS.get(mediaType) ?? mediaType.slice(mediaType.indexOf('/') + 1);
}
