import type { Signature } from '../../../facts/conversation.ts';

/**
 * Thinking signatures on their way through a client that doesn't know whose they are. Outwards they are marked with their issuer; a
 * marked one that comes back is given to that issuer alone. What bears no mark was never through the hub, so it is the format's own.
 *
 * An issuer that is several who can't read each other's (OpenAI's organisations, Azure's resources) is named with what tells them apart,
 * `openai/1a2b3c4d`, where a route has several of them. Named without, it may be any of them.
 */
const MARK = 'sluice:';
const NARROWER = '/';

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

/** The signature's data where `issuer` made it, as far as the mark says, else undefined. */
export function signatureFor(signature: Signature | undefined, issuer: string): string | undefined {
  if (signature === undefined) return undefined;
  return signature.issuer === issuer || signature.issuer === wholeIssuer(issuer) ? signature.data : undefined;
}

/** One of several of an issuer. `reach`: tells it apart; letters and digits. */
export function narrowIssuer(issuer: string, reach: string): string {
  return issuer + NARROWER + reach;
}

/** The issuer that this is one of; itself where it is the whole. */
export function wholeIssuer(issuer: string): string {
  const end = issuer.indexOf(NARROWER);
  return end < 0 ? issuer : issuer.slice(0, end);
}

/** Another model's thinking as a model is told it that takes none but its own: as something that was said, without the signature. */
export function thinkingAsText(text: string): string {
  return `<thinking>\n${text}\n</thinking>`;
}
