import { count } from '../../usage.ts';
import type { Format } from '../format.ts';
import { openaiEmbeddings } from '../openai-embeddings/native.ts';

/** Reranking as Jina and others have it: counts like embeddings, where it counts. */
export const jinaRerank: Format = {
  ...openaiEmbeddings,
  operation: 'rerank',
  countsTokens: ({ prompt_tokens, total_tokens }) => (count(prompt_tokens) ?? count(total_tokens)) !== undefined,
};
