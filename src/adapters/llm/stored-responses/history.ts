import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { AdapterServices } from '../../adapter.ts';
import { parseObject } from '../formats/fields.ts';
import type { Incoming } from '../serve.ts';
import { isOwnResponseId, mayNameOwnResponse } from './ids.ts';
import { inputItems, itemsOf, withoutMemory } from './items.ts';
import { MAX_ANCESTORS, ResponseRecords, type StoredResponse } from './records.ts';
import { mayReferToItems, resolveReferences } from './references.ts';

/** What a request of the responses API adds to a conversation, and what it goes on from. */
export interface ResponseTurn {
  /** The body as the client sent it, with the items in place of references to them. */
  readonly sent: Buffer;
  /** Of responses kept here, the first of the conversation first; empty where it goes on from none of them. */
  readonly previousIds: readonly string[];
}

/**
 * The body of a request with the history it names, where that is kept here: `previous_response_id` makes way for the items of the
 * conversation so far, in front of the request's own, and references to items for the items. Instructions are not among them: each
 * request has its own.
 *
 * Throws `previous_response_not_found`, `store_unavailable`, `unsupported_parameter` for too long a chain, `request_body_too_large`
 * past `limit` bytes and `overloaded` past the process's budget.
 */
export async function withHistory(
  { exchange }: Incoming,
  sent: Buffer,
  limit: number,
  services: AdapterServices,
): Promise<{ body: Buffer; turn: ResponseTurn }> {
  const alone = { body: sent, turn: { sent, previousIds: [] } };
  if (!mayNameOwnResponse(sent) && !mayReferToItems(sent)) return alone;
  const json = parseObject(sent.toString('utf8'));
  if (json === null) return alone;
  const { previous_response_id: named, ...rest } = json;
  const previous = typeof named === 'string' && isOwnResponseId(named) ? named : null;
  if (previous !== null && json.conversation != null) {
    throw new GatewayError('unsupported_parameter', '"previous_response_id" and "conversation" exclude each other.', {
      param: 'conversation',
    });
  }
  const records = new ResponseRecords(services.store, services.storedResponses);
  const { tenant } = exchange;
  const chain = previous === null ? [] : await records.chain(tenant, previous, limit);
  const previousIds = previous === null ? [] : [...ancestorsOf(chain), previous];
  if (previousIds.length > MAX_ANCESTORS) {
    throw new GatewayError(
      'unsupported_parameter',
      `The conversation has more than ${MAX_ANCESTORS} responses: send it as "input".`,
      { param: 'previous_response_id' },
    );
  }
  const history = itemsOf(chain);
  const resolved = await resolveReferences(json.input, history, (ids) => records.items(tenant, ids, limit));
  if (previous === null && resolved === null) return alone;
  const body = expanded(
    { ...(previous === null ? json : rest), ...(resolved !== null && { input: resolved.told }) },
    history.map(withoutMemory),
  );
  if (body.length > limit) {
    throw new GatewayError(
      'request_body_too_large',
      `The request with the conversation it goes on with is larger than the ${limit} bytes this route accepts.`,
    );
  }
  if (exchange.endCause !== null || !services.bodies.take(body.length)) throw new GatewayError('overloaded');
  exchange.onEnd(() => services.bodies.give(body.length));
  const asked = resolved === null ? sent : Buffer.from(JSON.stringify({ ...json, input: resolved.said }));
  return { body, turn: { sent: asked, previousIds } };
}

function ancestorsOf(chain: readonly StoredResponse[]): readonly string[] {
  return chain.at(-1)?.ancestors ?? [];
}

function expanded({ input, ...rest }: JsonObject, history: readonly JsonObject[]): Buffer {
  // An input that is neither text nor list stays, for the decoder to refuse.
  const readable = input === undefined || input === null || typeof input === 'string' || Array.isArray(input);
  const items = Array.isArray(input) ? input : inputItems(input);
  return Buffer.from(JSON.stringify({ ...rest, input: readable ? [...history, ...items] : input }));
}
