import { GatewayError } from '../../../../errors/table.ts';
import type { FilePart, ImagePart, JsonObject, MediaSource, Part, TextPart } from '../../../../facts/conversation.ts';
import type { EncodeContext } from '../codec.ts';
import { dataUrl, parseDataUrl } from '../data-url.ts';
import { compact, type Fields } from '../fields.ts';
import { given } from '../openai-chat/own.ts';
import { decodeAnnotation } from './annotations.ts';
import { extraOf, FORMAT, ISSUER, ownExtra } from './own.ts';

/** The content of messages and of tools' results: `input_text`, `input_image`, `input_file`, `output_text`, `refusal`. */

const TEXT = new Set(['type', 'text', 'annotations']);
const REFUSAL = new Set(['type', 'refusal']);
const IMAGE = new Set(['type', 'image_url', 'file_id', 'detail']);
const FILE = new Set(['type', 'file_data', 'file_url', 'file_id', 'filename']);

/** A piece of what a user, a system or a tool says. */
export function decodeContent(content: Fields): Part {
  const name = content.string('type') ?? '';
  switch (name) {
    case 'input_image':
      return {
        kind: 'image',
        source: imageSource(content),
        ...given('detail', imageDetail(content)),
        ...cacheMark(content),
        ...extraOf(content.rest(IMAGE)),
      };
    case 'input_file':
      return {
        kind: 'file',
        source: fileSource(content),
        ...given('name', content.string('filename')),
        ...cacheMark(content),
        ...extraOf(content.rest(FILE)),
      };
    case '':
      throw content.fault('type', 'is missing');
    default:
      return decodeOutput(content) ?? { kind: 'other', format: FORMAT, name, value: content.value };
  }
}

/** The text of `input`, an answer or its history; null for what is no text. */
export function decodeOutput(content: Fields): Part | null {
  switch (content.string('type')) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return decodeText(content);
    case 'refusal':
      return {
        kind: 'refusal',
        text: content.requiredString('refusal'),
        ...extraOf(content.rest(REFUSAL)),
      };
    default:
      return null;
  }
}

function decodeText(content: Fields): TextPart {
  const citations = content.objects('annotations').map(decodeAnnotation);
  const rest = content.rest(TEXT);
  if (Array.isArray(rest?.logprobs) && rest.logprobs.length === 0) delete rest.logprobs;
  return {
    kind: 'text',
    text: content.requiredString('text'),
    ...(citations.length > 0 && { citations }),
    ...cacheMark(content),
    ...extraOf(rest !== undefined && Object.keys(rest).length > 0 ? rest : undefined),
  };
}

/** What a result of a tool says: text, or a list. */
export function decodeToolOutput(item: Fields): Part[] {
  const output = item.value.output;
  if (typeof output === 'string') return output === '' ? [] : [{ kind: 'text', text: output }];
  return item.objects('output').map(decodeContent);
}

/** `prompt_cache_breakpoint` itself stays in `extra`: only some models take it, so it is given to those alone whose clients sent it. */
function cacheMark(content: Fields): { cache?: { ttl: string } } {
  return content.has('prompt_cache_breakpoint') ? { cache: { ttl: '' } } : {};
}

/** `auto` is what holds where nothing is said. */
function imageDetail(content: Fields): string | undefined {
  const detail = content.string('detail');
  return detail === 'auto' ? undefined : detail;
}

function imageSource(content: Fields): MediaSource {
  const url = content.string('image_url');
  if (url !== undefined) return urlSource(url);
  return fileId(content) ?? fail(content, 'image_url');
}

function fileSource(content: Fields): MediaSource {
  const url = content.string('file_url');
  if (url !== undefined) return { type: 'url', url, mediaType: '' };
  const data = content.string('file_data');
  if (data === undefined) return fileId(content) ?? fail(content, 'file_data');
  const source = urlSource(data);
  return source.type === 'base64' ? source : { type: 'base64', mediaType: 'application/pdf', data };
}

function urlSource(url: string): MediaSource {
  const data = parseDataUrl(url);
  return data === null ? { type: 'url', url, mediaType: '' } : { type: 'base64', ...data };
}

function fileId(content: Fields): MediaSource | undefined {
  const id = content.string('file_id');
  return id === undefined ? undefined : { type: 'file', issuer: ISSUER, id, mediaType: '' };
}

