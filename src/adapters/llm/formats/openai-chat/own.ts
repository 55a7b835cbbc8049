import type { CacheMark, Extra, JsonObject } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';

/** What only chat completions know, and how it is kept. */

export const FORMAT = 'completions';

/** Whose an unmarked signature is, and whose files ids name, where a client of this format brings them. */
export const ISSUER = 'openai';

/** The member `name` where there is a value, else nothing. */
export function given<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [P in K]: V });
}

/** `fields` as the `extra` of what they stood in. */
export function extraOf(fields: JsonObject | undefined): { extra?: Extra } {
  return fields === undefined ? {} : { extra: { format: FORMAT, fields } };
}

/** The members that this format's decoder kept; {} where another's did. */
export function ownExtra({ extra }: { readonly extra?: Extra }): JsonObject {
  return extra?.format === FORMAT ? extra.fields : {};
}

/**
 * A prompt-cache breakpoint: OpenAI's `prompt_cache_breakpoint`, or Anthropic's `cache_control` as OpenRouter and others take it. The
 * words themselves stay in `extra`: not every provider of the format takes them, so that they are given to those alone whose clients
 * sent them.
 */
export function cacheMark(fields: Fields): { cache?: CacheMark } {
  const control = fields.object('cache_control');
  if (control !== undefined) return { cache: { ttl: control.string('ttl') ?? '' } };
  return fields.has('prompt_cache_breakpoint') ? { cache: { ttl: '' } } : {};
}

/** True where the mark goes out again with the members that bore it. */
export function saysCacheMark(own: JsonObject): boolean {
  return own.cache_control !== undefined || own.prompt_cache_breakpoint !== undefined;
}
