import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { Settings } from '../../../resources/settings.ts';
import { storeKey } from '../../../state/stores/key.ts';
import { type Store, StoreError } from '../../../state/stores/store.ts';
import { isObject, parseObject } from '../formats/fields.ts';

/** A response as it is kept: what the client said for it, what it was told, and what went before. */
export interface StoredResponse {
  /** Ids of the responses that this one goes on from, the first of the conversation first. */
  readonly ancestors: readonly string[];
  /** The request's own input as items, each with an id. */
  readonly input: readonly JsonObject[];
  readonly response: JsonObject;
}

/** Responses of one conversation; past it the client has to say it anew. */
export const MAX_ANCESTORS = 1000;
/** What is asked for at once. */
const BATCH = 32;
/** Items of one response that can be referred to. */
const MAX_ITEMS = 256;

/** Responses in the store, each under the tenant whose it is. */
export class ResponseRecords {
  readonly #store: Store;
  readonly #ttlMs: number;
  readonly #maxBytes: number;

  constructor(store: Store, { ttlMs, maxBytes }: Settings['storedResponses']) {
    this.#store = store;
    this.#ttlMs = ttlMs;
    this.#maxBytes = maxBytes;
  }

  /** Null where the tenant has no such response. Throws `store_unavailable`. */
  async get(tenant: string, id: string): Promise<StoredResponse | null> {
    return (await this.#read(tenant, id))?.record ?? null;
  }

  /** Rejects with a StoreError, `too_large` where it is past the configured size. */
  async put(tenant: string, id: string, record: StoredResponse): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(record));
    if (bytes.length > this.#maxBytes) {
      throw new StoreError('too_large', `${bytes.length} bytes are more than config.storedResponses.maxSize`);
    }
    const options = { ttlMs: this.#ttlMs };
    const where = Buffer.from(id);
    await Promise.all([
      this.#store.put(keyOf(tenant, id), bytes, options),
      ...itemIds(record.response).map((item) => this.#store.put(itemKeyOf(tenant, item), where, options)),
    ]);
  }

  /**
   * Items of responses that are kept, by their ids; what is gone is left out.
   *
   * Throws `request_body_too_large` past `maxBytes` of the responses they are from, and `store_unavailable`.
   */
  async items(tenant: string, ids: readonly string[], maxBytes: number): Promise<Map<string, JsonObject>> {
    const wanted = new Set(ids);
    const places = await inBatches([...wanted], (id) => this.#store.get(itemKeyOf(tenant, id)).catch(refuse));
    const from = new Set(
      places.flatMap((found) => (found === null ? [] : [Buffer.from(found.value).toString('utf8')])),
    );
    const items = new Map<string, JsonObject>();
    let bytes = 0;
    await inBatches([...from], async (id) => {
      const found = bytes > maxBytes ? null : await this.#read(tenant, id);
      bytes += found?.bytes ?? 0;
      for (const item of outputOf(found?.record.response ?? {}))
        if (typeof item.id === 'string' && wanted.has(item.id)) items.set(item.id, item);
    });
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    return items;
  }

  /** Says whether there was one. Throws `store_unavailable`. */
  delete(tenant: string, id: string): Promise<boolean> {
    return this.#store.delete(keyOf(tenant, id)).catch(refuse);
  }

  /**
   * The response and those it goes on from, the first of the conversation first.
   *
   * Throws `previous_response_not_found` where one of them is gone, `request_body_too_large` past `maxBytes` of them all, and
   * `store_unavailable`.
   */
  async chain(tenant: string, id: string, maxBytes: number): Promise<StoredResponse[]> {
    const last = await this.#existing(tenant, id);
    const chain: StoredResponse[] = [];
    let bytes = last.bytes;
    for (let at = 0; at < last.record.ancestors.length; at += BATCH) {
      const batch = last.record.ancestors.slice(at, at + BATCH);
      for (const found of await Promise.all(batch.map((ancestor) => this.#existing(tenant, ancestor)))) {
        bytes += found.bytes;
        chain.push(found.record);
      }
      if (bytes > maxBytes) throw tooLarge(maxBytes);
    }
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    return [...chain, last.record];
  }

  async #existing(tenant: string, id: string): Promise<{ record: StoredResponse; bytes: number }> {
    const found = await this.#read(tenant, id);
    if (found === null) throw previousNotFound(id);
    return found;
  }

  async #read(tenant: string, id: string): Promise<{ record: StoredResponse; bytes: number } | null> {
    const stored = await this.#store.get(keyOf(tenant, id)).catch(refuse);
    if (stored === null) return null;
    const { value } = stored;
    const record = parseObject(Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8'));
    if (!isRecord(record)) throw new GatewayError('store_unavailable', 'What is stored under this id can not be read.');
    return { record, bytes: value.length };
  }
}

/** https://platform.openai.com/docs/api-reference/responses/create#previous_response_id */
export function previousNotFound(id: string): GatewayError {
  return new GatewayError('previous_response_not_found', `Previous response with id '${shown(id)}' not found.`, {
    param: 'previous_response_id',
  });
}

export function responseNotFound(id: string): GatewayError {
  return new GatewayError('response_not_found', `Response with id '${shown(id)}' not found.`);
}

/** An id is the client's: it is repeated as far as it can be one. */
function shown(id: string): string {
  return id.slice(0, 100);
}

function keyOf(tenant: string, id: string) {
  return storeKey(tenant, 'response', id);
}

function itemKeyOf(tenant: string, id: string) {
  return storeKey(tenant, 'response-item', id);
}

function outputOf({ output }: JsonObject): JsonObject[] {
  return Array.isArray(output) ? output.filter(isObject) : [];
}

function itemIds(response: JsonObject): string[] {
  const ids = outputOf(response).map(({ id }) => id);
  return ids.filter((id): id is string => typeof id === 'string' && id !== '').slice(0, MAX_ITEMS);
}

async function inBatches<T, R>(all: readonly T[], ask: (one: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (let at = 0; at < all.length; at += BATCH)
    answers.push(...(await Promise.all(all.slice(at, at + BATCH).map(ask))));
  return answers;
}

function isRecord(value: JsonObject | null): value is JsonObject & StoredResponse {
  return (
    value !== null &&
    isObject(value.response) &&
    Array.isArray(value.ancestors) &&
    value.ancestors.every((id) => typeof id === 'string') &&
    Array.isArray(value.input) &&
    value.input.every(isObject)
  );
}

function refuse(cause: unknown): never {
  throw new GatewayError('store_unavailable', undefined, { cause });
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError(
    'request_body_too_large',
    `What the request goes on from or refers to is larger than the ${maxBytes} bytes this route accepts.`,
  );
}
