import type { WireFormat } from '../../../facts/conversation.ts';
import { anthropicMessagesCodec } from './anthropic-messages/codec.ts';
import { bedrockConverseCodec } from './bedrock-converse/codec.ts';
import type { Codec } from './codec.ts';
import { geminiCodec } from './gemini/codec.ts';
import { openaiChatCodec } from './openai-chat/codec.ts';
import { openaiResponsesCodec } from './openai-responses/codec.ts';

const ALL: readonly Codec[] = [
  openaiChatCodec,
  anthropicMessagesCodec,
  openaiResponsesCodec,
  bedrockConverseCodec,
  geminiCodec,
];

/** Every format that conversations are decoded from and encoded to, a line each. */
export const CODECS: ReadonlyMap<WireFormat, Codec> = new Map(ALL.map((codec) => [codec.format, codec]));
