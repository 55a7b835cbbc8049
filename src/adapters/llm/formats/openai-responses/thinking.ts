import type { JsonObject, Part, Signature, ThinkingPart } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { given } from '../openai-chat/own.ts';
import { markSignature, readSignature } from '../signatures.ts';
import { extraOf, itemRest, ownExtra, ownId } from './own.ts';

/**
 * `reasoning` items: thinking as `summary` or as plain `content`, and `encrypted_content`, which a client without the provider's memory
 * hands back. In the hub each piece of text is a part; those of one item stand side by side with one id, and the last bears the
 * signature. Without any text what is encrypted is redacted thinking; signed but empty thinking has one empty text.
 */

const REASONING = new Set(['type', 'id', 'summary', 'content', 'encrypted_content']);

/** A signature that isn't thinking's own: `target` is the id of the call it signs, '' = the text before it. */
export interface AttachedSignature {
  readonly target: string;
  readonly signature: Signature;
}

/** The parts of an item, or what it carries for another. `native`: whose an unmarked signature is. */
export function decodeReasoning(item: Fields, native: string): ThinkingPart[] | AttachedSignature {
  const encrypted = item.string('encrypted_content');
  const signature = encrypted === undefined || encrypted === '' ? undefined : readSignature(encrypted, native);
  const attached = signature && detached(signature);
  if (attached !== undefined) return attached;
  const texts = [
    ...item.objects('summary').map((entry) => ({ text: entry.string('text') ?? '', summary: true })),
    ...item.objects('content').map((entry) => ({ text: entry.string('text') ?? '', summary: false })),
  ];
  const id = given('id', ownId(item));
  const rest = extraOf(itemRest(item, REASONING));
  if (texts.length === 0) return [{ kind: 'thinking', text: '', ...given('redacted', signature), ...id, ...rest }];
  return texts.map(({ text, summary }, i) => ({
    kind: 'thinking',
    text,
    ...(summary && { summary }),
    ...(i === texts.length - 1 && given('signature', signature)),
    ...id,
    ...(i === 0 && rest),
  }));
}

/** True where `next` belongs into the item whose last part is `before`. */
export function continuesItem(before: ThinkingPart, next: ThinkingPart): boolean {
  if (before.id !== next.id || before.signature !== undefined || before.redacted !== undefined) return false;
  if (before.text === '' || next.redacted !== undefined || next.extra !== undefined) return false;
  return before.summary === true || next.summary !== true;
}

/** The members of the item that `parts` make up. `seal`: the text for a signature, undefined where it is worth nothing. */
export function reasoningMembers(
  parts: readonly ThinkingPart[],
  seal: (signature: Signature) => string | undefined,
): JsonObject {
  const summary: JsonObject[] = [];
  const content: JsonObject[] = [];
  let sealed: Signature | undefined;
  for (const part of parts) {
    sealed = part.signature ?? part.redacted;
    if (part.text === '' && part.signature === undefined) continue;
    if (part.summary === true) summary.push({ type: 'summary_text', text: part.text });
    else content.push({ type: 'reasoning_text', text: part.text });
  }
  const encrypted = sealed && seal(sealed);
  return {
    summary,
    ...(content.length > 0 && { content }),
    ...given('encrypted_content', encrypted),
    ...(parts[0] && ownExtra(parts[0])),
  };
}

/**
 * Gemini signs calls and texts too and wants the signatures back, but no item has a place for them. They travel in an item of their own
 * behind what they sign: reasoning is what every client hands back untouched.
 */
export function attachedText(signature: Signature, target: string): string {
  return markSignature({ issuer: `${signature.issuer}@${encodeURIComponent(target)}`, data: signature.data });
}

function detached({ issuer, data }: Signature): AttachedSignature | undefined {
  const at = issuer.indexOf('@');
  if (at < 0) return undefined;
  try {
    return { target: decodeURIComponent(issuer.slice(at + 1)), signature: { issuer: issuer.slice(0, at), data } };
  } catch {
    return undefined;
  }
}

/** Gives the signature to the part it was taken from; where the client left that out, it signs nothing any more. */
export function attach(parts: Part[], { target, signature }: AttachedSignature): void {
  for (let i = parts.length - 1; i >= 0; i--) {
    const part = parts[i];
    if (part?.kind === 'tool_call' && part.id === target) parts[i] = { ...part, signature };
    else if (part?.kind === 'text' && target === '') parts[i] = { ...part, signature };
    else continue;
    return;
  }
}
