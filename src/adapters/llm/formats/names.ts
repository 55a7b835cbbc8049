import { createHash } from 'node:crypto';
import type { Conversation } from '../../../facts/conversation.ts';

/**
 * Names of tools and ids of calls where a format takes fewer than another. A name that doesn't fit becomes one that does, always the
 * same, so that the client can be given its own name again.
 */

/** What OpenAI, Anthropic and Bedrock take: letters, digits, `_` and `-`, at most 64. */
export const MAX_NAME = 64;

/** `name` where it fits, else its letters with a hash that keeps it apart from others. */
export function safeName(name: string, max = MAX_NAME): string {
  return isSafe(name, max) ? name : `${readable(name, max - HASH - 1)}_${hash(name, HASH)}`;
}

/** The client's own name of the tool that a provider knows by `safeName`. */
export function clientName(name: string, { tools }: Pick<Conversation, 'tools'>): string {
  if (tools.some((tool) => tool.name === name)) return name;
  return tools.find((tool) => tool.kind !== 'provider' && safeName(tool.name) === name)?.name ?? name;
}

/** `id` where it is of the characters and the length that fit, else a hash of it. */
export function safeId(id: string, prefix: string, max = MAX_NAME): string {
  return isSafe(id, max) ? id : `${prefix}${hash(id, Math.min(max - prefix.length, 32))}`;
}

const HASH = 8;

function hash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

function isSafe(text: string, max: number): boolean {
  if (text === '' || text.length > max) return false;
  for (let i = 0; i < text.length; i++) if (!isSafeCode(text.charCodeAt(i))) return false;
  return true;
}

function readable(text: string, max: number): string {
  let out = '';
  for (let i = 0; i < text.length && out.length < max; i++) out += isSafeCode(text.charCodeAt(i)) ? text[i] : '_';
  return out;
}

/** a–z A–Z 0–9 _ - */
function isSafeCode(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x5f ||
    code === 0x2d
  );
}
