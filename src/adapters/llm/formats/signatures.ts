import type { Signature } from '../../../facts/conversation.ts';

/**
 * Thinking signatures on their way through a client that doesn't know whose they are. Outwards they are marked with their issuer; a
 * marked one that comes back is given to that issuer alone. What bears no mark was never through a conversion, so it is the format's own.
 */
const MARK = 'sluice:';

/** Where signatures are bytes, what is marked is base64 of the whole; it begins so, whatever follows. */
export const MARKED_BASE64 = Buffer.from(MARK).toString('base64').slice(0, 9);

/** Stands in the ids of items that their provider gave none, so that they are told from a provider's when a client sends them back. */
export const MADE_UP = 'sluice_';

/** Reasoning under an id that was made up is another's, signed or not. */
const MARKED = [MARK, MARKED_BASE64, `rs_${MADE_UP}`].map((mark) => Buffer.from(`"${mark}`));

/** True where a JSON body may hold another's thinking, which its provider would refuse: such a body can't be forwarded as it is. */
export function bearsMark(body: Buffer): boolean {
  return MARKED.some((mark) => body.includes(mark));
}

/** The text a client is given for a signature. */
export function markSignature({ issuer, data }: Signature): string {
  return `${MARK}${issuer}:${data}`;
}

/** The signature that a client sent back; `native`: whose an unmarked one is. */
export function readSignature(text: string, native: string): Signature {
  if (!text.startsWith(MARK)) return { issuer: native, data: text };
  const end = text.indexOf(':', MARK.length);
  if (end < 0) return { issuer: native, data: text };
  return { issuer: text.slice(MARK.length, end), data: text.slice(end + 1) };
}

/** The signature's data where `issuer` made it, else undefined. */
export function signatureFor(signature: Signature | undefined, issuer: string): string | undefined {
  return signature !== undefined && signature.issuer === issuer ? signature.data : undefined;
}

/** Another model's thinking as a model is told it that takes none but its own: as something that was said, without the signature. */
export function thinkingAsText(text: string): string {
  return `<thinking>\n${text}\n</thinking>`;
}
