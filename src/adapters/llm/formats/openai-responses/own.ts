import { randomUUID } from 'node:crypto';
import type { Extra, JsonObject } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { MADE_UP, wholeIssuer } from '../signatures.ts';

/** What only responses know, how it is kept, and the ids that are made up for them. */

export const FORMAT = 'responses';

/** Whose an unmarked signature is, and whose files ids name, where a client of this format brings them. */
export const ISSUER = 'openai';

/** Who serves this API as OpenAI does, and refuses what OpenAI refuses. */
const RUN_BY_OPENAI: ReadonlySet<string> = new Set([ISSUER, 'azure', 'copilot']);

export function behavesAsOpenAI(issuer: string): boolean {
  return RUN_BY_OPENAI.has(wholeIssuer(issuer));
}

/** `fields` as the `extra` of what they stood in. */
export function extraOf(fields: JsonObject | undefined): { extra?: Extra } {
  return fields === undefined ? {} : { extra: { format: FORMAT, fields } };
}

/** The members that this format's decoder kept; {} where another's did. */
export function ownExtra({ extra }: { readonly extra?: Extra }): JsonObject {
  return extra?.format === FORMAT ? extra.fields : {};
}

/** An id for an item that its provider gave none: `msg_…`, `fc_…`, `ctc_…`, `rs_…`, `ig_…`. */
export function madeUpId(prefix: string): string {
  return `${prefix}_${MADE_UP}${randomHex()}`;
}

/** The id of a response: the provider's own where it is one. */
export function responseId(id: string): string {
  return id.startsWith('resp_') ? id : `resp_${randomHex()}`;
}

/** The item's id where its provider gave it; undefined where it was made up here: the provider would look for it in vain. */
export function ownId(item: Fields): string | undefined {
  const id = item.string('id');
  return id === undefined || id === '' || id.slice(id.indexOf('_') + 1).startsWith(MADE_UP) ? undefined : id;
}

/** Members of an item but `known` ones; neither a made-up id nor the status of what is complete. */
export function itemRest(item: Fields, known: ReadonlySet<string>): JsonObject | undefined {
  const rest = item.rest(known);
  if (rest === undefined) return undefined;
  if (rest.status === 'completed') delete rest.status;
  if (rest.id !== undefined && ownId(item) === undefined) delete rest.id;
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function randomHex(): string {
  return randomUUID().replaceAll('-', '');
}
