import type { RerankAnswer, RerankRequest } from '../../../facts/rerank.ts';
import { bedrockRerankCodec } from './bedrock-rerank/codec.ts';
import { cohereRerankCodec } from './cohere-rerank/codec.ts';
import { sumUsage } from './embeddings.ts';
import { jinaRerankCodec } from './jina-rerank/codec.ts';
import { bestOf } from './rerank-documents.ts';
import type { RerankHub } from './rerank-features.ts';
import type { BatchLimit } from './unary-codec.ts';
import { vertexRankCodec } from './vertex-rank/codec.ts';

/** Reranking in every format there is, a line each. */
export const RERANKING: RerankHub = {
  codecs: [cohereRerankCodec, jinaRerankCodec, bedrockRerankCodec, vertexRankCodec],
  split,
  join,
  sizeOf: ({ results }) => results.length * RESULT_BYTES,
};

/** An index and a score. */
const RESULT_BYTES = 16;

/** A document's score doesn't depend on the others, so that some can be asked for at a time. */
function split(request: RerankRequest, { inputs }: BatchLimit): readonly RerankRequest[] {
  const { documents } = request;
  if (documents.length <= inputs) return [request];
  const parts: RerankRequest[] = [];
  for (let i = 0; i < documents.length; i += inputs)
    parts.push({ ...request, documents: documents.slice(i, i + inputs) });
  return parts;
}

function join(answers: readonly RerankAnswer[], parts: readonly RerankRequest[], whole: RerankRequest): RerankAnswer {
  let from = 0;
  const results = answers.flatMap((answer, i) => {
    const part = parts[i] ?? whole;
    const found = bestOf(answer.results, part).map(({ index, score }) => ({ index: index + from, score }));
    from += part.documents.length;
    return found;
  });
  const units = answers.map(({ searchUnits }) => searchUnits);
  const billed = units.every((one) => one !== undefined);
  return {
    id: answers[0]?.id ?? '',
    model: answers[0]?.model ?? '',
    results: bestOf(results, whole),
    usage: sumUsage(answers.map(({ usage }) => usage)),
    ...(billed && { searchUnits: units.reduce((sum: number, one) => sum + (one ?? 0), 0) }),
  };
}
