/** Kinds of media by their type, and types by names of files. */

export type MediaKind = 'image' | 'audio' | 'video' | 'file';

export function mediaKind(mediaType: string): MediaKind {
  const main = mediaType.slice(0, mediaType.indexOf('/') + 1);
  if (main === 'image/') return 'image';
  if (main === 'audio/') return 'audio';
  return main === 'video/' ? 'video' : 'file';
}

/** What Gemini takes (https://ai.google.dev/gemini-api/docs/files), by the ending of a URL's path. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['png', 'image/png'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['webp', 'image/webp'],
  ['gif', 'image/gif'],
  ['heic', 'image/heic'],
  ['heif', 'image/heif'],
  ['mp3', 'audio/mp3'],
  ['wav', 'audio/wav'],
  ['flac', 'audio/flac'],
  ['ogg', 'audio/ogg'],
  ['aac', 'audio/aac'],
  ['m4a', 'audio/m4a'],
  ['mp4', 'video/mp4'],
  ['mov', 'video/mov'],
  ['webm', 'video/webm'],
  ['mpeg', 'video/mpeg'],
  ['pdf', 'application/pdf'],
  ['txt', 'text/plain'],
  ['md', 'text/markdown'],
  ['csv', 'text/csv'],
  ['html', 'text/html'],
  ['json', 'application/json'],
]);

/** The type that a URL's ending says; ''. A YouTube link is a video. */
export function typeOfUrl(url: string): string {
  if (isYouTube(url)) return 'video/mp4';
  const path = url.split(/[?#]/, 1)[0] ?? '';
  return TYPES.get(path.slice(path.lastIndexOf('.') + 1).toLowerCase()) ?? '';
}

function isYouTube(url: string): boolean {
  return ['https://www.youtube.com/', 'https://youtube.com/', 'https://youtu.be/'].some((start) =>
    url.startsWith(start),
  );
}

/** The type sent where nobody says which: Google wants one. */
export const USUAL_TYPES: Readonly<Record<MediaKind, string>> = {
  image: 'image/jpeg',
  audio: 'audio/wav',
  video: 'video/mp4',
  file: 'application/pdf',
};

const FILES_API = 'https://generativelanguage.googleapis.com/';

/** A file that only Google can read: of its Files API or of Cloud Storage. */
export function isGoogleFile(uri: string): boolean {
  return uri.startsWith(FILES_API) || uri.startsWith('gs://') || uri.startsWith('files/');
}
