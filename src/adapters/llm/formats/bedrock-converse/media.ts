import { GatewayError } from '../../../../errors/table.ts';
import type {
  AudioPart,
  FilePart,
  ImagePart,
  JsonObject,
  MediaSource,
  VideoPart,
} from '../../../../facts/conversation.ts';
import type { Feature, Losses } from '../features.ts';
import { compact, type Fields } from '../fields.ts';
import { ownExtra, restOf } from './extra.ts';
import type { DocumentNames } from './names.ts';

/**
 * Images, documents, audio and video: Bedrock names their format by an extension where others have a media type, and takes bytes or
 * an object in S3 (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html and its neighbours).
 */

type MediaKind = 'image' | 'document' | 'audio' | 'video';

/** Formats whose media type isn't just the kind and the format's name. */
const MEDIA_TYPES: Readonly<Record<MediaKind, Readonly<Record<string, string>>>> = {
  image: {},
  document: {
    pdf: 'application/pdf',
    csv: 'text/csv',
    doc: 'application/msword',
    docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    xls: 'application/vnd.ms-excel',
    xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    html: 'text/html',
    txt: 'text/plain',
    md: 'text/markdown',
  },
  audio: { mp3: 'audio/mpeg', mpeg: 'audio/x-mpeg', mka: 'audio/x-matroska' },
  video: {
    mov: 'video/quicktime',
    mkv: 'video/x-matroska',
    flv: 'video/x-flv',
    wmv: 'video/x-ms-wmv',
    three_gp: 'video/3gpp',
  },
};

const FORMATS: Readonly<Record<MediaKind, readonly string[]>> = {
  image: ['png', 'jpeg', 'gif', 'webp'],
  document: ['pdf', 'csv', 'doc', 'docx', 'xls', 'xlsx', 'html', 'txt', 'md'],
  audio: 'mp3 opus wav aac flac mp4 ogg mkv mka x-aac m4a mpeg mpga pcm webm'.split(' '),
  video: ['mkv', 'mov', 'mp4', 'webm', 'flv', 'mpeg', 'mpg', 'wmv', 'three_gp'],
};

/** Other names of the same. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['image/jpg', 'jpeg'],
  ['audio/mp3', 'mp3'],
  ['audio/wave', 'wav'],
  ['audio/x-wav', 'wav'],
  ['audio/x-m4a', 'm4a'],
  ['text/x-markdown', 'md'],
  ['application/csv', 'csv'],
  ['application/json', 'txt'],
]);

/** '' where the block names no format. */
export function mediaTypeOf(kind: MediaKind, format: string): string {
  if (format === '') return '';
  const named = MEDIA_TYPES[kind];
  if (Object.hasOwn(named, format)) return named[format] as string;
  return `${kind === 'document' ? 'application' : kind}/${format}`;
}

/** undefined where Bedrock has no format for it. */
function formatOf(kind: MediaKind, mediaType: string): string | undefined {
  const type = (mediaType.split(';')[0] as string).trim().toLowerCase();
  const alias = ALIASES.get(type);
  if (alias !== undefined && FORMATS[kind].includes(alias)) return alias;
  const found = FORMATS[kind].find((format) => mediaTypeOf(kind, format) === type);
  if (found !== undefined) return found;
  // Any other text is read as such.
  return kind === 'document' && type.startsWith('text/') ? 'txt' : undefined;
}

// ---- decoding ----

const MEDIA_FIELDS = new Set(['format', 'source']);
const DOCUMENT_FIELDS = new Set(['format', 'source', 'name', 'context', 'citations']);

export function decodeImage(block: Fields): ImagePart | null {
  const source = decodeSource('image', block);
  return source === null ? null : { kind: 'image', source, ...restOf(block, MEDIA_FIELDS, ownerOf(block)) };
}

export function decodeAudio(block: Fields): AudioPart | null {
  const source = decodeSource('audio', block);
  return source === null ? null : { kind: 'audio', source, ...restOf(block, MEDIA_FIELDS, ownerOf(block)) };
}

export function decodeVideo(block: Fields): VideoPart | null {
  const source = decodeSource('video', block);
  return source === null ? null : { kind: 'video', source, ...restOf(block, MEDIA_FIELDS, ownerOf(block)) };
}

export function decodeDocument(block: Fields): FilePart | null {
  const text = block.object('source')?.string('text');
  const pieces = block.object('source')?.objects('content') ?? [];
  const format = block.string('format');
  const own: JsonObject = { ...ownerOf(block) };
  let source = decodeSource('document', block);
  if (text !== undefined || pieces.length > 0) {
    source = { type: 'text', text: text ?? pieces.map((piece) => piece.string('text') ?? '').join('\n') };
    // The hub's text has neither a format nor pieces.
    if (format !== 'txt') own.format = format ?? '';
    if (text === undefined) own.content = block.object('source')?.value.content;
  }
  if (source === null) return null;
  const part = {
    kind: 'file' as const,
    source,
    name: block.string('name'),
    context: block.string('context'),
    citations: block.object('citations')?.boolean('enabled'),
    ...restOf(block, DOCUMENT_FIELDS, own),
  };
  return compact(part) as FilePart;
}

