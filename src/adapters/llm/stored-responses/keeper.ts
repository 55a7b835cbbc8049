import type { JsonObject } from '../../../facts/conversation.ts';
import { errorText, type Logger } from '../../../telemetry/log.ts';
import type { Frame } from '../formats/codec.ts';
import { isObject, parseObject } from '../formats/fields.ts';
import type { ResponseTurn } from './history.ts';
import { newResponseId } from './ids.ts';
import { listedItems } from './items.ts';
import type { ResponseRecords } from './records.ts';

/** Events of a stream that end it and tell the whole response. */
const FINAL = new Set(['response.completed', 'response.incomplete']);
/** A failed response goes on nowhere; one of a provider that still works on it is not ours to keep. */
const KEPT = new Set(['completed', 'incomplete']);

/**
 * Keeps one answer in the store. The client is told the end of its answer only afterwards, so that its next request finds it on any
 * worker. An answer that can't be kept is no worse for it, and says so: its `store` is false.
 */
export class ResponseKeeper {
  /** The response's id. */
  readonly id = newResponseId();
  readonly #records: ResponseRecords;
  readonly #tenant: string;
  readonly #turn: ResponseTurn;
  readonly #log: Logger;

  constructor(records: ResponseRecords, tenant: string, turn: ResponseTurn, log: Logger) {
    this.#records = records;
    this.#tenant = tenant;
    this.#turn = turn;
    this.#log = log;
  }

  /** The whole answer, as the client may be told it. Never rejects. */
  async whole(response: JsonObject): Promise<JsonObject> {
    return (await this.#keep(response)) ? response : { ...response, store: false };
  }

  /** The last events of a streamed answer, as the client may be told them. Never rejects. */
  async last(frames: readonly Frame[]): Promise<readonly Frame[]> {
    const told: Frame[] = [];
    for (const frame of frames) {
      const event = FINAL.has(frame.event) ? parseObject(frame.data) : null;
      const response = event?.response;
      if (event === null || !isObject(response) || (await this.#keep(response))) told.push(frame);
      else told.push({ ...frame, data: JSON.stringify({ ...event, response: { ...response, store: false } }) });
    }
    return told;
  }

  async #keep(response: JsonObject): Promise<boolean> {
    if (!KEPT.has(String(response.status))) return false;
    try {
      const sent = parseObject(this.#turn.sent.toString('utf8'));
      const record = { ancestors: this.#turn.previousIds, input: listedItems(sent?.input), response };
      await this.#records.put(this.#tenant, this.id, record);
      return true;
    } catch (error) {
      this.#log.warn('a response could not be stored', { reason: errorText(error) });
      return false;
    }
  }
}
