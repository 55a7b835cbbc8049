import { GatewayError } from '../../../../errors/table.ts';
import type { Answer } from '../../../../facts/answer.ts';
import type { Conversation, JsonObject } from '../../../../facts/conversation.ts';
import { anthropicMessagesCodec } from '../anthropic-messages/codec.ts';
import { bedrockConverseCodec } from '../bedrock-converse/codec.ts';
import type { ClientCodec, Frame, PathFacts, ReplyContext, StreamEncoder } from '../codec.ts';
import { isObject } from '../fields.ts';
import { openaiChatCodec } from '../openai-chat/codec.ts';
import { llama, mistral, titan } from './text-families.ts';

/**
 * Bodies of `invoke` are those of the model's own API, without its name and without a word on streaming, which the path says
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html).
 */
export interface Family {
  readonly column: ClientCodec['column'];
  decodeRequest(body: JsonObject, path: PathFacts): Conversation;
  encodeAnswer(answer: Answer, context: ReplyContext): JsonObject;
  streamEncoder(context: ReplyContext): StreamEncoder;
  /** What a chunk's payload is; null for a frame that Bedrock's streams don't have. */
  payload(frame: Frame): JsonObject | null;
}

/** The family a body is of. Throws `unsupported_conversion` for those that aren't conversations: images, embeddings, a model's oldest API. */
export function familyOf(body: JsonObject, model: string): Family {
  if (body.anthropic_version !== undefined) return claude;
  if (typeof body.inputText === 'string' && !EMBEDDINGS.some((name) => body[name] !== undefined)) return titan;
  if (Array.isArray(body.messages)) return isNova(body, body.messages) ? nova : chat;
  if (typeof body.prompt === 'string' && body.max_tokens_to_sample === undefined) {
    return body.max_gen_len !== undefined || model.includes('llama') ? llama : mistral;
  }
  throw new GatewayError(
    'unsupported_conversion',
    "The body is of none of the models whose requests can be converted: Claude's messages, Nova, OpenAI's chat completions, and prompts of Llama, Mistral and Titan Text.",
  );
}

/** Members of requests for embeddings by Titan, whose text is called the same. */
const EMBEDDINGS = ['dimensions', 'normalize', 'embeddingTypes', 'embeddingConfig'];

/** Nova's version may be left out; its blocks have no type, as Converse's. */
function isNova(body: JsonObject, messages: readonly unknown[]): boolean {
  if (typeof body.schemaVersion === 'string' || body.inferenceConfig !== undefined) return true;
  const [first] = messages;
  const content = isObject(first) && Array.isArray(first.content) ? first.content[0] : undefined;
  return isObject(content) && content.type === undefined;
}

function parsed({ data }: Frame): JsonObject | null {
  return data === '[DONE]' ? null : (JSON.parse(data) as JsonObject);
}

/** https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html */
const claude: Family = {
  column: anthropicMessagesCodec.column,
  decodeRequest({ anthropic_version: _, anthropic_beta: _betas, ...body }, path) {
    return anthropicMessagesCodec.decodeRequest({ ...body, model: path.model, stream: path.stream }, path);
  },
  encodeAnswer: anthropicMessagesCodec.encodeAnswer,
  streamEncoder: anthropicMessagesCodec.streamEncoder,
  payload: (frame) => (frame.event === 'ping' ? null : parsed(frame)),
};

/** OpenAI's gpt-oss and the many whose requests look like it. */
const chat: Family = {
  column: openaiChatCodec.column,
  decodeRequest: (body, path) =>
    openaiChatCodec.decodeRequest({ ...body, model: path.model, stream: path.stream }, path),
  encodeAnswer: openaiChatCodec.encodeAnswer,
  streamEncoder: openaiChatCodec.streamEncoder,
  payload: parsed,
};

/**
 * Nova (https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html, for Nova 2
 * https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html): Converse but for what that passes on to models
 * apart from its own. How Nova reasons is said beside `inferenceConfig` or in it.
 */
const nova: Family = {
  column: {
    ...bedrockConverseCodec.column,
    fields: {
      ...bedrockConverseCodec.column.fields,
      topK: 'inferenceConfig.topK',
      reasoningEffort: 'reasoningConfig.maxReasoningEffort',
    },
  },
  decodeRequest({ schemaVersion: _, reasoningConfig, inferenceConfig, ...body }, path) {
    const {
      topK,
      reasoningConfig: within,
      max_new_tokens,
      ...config
    } = isObject(inferenceConfig) ? inferenceConfig : {};
    const inference = { ...(max_new_tokens === undefined ? {} : { maxTokens: max_new_tokens }), ...config };
    const reasoning = reasoningConfig ?? within;
    const own = {
      ...(reasoning === undefined ? {} : { reasoningConfig: reasoning }),
      ...(topK === undefined ? {} : { inferenceConfig: { topK } }),
    };
    return bedrockConverseCodec.decodeRequest(
      {
        ...body,
        ...(inferenceConfig !== undefined && {
          inferenceConfig: isObject(inferenceConfig) ? inference : inferenceConfig,
        }),
        ...(Object.keys(own).length > 0 && { additionalModelRequestFields: own }),
      },
      path,
    );
  },
  encodeAnswer(answer, context) {
    const { metrics: _, ...body } = bedrockConverseCodec.encodeAnswer(answer, context);
    return { ...body, ...(isObject(body.usage) && { usage: novaUsage(body.usage) }) };
  },
  streamEncoder: bedrockConverseCodec.streamEncoder,
  payload(frame) {
    const data = parsed(frame);
    if (frame.event !== 'metadata' || !isObject(data?.usage)) return { [frame.event]: data };
    return { metadata: { usage: novaUsage(data.usage), metrics: {}, trace: {} } };
  },
};

/** The counts of caches have names of their own. */
function novaUsage({ cacheReadInputTokens, cacheWriteInputTokens, ...usage }: JsonObject): JsonObject {
  return {
    ...usage,
    cacheReadInputTokenCount: cacheReadInputTokens ?? 0,
    cacheWriteInputTokenCount: cacheWriteInputTokens ?? 0,
  };
}
