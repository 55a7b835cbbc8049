import type { Usage } from '../../../facts/llm.ts';
import type { ReportedUsage } from '../usage.ts';
import { mergeMessagesUsage, messagesUsage } from './anthropic-messages/native.ts';
import { converseUsage } from './bedrock-converse/native.ts';
import { beginsWithJson } from './events.ts';
import type { Format } from './format.ts';
import { chatUsage, openaiErrorEvent } from './openai-chat/native.ts';
import { responsesUsage } from './openai-responses/native.ts';

/** Reads a usage object of unknown convention by the names it has. */
function detectUsage(report: ReportedUsage): Usage {
  if ('inputTokens' in report) return converseUsage(report);
  if ('cache_read_input_tokens' in report || 'cache_creation_input_tokens' in report) return messagesUsage(report);
  return 'input_tokens' in report ? responsesUsage(report) : chatUsage(report);
}

/** A path that isn't one of the known APIs: forwarded as it is, and its usage read where it has one. */
export const detect: Format = {
  operation: 'passthrough',
  dialect: 'openai',
  free: true,
  usageOnRequest: false,
  mergeUsage: (before, report) =>
    'cache_read_input_tokens' in report || 'cache_creation_input_tokens' in report
      ? mergeMessagesUsage(before, report)
      : report,
  toUsage: detectUsage,
  stream: { isContent: beginsWithJson, hasContent: null, errorEvent: openaiErrorEvent },
};
