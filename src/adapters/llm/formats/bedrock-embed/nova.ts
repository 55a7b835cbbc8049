import type { JsonObject } from '../../../../facts/conversation.ts';
import type {
  EmbeddingAnswer,
  EmbeddingInput,
  EmbeddingPurpose,
  EmbeddingRequest,
} from '../../../../facts/embedding.ts';
import { decodeFault } from '../bedrock-converse/faults.ts';
import type { EmbeddingCodec, EmbeddingContext } from '../embedding-features.ts';
import { dropExtra, inputUsage, onePart, onlyFloats } from '../embedding-inputs.ts';
import { compact, Fields } from '../fields.ts';
import type { UnaryAnswerContext } from '../unary-codec.ts';
import { numbersOf } from '../vectors.ts';

/** Amazon Nova Multimodal Embeddings (https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html): one input a call. */
export const novaEmbedCodec: EmbeddingCodec = {
  format: 'novaEmbed',
  column: {
    fidelity: {
      // The gateway makes a text of them.
      tokens: 'approximated',
      imageBase64: 'exact',
      imageUrl: 'refused',
      mixedInput: 'refused',
      dimensions: 'exact',
      purpose: 'approximated',
      title: 'dropped',
      truncate: 'exact',
      quantized: 'refused',
      user: 'dropped',
    },
    fields: {},
  },
  batch: () => ({ inputs: 1 }),
  encodeRequest,
  decodeAnswer,
  decodeFault,
  client: null,
};

const PURPOSES: Readonly<Record<EmbeddingPurpose, string>> = {
  query: 'GENERIC_RETRIEVAL',
  document: 'GENERIC_INDEX',
  similarity: 'GENERIC_INDEX',
  classification: 'CLASSIFICATION',
  clustering: 'CLUSTERING',
  question: 'GENERIC_RETRIEVAL',
  fact: 'GENERIC_RETRIEVAL',
  code: 'GENERIC_RETRIEVAL',
};

const NOTHING: EmbeddingInput = { parts: [] };

function encodeRequest(request: EmbeddingRequest, context: EmbeddingContext): JsonObject {
  const { losses } = context;
  const [input = NOTHING] = request.inputs;
  onlyFloats(request, context);
  dropExtra(request, losses);
  if (request.user !== undefined) losses.drop('user');
  if (input.title !== undefined) losses.drop('title');
  const part = onePart(input, context);
  const content =
    'text' in part
      ? { text: { truncationMode: (request.truncate ?? 'end').toUpperCase(), value: part.text } }
      : { image: { format: imageFormat(part.mediaType), source: { bytes: part.data } } };
  return {
    taskType: 'SINGLE_EMBEDDING',
    singleEmbeddingParams: compact({
      embeddingPurpose: PURPOSES[request.purpose ?? 'document'],
      embeddingDimension: request.dimensions,
      ...content,
    }),
  };
}

/** `image/jpeg` → `jpeg`. */
function imageFormat(mediaType: string): string {
  const format = mediaType.slice(mediaType.indexOf('/') + 1).split(';', 1)[0] ?? '';
  return format === 'jpg' ? 'jpeg' : format;
}

function decodeAnswer(body: JsonObject, { model, inputTokens }: UnaryAnswerContext): EmbeddingAnswer {
  const vectors = Fields.ofAnswer(body)
    .objects('embeddings')
    .map(({ value }) => numbersOf(value.embedding))
    .map((float) => (float === undefined ? {} : { float }));
  return { id: '', model, vectors, usage: inputUsage(inputTokens) };
}
