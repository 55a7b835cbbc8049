/** Base64 media in `data:` URLs (RFC 2397), as OpenAI's formats and others carry them. */

export interface DataUrl {
  /** With its parameters, e.g. `audio/L16;rate=24000`. */
  readonly mediaType: string;
  /** Base64. */
  readonly data: string;
}

const SCHEME = 'data:';
const BASE64 = ';base64';

/** null for anything but a well-formed `data:` URL. Data that isn't base64 there is made so. */
export function parseDataUrl(url: string): DataUrl | null {
  if (url.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return null;
  const comma = url.indexOf(',');
  if (comma < 0) return null;
  const head = url.slice(SCHEME.length, comma);
  const isBase64 = head.slice(-BASE64.length).toLowerCase() === BASE64;
  const mediaType = isBase64 ? head.slice(0, -BASE64.length) : head;
  const data = url.slice(comma + 1);
  if (isBase64) return { mediaType: mediaType || DEFAULT_TYPE, data };
  try {
    return { mediaType: mediaType || DEFAULT_TYPE, data: Buffer.from(decodeURIComponent(data)).toString('base64') };
  } catch {
    return null;
  }
}

const DEFAULT_TYPE = 'text/plain';

export function dataUrl({ mediaType, data }: DataUrl): string {
  return `${SCHEME}${mediaType}${BASE64},${data}`;
}
