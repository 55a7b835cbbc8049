import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { RerankAnswer, RerankRequest } from '../../../../facts/rerank.ts';
import { decodeFault, encodeFault } from '../cohere-embed/faults.ts';
import { dropExtra } from '../embedding-inputs.ts';
import { compact, Fields } from '../fields.ts';
import { decodeAnswer } from '../jina-rerank/codec.ts';
import { decodeDocuments, textOf } from '../rerank-documents.ts';
import type { RerankCodec, RerankContext } from '../rerank-features.ts';
import type { UnaryReplyContext } from '../unary-codec.ts';

/** Cohere's reranking, version 2 (https://docs.cohere.com/reference/rerank). */
export const cohereRerankCodec: RerankCodec = {
  format: 'cohereRerank',
  column: {
    fidelity: {
      topN: 'exact',
      // A line a field, as Cohere advises.
      objectDocuments: 'approximated',
      rankFields: 'exact',
      returnDocuments: 'exact',
      maxTokensPerDocument: 'exact',
    },
    fields: { topN: 'top_n', objectDocuments: 'documents', maxTokensPerDocument: 'max_tokens_per_doc' },
  },
  encodeRequest,
  decodeAnswer,
  decodeFault,
  client: { decodeRequest, encodeAnswer, encodeFault },
};

const KNOWN = new Set(['model', 'query', 'documents', 'top_n', 'max_tokens_per_doc']);

function decodeRequest(body: JsonObject): RerankRequest {
  const fields = Fields.ofRequest(body);
  const topN = fields.number('top_n');
  const maxTokensPerDocument = fields.number('max_tokens_per_doc');
  const extra = fields.rest(KNOWN);
  return {
    model: fields.string('model') ?? '',
    query: fields.requiredString('query'),
    documents: decodeDocuments(fields, 'documents'),
    ...(topN !== undefined && { topN }),
    ...(maxTokensPerDocument !== undefined && { maxTokensPerDocument }),
    ...(extra !== undefined && { extra }),
  };
}

function encodeRequest(request: RerankRequest, context: RerankContext): JsonObject {
  dropExtra(request, context.losses);
  return compact({
    model: context.model,
    query: request.query,
    documents: request.documents.map((document) => textOf(document, request, context)),
    top_n: request.topN,
    max_tokens_per_doc: request.maxTokensPerDocument,
  });
}

/** Search units are told only where the provider bills by them. */
function encodeAnswer(answer: RerankAnswer, { inputTokens }: UnaryReplyContext<RerankRequest>): JsonObject {
  const { searchUnits } = answer;
  return {
    id: answer.id === '' ? randomUUID() : answer.id,
    results: answer.results.map(({ index, score }) => ({ index, relevance_score: score })),
    meta: {
      api_version: { version: '2' },
      ...(searchUnits !== undefined && { billed_units: { search_units: searchUnits } }),
      tokens: { input_tokens: inputTokens },
    },
  };
}
