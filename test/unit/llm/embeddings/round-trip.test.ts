import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMBEDDINGS } from '../../../../src/adapters/llm/formats/embeddings.ts';
import { Losses } from '../../../../src/adapters/llm/formats/features.ts';
import { RERANKING } from '../../../../src/adapters/llm/formats/reranking.ts';
import { floatsOf, vectorAs } from '../../../../src/adapters/llm/formats/vectors.ts';
import { GatewayError } from '../../../../src/errors/table.ts';
import type { EmbeddingInput, EmbeddingPart, EmbeddingRequest, VectorType } from '../../../../src/facts/embedding.ts';
import type { RerankDocument, RerankRequest } from '../../../../src/facts/rerank.ts';

/** What a format can say comes back as it was; whatever comes, nothing but a fault with its place is thrown. */

const codec = <T extends { readonly format: string }>(codecs: readonly T[], format: string) =>
  codecs.find((one) => one.format === format)!;
const PATH = { model: 'm', stream: false };

const text: fc.Arbitrary<EmbeddingPart> = fc.record({ kind: fc.constant('text'), text: fc.string() });
const image: fc.Arbitrary<EmbeddingPart> = fc.record({
  kind: fc.constant('image'),
  mediaType: fc.constantFrom('image/png', 'image/jpeg'),
  data: fc.base64String({ minLength: 1 }),
});
const tokens: fc.Arbitrary<EmbeddingPart> = fc.record({
  kind: fc.constant('tokens'),
  tokens: fc.array(fc.nat(), { minLength: 1 }),
});
const input = (...parts: fc.Arbitrary<EmbeddingPart>[]): fc.Arbitrary<EmbeddingInput> =>
  fc.record({ parts: fc.array(fc.oneof(...parts), { minLength: 1, maxLength: 3 }) });
const one = (part: fc.Arbitrary<EmbeddingPart>): fc.Arbitrary<EmbeddingInput> =>
  part.map((only) => ({ parts: [only] }));

const base = { model: fc.constant('m'), types: fc.constant<VectorType[]>(['float']) };
const optional = { dimensions: fc.nat() };
type Requests = fc.Arbitrary<EmbeddingRequest>;

/** By format: the requests that it can say as they are. */
const SAYABLE: Readonly<Record<string, Requests>> = {
  embeddings: fc.record(
    { ...base, ...optional, inputs: fc.array(fc.oneof(one(text), one(tokens)), { minLength: 1 }), user: fc.string() },
    { requiredKeys: ['model', 'types', 'inputs'] },
  ),
  cohereEmbed: fc.record(
    {
      ...base,
      ...optional,
      // Which lists inputs stand in is one order of them.
      inputs: fc.oneof(
        fc.array(one(text), { minLength: 1 }),
        fc.array(input(text, image), { minLength: 1 }).filter((all) => all.some(({ parts }) => parts.length > 1)),
      ),
      types: fc.uniqueArray(fc.constantFrom<VectorType>('float', 'int8', 'uint8', 'binary', 'ubinary'), {
        minLength: 1,
      }),
      purpose: fc.constantFrom('query', 'document', 'classification', 'clustering'),
      truncate: fc.constantFrom('start', 'end', 'none'),
    },
    { requiredKeys: ['model', 'types', 'inputs', 'purpose'] },
  ),
  batchEmbedContents: fc.record(
    {
      ...base,
      ...optional,
      inputs: fc.array(input(text, image), { minLength: 1 }),
      purpose: fc.constantFrom(
        'query',
        'document',
        'similarity',
        'classification',
        'clustering',
        'question',
        'fact',
        'code',
      ),
    },
    { requiredKeys: ['model', 'types', 'inputs'] },
  ),
};

describe.each(Object.entries(SAYABLE))('requests for embeddings as %s', (format, requests) => {
  const { client, column, encodeRequest } = codec(EMBEDDINGS.codecs, format);
  it('come back as they were', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const losses = new Losses(column, column, format, true);
        const body = encodeRequest(request, { model: 'm', losses });
        expect(client?.decodeRequest(JSON.parse(JSON.stringify(body)), PATH)).toEqual(request);
      }),
    );
  });
});

const document: fc.Arbitrary<RerankDocument> = fc.record({ kind: fc.constant('text'), text: fc.string() });
const rerankRequest: fc.Arbitrary<RerankRequest> = fc.record(
  { model: fc.constant('m'), query: fc.string(), documents: fc.array(document, { minLength: 1 }), topN: fc.nat() },
  { requiredKeys: ['model', 'query', 'documents'] },
);

describe.each(['rerank', 'cohereRerank'])('requests to rerank as %s', (format) => {
  const { client, column, encodeRequest } = codec(RERANKING.codecs, format);
  it('come back as they were', () => {
    fc.assert(
      fc.property(rerankRequest, (request) => {
        const losses = new Losses(column, column, format, true);
        const body = encodeRequest(request, { model: 'm', losses });
        expect(client?.decodeRequest(JSON.parse(JSON.stringify(body)), PATH)).toEqual(request);
      }),
    );
  });
});

describe('whatever JSON comes', () => {
  const NAMES = [
    'model',
    'input',
    'texts',
    'images',
    'inputs',
    'content',
    'parts',
    'requests',
    'query',
    'documents',
    'truncate',
  ];
  const json = fc.dictionary(fc.constantFrom(...NAMES), fc.jsonValue());
  const clients = [...EMBEDDINGS.codecs, ...RERANKING.codecs].filter(({ client }) => client !== null);

  it.each(clients.map(({ format, client }) => [format, client!] as const))(
    '%s reads it or says what is wrong',
    (_, client) => {
      fc.assert(
        fc.property(json, (body) => {
          try {
            client.decodeRequest(body, PATH);
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
          }
        }),
      );
    },
  );

  const MEMBERS = [
    'data',
    'embeddings',
    'embedding',
    'predictions',
    'results',
    'records',
    'meta',
    'usage',
    'usageMetadata',
  ];
  const answers = fc.dictionary(fc.constantFrom(...MEMBERS), fc.jsonValue());
  const all = [...EMBEDDINGS.codecs, ...RERANKING.codecs];
  it.each(all.map((each) => [each.format, each] as const))('%s takes it for an answer', (_, { decodeAnswer }) => {
    fc.assert(
      fc.property(answers, (body) => {
        expect(decodeAnswer(body, { model: 'm', inputTokens: null }).model).toEqual(expect.any(String));
      }),
    );
  });
});

describe('vectors', () => {
  const floats = fc.array(fc.float({ noNaN: true }));
  it('are the same as base64 and back', () => {
    fc.assert(
      fc.property(floats, (float) => {
        const encoded = vectorAs({ float }, 'base64');
        expect(typeof encoded).toBe('string');
        expect(floatsOf(encoded)).toEqual(float);
      }),
    );
  });

  it('are none where their bytes are no whole numbers', () => {
    expect(floatsOf('AAAA')).toBeUndefined();
    expect(floatsOf([1, '2'])).toBeUndefined();
    expect(floatsOf(null)).toBeUndefined();
  });
});
