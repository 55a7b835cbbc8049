import type { AdapterServices } from '../adapter.ts';
import { clientCodecOf, isClientFormat } from './convert/client-codecs.ts';
import { parseObject } from './formats/fields.ts';
import type { RequestBody } from './request-body.ts';
import type { Incoming } from './serve.ts';
import type { ProviderTarget } from './target.ts';
import { type Countable, countableOf } from './tokens/conversation.ts';

/**
 * Counts a prompt's tokens before it is sent, where its provider is configured so (`tokenize`) and a limit is there to be held against
 * them; null where there is nothing to wait for.
 *
 * Rejects with what the limit refuses it with, and with `invalid_request_body`.
 */
export function countPrompt(
  { exchange, route, facts }: Incoming,
  body: RequestBody,
  target: ProviderTarget,
  services: AdapterServices,
): Promise<void> | null {
  if (!target.tokenizes || !exchange.awaitsPromptTokens) return null;
  const model = facts.requestModel;
  const count = async () => {
    const json = parseObject(body.bytes.toString('utf8'));
    if (json === null) return;
    const codec = isClientFormat(route) ? clientCodecOf(route, { body: json, model, headers: exchange.headers }) : null;
    const countable = codec ? countableOf(codec.decodeRequest(json, { model, stream: false })) : textsIn(json);
    const { tokens } = await services.countTokens(countable.texts, model);
    if (exchange.endCause === null) exchange.runOnPromptTokens(tokens + countable.besides);
  };
  return count();
}

/** Of a body that is no conversation (embeddings, say) every text counts, and every number in a list: texts may come as tokens. */
function textsIn(json: unknown): Countable {
  const texts: string[] = [];
  let besides = 0;
  const walk = (value: unknown, listed: boolean): void => {
    if (typeof value === 'string') texts.push(value);
    else if (typeof value === 'number' && listed) besides++;
    else if (Array.isArray(value)) for (const item of value) walk(item, true);
    else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) walk(item, false);
  };
  walk(json, false);
  return { texts, besides, exact: false };
}
