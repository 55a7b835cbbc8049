import type { JsonObject } from '../../../../facts/conversation.ts';
import type { RerankAnswer, RerankRequest } from '../../../../facts/rerank.ts';
import { count } from '../../usage.ts';
import { compact, Fields } from '../fields.ts';
import { decodeFault, encodeFault } from '../openai-chat/faults.ts';
import { chatUsage } from '../openai-chat/native.ts';
import { decodeDocuments, decodeResults, documentOf, noteLosses, textOf } from '../rerank-documents.ts';
import type { RerankCodec, RerankContext } from '../rerank-features.ts';
import type { UnaryAnswerContext, UnaryReplyContext } from '../unary-codec.ts';

/** Reranking as Jina (https://api.jina.ai/redoc), Together AI, vLLM, llama.cpp and OpenRouter have it. */
export const jinaRerankCodec: RerankCodec = {
  format: 'rerank',
  column: {
    fidelity: {
      topN: 'exact',
      // A line a field.
      objectDocuments: 'approximated',
      rankFields: 'exact',
      // By the gateway itself, here and everywhere.
      returnDocuments: 'exact',
      maxTokensPerDocument: 'dropped',
    },
    fields: {
      topN: 'top_n',
      objectDocuments: 'documents',
      rankFields: 'rank_fields',
      returnDocuments: 'return_documents',
      maxTokensPerDocument: 'max_tokens_per_doc',
    },
  },
  encodeRequest,
  decodeAnswer,
  decodeFault,
  client: { decodeRequest, encodeAnswer, encodeFault },
};

const KNOWN = new Set([
  'model',
  'query',
  'documents',
  'top_n',
  'return_documents',
  'rank_fields',
  'max_tokens_per_doc',
]);

function decodeRequest(body: JsonObject): RerankRequest {
  const fields = Fields.ofRequest(body);
  const topN = fields.number('top_n');
  const returnDocuments = fields.boolean('return_documents');
  const rankFields = fields.strings('rank_fields');
  const maxTokensPerDocument = fields.number('max_tokens_per_doc');
  const extra = fields.rest(KNOWN);
  return {
    model: fields.string('model') ?? '',
    query: decodeQuery(fields),
    documents: decodeDocuments(fields, 'documents'),
    ...(topN !== undefined && { topN }),
    ...(returnDocuments !== undefined && { returnDocuments }),
    ...(rankFields !== undefined && { rankFields }),
    ...(maxTokensPerDocument !== undefined && { maxTokensPerDocument }),
    ...(extra !== undefined && { extra }),
  };
}

/** A text, or an object with one. */
function decodeQuery(fields: Fields): string {
  return typeof fields.value.query === 'object' && fields.has('query')
    ? fields.requiredObject('query').requiredString('text')
    : fields.requiredString('query');
}

function encodeRequest(request: RerankRequest, context: RerankContext): JsonObject {
  noteLosses(request, context);
  return compact({
    model: context.model,
    query: request.query,
    documents: request.documents.map((document) => textOf(document, request, context)),
    top_n: request.topN,
  });
}

/** Cohere's members are read as well: there are services of either path that answer in the other's words. */
export function decodeAnswer(body: JsonObject, { model }: UnaryAnswerContext): RerankAnswer {
  const fields = Fields.ofAnswer(body);
  const meta = fields.object('meta');
  const tokens = count(meta?.json('tokens')?.input_tokens) ?? count(meta?.json('billed_units')?.input_tokens);
  const report = fields.json('usage') ?? (tokens === undefined ? undefined : { prompt_tokens: tokens });
  const searchUnits = count(meta?.json('billed_units')?.search_units) ?? count(report?.search_units);
  const counted = report !== undefined && (report.prompt_tokens ?? report.total_tokens) !== undefined;
  return {
    id: fields.string('id') ?? '',
    model: fields.string('model') ?? model,
    results: decodeResults(fields),
    usage: counted ? chatUsage(report) : null,
    ...(searchUnits !== undefined && { searchUnits }),
  };
}

/** Documents come along unless the client doesn't want them: services that have no say in it send them. */
function encodeAnswer(
  answer: RerankAnswer,
  { model, request, inputTokens }: UnaryReplyContext<RerankRequest>,
): JsonObject {
  return compact({
    id: answer.id === '' ? undefined : answer.id,
    model: answer.model === '' ? model : answer.model,
    results: answer.results.map(({ index, score }) => ({
      index,
      relevance_score: score,
      ...(request.returnDocuments !== false && { document: documentOf(request, index) }),
    })),
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
  });
}
