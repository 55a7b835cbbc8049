import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EmbeddingAnswer, EmbeddingRequest } from '../../../../facts/embedding.ts';
import { count } from '../../usage.ts';
import type { EmbeddingCodec, EmbeddingContext } from '../embedding-features.ts';
import { dropExtra, inputUsage, onlyFloats, textOf } from '../embedding-inputs.ts';
import { compact, Fields } from '../fields.ts';
import { decodeFault } from '../gemini/faults.ts';
import { taskOf } from '../gemini-embed/request.ts';
import type { BatchLimit, UnaryAnswerContext } from '../unary-codec.ts';
import { numbersOf } from '../vectors.ts';

/** Vertex AI's text embeddings (https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api). */
export const vertexPredictCodec: EmbeddingCodec = {
  format: 'vertexPredict',
  column: {
    fidelity: {
      // The gateway makes a text of them.
      tokens: 'approximated',
      imageBase64: 'refused',
      imageUrl: 'refused',
      // Several texts become lines of one.
      mixedInput: 'approximated',
      dimensions: 'exact',
      purpose: 'exact',
      title: 'exact',
      // At the end or not at all.
      truncate: 'approximated',
      quantized: 'refused',
      user: 'dropped',
    },
    fields: {},
  },
  batch: (model) => (model.includes('gemini-embedding') ? { inputs: 1 } : TEXTS),
  encodeRequest,
  decodeAnswer,
  decodeFault,
  client: null,
};

/** 250 texts, and 20,000 tokens in all: a token is a character at least. */
const TEXTS: BatchLimit = { inputs: 250, characters: 20_000 };

function encodeRequest(request: EmbeddingRequest, context: EmbeddingContext): JsonObject {
  const { losses } = context;
  onlyFloats(request, context);
  dropExtra(request, losses);
  if (request.user !== undefined) losses.drop('user');
  if (request.truncate === 'start') losses.drop('truncate');
  const instances = request.inputs.map((input) => {
    // A title is that of a document.
    const task = taskOf(request.purpose ?? (input.title === undefined ? undefined : 'document'));
    return compact({ content: textOf(input, context), task_type: task, title: input.title });
  });
  const parameters = compact({
    outputDimensionality: request.dimensions,
    autoTruncate: request.truncate === undefined ? undefined : request.truncate !== 'none',
  });
  return { instances, ...(Object.keys(parameters).length > 0 && { parameters }) };
}

function decodeAnswer(body: JsonObject, { model }: UnaryAnswerContext): EmbeddingAnswer {
  const embeddings = Fields.ofAnswer(body)
    .objects('predictions')
    .map((one) => one.requiredObject('embeddings'));
  const counts = embeddings.map((one) => count(one.json('statistics')?.token_count));
  const counted = counts.length > 0 && counts.every((tokens) => tokens !== undefined);
  return {
    id: '',
    model,
    vectors: embeddings.map(({ value }) => {
      const float = numbersOf(value.values);
      return float === undefined ? {} : { float };
    }),
    usage: counted ? inputUsage(counts.reduce((sum: number, tokens) => sum + (tokens ?? 0), 0)) : null,
  };
}
