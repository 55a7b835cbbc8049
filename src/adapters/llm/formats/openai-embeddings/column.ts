import type { EmbeddingColumn } from '../embedding-features.ts';

/** What OpenAI's embeddings can say, and the names their clients know it by. */
export const column: EmbeddingColumn = {
  fidelity: {
    tokens: 'exact',
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
    user: 'exact',
  },
  fields: {
    tokens: 'input (as tokens)',
    imageBase64: 'input',
    imageUrl: 'input',
    mixedInput: 'input',
    dimensions: 'dimensions',
    purpose: 'input_type',
    truncate: 'truncate',
    quantized: 'output_dtype',
    user: 'user',
  },
  // vLLM's way to embed a conversation.
  essential: new Set(['messages']),
};
