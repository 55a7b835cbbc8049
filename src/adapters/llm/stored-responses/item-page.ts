import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

/**
 * One page of a response's input items: `order` (`desc` by default), `after` an item's id, `limit` of 1 to 100
 * (https://platform.openai.com/docs/api-reference/responses/input-items). Throws `bad_request` for what is none of these.
 */
export function itemPage(items: readonly JsonObject[], query: string): JsonObject {
  const parameters = new URLSearchParams(query);
  const order = parameters.get('order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw wrong('order', 'must be "asc" or "desc"');
  const limit = Number(parameters.get('limit') ?? DEFAULT_LIMIT);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw wrong('limit', `must be a whole number from 1 to ${MAX_LIMIT}`);
  }
  const ordered = order === 'asc' ? items : items.toReversed();
  const after = parameters.get('after');
  const start = after === null ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0) throw wrong('after', 'is the id of none of the items');
  const data = ordered.slice(start, start + limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + data.length < ordered.length,
  };
}

function wrong(name: string, message: string): GatewayError {
  return new GatewayError('bad_request', `The query parameter "${name}" ${message}.`, { param: name });
}
