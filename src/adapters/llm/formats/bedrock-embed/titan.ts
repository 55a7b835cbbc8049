import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EmbeddingAnswer, EmbeddingInput, EmbeddingRequest } from '../../../../facts/embedding.ts';
import { count } from '../../usage.ts';
import { decodeFault } from '../bedrock-converse/faults.ts';
import type { EmbeddingCodec, EmbeddingContext } from '../embedding-features.ts';
import { dropExtra, inputUsage, onlyFloats, textOf } from '../embedding-inputs.ts';
import { compact, Fields } from '../fields.ts';
import type { UnaryAnswerContext } from '../unary-codec.ts';
import { numbersOf } from '../vectors.ts';

/** Amazon Titan Text Embeddings (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html): one text a call. */
export const titanEmbedCodec: EmbeddingCodec = {
  format: 'titanEmbed',
  column: {
    fidelity: {
      // The gateway makes a text of them.
      tokens: 'approximated',
      imageBase64: 'refused',
      imageUrl: 'refused',
      // Several texts become lines of one.
      mixedInput: 'approximated',
      dimensions: 'exact',
      purpose: 'dropped',
      title: 'dropped',
      // What is too long is refused.
      truncate: 'dropped',
      quantized: 'refused',
      user: 'dropped',
    },
    fields: {},
  },
  batch: () => ({ inputs: 1 }),
  encodeRequest,
  decodeAnswer,
  decodeFault,
  client: null,
};

const NOTHING: EmbeddingInput = { parts: [] };

function encodeRequest(request: EmbeddingRequest, context: EmbeddingContext): JsonObject {
  const { losses, model } = context;
  const [input = NOTHING] = request.inputs;
  onlyFloats(request, context);
  dropExtra(request, losses);
  if (request.purpose !== undefined) losses.drop('purpose');
  if (request.truncate === 'start' || request.truncate === 'end') losses.drop('truncate');
  if (request.user !== undefined) losses.drop('user');
  if (input.title !== undefined) losses.drop('title');
  // G1 has one number of dimensions.
  if (request.dimensions !== undefined && !model.includes('titan-embed-text-v2')) losses.refuse('dimensions');
  return compact({ inputText: textOf(input, context), dimensions: request.dimensions });
}

function decodeAnswer(body: JsonObject, { model, inputTokens }: UnaryAnswerContext): EmbeddingAnswer {
  const float = numbersOf(body.embedding) ?? numbersOf(Fields.ofAnswer(body).json('embeddingsByType')?.float);
  return {
    id: '',
    model,
    vectors: float === undefined ? [] : [{ float }],
    usage: inputUsage(count(body.inputTextTokenCount) ?? inputTokens),
  };
}
