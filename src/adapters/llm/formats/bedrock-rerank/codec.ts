import type { JsonObject } from '../../../../facts/conversation.ts';
import type { RerankAnswer, RerankDocument, RerankRequest } from '../../../../facts/rerank.ts';
import { decodeFault } from '../bedrock-converse/faults.ts';
import { Fields } from '../fields.ts';
import { noteLosses, textOf } from '../rerank-documents.ts';
import type { RerankCodec, RerankContext } from '../rerank-features.ts';
import type { UnaryAnswerContext } from '../unary-codec.ts';

/** Bedrock's reranking (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html). It counts no tokens. */
export const bedrockRerankCodec: RerankCodec = {
  format: 'bedrockRerank',
  column: {
    fidelity: {
      topN: 'exact',
      objectDocuments: 'exact',
      rankFields: 'approximated',
      returnDocuments: 'exact',
      maxTokensPerDocument: 'dropped',
    },
    fields: {},
  },
  batch: () => ({ inputs: MAX_SOURCES }),
  encodeRequest,
  decodeAnswer,
  decodeFault,
  client: null,
};

const MAX_SOURCES = 1000;

/** All results are asked for, so that there is no second page. `modelArn` is completed by the provider, which knows the region. */
function encodeRequest(request: RerankRequest, context: RerankContext): JsonObject {
  noteLosses(request, context);
  return {
    queries: [{ type: 'TEXT', textQuery: { text: request.query } }],
    sources: request.documents.map((document) => ({
      type: 'INLINE',
      inlineDocumentSource: encodeDocument(document, request, context),
    })),
    rerankingConfiguration: {
      type: 'BEDROCK_RERANKING_MODEL',
      bedrockRerankingConfiguration: {
        numberOfResults: Math.min(request.topN ?? request.documents.length, request.documents.length),
        modelConfiguration: { modelArn: context.model },
      },
    },
  };
}

function encodeDocument(document: RerankDocument, request: RerankRequest, context: RerankContext): JsonObject {
  if (document.kind === 'object' && request.rankFields === undefined) {
    return { type: 'JSON', jsonDocument: document.fields };
  }
  return { type: 'TEXT', textDocument: { text: textOf(document, request, context) } };
}

function decodeAnswer(body: JsonObject, { model }: UnaryAnswerContext): RerankAnswer {
  const results = Fields.ofAnswer(body)
    .objects('results')
    .map((one) => ({ index: one.number('index') ?? -1, score: one.number('relevanceScore') ?? 0 }));
  return { id: '', model, results, usage: null };
}
