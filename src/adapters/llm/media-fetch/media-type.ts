import { typeOfUrl } from '../formats/gemini/media.ts';

/** What a fetched medium is taken for. */
export type MediaKind = 'image' | 'audio' | 'video' | 'file';

/** What bytes begin with, and where. A server's word is not enough: an error page may well call itself an image. */
const SIGNATURES: readonly (readonly [offset: number, bytes: string, type: string])[] = [
  [0, '\x89PNG\r\n\x1a\n', 'image/png'],
  [0, '\xff\xd8\xff', 'image/jpeg'],
  [0, 'GIF8', 'image/gif'],
  [8, 'WEBP', 'image/webp'],
  [4, 'ftypheic', 'image/heic'],
  [4, 'ftypheix', 'image/heic'],
  [4, 'ftypmif1', 'image/heif'],
  [4, 'ftypavif', 'image/avif'],
  [0, '%PDF-', 'application/pdf'],
  [8, 'WAVE', 'audio/wav'],
  [0, 'fLaC', 'audio/flac'],
  [0, 'OggS', 'audio/ogg'],
  [0, 'ID3', 'audio/mpeg'],
  [4, 'ftypM4A', 'audio/mp4'],
  [4, 'ftyp', 'video/mp4'],
  [0, '\x1aE\xdf\xa3', 'video/webm'],
];

/** Types that say nothing. */
const UNKNOWN: ReadonlySet<string> = new Set(['', 'application/octet-stream', 'binary/octet-stream']);

/** Documents that their first bytes don't tell. */
const DOCUMENT = /^(?:text\/|application\/(?:json|csv|msword|rtf|vnd\.ms-|vnd\.openxmlformats-officedocument\.))/;

/**
 * The type of fetched bytes where they are what they were asked for, else null. Images are known by their first bytes alone; other media
 * also by what the server says, or by the URL's ending.
 */
export function mediaTypeOf(bytes: Buffer, contentType: string, url: string, kind: MediaKind): string | null {
  const sniffed = sniff(bytes);
  if (kind === 'image') return sniffed?.startsWith('image/') === true ? sniffed : null;
  const said = (contentType.split(';', 1)[0] as string).trim().toLowerCase();
  const type = UNKNOWN.has(said) ? typeOfUrl(url) : said;
  if (kind === 'file') {
    if (sniffed === 'application/pdf' || sniffed?.startsWith('image/') === true) return sniffed;
    return sniffed === null && DOCUMENT.test(type) ? type : null;
  }
  // Containers hold the one or the other: there the server knows better.
  return [type, sniffed].find((one) => one?.startsWith(`${kind}/`) === true) ?? null;
}

function sniff(bytes: Buffer): string | null {
  const beginning = bytes.toString('latin1', 0, 16);
  return SIGNATURES.find(([offset, signature]) => beginning.startsWith(signature, offset))?.[2] ?? null;
}
