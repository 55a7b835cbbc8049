/** Which of a client's fields go on to a provider. */

/** Fields a client's credential for a provider comes in; the operator's own takes their place. */
export const CREDENTIAL_FIELDS = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'];
/** All that identifies a client to somebody, which a provider that is asked in the operator's name is not told. */
const PERSONAL_FIELDS = [...CREDENTIAL_FIELDS, 'x-amz-security-token', 'proxy-authorization', 'cookie'];
/** What the body's new form, or the way it is sent, decides anew. */
const BODY_FIELDS = ['content-length', 'content-encoding'];

/** Sets of fields left out, by whether the body was held and whether the operator's credential replaces the client's. */
const DROPPED = {
  held: new Set([...BODY_FIELDS, 'accept-encoding']),
  heldOwnKey: new Set([...BODY_FIELDS, 'accept-encoding', ...PERSONAL_FIELDS]),
  streamed: new Set<string>(),
  streamedOwnKey: new Set(PERSONAL_FIELDS),
} as const;

/** The fields that a request to a provider goes without. `held`: its body was. `ownKey`: it is asked as the operator, not as the client. */
export function droppedFields(held: boolean, ownKey: boolean): ReadonlySet<string> {
  if (ownKey) return held ? DROPPED.heldOwnKey : DROPPED.streamedOwnKey;
  return held ? DROPPED.held : DROPPED.streamed;
}

/** Fields by which clients of one API speak to it alone: no other provider is sent them. */
const API_FIELDS = /^(?:anthropic-|openai-|x-stainless-|x-goog-|x-amz|amz-)/;

export function withoutApiFields(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (!API_FIELDS.test(headers[i] as string)) kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return kept;
}
