import type { EmbeddingColumn } from '../embedding-features.ts';

/** What Cohere's embeddings can say, and the names their clients know it by. */
export const column: EmbeddingColumn = {
  fidelity: {
    // The gateway makes a text of them.
    tokens: 'approximated',
    imageBase64: 'exact',
    imageUrl: 'refused',
    mixedInput: 'exact',
    dimensions: 'exact',
    purpose: 'approximated',
    title: 'dropped',
    truncate: 'exact',
    quantized: 'exact',
    user: 'dropped',
  },
  fields: {
    imageBase64: 'images',
    imageUrl: 'images',
    mixedInput: 'inputs',
    dimensions: 'output_dimension',
    purpose: 'input_type',
    truncate: 'truncate',
    quantized: 'embedding_types',
  },
};
