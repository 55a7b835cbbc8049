import type { RouteType } from '../../../facts/llm.ts';
import { anthropicCountTokens, anthropicMessages } from './anthropic-messages/native.ts';
import { bedrockConverse, bedrockCountTokens } from './bedrock-converse/native.ts';
import { bedrockInvoke } from './bedrock-invoke/native.ts';
import type { Format } from './format.ts';
import { geminiCountTokens, geminiGenerateContent } from './gemini/native.ts';
import { openaiChat } from './openai-chat/native.ts';
import { openaiCompletions } from './openai-completions/native.ts';
import { openaiEmbeddings } from './openai-embeddings/native.ts';
import { openaiResponses } from './openai-responses/native.ts';

/** Formats whose requests and answers this version reads. One that is missing is only passed on. */
export const FORMATS: ReadonlyMap<RouteType, Format> = new Map<RouteType, Format>([
  ['completions', openaiChat],
  ['textCompletions', openaiCompletions],
  ['responses', openaiResponses],
  ['embeddings', openaiEmbeddings],
  ['messages', anthropicMessages],
  ['anthropicTokenCount', anthropicCountTokens],
  ['converse', bedrockConverse],
  ['invoke', bedrockInvoke],
  ['bedrockCountTokens', bedrockCountTokens],
  ['generateContent', geminiGenerateContent],
  ['geminiCountTokens', geminiCountTokens],
]);
