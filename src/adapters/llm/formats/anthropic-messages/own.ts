import type { CacheMark, Extra, JsonObject } from '../../../../facts/conversation.ts';
import { type Fields, optional } from '../fields.ts';

/** What the Messages format keeps of its own on pieces of a conversation: fields only it knows, and cache marks. */

export const FORMAT = 'messages';

export function extraOf(fields: JsonObject | undefined): { readonly extra?: Extra } {
  return fields === undefined ? {} : { extra: { format: FORMAT, fields } };
}

/** The fields that this format left on a piece; undefined where it is another's. */
export function ownFields(extra: Extra | undefined): JsonObject | undefined {
  return extra?.format === FORMAT ? extra.fields : undefined;
}

/** What all blocks and tools may have: a cache mark, and members that nobody else knows. `known`: the members read otherwise. */
export function keptOf(
  fields: Fields,
  known: ReadonlySet<string>,
): { readonly cache?: CacheMark; readonly extra?: Extra } {
  const control = fields.object('cache_control');
  const plain = control?.string('type') === 'ephemeral' && control.rest(CACHE_CONTROL) === undefined;
  const rest = fields.rest(known);
  if (plain || control === undefined) delete rest?.cache_control;
  return {
    ...optional('cache', control === undefined ? undefined : { ttl: control.string('ttl') ?? '' }),
    ...extraOf(rest !== undefined && Object.keys(rest).length > 0 ? rest : undefined),
  };
}

const CACHE_CONTROL: ReadonlySet<string> = new Set(['type', 'ttl']);

/** A cache mark as a block has it; `{}` without one. */
export function cacheControl(cache: CacheMark | undefined): JsonObject {
  if (cache === undefined) return {};
  return { cache_control: cache.ttl === '' ? { type: 'ephemeral' } : { type: 'ephemeral', ttl: cache.ttl } };
}
