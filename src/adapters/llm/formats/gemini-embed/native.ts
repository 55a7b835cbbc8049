import type { Format } from '../format.ts';
import { geminiUsage } from '../gemini/native.ts';
import { laterReport } from '../openai-chat/native.ts';

/** Gemini's embeddings (https://ai.google.dev/api/embeddings), one or a batch of them. */
export const geminiEmbed: Format = {
  operation: 'embeddings',
  dialect: 'google',
  free: false,
  usageOnRequest: false,
  mergeUsage: laterReport,
  toUsage: geminiUsage,
  stream: null,
};
