import { GatewayError } from '../../../../errors/table.ts';
import type { Extra, JsonObject } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';

/** What Converse keeps of its own on pieces of a conversation. */

export const FORMAT = 'converse';

/** `{ extra }` with what a block has beside `known`, and `more`; nothing where there is neither. */
export function restOf(block: Fields, known: ReadonlySet<string>, more: JsonObject = {}): { readonly extra?: Extra } {
  return extraOf({ ...block.rest(known), ...more });
}

export function extraOf(fields: JsonObject): { readonly extra?: Extra } {
  return Object.keys(fields).length === 0 ? {} : { extra: { format: FORMAT, fields } };
}

/** The fields that this format itself put aside. */
export function ownExtra(extra: Extra | undefined): JsonObject {
  return extra?.format === FORMAT ? extra.fields : {};
}

/** For what a request has and no message of Bedrock's can carry. */
export function refusal(what: string): GatewayError {
  return new GatewayError('unsupported_parameter', `${what} can not be said in Bedrock's Converse API.`);
}
