import type { EmbeddingColumn } from '../embedding-features.ts';

/** What Gemini's embeddings can say, and the names their clients know it by. */
export const column: EmbeddingColumn = {
  fidelity: {
    // The gateway makes a text of them.
    tokens: 'approximated',
    imageBase64: 'exact',
    imageUrl: 'exact',
    mixedInput: 'exact',
    dimensions: 'exact',
    purpose: 'exact',
    title: 'exact',
    // What is too long is cut at its end.
    truncate: 'dropped',
    quantized: 'refused',
    user: 'dropped',
  },
  fields: {
    imageBase64: 'content.parts.inlineData',
    imageUrl: 'content.parts.fileData',
    mixedInput: 'content.parts',
    dimensions: 'outputDimensionality',
    purpose: 'taskType',
    title: 'title',
    truncate: 'autoTruncate',
  },
};
