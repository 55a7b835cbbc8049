import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EmbeddingAnswer, EmbeddingInput, EmbeddingRequest } from '../../../../facts/embedding.ts';
import type { EmbeddingCodec, EmbeddingContext } from '../embedding-features.ts';
import { dropExtra, onePart, onlyFloats } from '../embedding-inputs.ts';
import { compact, Fields } from '../fields.ts';
import { decodeFault } from '../gemini/faults.ts';
import type { UnaryAnswerContext } from '../unary-codec.ts';
import { numbersOf } from '../vectors.ts';

/**
 * Vertex AI's multimodal embeddings (https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/multimodal-embeddings-api):
 * a text or an image a call. It counts no tokens.
 */
export const vertexMultimodalCodec: EmbeddingCodec = {
  format: 'vertexMultimodal',
  column: {
    fidelity: {
      // The gateway makes a text of them.
      tokens: 'approximated',
      imageBase64: 'exact',
      // Of Cloud Storage.
      imageUrl: 'approximated',
      mixedInput: 'refused',
      dimensions: 'exact',
      purpose: 'dropped',
      title: 'dropped',
      // What is too long is cut at its end.
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

function encodeRequest(request: EmbeddingRequest, context: EmbeddingContext): JsonObject {
  const { losses } = context;
  onlyFloats(request, context);
  dropExtra(request, losses);
  if (request.user !== undefined) losses.drop('user');
  if (request.purpose !== undefined) losses.drop('purpose');
  if (request.truncate === 'start' || request.truncate === 'none') losses.drop('truncate');
  if (request.inputs.some(({ title }) => title !== undefined)) losses.drop('title');
  const instances = request.inputs.map((input) => encodeInput(input, context));
  return { instances, ...(request.dimensions !== undefined && { parameters: { dimension: request.dimensions } }) };
}

const STORAGE = 'gs://';

function encodeInput(input: EmbeddingInput, context: EmbeddingContext): JsonObject {
  const [first] = input.parts;
  if (first?.kind === 'imageUrl' && first.url.startsWith(STORAGE) && input.parts.length === 1) {
    return { image: { gcsUri: first.url } };
  }
  const part = onePart(input, context);
  if ('text' in part) return { text: part.text };
  return { image: compact({ bytesBase64Encoded: part.data, mimeType: part.mediaType }) };
}

function decodeAnswer(body: JsonObject, { model }: UnaryAnswerContext): EmbeddingAnswer {
  const vectors = Fields.ofAnswer(body)
    .objects('predictions')
    .map(({ value }) => numbersOf(value.textEmbedding) ?? numbersOf(value.imageEmbedding))
    .map((float) => (float === undefined ? {} : { float }));
  return { id: '', model, vectors, usage: null };
}
