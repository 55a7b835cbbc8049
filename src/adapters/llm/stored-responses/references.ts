import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import { isObject } from '../formats/fields.ts';
import { withoutMemory } from './items.ts';
import type { ResponseRecords } from './records.ts';

/**
 * References to items of earlier answers (`item_reference`, https://platform.openai.com/docs/api-reference/responses/create#input), as
 * clients send them that count on their answers being stored.
 */

const MAX_REFERENCES = 1000;
/** The type may be left out: then the id has in it what all ids have that are made up here. */
const MARKS = [Buffer.from('item_reference'), Buffer.from('_sluice_')];

/** False where a body refers to no item: it need not be parsed to find out which. */
export function mayReferToItems(body: Buffer): boolean {
  return MARKS.some((mark) => body.includes(mark));
}

/** An input with items in place of references. */
export interface ResolvedInput {
  /** As the client could have sent it. */
  readonly said: readonly unknown[];
  /** As it is said to who has never seen the items. */
  readonly told: readonly unknown[];
}

/**
 * The input with the items kept here that it refers to; those of `history`, which goes in front of it, are there already. Null where it
 * refers to none. What is not kept here stays, for the provider that may have it.
 *
 * Throws `unsupported_parameter` for too many, and as `ResponseRecords.items` does.
 */
export async function resolveReferences(
  input: unknown,
  history: readonly JsonObject[],
  find: (ids: readonly string[]) => ReturnType<ResponseRecords['items']>,
): Promise<ResolvedInput | null> {
  if (!Array.isArray(input)) return null;
  const ids = input.map(referredId).filter((id) => id !== null);
  if (ids.length === 0) return null;
  if (ids.length > MAX_REFERENCES) {
    throw new GatewayError('unsupported_parameter', `More than ${MAX_REFERENCES} item references: send the items.`, {
      param: 'input',
    });
  }
  const present = new Set(history.map(({ id }) => id));
  const items = await find(ids.filter((id) => !present.has(id)));
  const said: unknown[] = [];
  const told: unknown[] = [];
  let resolved = false;
  for (const one of input) {
    const id = referredId(one);
    const item = id === null ? undefined : items.get(id);
    resolved ||= item !== undefined || present.has(id);
    if (present.has(id)) continue;
    said.push(item ?? one);
    told.push(item === undefined ? one : withoutMemory(item));
  }
  return resolved ? { said, told } : null;
}

/** The id that an item of the input refers to; its type may be left out. Null for other items. */
function referredId(item: unknown): string | null {
  if (!isObject(item) || typeof item.id !== 'string' || item.id === '') return null;
  return item.type === 'item_reference' || (item.type == null && item.role === undefined) ? item.id : null;
}
