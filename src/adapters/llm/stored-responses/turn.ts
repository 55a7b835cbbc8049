import type { Conversation } from '../../../facts/conversation.ts';
import type { AdapterServices } from '../../adapter.ts';
import { parseObject } from '../formats/fields.ts';
import type { OpenProvider } from '../providers/provider.ts';
import type { Incoming } from '../serve.ts';
import { ResponseKeeper } from './keeper.ts';
import { previousNotFound, ResponseRecords } from './records.ts';

/** What is to be known of a request that goes through the hub, so that its answer can be asked for and gone on from. */
export interface StoredTurn {
  readonly conversation: Conversation;
  /** Keeps the answer; null where nobody does, or the provider. */
  readonly keeper: ResponseKeeper | null;
  /** The response kept here that it goes on from. */
  readonly previousId: string | null;
}

/**
 * True where a request of the responses API can't be passed on as it is to a provider that speaks it: it goes on from what is kept here,
 * whose items that provider has never seen, or the provider keeps nothing.
 */
export function isKeptHere({ turn }: Incoming, { statelessResponses }: OpenProvider): boolean {
  if (turn === null || turn.previousIds.length > 0) return turn !== null;
  if (statelessResponses !== true) return false;
  const sent = parseObject(turn.sent.toString('utf8'));
  return sent?.store !== false || typeof sent.previous_response_id === 'string';
}

/**
 * `remembers`: the provider has responses of its own.
 *
 * Throws `previous_response_not_found` where the conversation goes on from a response that only another provider can have.
 */
export function storedTurn(
  { exchange, turn }: Incoming,
  conversation: Conversation,
  remembers: boolean,
  services: AdapterServices,
): StoredTurn {
  if (turn === null) return { conversation, keeper: null, previousId: null };
  const previousId = turn.previousIds.at(-1) ?? null;
  const extra = conversation.extra?.fields ?? {};
  const previous = extra.previous_response_id;
  if (!remembers && typeof previous === 'string') throw previousNotFound(previous);
  // What goes on from the provider's own memory stays in it: nothing said means that it is stored.
  const isElsewhere = typeof previous === 'string' || extra.conversation != null || extra.background === true;
  if (isElsewhere)
    return { conversation: { ...conversation, store: conversation.store ?? true }, keeper: null, previousId };
  if (conversation.store === false) return { conversation, keeper: null, previousId };
  const records = new ResponseRecords(services.store, services.storedResponses);
  return { conversation, keeper: new ResponseKeeper(records, exchange.tenant, turn, services.log), previousId };
}
