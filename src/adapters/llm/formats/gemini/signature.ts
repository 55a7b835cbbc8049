import type { Signature, ThinkingPart } from '../../../../facts/conversation.ts';
import { isObject, parseObject } from '../fields.ts';
import { MARKED_BASE64, markSignature, readSignature } from '../signatures.ts';

/**
 * Thought signatures on Gemini's wire (https://ai.google.dev/gemini-api/docs/thought-signatures) are bytes: clients in typed languages
 * decode them from base64 and encode them again, perhaps in the alphabet for URLs. So what bears our mark is base64 too.
 */

/** Issuer of what says more of a thought than a signature does. */
const WHOLE = 'thinking';

/** Sent for a tool call that Gemini did not sign, so that it doesn't insist on a signature; Google documents both. */
export const UNSIGNED = 'skip_thought_signature_validator';
const PLACEHOLDERS = new Set([UNSIGNED, 'context_engineering_is_the_way_to_go']);

export function wireSignature(signature: Signature): string {
  return Buffer.from(markSignature(signature)).toString('base64');
}

/** A signature that a client sent back; undefined where it is none. */
export function clientSignature(text: string, native: string): Signature | undefined {
  if (text === '' || PLACEHOLDERS.has(text)) return undefined;
  return readSignature(text.startsWith(MARKED_BASE64) ? Buffer.from(text, 'base64').toString() : text, native);
}

/**
 * What a client is given as the signature of a thought; undefined where there is none. Thoughts that only their issuer can read, and those
 * it knows by an id, go along whole.
 */
export function wireThinking({ signature, redacted, id }: ThinkingPart): string | undefined {
  if (redacted === undefined && id === undefined) return signature && wireSignature(signature);
  const whole = Buffer.from(JSON.stringify({ signature, redacted, id })).toString('base64');
  return wireSignature({ issuer: WHOLE, data: whole });
}

type Signed = Pick<ThinkingPart, 'signature' | 'redacted' | 'id'>;

/** What a signature says of the thought that carries it. */
export function thinkingSignature(signature: Signature): Signed {
  if (signature.issuer !== WHOLE) return { signature };
  const whole = parseObject(Buffer.from(signature.data, 'base64').toString()) ?? {};
  const signed = asSignature(whole.signature);
  const redacted = asSignature(whole.redacted);
  return {
    ...(signed && { signature: signed }),
    ...(redacted && { redacted }),
    ...(typeof whole.id === 'string' && { id: whole.id }),
  };
}

function asSignature(value: unknown): Signature | undefined {
  if (!isObject(value) || typeof value.issuer !== 'string' || typeof value.data !== 'string') return undefined;
  return { issuer: value.issuer, data: value.data };
}
