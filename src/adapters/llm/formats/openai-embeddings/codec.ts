import type { JsonObject } from '../../../../facts/conversation.ts';
import type {
  EmbeddingAnswer,
  EmbeddingInput,
  EmbeddingPart,
  EmbeddingRequest,
  VectorType,
} from '../../../../facts/embedding.ts';
import type { EmbeddingCodec, EmbeddingContext } from '../embedding-features.ts';
import {
  dropExtra,
  imagePart,
  isVectorType,
  onlyFloats,
  purposeOf,
  textInput,
  textOf,
  truncationOf,
} from '../embedding-inputs.ts';
import { compact, Fields, isObject } from '../fields.ts';
import { decodeFault, encodeFault } from '../openai-chat/faults.ts';
import { chatUsage } from '../openai-chat/native.ts';
import type { UnaryAnswerContext, UnaryReplyContext } from '../unary-codec.ts';
import { floatsOf, vectorAs } from '../vectors.ts';
import { column } from './column.ts';

/**
 * OpenAI's embeddings (https://platform.openai.com/docs/api-reference/embeddings), with what compatible services added for their
 * clients: `input_type` or `task` (NVIDIA, Voyage, Jina), `truncate` (NVIDIA), `output_dimension` and `output_dtype` (Mistral, Voyage),
 * and inputs that are objects with images (OpenRouter, Jina).
 */
export const openaiEmbeddingsCodec: EmbeddingCodec = {
  format: 'embeddings',
  column,
  encodeRequest,
  decodeAnswer,
  decodeFault,
  client: { decodeRequest, encodeAnswer, encodeFault },
};

const KNOWN = new Set([
  'model',
  'input',
  'dimensions',
  'output_dimension',
  'encoding_format',
  'output_dtype',
  'input_type',
  'task',
  'truncate',
  'user',
]);

function decodeRequest(body: JsonObject): EmbeddingRequest {
  const fields = Fields.ofRequest(body);
  const extra = fields.rest(KNOWN) ?? {};
  const word = fields.string('input_type') ?? fields.string('task');
  const purpose = purposeOf(word);
  if (word !== undefined && purpose === undefined) extra[fields.has('input_type') ? 'input_type' : 'task'] = word;
  const dimensions = fields.number('dimensions') ?? fields.number('output_dimension');
  const truncate = truncationOf(fields.string('truncate'));
  const user = fields.string('user');
  return {
    model: fields.string('model') ?? '',
    inputs: decodeInputs(fields),
    types: [decodeType(fields)],
    ...(dimensions !== undefined && { dimensions }),
    ...(purpose !== undefined && { purpose }),
    ...(truncate !== undefined && { truncate }),
    ...(user !== undefined && { user }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}

function decodeType(fields: Fields): VectorType {
  const dtype = fields.string('output_dtype') ?? 'float';
  const encoding = fields.string('encoding_format') ?? 'float';
  if (!isVectorType(dtype) || dtype === 'base64') throw fields.fault('output_dtype', 'is no type of embeddings');
  if (encoding !== 'float' && encoding !== 'base64') throw fields.fault('encoding_format', 'must be float or base64');
  return encoding === 'base64' && dtype === 'float' ? 'base64' : dtype;
}

/** A text, texts, tokens, several texts' tokens, or objects. */
function decodeInputs(fields: Fields): EmbeddingInput[] {
  const { input } = fields.value;
  if (typeof input === 'string') return [textInput(input)];
  const items = fields.array('input');
  if (items.length === 0) throw fields.fault('input', 'is missing or empty');
  if (items.every((item) => typeof item === 'number')) return [tokenInput(items)];
  return items.map((item, i) => {
    if (typeof item === 'string') return textInput(item);
    if (Array.isArray(item) && item.length > 0 && item.every((token) => typeof token === 'number'))
      return tokenInput(item);
    const parts = isObject(item) ? decodeParts(item) : [];
    if (parts.length === 0)
      throw fields.fault(`input[${i}]`, 'is neither a text, nor tokens, nor an object with content');
    return { parts };
  });
}

function tokenInput(tokens: readonly number[]): EmbeddingInput {
  return { parts: [{ kind: 'tokens', tokens }] };
}

/** `{content: [...]}` with a chat's parts, or `{text}`, `{image}`. */
function decodeParts(item: JsonObject): EmbeddingPart[] {
  const parts: readonly unknown[] = Array.isArray(item.content) ? item.content : [item];
  return parts.flatMap((part): EmbeddingPart[] => {
    const fields = Fields.ofAnswer(part);
    const text = fields.string('text');
    const url = fields.object('image_url')?.string('url') ?? fields.string('image_url') ?? fields.string('image');
    if (text !== undefined) return [{ kind: 'text', text }];
    return url === undefined ? [] : [imagePart(url)];
  });
}

function encodeRequest(request: EmbeddingRequest, context: EmbeddingContext): JsonObject {
  const { losses, model } = context;
  onlyFloats(request, context);
  dropExtra(request, losses);
  if (request.purpose !== undefined) losses.drop('purpose');
  if (request.truncate === 'start' || request.truncate === 'end') losses.drop('truncate');
  if (request.inputs.some(({ title }) => title !== undefined)) losses.drop('title');
  const input = request.inputs.map((one) => {
    const [first] = one.parts;
    return first?.kind === 'tokens' && one.parts.length === 1 ? first.tokens : textOf(one, context);
  });
  return compact({ model, input, dimensions: request.dimensions, user: request.user });
}

function decodeAnswer(body: JsonObject, { model }: UnaryAnswerContext): EmbeddingAnswer {
  const fields = Fields.ofAnswer(body);
  const data = fields.objects('data').map((one, i) => ({
    index: one.number('index') ?? i,
    float: floatsOf(one.value.embedding),
  }));
  data.sort((a, b) => a.index - b.index);
  const usage = fields.json('usage');
  return {
    id: fields.string('id') ?? '',
    model: fields.string('model') ?? model,
    vectors: data.map(({ float }) => (float === undefined ? {} : { float })),
    usage: usage === undefined ? null : chatUsage(usage),
  };
}

function encodeAnswer(
  answer: EmbeddingAnswer,
  { model, request, inputTokens }: UnaryReplyContext<EmbeddingRequest>,
): JsonObject {
  const type = request.types[0] ?? 'float';
  return {
    object: 'list',
    data: answer.vectors.map((vectors, index) => ({ object: 'embedding', index, embedding: vectorAs(vectors, type) })),
    model: answer.model === '' ? model : answer.model,
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
  };
}
