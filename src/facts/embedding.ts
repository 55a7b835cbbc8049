import type { JsonObject } from './conversation.ts';
import type { Usage } from './llm.ts';

/** A request for embeddings, and what comes back, as every wire format can say them. */

/** A piece of an input. Its data is base64, without a `data:` in front. */
export type EmbeddingPart =
  | { readonly kind: 'text'; readonly text: string }
  /** Text already cut into tokens of the model's own encoding (OpenAI). */
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] }
  | { readonly kind: 'image'; readonly mediaType: string; readonly data: string }
  | { readonly kind: 'imageUrl'; readonly url: string };

/** What one embedding is made of: several parts make one. */
export interface EmbeddingInput {
  readonly parts: readonly EmbeddingPart[];
  /** Title of the document that the input is a piece of. */
  readonly title?: string;
}

/** What embeddings are for. Models make those of queries otherwise than those of the documents to be found. */
export type EmbeddingPurpose =
  | 'query'
  | 'document'
  | 'similarity'
  | 'classification'
  | 'clustering'
  | 'question'
  | 'fact'
  | 'code';

/** Forms of a vector; `base64` holds its float32 values, little-endian. `binary` and `ubinary` have eight dimensions a number. */
export type VectorType = 'float' | 'base64' | 'int8' | 'uint8' | 'binary' | 'ubinary';

export interface EmbeddingRequest {
  readonly model: string;
  readonly inputs: readonly EmbeddingInput[];
  /** The forms asked for, at least one. */
  readonly types: readonly VectorType[];
  readonly dimensions?: number;
  readonly purpose?: EmbeddingPurpose;
  /** Where an input that is too long is cut; `none`: it is refused. */
  readonly truncate?: 'start' | 'end' | 'none';
  /** The end user. */
  readonly user?: string;
  /** Members that only the client's format knows. */
  readonly extra?: JsonObject;
}

/** One input's embedding in the forms that a provider gave; floats never as base64. */
export type Vectors = { readonly [T in Exclude<VectorType, 'base64'>]?: readonly number[] };

export interface EmbeddingAnswer {
  /** '' where the provider gave none. */
  readonly id: string;
  readonly model: string;
  /** In the order of the inputs. */
  readonly vectors: readonly Vectors[];
  /** null where the provider didn't count. */
  readonly usage: Usage | null;
}
