import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { RerankDocument, RerankRequest, RerankResult } from '../../../facts/rerank.ts';
import { dropExtra } from './embedding-inputs.ts';
import type { Fields } from './fields.ts';
import { isObject } from './fields.ts';
import type { RerankContext } from './rerank-features.ts';

/** What the formats of reranking have in common. */

/** Texts, or records; one that has a text and nothing else is that text. */
export function decodeDocuments(fields: Fields, name: string): RerankDocument[] {
  const documents = fields.array(name).map((item, i): RerankDocument => {
    if (typeof item === 'string') return { kind: 'text', text: item };
    if (!isObject(item)) throw fields.fault(`${name}[${i}]`, 'must be a string or an object');
    const { text, ...others } = item;
    if (typeof text === 'string' && Object.keys(others).length === 0) return { kind: 'text', text };
    return { kind: 'object', fields: item };
  });
  if (documents.length === 0) throw fields.fault(name, 'is missing or empty');
  return documents;
}

const IMAGES = ['image', 'image_url'];

/** A document's text for a format that takes nothing else: of a record, a line a field. */
export function textOf(document: RerankDocument, { rankFields }: RerankRequest, { losses }: RerankContext): string {
  if (document.kind === 'text') return document.text;
  const { fields } = document;
  if (IMAGES.some((name) => fields[name] !== undefined)) losses.refuse('objectDocuments', 'documents.image');
  const names = Object.keys(fields).filter((name) => rankFields === undefined || rankFields.includes(name));
  return names.map((name) => `${name}: ${said(fields[name])}`).join('\n');
}

function said(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a format that only knows texts and how many are wanted can't say. */
export function noteLosses(request: RerankRequest, { losses }: RerankContext): void {
  dropExtra(request, losses);
  if (request.maxTokensPerDocument !== undefined) losses.drop('maxTokensPerDocument');
}

/** A document as answers hold it. */
export function documentOf(request: RerankRequest, index: number): JsonObject {
  const document = request.documents[index];
  return document === undefined ? {} : document.kind === 'text' ? { text: document.text } : document.fields;
}

/** Results under the names that Cohere's and Jina's APIs share. */
export function decodeResults(fields: Fields): RerankResult[] {
  return fields.objects('results').map((one) => ({
    index: one.number('index') ?? -1,
    score: one.number('relevance_score') ?? one.number('score') ?? Number.NaN,
  }));
}

/** The best of all documents first, as many as are wanted. Throws `upstream_response_invalid` for a result of no document. */
export function bestOf(results: readonly RerankResult[], { documents, topN }: RerankRequest): RerankResult[] {
  const valid = results.every(({ index, score }) => index in documents && !Number.isNaN(score));
  const wanted = Math.min(topN ?? documents.length, documents.length);
  if (!valid || results.length < wanted) {
    throw new GatewayError('upstream_response_invalid', "The provider's answer doesn't rank the documents.");
  }
  return [...results].sort((a, b) => b.score - a.score).slice(0, wanted);
}
