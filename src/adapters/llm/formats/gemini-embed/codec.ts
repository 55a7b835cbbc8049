import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EmbeddingAnswer, EmbeddingRequest } from '../../../../facts/embedding.ts';
import { count } from '../../usage.ts';
import type { EmbeddingCodec } from '../embedding-features.ts';
import { inputUsage } from '../embedding-inputs.ts';
import { Fields } from '../fields.ts';
import { decodeFault, encodeFault } from '../gemini/faults.ts';
import type { UnaryAnswerContext, UnaryReplyContext } from '../unary-codec.ts';
import { numbersOf, vectorAs } from '../vectors.ts';
import { column } from './column.ts';
import { decodeBatch, decodeSingle, encodeBatch, encodeSingle } from './request.ts';

/** Gemini's embeddings (https://ai.google.dev/api/embeddings), one at a time; Vertex AI has the same for models since Gemini Embedding 2. */
export const embedContentCodec: EmbeddingCodec = {
  format: 'embedContent',
  column,
  batch: () => ({ inputs: 1 }),
  encodeRequest: encodeSingle,
  decodeAnswer,
  decodeFault,
  client: { decodeRequest: decodeSingle, encodeAnswer: encodeSingleAnswer, encodeFault },
};

/** What a batch may hold; Google's own documents don't say it, its service does. */
const MAX_REQUESTS = 100;

/** Gemini's embeddings, several at a time. */
export const batchEmbedContentsCodec: EmbeddingCodec = {
  format: 'batchEmbedContents',
  column,
  batch: () => ({ inputs: MAX_REQUESTS }),
  encodeRequest: encodeBatch,
  decodeAnswer,
  decodeFault,
  client: { decodeRequest: decodeBatch, encodeAnswer: encodeBatchAnswer, encodeFault },
};

function decodeAnswer(body: JsonObject, { model, inputTokens }: UnaryAnswerContext): EmbeddingAnswer {
  const fields = Fields.ofAnswer(body);
  const single = fields.object('embedding');
  const embeddings = single === undefined ? fields.objects('embeddings') : [single];
  const used = count(fields.json('usageMetadata')?.promptTokenCount);
  return {
    id: '',
    model,
    vectors: embeddings.map(({ value }) => {
      const float = numbersOf(value.values);
      return float === undefined ? {} : { float };
    }),
    usage: inputUsage(used ?? inputTokens),
  };
}

type Reply = UnaryReplyContext<EmbeddingRequest>;

function encodeSingleAnswer(answer: EmbeddingAnswer, context: Reply): JsonObject {
  return { embedding: { values: valuesOf(answer, context)[0] ?? [] }, ...usageOf(context) };
}

function encodeBatchAnswer(answer: EmbeddingAnswer, context: Reply): JsonObject {
  return { embeddings: valuesOf(answer, context).map((values) => ({ values })), ...usageOf(context) };
}

function valuesOf({ vectors }: EmbeddingAnswer, { request }: Reply) {
  return vectors.map((one) => vectorAs(one, request.types[0] ?? 'float'));
}

function usageOf({ inputTokens }: Reply): JsonObject {
  return { usageMetadata: { promptTokenCount: inputTokens } };
}
