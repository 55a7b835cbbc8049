import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { AdapterServices } from '../../adapter.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';
import type { Incoming } from '../serve.ts';
import { itemPage } from './item-page.ts';
import { itemsOf } from './items.ts';
import type { ResponseRequest } from './paths.ts';
import { ResponseRecords, responseNotFound, type StoredResponse } from './records.ts';

/** What is asked of one response. */
export type OfOneResponse = Exclude<ResponseRequest, { kind: 'input_tokens' }>;

/**
 * Answers what is asked of a response that is kept here. A tenant's are not there for any other.
 *
 * Throws `response_not_found`, `store_unavailable`, `unsupported_parameter` for what only the one who makes a response could do,
 * and `bad_request` for parameters that make no sense.
 */
export async function serveStored(
  { exchange, context }: Incoming,
  request: OfOneResponse,
  services: AdapterServices,
): Promise<void> {
  const records = new ResponseRecords(services.store, services.storedResponses);
  const { tenant, query } = exchange;
  const body = await answer(records, tenant, request, query, context.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES);
  context.reply.local(exchange, 200, ['content-type', 'application/json'], JSON.stringify(body));
}

async function answer(
  records: ResponseRecords,
  tenant: string,
  { kind, id }: OfOneResponse,
  query: string,
  maxBytes: number,
): Promise<JsonObject> {
  if (kind === 'delete') {
    if (!(await records.delete(tenant, id))) throw responseNotFound(id);
    return { id, object: 'response', deleted: true };
  }
  const stored = await records.get(tenant, id);
  if (stored === null) throw responseNotFound(id);
  switch (kind) {
    case 'retrieve':
      if (new URLSearchParams(query).get('stream') === 'true') {
        throw new GatewayError('unsupported_parameter', 'A stored response can not be streamed again.', {
          param: 'stream',
        });
      }
      return stored.response;
    case 'input_items':
      return itemPage([...(await said(records, tenant, stored, maxBytes)), ...stored.input], query);
    case 'cancel':
      throw new GatewayError('unsupported_parameter', 'Only responses made in the background can be cancelled.');
  }
}

/** What was said before, as OpenAI lists it too. */
async function said(
  records: ResponseRecords,
  tenant: string,
  { ancestors }: StoredResponse,
  maxBytes: number,
): Promise<JsonObject[]> {
  const previous = ancestors.at(-1);
  return previous === undefined ? [] : itemsOf(await records.chain(tenant, previous, maxBytes));
}
