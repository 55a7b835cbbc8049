import type { HeaderList } from '../headers.ts';

const PROTOCOL_FIELD = 'sec-websocket-protocol';
const PREFIX = 'openai-insecure-api-key.';

/**
 * Browsers can't set fields on a WebSocket's handshake, so that OpenAI's clients there bring their key as an offered subprotocol. Such a
 * key is taken out of the offer, which is shown to providers, and put where credentials are looked for and, once used, not forwarded
 * from: `Authorization`, unless the client has sent one.
 */
export function liftCredential(headers: HeaderList): void {
  const offers = headers.getAll(PROTOCOL_FIELD);
  if (!offers.some((offer) => offer.toLowerCase().includes(PREFIX))) return;
  const kept: string[] = [];
  let key = '';
  for (const offer of offers.join(',').split(',')) {
    const protocol = offer.trim();
    if (!protocol.toLowerCase().startsWith(PREFIX)) kept.push(protocol);
    else if (key === '') key = protocol.slice(PREFIX.length);
  }
  if (kept.length === 0) headers.remove(PROTOCOL_FIELD);
  else headers.set(PROTOCOL_FIELD, kept.join(', '));
  if (key !== '' && !headers.has('authorization')) headers.set('authorization', `Bearer ${key}`);
}
