import type { Signature } from '../../../facts/conversation.ts';

/**
 * Thinking signatures on their way through a client that doesn't know whose they are. Outwards they are marked with their issuer; a
 * marked one that comes back is given to that issuer alone. What bears no mark was never through a conversion, so it is the format's own.
 */
const MARK = 'sluice:';

/** Where signatures are bytes, what is marked is base64 of the whole; it begins so, whatever follows. */
export const MARKED_BASE64 = Buffer.from(MARK).toString('base64').slice(0, 9);

const MARKED = [Buffer.from(`"${MARK}`), Buffer.from(`"${MARKED_BASE64}`)];

/** True where a JSON body may hold a marked signature, which its provider would refuse: such a body can't be forwarded as it is. */
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