/** null where there is none that is known. */
function decodeSource(kind: MediaKind, block: Fields): MediaSource | null {
  const mediaType = mediaTypeOf(kind, block.string('format') ?? '');
  const source = block.object('source');
  const data = source?.string('bytes');
  if (data !== undefined) return { type: 'base64', mediaType, data };
  const url = source?.object('s3Location')?.string('uri');
  return url === undefined ? null : { type: 'url', url, mediaType };
}

/** The AWS account whose bucket it is. */
function ownerOf(block: Fields): JsonObject {
  const bucketOwner = block.object('source')?.object('s3Location')?.string('bucketOwner');
  return bucketOwner === undefined ? {} : { bucketOwner };
}

// ---- encoding ----

/** An image of an answer, for a client; null for one that isn't there as bytes. */
export function encodeAnswerImage({ source, extra }: ImagePart): JsonObject | null {
  if (source.type !== 'base64') return null;
  const format = formatOf('image', source.mediaType) ?? 'png';
  return { image: { format, source: { bytes: source.data }, ...ownExtra(extra) } };
}

/** The block that says a medium. Throws `unsupported_parameter` for what no block can say. */
export function encodeMedia(
  part: ImagePart | AudioPart | VideoPart | FilePart,
  names: DocumentNames,
  losses: Losses,
): JsonObject | null {
  const { format, ...own } = ownFields(part);
  if (part.kind === 'file' && part.source.type !== 'text' && part.source.mediaType.startsWith('image/')) {
    return encodeMedia({ kind: 'image', source: part.source }, names, losses);
  }
  if (part.kind !== 'file') {
    if (part.kind === 'image' && part.detail !== undefined) losses.drop('imageDetail');
    const source = encodeSource(part.kind, part.source, own, losses);
    return source === null ? null : { [part.kind]: { ...source, ...withoutOwner(own) } };
  }
  const source = encodeSource('document', part.source, own, losses);
  if (source === null) return null;
  const { content, ...rest } = withoutOwner(own);
  const document = {
    ...source,
    ...(format === undefined ? {} : { format: format === '' ? undefined : format }),
    ...(Array.isArray(content) ? { source: { content } } : {}),
    name: names.next(part.name),
    context: part.context,
    citations: part.citations === undefined ? undefined : { enabled: part.citations },
    ...rest,
  };
  return { document: compact(document) };
}

function ownFields({ extra }: ImagePart | AudioPart | VideoPart | FilePart): JsonObject {
  const { guardContent: _, ...own } = ownExtra(extra);
  return own;
}

function withoutOwner({ bucketOwner: _, ...rest }: JsonObject): JsonObject {
  return rest;
}

/** What can't be said, by kind and source. */
const LOST: Readonly<Record<MediaKind, { readonly url: Feature; readonly file: Feature; readonly text: Feature }>> = {
  image: { url: 'imageUrl', file: 'imageFile', text: 'imageFile' },
  document: { url: 'fileUrl', file: 'fileId', text: 'fileText' },
  audio: { url: 'audio', file: 'audio', text: 'audio' },
  video: { url: 'video', file: 'video', text: 'video' },
};

function encodeSource(kind: MediaKind, source: MediaSource, own: JsonObject, losses: Losses): JsonObject | null {
  if (source.type === 'text' && kind === 'document') return { format: 'txt', source: { text: source.text } };
  if (source.type === 'base64') {
    const format = formatOf(kind, source.mediaType) ?? sniffed(kind, source.data);
    if (format === undefined) throw unsupportedMedia(kind, source.mediaType);
    return { format, source: { bytes: source.data } };
  }
  if (source.type === 'url' && source.url.startsWith('s3://')) {
    const format = formatOf(kind, source.mediaType) ?? formatOfName(kind, source.url);
    if (format === undefined) throw unsupportedMedia(kind, source.mediaType);
    return { format, source: { s3Location: compact({ uri: source.url, bucketOwner: own.bucketOwner }) } };
  }
  losses.drop(LOST[kind][source.type]);
  return null;
}

function unsupportedMedia(kind: MediaKind, mediaType: string): GatewayError {
  const what = mediaType === '' ? `a ${kind} of unknown type` : `"${mediaType}"`;
  return new GatewayError('unsupported_parameter', `Bedrock takes no ${what}; it takes ${FORMATS[kind].join(', ')}.`);
}

/** First characters of base64 that formats begin with. */
const BEGINNINGS: readonly (readonly [string, string])[] = [
  ['iVBOR', 'png'],
  ['/9j/', 'jpeg'],
  ['R0lGOD', 'gif'],
  ['UklGR', 'webp'],
  ['JVBER', 'pdf'],
];

/** The format of bytes whose type isn't said, or is said wrong. */
function sniffed(kind: MediaKind, data: string): string | undefined {
  const found = BEGINNINGS.find(([beginning]) => data.startsWith(beginning))?.[1];
  return found !== undefined && FORMATS[kind].includes(found) ? found : undefined;
}

function formatOfName(kind: MediaKind, url: string): string | undefined {
  const extension = url.slice(url.lastIndexOf('.') + 1).toLowerCase();
  const format = extension === 'jpg' ? 'jpeg' : extension === '3gp' ? 'three_gp' : extension;
  return FORMATS[kind].includes(format) ? format : undefined;
}
