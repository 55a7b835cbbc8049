import { GatewayError } from '../../../../errors/table.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type {
  EmbeddingInput,
  EmbeddingPart,
  EmbeddingPurpose,
  EmbeddingRequest,
  VectorType,
} from '../../../../facts/embedding.ts';
import { dataUrl } from '../data-url.ts';
import type { EmbeddingContext } from '../embedding-features.ts';
import { dropExtra, imagePart, isVectorType, purposeOf, textInput, truncationOf } from '../embedding-inputs.ts';
import { compact, Fields } from '../fields.ts';
import { kept } from '../vectors.ts';

const KNOWN = new Set([
  'model',
  'texts',
  'images',
  'inputs',
  'input_type',
  'embedding_types',
  'output_dimension',
  'truncate',
]);

export function decodeRequest(body: JsonObject): EmbeddingRequest {
  const fields = Fields.ofRequest(body);
  const extra = fields.rest(KNOWN) ?? {};
  const word = fields.string('input_type');
  const purpose = purposeOf(word);
  // `image` says what is in the inputs, not what they are for.
  if (word !== undefined && purpose === undefined && word !== 'image') extra.input_type = word;
  const inputs = decodeInputs(fields);
  if (inputs.length === 0)
    throw new GatewayError('invalid_request_body', 'There are no "texts", "images" or "inputs".');
  const dimensions = fields.number('output_dimension');
  const truncate = truncationOf(fields.string('truncate'));
  return {
    model: fields.string('model') ?? '',
    inputs,
    types: decodeTypes(fields),
    ...(dimensions !== undefined && { dimensions }),
    ...(purpose !== undefined && { purpose }),
    ...(truncate !== undefined && { truncate }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}

function decodeTypes(fields: Fields): VectorType[] {
  const words = fields.strings('embedding_types') ?? [];
  return words.length === 0
    ? ['float']
    : words.map((word, i) => {
        if (!isVectorType(word)) throw fields.fault(`embedding_types[${i}]`, 'is no type of embeddings');
        return word;
      });
}

function decodeInputs(fields: Fields): EmbeddingInput[] {
  return [
    ...(fields.strings('texts') ?? []).map(textInput),
    ...(fields.strings('images') ?? []).map((url) => ({ parts: [imagePart(url)] })),
    ...fields.objects('inputs').map((input) => ({ parts: input.objects('content').map(decodePart) })),
  ];
}

function decodePart(part: Fields): EmbeddingPart {
  const url = part.value.type === 'image_url' ? part.value.image_url : undefined;
  if (typeof url === 'string') return imagePart(url);
  if (url !== undefined) return imagePart(part.requiredObject('image_url').requiredString('url'));
  return { kind: 'text', text: part.requiredString('text') };
}

/** What is said of purposes that Cohere has no words for: the questions are searched with, the rest is searched. */
const INPUT_TYPES: Readonly<Record<EmbeddingPurpose, string>> = {
  query: 'search_query',
  document: 'search_document',
  similarity: 'search_document',
  classification: 'classification',
  clustering: 'clustering',
  question: 'search_query',
  fact: 'search_query',
  code: 'search_query',
};

/** `imageUrl`: how an image in `inputs` is said. */
export function encodeRequest(
  request: EmbeddingRequest,
  context: EmbeddingContext,
  imageUrl: (url: string) => unknown = (url) => ({ url }),
): JsonObject {
  const { losses, model } = context;
  dropExtra(request, losses);
  if (request.user !== undefined) losses.drop('user');
  if (request.inputs.some(({ title }) => title !== undefined)) losses.drop('title');
  const content = request.inputs.map(({ parts }) => parts.map((part) => encodePart(part, context, imageUrl)));
  const single = request.inputs.every(({ parts }) => parts.length === 1);
  const firsts = request.inputs.map(({ parts }) => parts[0]);
  const texts = single && firsts.every((part) => part?.kind === 'text');
  const images = single && firsts.every((part) => part?.kind === 'image');
  return compact({
    model,
    ...(texts && { texts: firsts.map((part) => (part?.kind === 'text' ? part.text : '')) }),
    ...(images && { images: firsts.map((part) => (part?.kind === 'image' ? dataUrl(part) : '')) }),
    ...(!texts && !images && { inputs: content.map((one) => ({ content: one })) }),
    // Models since v3 insist on one.
    input_type: images ? 'image' : INPUT_TYPES[request.purpose ?? 'document'],
    embedding_types: [...new Set(request.types.map(kept))],
    output_dimension: request.dimensions,
    truncate: request.truncate?.toUpperCase(),
  });
}

function encodePart(part: EmbeddingPart, { losses }: EmbeddingContext, imageUrl: (url: string) => unknown): JsonObject {
  switch (part.kind) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'image':
      return { type: 'image_url', image_url: imageUrl(dataUrl(part)) };
    case 'imageUrl':
      return losses.refuse('imageUrl');
    case 'tokens':
      return losses.refuse('tokens');
  }
}
