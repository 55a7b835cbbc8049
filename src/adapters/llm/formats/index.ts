import type { RouteType } from '../../../facts/llm.ts';
import { anthropicCountTokens, anthropicMessages } from './anthropic-messages/native.ts';
import { bedrockConverse, bedrockCountTokens } from './bedrock-converse/native.ts';
import { bedrockInvoke } from './bedrock-invoke/native.ts';
import { cohereEmbed, cohereRerank } from './cohere-embed/native.ts';
import type { Format } from './format.ts';
import { geminiCountTokens, geminiGenerateContent } from './gemini/native.ts';
import { geminiEmbed } from './gemini-embed/native.ts';
import { jinaRerank } from './jina-rerank/native.ts';
import { openaiChat } from './openai-chat/native.ts';
import { openaiCompletions } from './openai-completions/native.ts';
import { openaiEmbeddings } from './openai-embeddings/native.ts';
import { openaiResponses } from './openai-responses/native.ts';
import type { FormatName } from './route-types.ts';

/** Formats whose requests and answers this version reads. One that is missing is only passed on. */
export const FORMATS: ReadonlyMap<RouteType | FormatName, Format> = new Map<RouteType | FormatName, Format>([
  ['completions', openaiChat],
  ['textCompletions', openaiCompletions],
  ['responses', openaiResponses],
  ['embeddings', openaiEmbeddings],
  ['cohereEmbed', cohereEmbed],
  ['embedContent', geminiEmbed],
  ['batchEmbedContents', geminiEmbed],
  ['rerank', jinaRerank],
  ['cohereRerank', cohereRerank],
  ['messages', anthropicMessages],
  ['anthropicTokenCount', anthropicCountTokens],
  ['converse', bedrockConverse],
  ['invoke', bedrockInvoke],
  ['bedrockCountTokens', bedrockCountTokens],
  ['generateContent', geminiGenerateContent],
  ['geminiCountTokens', geminiCountTokens],
]);
