import { GatewayError } from '../../../errors/table.ts';
import type { EmbeddingAnswer, EmbeddingRequest, Vectors } from '../../../facts/embedding.ts';
import { emptyUsage, type Usage } from '../../../facts/llm.ts';
import { bedrockCohereEmbedCodec } from './bedrock-embed/cohere.ts';
import { novaEmbedCodec } from './bedrock-embed/nova.ts';
import { titanEmbedCodec } from './bedrock-embed/titan.ts';
import { cohereEmbedCodec } from './cohere-embed/codec.ts';
import type { EmbeddingHub } from './embedding-features.ts';
import { batchEmbedContentsCodec, embedContentCodec } from './gemini-embed/codec.ts';
import { openaiEmbeddingsCodec } from './openai-embeddings/codec.ts';
import type { BatchLimit } from './unary-codec.ts';
import { kept } from './vectors.ts';
import { vertexMultimodalCodec } from './vertex-predict/multimodal.ts';
import { vertexPredictCodec } from './vertex-predict/text.ts';

/** Inputs of one request, as many as OpenAI takes. */
export const MAX_INPUTS = 2048;

/** Embeddings in every format there is, a line each. */
export const EMBEDDINGS: EmbeddingHub = {
  codecs: [
    cohereEmbedCodec,
    batchEmbedContentsCodec,
    embedContentCodec,
    bedrockCohereEmbedCodec,
    novaEmbedCodec,
    titanEmbedCodec,
    vertexPredictCodec,
    vertexMultimodalCodec,
    openaiEmbeddingsCodec,
  ],
  split,
  join,
  sizeOf: ({ vectors }) => vectors.reduce((sum, one) => sum + numbersIn(one) * NUMBER_BYTES, 0),
};

const NUMBER_BYTES = 8;

function numbersIn(vectors: Vectors): number {
  return Object.values(vectors).reduce((sum, numbers) => sum + numbers.length, 0);
}

/** As many calls as it takes; an input is never cut in two. */
function split(request: EmbeddingRequest, { inputs: most, characters }: BatchLimit): readonly EmbeddingRequest[] {
  if (request.inputs.length > MAX_INPUTS) {
    const message = `A request may have ${MAX_INPUTS} inputs; this one has ${request.inputs.length}.`;
    throw new GatewayError('unsupported_parameter', message);
  }
  if (request.inputs.length <= most && characters === undefined) return [request];
  const parts: EmbeddingRequest[] = [];
  let from = 0;
  let length = 0;
  for (const [i, input] of request.inputs.entries()) {
    const own = input.parts.reduce((sum, part) => sum + (part.kind === 'text' ? part.text.length : 0), 0);
    const full = i - from >= most || (characters !== undefined && i > from && length + own > characters);
    if (full) {
      parts.push({ ...request, inputs: request.inputs.slice(from, i) });
      from = i;
      length = 0;
    }
    length += own;
  }
  parts.push({ ...request, inputs: request.inputs.slice(from) });
  return parts;
}

function join(answers: readonly EmbeddingAnswer[], parts: readonly EmbeddingRequest[]): EmbeddingAnswer {
  const vectors: Vectors[] = [];
  for (const [i, answer] of answers.entries()) {
    const wanted = parts[i];
    if (wanted === undefined || !isComplete(answer, wanted)) {
      const message = "The provider's answer doesn't have the embeddings asked for.";
      throw new GatewayError('upstream_response_invalid', message);
    }
    for (const one of answer.vectors) vectors.push(one);
  }
  return {
    id: answers[0]?.id ?? '',
    model: answers[0]?.model ?? '',
    vectors,
    usage: sumUsage(answers.map(({ usage }) => usage)),
  };
}

function isComplete({ vectors }: EmbeddingAnswer, { inputs, types }: EmbeddingRequest): boolean {
  return (
    vectors.length === inputs.length && vectors.every((one) => types.every((type) => one[kept(type)] !== undefined))
  );
}

/** null where one of the parts wasn't counted. */
export function sumUsage(usages: readonly (Usage | null)[]): Usage | null {
  const sum = emptyUsage();
  for (const usage of usages) {
    if (usage === null) return null;
    for (const name of Object.keys(sum) as (keyof Usage)[]) sum[name] += usage[name];
  }
  return usages.length === 0 ? null : sum;
}
