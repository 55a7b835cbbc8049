import type { Exchange } from '../../../exchange.ts';

const UPLOAD_URL = 'x-goog-upload-url';

/**
 * Google answers the start of an upload (https://ai.google.dev/api/files#method:-media.upload) with the address that the bytes go to.
 * It is put here, as the client sees the gateway: otherwise the client would send them past it, and its key for the gateway along.
 */
export function keepUploadsHere(exchange: Exchange): void {
  const origin = `${schemeOf(exchange)}://${exchange.authority}`;
  const path = exchange.originalPath;
  exchange.onResponse(({ headers }) => {
    const given = headers.get(UPLOAD_URL);
    if (given === undefined) return;
    if (!URL.canParse(given)) {
      headers.remove(UPLOAD_URL);
      return;
    }
    const query = new URL(given).searchParams;
    // The operator's key is none of the client's business.
    query.delete('key');
    headers.set(UPLOAD_URL, `${origin}${path}?${query}`);
  });
}

/** As the client sees it, where a proxy in front of the gateway says so. */
function schemeOf(exchange: Exchange): string {
  const forwarded = exchange.headers.get('x-forwarded-proto');
  return forwarded === 'https' || forwarded === 'http' ? forwarded : exchange.scheme;
}