function fail(content: Fields, name: string): never {
  throw content.fault(name, 'is missing');
}

/** What of `part` a message of a user or a tool's result can say. */
export function encodeContent(part: Part, context: EncodeContext): JsonObject[] {
  const { losses } = context;
  const own = ownExtra(part.kind === 'other' ? {} : part);
  if (part.cache !== undefined && part.kind !== 'other' && !('prompt_cache_breakpoint' in own))
    losses.drop('cacheMarks');
  switch (part.kind) {
    case 'text':
      return [{ type: 'input_text', text: part.text, ...own }];
    case 'refusal':
    case 'thinking':
      return part.text === '' ? [] : [{ type: 'input_text', text: part.text }];
    case 'image':
      return encodeImage(part, own, context);
    case 'file':
      return encodeFile(part, own, context);
    case 'other':
      if (part.format === FORMAT) return [part.value];
      losses.drop('providerTools', part.name);
      return [];
    case 'audio':
    case 'video':
      losses.drop(part.kind);
      return [];
    default:
      return [];
  }
}

const DETAILS = new Set(['low', 'high', 'original']);

function encodeImage({ source, detail }: ImagePart, own: JsonObject, context: EncodeContext): JsonObject[] {
  const word = imageWord(detail);
  if (word === undefined) context.losses.drop('imageDetail');
  const image = { type: 'input_image', detail: word ?? 'auto' };
  switch (source.type) {
    case 'base64':
      return [{ ...image, image_url: dataUrl(source), ...own }];
    case 'url':
      return [{ ...image, image_url: source.url, ...own }];
    case 'file':
      return [{ ...image, file_id: fileIdFor(source, context), ...own }];
    default:
      return [{ type: 'input_text', text: source.text }];
  }
}

/** OpenAI's word for a resolution; Gemini's are `MEDIA_RESOLUTION_LOW`, `_MEDIUM`, `_HIGH`. */
function imageWord(detail = 'auto'): string | undefined {
  const word = detail.slice(detail.lastIndexOf('_') + 1).toLowerCase();
  if (word === 'auto' || word === 'medium') return 'auto';
  return DETAILS.has(word) ? word : undefined;
}

/** What the document is about, and plain text, become text of their own. */
function encodeFile(part: FilePart, own: JsonObject, context: EncodeContext): JsonObject[] {
  if (part.citations === true) context.losses.drop('fileCitations');
  const { source, name } = part;
  const about = part.context === undefined ? [] : [{ type: 'input_text', text: part.context }];
  const file = { type: 'input_file', ...given('filename', name) };
  switch (source.type) {
    case 'base64':
      return [...about, { ...file, filename: name ?? fileName(source.mediaType), file_data: dataUrl(source), ...own }];
    case 'url':
      return [...about, { ...file, file_url: source.url, ...own }];
    case 'file':
      return [...about, { ...file, file_id: fileIdFor(source, context), ...own }];
    default:
      return [...about, { type: 'input_text', text: name === undefined ? source.text : `${name}\n\n${source.text}` }];
  }
}

/** The provider wants a name; what stands behind the dot tells the type. */
function fileName(mediaType: string): string {
  const subtype = mediaType.slice(mediaType.indexOf('/') + 1);
  return `document.${subtype === 'plain' ? 'txt' : subtype}`;
}

function fileIdFor({ issuer, id }: MediaSource & { type: 'file' }, context: EncodeContext): string {
  if (context.native === true || issuer === context.issuer) return id;
  throw new GatewayError('unsupported_parameter', `The file "${id}" was not uploaded to the provider.`);
}

/** What a result of a tool becomes: text where it is nothing else. */
export function encodeToolOutput(content: readonly Part[], context: EncodeContext): string | JsonObject[] {
  const list = content.flatMap((part) => encodeContent(part, context));
  if (list.length === 0) return '';
  return plainText(list) ?? list;
}

/** The text of a list that is one piece of plain text. */
export function plainText(list: readonly JsonObject[]): string | undefined {
  const [only] = list;
  if (list.length !== 1 || only === undefined || only.type !== 'input_text') return undefined;
  return typeof only.text === 'string' && Object.keys(compact(only)).length === 2 ? only.text : undefined;
}
