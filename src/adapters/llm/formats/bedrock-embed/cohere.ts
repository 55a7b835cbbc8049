import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EmbeddingRequest } from '../../../../facts/embedding.ts';
import { decodeFault } from '../bedrock-converse/faults.ts';
import { decodeAnswer } from '../cohere-embed/answer.ts';
import { batchOf } from '../cohere-embed/codec.ts';
import { column } from '../cohere-embed/column.ts';
import { encodeRequest as encodeCohere } from '../cohere-embed/request.ts';
import type { EmbeddingCodec, EmbeddingContext } from '../embedding-features.ts';
import { compact } from '../fields.ts';

/** Cohere's models on Bedrock (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html), v3 and v4. */
export const bedrockCohereEmbedCodec: EmbeddingCodec = {
  format: 'bedrockCohereEmbed',
  column,
  batch: (_, request) => batchOf(request),
  encodeRequest,
  decodeAnswer,
  decodeFault,
  client: null,
};

/** What Bedrock calls the ends of a text in v4. */
const SIDES: Readonly<Record<string, string>> = { START: 'LEFT', END: 'RIGHT', NONE: 'NONE' };

/** The model is in the path. v3 takes texts or an image, and has one number of dimensions. */
function encodeRequest(request: EmbeddingRequest, context: EmbeddingContext): JsonObject {
  const { model: _, ...body } = encodeCohere(request, context, (url) => url);
  if (!context.model.includes('embed-v4')) {
    if (request.dimensions !== undefined) context.losses.refuse('dimensions');
    if (body.inputs !== undefined) context.losses.refuse('mixedInput');
    return body;
  }
  const { truncate, input_type } = body;
  return compact({
    ...body,
    truncate: typeof truncate === 'string' ? SIDES[truncate] : undefined,
    // It sees for itself what is an image.
    input_type: input_type === 'image' ? 'search_document' : input_type,
  });
}
