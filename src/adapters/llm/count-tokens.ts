import { GatewayError } from '../../errors/table.ts';
import type { JsonObject } from '../../facts/conversation.ts';
import type { RouteType } from '../../facts/llm.ts';
import type { AdapterServices } from '../adapter.ts';
import { CODECS } from './formats/codecs.ts';
import { isObject, parseObject } from './formats/fields.ts';
import type { RequestBody } from './request-body.ts';
import type { Incoming } from './serve.ts';
import { countableOf } from './tokens/conversation.ts';

/** How an API counts tokens ahead of a request: the format its body is in, and the answer. */
interface CountApi {
  readonly format: 'messages' | 'generateContent';
  /** The request whose tokens are asked for. */
  request(body: JsonObject): JsonObject;
  answer(tokens: number): JsonObject;
}

const APIS: Partial<Record<RouteType, CountApi>> = {
  /** https://docs.anthropic.com/en/api/messages-count-tokens */
  anthropicTokenCount: {
    format: 'messages',
    request: (body) => body,
    answer: (tokens) => ({ input_tokens: tokens }),
  },
  /** https://ai.google.dev/api/tokens: the contents alone, or a whole request */
  geminiCountTokens: {
    format: 'generateContent',
    request: (body) => (isObject(body.generateContentRequest) ? body.generateContentRequest : body),
    answer: (tokens) => ({ totalTokens: tokens }),
  },
};

export function canCount(route: RouteType): boolean {
  return APIS[route] !== undefined;
}

/**
 * Answers a request to count tokens here, for a provider that can't. Exact for text to OpenAI's models; else an estimate, which the
 * response says in `x-sluice-estimated`.
 *
 * Throws `invalid_request_body`.
 */
export async function countTokens(
  { exchange, context, route }: Incoming,
  body: RequestBody,
  model: string,
  services: AdapterServices,
): Promise<void> {
  const api = APIS[route];
  const codec = api === undefined ? undefined : CODECS.get(api.format);
  const json = parseObject(body.bytes.toString('utf8'));
  if (api === undefined || codec === undefined) throw new GatewayError('unsupported_conversion');
  if (json === null) throw new GatewayError('invalid_request_body');
  const { texts, besides, exact } = countableOf(codec.decodeRequest(api.request(json), { model, stream: false }));
  const count = await services.countTokens(texts, model);
  const headers = ['content-type', 'application/json'];
  if (!exact || !count.exact) headers.push('x-sluice-estimated', 'true');
  context.reply.local(exchange, 200, headers, JSON.stringify(api.answer(count.tokens + besides)));
}
