import type { EmbeddingAnswer, EmbeddingRequest } from '../../../facts/embedding.ts';
import type { FormatColumn } from './features.ts';
import type { UnaryCodec, UnaryEncodeContext, UnaryHub } from './unary-codec.ts';

/** What requests for embeddings can say and not every format can: the rows of their conversion table, in its order. */
export const EMBEDDING_FEATURES = {
  tokens: 'Inputs as tokens',
  imageBase64: 'Images as base64',
  imageUrl: 'Images by URL',
  mixedInput: 'Inputs of several parts',
  dimensions: 'Number of dimensions',
  purpose: 'What the embeddings are for',
  title: 'Titles of documents',
  truncate: 'What happens to inputs that are too long',
  quantized: 'Embeddings as integers or bits',
  user: 'End user',
} as const;

export type EmbeddingFeature = keyof typeof EMBEDDING_FEATURES;
export type EmbeddingColumn = FormatColumn<EmbeddingFeature>;
export type EmbeddingCodec = UnaryCodec<EmbeddingRequest, EmbeddingAnswer, EmbeddingFeature>;
export type EmbeddingContext = UnaryEncodeContext<EmbeddingFeature>;
export type EmbeddingHub = UnaryHub<EmbeddingRequest, EmbeddingAnswer, EmbeddingFeature>;
