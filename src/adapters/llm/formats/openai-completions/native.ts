import { beginsWithJson } from '../events.ts';
import type { Format, StreamShape } from '../format.ts';
import { chatUsage, laterReport, openaiErrorEvent } from '../openai-chat/native.ts';

const stream: StreamShape = {
  isContent: beginsWithJson,
  hasContent: (choices) => Array.isArray(choices) && choices.some((choice) => Boolean(choice?.text)),
  errorEvent: openaiErrorEvent,
};

/** Legacy completions (https://platform.openai.com/docs/api-reference/completions): counts like chat completions. */
export const openaiCompletions: Format = {
  operation: 'text_completion',
  dialect: 'openai',
  free: false,
  usageOnRequest: true,
  mergeUsage: laterReport,
  toUsage: chatUsage,
  stream,
};
