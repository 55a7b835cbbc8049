import type { Format } from '../format.ts';
import { chatUsage, laterReport } from '../openai-chat/native.ts';

/** Embeddings (https://platform.openai.com/docs/api-reference/embeddings): a prompt and no answer. */
export const openaiEmbeddings: Format = {
  operation: 'embeddings',
  dialect: 'openai',
  free: false,
  usageOnRequest: false,
  mergeUsage: laterReport,
  toUsage: chatUsage,
  stream: null,
};
