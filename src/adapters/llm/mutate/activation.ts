import { activationOf, type GatewayActivation } from '../../../cel/index.ts';
import type { Exchange } from '../../../exchange.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import { USER_MODEL } from '../../../facts/llm.ts';

/** A body that is parsed where an expression reads it, and once; `json` null: it is no JSON object. */
export interface ReadableBody {
  readonly json: JsonObject | null;
  readonly bytes?: Buffer;
}

/**
 * An LLM request as expressions read it. `llmRequest` is the body; not set without one.
 *
 * @param clientModel the model that the client named
 * @param model the model asked for by now, where it is known: the body is read as naming it, also where it names none (its path does)
 */
export function llmActivation(
  exchange: Exchange,
  body: ReadableBody | null,
  clientModel: string,
  model = '',
): GatewayActivation {
  const bytes = body?.bytes;
  return activationOf(exchange, {
    ...(bytes !== undefined && { requestBody: { bytes, complete: true } }),
    get llmRequest() {
      const json = body?.json ?? null;
      return json === null || model === '' || json.model === model ? json : { ...json, model };
    },
    metadata: { ...exchange.metadata, [USER_MODEL]: clientModel },
  });
}
