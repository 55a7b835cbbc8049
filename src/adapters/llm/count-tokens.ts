import { GatewayError } from '../../errors/table.ts';
import type { ClientFormat, JsonObject } from '../../facts/conversation.ts';
import type { RouteType } from '../../facts/llm.ts';
import type { AdapterServices } from '../adapter.ts';
import { clientCodecOf } from './convert/client-codecs.ts';
import { Fields, isObject, parseObject } from './formats/fields.ts';
import type { RequestBody } from './request-body.ts';
import type { Incoming } from './serve.ts';
import { countableOf } from './tokens/conversation.ts';

/** A request whose tokens are asked for, and the format it is in. */
interface Counted {
  readonly format: ClientFormat;
  readonly body: JsonObject;
}

/** How an API counts tokens ahead of a request: what is counted, and the answer. */
interface CountApi {
  request(body: JsonObject): Counted;
  answer(tokens: number): JsonObject;
}

const APIS: Partial<Record<RouteType, CountApi>> = {
  /** https://docs.anthropic.com/en/api/messages-count-tokens */
  anthropicTokenCount: {
    request: (body) => ({ format: 'messages', body }),
    answer: (tokens) => ({ input_tokens: tokens }),
  },
  /** https://ai.google.dev/api/tokens: the contents alone, or a whole request */
  geminiCountTokens: {
    request: (body) => ({
      format: 'generateContent',
      body: isObject(body.generateContentRequest) ? body.generateContentRequest : body,
    }),
    answer: (tokens) => ({ totalTokens: tokens }),
  },
  /** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html: a request to converse, or the body of one to invoke */
  bedrockCountTokens: { request: bedrockCounted, answer: (tokens) => ({ inputTokens: tokens }) },
};

/** Throws `invalid_request_body` where it is neither. */
function bedrockCounted(request: JsonObject): Counted {
  const input = Fields.ofRequest(request).requiredObject('input');
  const converse = input.json('converse');
  if (converse !== undefined) return { format: 'converse', body: converse };
  const bytes = Buffer.from(input.requiredObject('invokeModel').requiredString('body'), 'base64');
  const body = parseObject(bytes.toString('utf8'));
  if (body === null) throw input.fault('invokeModel.body', 'must be a JSON object in base64');
  return { format: 'invoke', body };
}

export function canCount(route: RouteType): boolean {
  return APIS[route] !== undefined;
}

/** The answer to a request to count tokens. */
export interface LocalCount {
  /** Flat, lower-case names; not the content's type. */
  readonly headers: readonly string[];
  readonly body: string;
}

/**
 * Counts tokens here, for a provider that can't. Exact for text to OpenAI's models; else an estimate, which the response says in
 * `x-sluice-estimated`.
 *
 * Throws `invalid_request_body`.
 */
export async function countLocally(
  { exchange, facts, route }: Incoming,
  { bytes }: RequestBody,
  model: string,
  services: AdapterServices,
): Promise<LocalCount> {
  const api = APIS[route];
  const json = parseObject(bytes.toString('utf8'));
  if (api === undefined) throw new GatewayError('unsupported_conversion');
  if (json === null) throw new GatewayError('invalid_request_body');
  const { format, body } = api.request(json);
  const codec = clientCodecOf(format, { body, model, headers: exchange.headers });
  if (codec === undefined) throw new GatewayError('unsupported_conversion');
  const { texts, besides, exact } = countableOf(codec.decodeRequest(body, { model, stream: false }));
  const count = await services.countTokens(texts, model);
  const headers = exact && count.exact ? [] : ['x-sluice-estimated', 'true'];
  facts.countedTokens = count.tokens + besides;
  return { headers, body: JSON.stringify(api.answer(facts.countedTokens)) };
}

/** Answers a request to count tokens here. Throws as `countLocally` does. */
export async function countTokens(
  incoming: Incoming,
  body: RequestBody,
  model: string,
  services: AdapterServices,
): Promise<void> {
  const count = await countLocally(incoming, body, model, services);
  const { exchange, context } = incoming;
  context.reply.local(exchange, 200, [...count.headers, 'content-type', 'application/json'], count.body);
}
