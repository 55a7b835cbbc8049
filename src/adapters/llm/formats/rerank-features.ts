import type { RerankAnswer, RerankRequest } from '../../../facts/rerank.ts';
import type { FormatColumn } from './features.ts';
import type { UnaryCodec, UnaryEncodeContext, UnaryHub } from './unary-codec.ts';

/** What requests to rerank can say and not every format can: the rows of their conversion table, in its order. */
export const RERANK_FEATURES = {
  topN: 'Number of results',
  objectDocuments: 'Documents with several fields',
  rankFields: 'Which fields of documents count',
  returnDocuments: 'Documents in the answer',
  maxTokensPerDocument: 'Longest document',
} as const;

export type RerankFeature = keyof typeof RERANK_FEATURES;
export type RerankColumn = FormatColumn<RerankFeature>;
export type RerankCodec = UnaryCodec<RerankRequest, RerankAnswer, RerankFeature>;
export type RerankContext = UnaryEncodeContext<RerankFeature>;
export type RerankHub = UnaryHub<RerankRequest, RerankAnswer, RerankFeature>;
