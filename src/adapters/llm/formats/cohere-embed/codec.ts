import type { EmbeddingRequest } from '../../../../facts/embedding.ts';
import type { EmbeddingCodec } from '../embedding-features.ts';
import type { BatchLimit } from '../unary-codec.ts';
import { decodeAnswer, encodeAnswer } from './answer.ts';
import { column } from './column.ts';
import { decodeFault, encodeFault } from './faults.ts';
import { decodeRequest, encodeRequest } from './request.ts';

/** Texts that one call takes. */
export const MAX_TEXTS = 96;

/** Cohere's embeddings (https://docs.cohere.com/reference/embed). */
export const cohereEmbedCodec: EmbeddingCodec = {
  format: 'cohereEmbed',
  column,
  batch: (_, request) => batchOf(request),
  encodeRequest: (request, context) => encodeRequest(request, context),
  decodeAnswer,
  decodeFault,
  client: { decodeRequest, encodeAnswer, encodeFault },
};

/** Of images models before v4 take one; what texts and images are mixed with goes in one form. */
export function batchOf({ inputs }: EmbeddingRequest): BatchLimit {
  const images = inputs.every(({ parts }) => parts.length === 1 && parts[0]?.kind === 'image');
  return { inputs: images ? 1 : MAX_TEXTS };
}
