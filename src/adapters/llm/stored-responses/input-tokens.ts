import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { AdapterServices } from '../../adapter.ts';
import type { Choice } from '../choice.ts';
import { parseObject } from '../formats/fields.ts';
import { openaiResponsesCodec } from '../formats/openai-responses/codec.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';
import { forwardAsIs, type Incoming } from '../serve.ts';
import { countableOf } from '../tokens/conversation.ts';
import { withHistory } from './history.ts';

/**
 * Says how many tokens a request would take (https://platform.openai.com/docs/api-reference/responses/input-tokens): by the provider
 * where it speaks the responses API, else as counted here, which is exact for text to OpenAI's models and else an estimate; then
 * `x-sluice-estimated` says so.
 *
 * Throws `invalid_request_body`, `unsupported_parameter` for a conversation that only its provider has, and as `withHistory` does.
 */
export async function countResponseInput(
  incoming: Incoming,
  bytes: Buffer,
  choice: Choice,
  services: AdapterServices,
): Promise<void> {
  const { context, facts } = incoming;
  const limit = context.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES;
  const history = await withHistory(incoming, bytes, limit, services);
  const body = parseObject(history.body.toString('utf8'));
  if (body === null) throw new GatewayError('invalid_request_body');
  const { target, model: virtual } = choice.candidate;
  const named = target.provider.model || virtual || (typeof body.model === 'string' ? body.model : '');
  const model = choice.policyOf(target).aliases?.resolve(named) ?? named;
  facts.provider = target.provider.telemetryName;
  facts.requestModel = model;
  if (!target.remembersResponses(model)) return count(incoming, body, model, services);
  const renamed = model !== '' && model !== body.model;
  const sent = renamed ? Buffer.from(JSON.stringify({ ...body, model })) : history.body;
  forwardAsIs(incoming, sent, choice, services, null);
}

async function count(
  { exchange, context }: Incoming,
  body: JsonObject,
  model: string,
  services: AdapterServices,
): Promise<void> {
  const elsewhere = ['previous_response_id', 'conversation', 'prompt'].find((name) => body[name] != null);
  if (elsewhere !== undefined) {
    throw new GatewayError('unsupported_parameter', `"${elsewhere}" names what the model's provider does not have.`, {
      param: elsewhere,
    });
  }
  const conversation = openaiResponsesCodec.decodeRequest(
    { ...body, input: body.input ?? [] },
    { model, stream: false },
  );
  const { texts, besides, exact } = countableOf(conversation);
  const counted = await services.countTokens(texts, model);
  const headers = ['content-type', 'application/json'];
  if (!exact || !counted.exact) headers.push('x-sluice-estimated', 'true');
  const answer = { object: 'response.input_tokens', input_tokens: counted.tokens + besides };
  context.reply.local(exchange, 200, headers, JSON.stringify(answer));
}
