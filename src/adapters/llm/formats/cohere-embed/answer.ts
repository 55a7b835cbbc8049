import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EmbeddingAnswer, EmbeddingRequest, Vectors } from '../../../../facts/embedding.ts';
import { count } from '../../usage.ts';
import { inputUsage } from '../embedding-inputs.ts';
import { Fields } from '../fields.ts';
import type { UnaryAnswerContext, UnaryReplyContext } from '../unary-codec.ts';
import { floatsOf, numbersOf, vectorAs } from '../vectors.ts';

/** One list a type, or, where no type was asked for, one of floats. */
export function decodeAnswer(body: JsonObject, { model, inputTokens }: UnaryAnswerContext): EmbeddingAnswer {
  const fields = Fields.ofAnswer(body);
  const byType = fields.json('embeddings') ?? { float: body.embeddings };
  const vectors: { -readonly [T in keyof Vectors]: Vectors[T] }[] = [];
  for (const type of ['float', 'int8', 'uint8', 'binary', 'ubinary'] as const) {
    const list: unknown = byType[type];
    if (!Array.isArray(list)) continue;
    for (const [i, value] of list.entries()) {
      const numbers = type === 'float' ? floatsOf(value) : numbersOf(value);
      vectors[i] ??= {};
      if (numbers !== undefined) (vectors[i] as Record<string, readonly number[]>)[type] = numbers;
    }
  }
  return { id: fields.string('id') ?? '', model, vectors, usage: inputUsage(billedTokens(fields) ?? inputTokens) };
}

function billedTokens(fields: Fields): number | undefined {
  const meta = fields.object('meta');
  const billed = meta?.json('billed_units') ?? {};
  const text = count(billed.input_tokens) ?? count(meta?.json('tokens')?.input_tokens);
  const image = count(billed.image_tokens);
  return text === undefined && image === undefined ? undefined : (text ?? 0) + (image ?? 0);
}

export function encodeAnswer(answer: EmbeddingAnswer, context: UnaryReplyContext<EmbeddingRequest>): JsonObject {
  const { request, inputTokens } = context;
  const texts = request.inputs.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.kind === 'text' ? [part.text] : [])),
  );
  return {
    id: answer.id === '' ? randomUUID() : answer.id,
    embeddings: Object.fromEntries(
      request.types.map((type) => [type, answer.vectors.map((vectors) => vectorAs(vectors, type))]),
    ),
    texts,
    meta: { api_version: { version: '2' }, billed_units: { input_tokens: inputTokens } },
    response_type: 'embeddings_by_type',
  };
}
