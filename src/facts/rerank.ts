import type { JsonObject } from './conversation.ts';
import type { Usage } from './llm.ts';

/** A request to order documents by how much they have to do with a query, and what comes back. */

export type RerankDocument =
  | { readonly kind: 'text'; readonly text: string }
  /** A record of several fields. */
  | { readonly kind: 'object'; readonly fields: JsonObject };

export interface RerankRequest {
  readonly model: string;
  readonly query: string;
  readonly documents: readonly RerankDocument[];
  /** How many of the best are wanted; absent = all. */
  readonly topN?: number;
  /** The answer is to hold the documents again. */
  readonly returnDocuments?: boolean;
  /** Longer documents are cut, tokens. */
  readonly maxTokensPerDocument?: number;
  /** The fields of records that count; absent = all. */
  readonly rankFields?: readonly string[];
  /** Members that only the client's format knows. */
  readonly extra?: JsonObject;
}

export interface RerankResult {
  /** Place of the document in the request. */
  readonly index: number;
  readonly score: number;
}

export interface RerankAnswer {
  /** '' where the provider gave none. */
  readonly id: string;
  readonly model: string;
  /** The best first. */
  readonly results: readonly RerankResult[];
  /** null where the provider didn't count tokens. */
  readonly usage: Usage | null;
  /** Cohere's unit of billing, where the provider says it. */
  readonly searchUnits?: number;
}
