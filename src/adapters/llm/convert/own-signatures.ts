import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject, WireFormat } from '../../../facts/conversation.ts';
import type { RouteType } from '../../../facts/llm.ts';
import { CODECS } from '../formats/codecs.ts';
import { Losses } from '../formats/features.ts';
import { isObject, parseObject } from '../formats/fields.ts';
import type { FormatName } from '../formats/route-types.ts';

/** Requests that are counted, not answered: the format of what they count, and the member with its turns. */
const COUNTED: ReadonlyMap<RouteType | FormatName, readonly [format: WireFormat, turns: string]> = new Map([
  ['anthropicTokenCount', ['messages', 'messages']],
  ['geminiCountTokens', ['generateContent', 'contents']],
]);

/** Google's clients may wrap what is counted. */
const WRAPPED = 'generateContentRequest';

export function isCounted(route: RouteType | FormatName): boolean {
  return COUNTED.has(route);
}

/**
 * A request to count tokens as the provider of its format takes it: it looks at signatures there too, so that marks come off its own, and
 * others' thinking is told as in a request for an answer.
 *
 * Throws `invalid_request_body`.
 */
export function withOwnSignatures(
  bytes: Buffer,
  route: RouteType | FormatName,
  { issuer, model }: { readonly issuer: string; readonly model: string },
): Buffer {
  const [format, turns] = COUNTED.get(route) ?? [];
  const codec = format === undefined ? undefined : CODECS.get(format);
  const body = parseObject(bytes.toString('utf8'));
  if (codec === undefined || turns === undefined || body === null) throw new GatewayError('invalid_request_body');
  const own = (request: JsonObject): JsonObject => {
    // What only a request for an answer must say.
    const conversation = codec.decodeRequest({ max_tokens: 1, ...request }, { model, stream: false });
    const losses = new Losses(codec.column, codec.column, codec.format, false);
    const context = { issuer, native: true, model, losses, defaultMaxTokens: 1 };
    return { ...request, [turns]: codec.encodeRequest(conversation, context)[turns] };
  };
  const wrapped = body[WRAPPED];
  return Buffer.from(JSON.stringify(isObject(wrapped) ? { ...body, [WRAPPED]: own(wrapped) } : own(body)));
}
