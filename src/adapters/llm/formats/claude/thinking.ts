import type { JsonObject, Part, Signature, ThinkingPart } from '../../../../facts/conversation.ts';
import { isObject, optional, parseObject } from '../fields.ts';
import { markSignature, readSignature } from '../signatures.ts';

/**
 * Thinking of other providers on its way through a client of this format, which has a block for text with a signature and one for what
 * can't be read, and gives both back unchanged. What more there is to thinking (an id, a text and the encrypted original of it) goes into
 * the signature, under an issuer that nobody is; and a signature on anything but thinking goes into a redacted block behind it.
 */
const WHOLE = 'thinking';
const PREVIOUS = 'previous';

/** The thinking in a block that a client sent or a provider answered; `answeredBy`: the provider, '' for a client's. */
export function thinkingOf(text: string, signature: string | undefined, answeredBy: string): ThinkingPart {
  const read = signatureOf(signature, answeredBy);
  if (read?.issuer !== WHOLE || answeredBy !== '') return { kind: 'thinking', text, ...optional('signature', read) };
  const whole = parseObject(Buffer.from(read.data, 'base64url').toString()) ?? {};
  return {
    kind: 'thinking',
    text,
    ...(whole.summary === true ? { summary: true } : {}),
    ...optional('signature', asSignature(whole.signature)),
    ...optional('redacted', asSignature(whole.redacted)),
    ...(typeof whole.id === 'string' ? { id: whole.id } : {}),
  };
}

/** The same of a redacted block. `{ previous }`: the signature of the part before it. */
export function redactedOf(data: string, answeredBy: string): ThinkingPart | { readonly previous: Signature } {
  const redacted = signatureOf(data, answeredBy);
  if (redacted?.issuer === PREVIOUS && answeredBy === '') return { previous: readSignature(redacted.data, PREVIOUS) };
  return { kind: 'thinking', text: '', ...optional('redacted', redacted) };
}

function signatureOf(text: string | undefined, answeredBy: string): Signature | undefined {
  if (text === undefined || text === '') return undefined;
  return answeredBy === '' ? readSignature(text, 'anthropic') : { issuer: answeredBy, data: text };
}

function asSignature(value: unknown): Signature | undefined {
  if (!isObject(value) || typeof value.issuer !== 'string' || typeof value.data !== 'string') return undefined;
  return { issuer: value.issuer, data: value.data };
}

/**
 * What a client is given as the signature of thinking, never ''. Thinking that nobody signed gets a mark too: without one it would look like
 * Claude's own when it comes back, and be refused for want of a signature.
 */
export function clientSignature({ signature, redacted, id, summary }: ThinkingPart): string {
  if (redacted === undefined && id === undefined && summary !== true) {
    return markSignature(signature ?? { issuer: WHOLE, data: '' });
  }
  const whole = JSON.stringify({ summary, signature, redacted, id });
  return markSignature({ issuer: WHOLE, data: Buffer.from(whole).toString('base64url') });
}

/** What a client is given as a redacted block; undefined where there is more to the thinking than that. */
export function onlyRedacted({ text, signature, redacted, id, summary }: ThinkingPart): Signature | undefined {
  return text === '' && signature === undefined && id === undefined && summary !== true ? redacted : undefined;
}

/** True where there is nothing of thinking that a client could be given. */
export function isBare({ text, signature, redacted, id, summary }: ThinkingPart): boolean {
  return text === '' && signature === undefined && redacted === undefined && id === undefined && summary !== true;
}

/** The block that carries a part's signature to a client; null where the part has none. */
export function signatureBlock(part: Part): JsonObject | null {
  const signature = part.kind === 'thinking' || !('signature' in part) ? undefined : part.signature;
  return signature === undefined ? null : carriedSignature(signature);
}

export function carriedSignature(signature: Signature): JsonObject {
  return { type: 'redacted_thinking', data: markSignature({ issuer: PREVIOUS, data: markSignature(signature) }) };
}
