import type { Exchange } from '../../../exchange.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import { isObject } from '../formats/fields.ts';
import type { AnswerConversion } from './converting-dispatch.ts';

/**
 * Some answers hold addresses of the provider's, where clients go next. They are put here, as the client sees the gateway: otherwise
 * clients would go past it, and take their keys for the gateway along.
 */

const UPLOAD_URL = 'x-goog-upload-url';

/** Where Gemini's uploads go on (https://ai.google.dev/api/files#method:-media.upload), said in a field of the answer to their start. */
export function keepUploadsHere(exchange: Exchange): void {
  const origin = originOf(exchange);
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

/** Results of Anthropic's message batches (https://docs.anthropic.com/en/api/retrieving-message-batches). */
export function keepResultsHere(exchange: Exchange): AnswerConversion {
  const path = exchange.originalPath;
  const base = originOf(exchange) + path.slice(0, path.indexOf(BATCHES));
  const moved = (batch: unknown): unknown => {
    if (!isObject(batch) || typeof batch.results_url !== 'string') return batch;
    const at = batch.results_url.indexOf(BATCHES);
    return { ...batch, results_url: at < 0 ? null : base + batch.results_url.slice(at) };
  };
  return {
    lossy: '',
    reply(body: JsonObject, status) {
      const whole = Array.isArray(body.data) ? { ...body, data: body.data.map(moved) } : moved(body);
      return { status, contentType: 'application/json', body: JSON.stringify(whole) };
    },
    fault: (status, text) => ({ status, contentType: 'application/json', body: text }),
  };
}

const BATCHES = '/messages/batches';

/** As the client sees the gateway, or the proxy in front of it where that says so. */
function originOf(exchange: Exchange): string {
  const forwarded = exchange.headers.get('x-forwarded-proto');
  const scheme = forwarded === 'https' || forwarded === 'http' ? forwarded : exchange.scheme;
  return `${scheme}://${exchange.authority}`;
}
