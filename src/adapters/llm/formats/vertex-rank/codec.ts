import type { JsonObject } from '../../../../facts/conversation.ts';
import type { RerankAnswer, RerankDocument, RerankRequest } from '../../../../facts/rerank.ts';
import { compact, Fields } from '../fields.ts';
import { decodeFault } from '../gemini/faults.ts';
import { noteLosses, textOf } from '../rerank-documents.ts';
import type { RerankCodec, RerankContext } from '../rerank-features.ts';
import type { UnaryAnswerContext } from '../unary-codec.ts';

/** Google's ranking API (https://cloud.google.com/generative-ai-app-builder/docs/ranking). It counts no tokens. */
export const vertexRankCodec: RerankCodec = {
  format: 'vertexRank',
  column: {
    fidelity: {
      topN: 'exact',
      // A title and a content, else a line a field.
      objectDocuments: 'approximated',
      rankFields: 'exact',
      returnDocuments: 'exact',
      maxTokensPerDocument: 'dropped',
    },
    fields: {},
  },
  batch: () => ({ inputs: MAX_RECORDS }),
  encodeRequest,
  decodeAnswer,
  decodeFault,
  client: null,
};

const MAX_RECORDS = 200;

function encodeRequest(request: RerankRequest, context: RerankContext): JsonObject {
  noteLosses(request, context);
  return compact({
    model: context.model,
    query: request.query,
    topN: request.topN,
    records: request.documents.map((document, i) => ({ id: String(i), ...encodeDocument(document, request, context) })),
    ignoreRecordDetailsInResponse: true,
  });
}

function encodeDocument(document: RerankDocument, request: RerankRequest, context: RerankContext): JsonObject {
  if (document.kind === 'object' && request.rankFields === undefined) {
    const { title, content, text = content, ...others } = document.fields;
    const titled = typeof title === 'string' && typeof text === 'string';
    if (titled && Object.keys(others).length === 0) return { title, content: text };
  }
  return { content: textOf(document, request, context) };
}

function decodeAnswer(body: JsonObject, { model }: UnaryAnswerContext): RerankAnswer {
  const results = Fields.ofAnswer(body)
    .objects('records')
    .map((record) => ({ index: Number(record.string('id') ?? Number.NaN), score: record.number('score') ?? 0 }));
  return { id: '', model, results, usage: null };
}
