import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { AdapterServices } from '../../adapter.ts';
import { parseObject } from '../formats/fields.ts';
import type { Incoming } from '../serve.ts';
import { isOwnResponseId, mayNameOwnResponse } from './ids.ts';
import { inputItems, itemsOf, withoutMemory } from './items.ts';
import { MAX_ANCESTORS, ResponseRecords } from './records.ts';

/** What a request of the responses API adds to a conversation, and what it goes on from. */
export interface ResponseTurn {
  /** The body as the client sent it. */
  readonly sent: Buffer;
  /** Of responses kept here, the first of the conversation first; empty where it goes on from none of them. */
  readonly previousIds: readonly string[];
}

/**
 * The body of a request with the history it names, where that is kept here: `previous_response_id` makes way for the items of the
 * conversation so far, in front of the request's own. Instructions are not among them: each request has its own.
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
  if (!mayNameOwnResponse(sent)) return alone;
  const json = parseObject(sent.toString('utf8'));
  const previous = json?.previous_response_id;
  if (json === null || typeof previous !== 'string' || !isOwnResponseId(previous)) return alone;
  if (json.conversation != null) {
    throw new GatewayError('unsupported_parameter', '"previous_response_id" and "conversation" exclude each other.', {
      param: 'conversation',
    });
  }
  const records = new ResponseRecords(services.store, services.storedResponses);
  const chain = await records.chain(exchange.tenant, previous, limit);
  const previousIds = [...(chain.at(-1)?.ancestors ?? []), previous];
  if (previousIds.length > MAX_ANCESTORS) {
    throw new GatewayError(
      'unsupported_parameter',
      `The conversation has more than ${MAX_ANCESTORS} responses: send it as "input".`,
      { param: 'previous_response_id' },
    );
  }
  const body = expanded(json, itemsOf(chain).map(withoutMemory));
  if (body.length > limit) {
    throw new GatewayError(
      'request_body_too_large',
      `The request with the conversation it goes on with is larger than the ${limit} bytes this route accepts.`,
    );
  }
  if (exchange.endCause !== null || !services.bodies.take(body.length)) throw new GatewayError('overloaded');
  exchange.onEnd(() => services.bodies.give(body.length));
  return { body, turn: { sent, previousIds } };
}

function expanded({ previous_response_id: _, input, ...rest }: JsonObject, history: readonly JsonObject[]): Buffer {
  // An input that is neither text nor list stays, for the decoder to refuse.
  const readable = input === undefined || input === null || typeof input === 'string' || Array.isArray(input);
  const items = Array.isArray(input) ? input : inputItems(input);
  return Buffer.from(JSON.stringify({ ...rest, input: readable ? [...history, ...items] : input }));
}
