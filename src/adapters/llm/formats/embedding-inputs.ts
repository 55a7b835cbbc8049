import type {
  EmbeddingInput,
  EmbeddingPart,
  EmbeddingPurpose,
  EmbeddingRequest,
  VectorType,
} from '../../../facts/embedding.ts';
import { emptyUsage, type Usage } from '../../../facts/llm.ts';
import { parseDataUrl } from './data-url.ts';
import type { EmbeddingContext } from './embedding-features.ts';
import { kept } from './vectors.ts';

/** What the formats of embeddings have in common. */

export type ImageData = Extract<EmbeddingPart, { kind: 'image' }>;

export function textInput(text: string): EmbeddingInput {
  return { parts: [{ kind: 'text', text }] };
}

/** An image by what a client calls its URL: data in a `data:` URL, or the address of it. */
export function imagePart(url: string): EmbeddingPart {
  const data = parseDataUrl(url);
  return data === null ? { kind: 'imageUrl', url } : { kind: 'image', ...data };
}

/** The text of an input for a format that takes nothing else; several texts become lines of one. */
export function textOf({ parts }: EmbeddingInput, { losses }: EmbeddingContext): string {
  return parts
    .map((part) => {
      if (part.kind === 'text') return part.text;
      return losses.refuse(PART_FEATURES[part.kind]);
    })
    .join('\n');
}

const PART_FEATURES = { tokens: 'tokens', image: 'imageBase64', imageUrl: 'imageUrl' } as const;

/** The one part of an input, for a format that takes no more; several texts become one. */
export function onePart(input: EmbeddingInput, context: EmbeddingContext): { readonly text: string } | ImageData {
  const [first] = input.parts;
  if (first?.kind === 'image' && input.parts.length === 1) return first;
  if (input.parts.some(({ kind }) => kind === 'image')) return context.losses.refuse('mixedInput');
  return { text: textOf(input, context) };
}

/** Refuses what a format can't say that gives floats and nothing else; drops what it doesn't know. */
export function onlyFloats({ types }: EmbeddingRequest, { losses }: EmbeddingContext): void {
  if (types.some((type) => kept(type) !== 'float')) losses.refuse('quantized');
}

/** The members that only the client's format knows have no place in another. */
export function dropExtra(
  { extra }: { readonly extra?: object },
  losses: { dropFields(names: readonly string[]): void },
): void {
  if (extra !== undefined) losses.dropFields(Object.keys(extra));
}

/** Words for purposes, of OpenAI's, Cohere's, Google's, Jina's, NVIDIA's and Voyage's clients. */
const PURPOSES: ReadonlyMap<string, EmbeddingPurpose> = new Map([
  ['query', 'query'],
  ['search_query', 'query'],
  ['retrieval_query', 'query'],
  ['retrieval.query', 'query'],
  ['document', 'document'],
  ['passage', 'document'],
  ['search_document', 'document'],
  ['retrieval_document', 'document'],
  ['retrieval.passage', 'document'],
  ['semantic_similarity', 'similarity'],
  ['text-matching', 'similarity'],
  ['classification', 'classification'],
  ['clustering', 'clustering'],
  ['separation', 'clustering'],
  ['question_answering', 'question'],
  ['fact_verification', 'fact'],
  ['code_retrieval_query', 'code'],
]);

/** The purpose that a client's word for it means; undefined for a word nobody has. */
export function purposeOf(word: string | undefined): EmbeddingPurpose | undefined {
  return word === undefined ? undefined : PURPOSES.get(word.toLowerCase());
}

const TYPES: readonly string[] = ['float', 'base64', 'int8', 'uint8', 'binary', 'ubinary'] satisfies VectorType[];

export function isVectorType(word: string): word is VectorType {
  return TYPES.includes(word);
}

/** Where inputs are cut, in the words of Cohere's, NVIDIA's and Bedrock's APIs; undefined for any other. */
export function truncationOf(word: string | undefined): EmbeddingRequest['truncate'] {
  const lower = word?.toLowerCase();
  return lower === 'start' || lower === 'end' || lower === 'none' ? lower : undefined;
}

/** The usage of a prompt without an answer; null where nobody counted. */
export function inputUsage(input: number | null | undefined): Usage | null {
  return input === null || input === undefined ? null : { ...emptyUsage(), input };
}
