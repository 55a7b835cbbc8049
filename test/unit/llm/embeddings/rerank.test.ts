import { describe, expect, it } from 'vitest';
import type { AiProvider } from '../../../../src/resources/types.ts';
import { addressOf, answerOf, ask, bedrock, cohere, cohereOnly, gemini, openai, vertex, vllm } from './wires.ts';

/** Reranking: what a request is on the wire of each provider, and its answer to each client. */

const JINA = '/v1/rerank';
const COHERE = '/v2/rerank';
const DOCUMENTS = ['apple', 'banana', 'cherry'];
const BODY = { model: 'm', query: 'fruit', documents: DOCUMENTS, top_n: 2 };

const RANKER = 'semantic-ranker-default@latest';
const RERANKER = 'cohere.rerank-v3-5:0';
const ARN = `arn:aws:bedrock:eu-west-1::foundation-model/${RERANKER}`;
const bedrockBody = (sources: object[], numberOfResults: number) => ({
  queries: [{ type: 'TEXT', textQuery: { text: 'fruit' } }],
  sources: sources.map((inlineDocumentSource) => ({ type: 'INLINE', inlineDocumentSource })),
  rerankingConfiguration: {
    type: 'BEDROCK_RERANKING_MODEL',
    bedrockRerankingConfiguration: { numberOfResults, modelConfiguration: { modelArn: ARN } },
  },
});
const text = (value: string) => ({ type: 'TEXT', textDocument: { text: value } });

describe('a request to rerank', () => {
  it.each<[what: string, provider: AiProvider, url: string, body: object, address: string, sent: object]>([
    [
      'of Jina to Cohere',
      cohere,
      JINA,
      { ...BODY, return_documents: true },
      'api.cohere.ai/v2/rerank',
      { model: 'm', query: 'fruit', documents: DOCUMENTS, top_n: 2 },
    ],
    [
      'of Cohere to vLLM',
      vllm,
      COHERE,
      { ...BODY, max_tokens_per_doc: 100 },
      'localhost/v1/rerank',
      { model: 'm', query: 'fruit', documents: DOCUMENTS, top_n: 2 },
    ],
    [
      'of Jina, with records, to Cohere',
      cohere,
      JINA,
      { ...BODY, documents: [{ text: 'apple' }, { title: 'B', color: 'yellow', n: 1 }], rank_fields: ['title', 'n'] },
      'api.cohere.ai/v2/rerank',
      { model: 'm', query: 'fruit', documents: ['apple', 'title: B\nn: 1'], top_n: 2 },
    ],
    [
      'of Cohere to Vertex AI',
      vertex,
      COHERE,
      { ...BODY, model: RANKER },
      'discoveryengine.googleapis.com/v1/projects/p/locations/global/rankingConfigs/default_ranking_config:rank',
      {
        model: RANKER,
        query: 'fruit',
        topN: 2,
        records: DOCUMENTS.map((content, i) => ({ id: String(i), content })),
        ignoreRecordDetailsInResponse: true,
      },
    ],
    [
      'of Jina, with titles, to Vertex AI',
      vertex,
      JINA,
      { model: RANKER, query: { text: 'fruit' }, documents: [{ title: 'T', text: 'apple' }, { a: 1 }] },
      'discoveryengine.googleapis.com/v1/projects/p/locations/global/rankingConfigs/default_ranking_config:rank',
      {
        model: RANKER,
        query: 'fruit',
        records: [
          { id: '0', title: 'T', content: 'apple' },
          { id: '1', content: 'a: 1' },
        ],
        ignoreRecordDetailsInResponse: true,
      },
    ],
    [
      'of Jina to Bedrock',
      bedrock,
      JINA,
      { model: RERANKER, query: 'fruit', documents: ['apple', { a: 1, b: 'x' }] },
      'bedrock-agent-runtime.eu-west-1.amazonaws.com/rerank',
      bedrockBody([text('apple'), { type: 'JSON', jsonDocument: { a: 1, b: 'x' } }], 2),
    ],
    [
      'of Cohere to Bedrock, by its ARN',
      bedrock,
      COHERE,
      { model: ARN, query: 'fruit', documents: DOCUMENTS, top_n: 9 },
      'bedrock-agent-runtime.eu-west-1.amazonaws.com/rerank',
      bedrockBody(DOCUMENTS.map(text), 3),
    ],
  ])('%s', async (_, target, url, body, address, sent) => {
    const { flights, exchange } = await ask(target, url, body);
    expect(exchange.error).toBeNull();
    expect(flights.map(addressOf)).toEqual([address]);
    expect(flights[0]?.json).toEqual(sent);
  });

  it('goes to a host that the operator gave, wherever else the provider has its rerankers', async () => {
    const { flights } = await ask({ ...bedrock, hostOverride: 'proxy.test:80' }, JINA, { ...BODY, model: RERANKER });
    expect(flights.map(addressOf)).toEqual(['proxy.test/rerank']);
  });

  it.each([
    [cohere, COHERE, 'api.cohere.ai/v2/rerank'],
    [cohereOnly, COHERE, 'cohere.test/v2/rerank'],
    [vllm, JINA, 'localhost/v1/rerank'],
    [openai, JINA, 'api.openai.com/v1/rerank'],
  ])('%# in the own format goes as it is', async (target, url, address) => {
    const { flights } = await ask(target, url, BODY);
    expect(flights.map(addressOf)).toEqual([address]);
    expect(flights[0]?.sent).toBe(JSON.stringify(BODY));
  });

  it("knows Cohere's path where a policy says rerank of it, as agentgateway has it", async () => {
    const values = { ai: { routes: { '/v2/rerank': 'rerank', '*': 'passthrough' } } };
    const { flights } = await ask(cohere, `/team${COHERE}`, BODY, values);
    expect(flights[0]?.sent).toBe(JSON.stringify(BODY));
  });

  it("takes what agentgateway calls rerank for Cohere's where the path is Cohere's", async () => {
    const settings = { formats: [{ type: 'rerank', path: '/x/v2/rerank' }] };
    const { flights } = await ask({ ...cohereOnly, settings }, JINA, { ...BODY, return_documents: true });
    expect(flights.map(addressOf)).toEqual(['cohere.test/x/v2/rerank']);
    expect(flights[0]?.json).toEqual(BODY);
  });

  it.each<[string, AiProvider, string, object, string, string]>([
    ['no documents', cohere, JINA, { model: 'm', query: 'q', documents: [] }, 'invalid_request_body', 'documents'],
    ['no query', cohere, JINA, { model: 'm', documents: ['a'] }, 'invalid_request_body', 'query'],
    [
      'a document of another kind',
      vllm,
      COHERE,
      { ...BODY, documents: ['a', 1] },
      'invalid_request_body',
      'documents[1]',
    ],
    ['an image', cohere, JINA, { ...BODY, documents: [{ image: 'x' }] }, 'unsupported_parameter', 'documents.image'],
    ['a provider without rerankers', gemini, JINA, BODY, 'unsupported_conversion', 'batchEmbedContents'],
  ])('is refused: %s', async (_, target, url, body, code, says) => {
    const { exchange, flights } = await ask(target, url, body);
    expect(flights).toEqual([]);
    expect(exchange.error?.code).toBe(code);
    expect(exchange.error?.message).toContain(says);
  });
});

interface Wire {
  readonly provider: AiProvider;
  readonly model: string;
  readonly answer: object;
  readonly tokens: number | null;
}

/** Cherry before apple, in the order that each provider may give them. */
const WIRES: Readonly<Record<string, Wire>> = {
  Jina: {
    provider: vllm,
    model: 'm',
    answer: {
      id: 'i',
      model: 'm-1',
      results: [
        { index: 0, relevance_score: 0.5, document: { text: 'apple' } },
        { index: 2, relevance_score: 0.75, document: { text: 'cherry' } },
        { index: 1, relevance_score: 0.25, document: { text: 'banana' } },
      ],
      usage: { total_tokens: 9 },
    },
    tokens: 9,
  },
  Cohere: {
    provider: cohere,
    model: 'm',
    answer: {
      id: 'i',
      results: [
        { index: 2, relevance_score: 0.75 },
        { index: 0, relevance_score: 0.5 },
      ],
      meta: { api_version: { version: '2' }, billed_units: { search_units: 1 } },
    },
    tokens: null,
  },
  'Vertex AI': {
    provider: vertex,
    model: RANKER,
    answer: {
      records: [
        { id: '2', score: 0.75 },
        { id: '0', score: 0.5 },
      ],
    },
    tokens: null,
  },
  Bedrock: {
    provider: bedrock,
    model: RERANKER,
    answer: {
      results: [
        { index: 2, relevanceScore: 0.75 },
        { index: 0, relevanceScore: 0.5 },
      ],
    },
    tokens: null,
  },
};

describe.each(Object.entries(WIRES))('the ranking of %s', (name, { provider, model, answer, tokens }) => {
  it("to Jina's clients", async () => {
    const asked = await ask(provider, JINA, { ...BODY, model });
    asked.flights[0]?.answer(200, JSON.stringify(answer));
    const { llm } = asked.exchange;
    expect(llm).toMatchObject({ operation: 'rerank', usageEstimated: tokens === null });
    if (tokens !== null) expect(llm.usage).toMatchObject({ input: tokens, output: 0 });
    if (name === 'Jina') return expect(answerOf(asked)).toEqual(answer);
    expect(answerOf(asked)).toMatchObject({
      model,
      results: [
        { index: 2, relevance_score: 0.75, document: { text: 'cherry' } },
        { index: 0, relevance_score: 0.5, document: { text: 'apple' } },
      ],
      usage: { total_tokens: llm.usage?.input },
    });
  });

  it("to Jina's clients that don't want the documents again", async () => {
    const asked = await ask(provider, JINA, { ...BODY, model, return_documents: false });
    asked.flights[0]?.answer(200, JSON.stringify(answer));
    if (name !== 'Jina') expect(asked.exchange.downstream.text).not.toContain('cherry');
    expect(asked.exchange.downstream.status).toBe(200);
  });

  it("to Cohere's clients", async () => {
    const asked = await ask(provider, COHERE, { ...BODY, model });
    asked.flights[0]?.answer(200, JSON.stringify(answer));
    const body = answerOf(asked);
    expect(body.id).toEqual(expect.any(String));
    expect(body.results).toEqual([
      { index: 2, relevance_score: 0.75 },
      { index: 0, relevance_score: 0.5 },
    ]);
    expect(body.meta.billed_units).toEqual(name === 'Cohere' ? { search_units: 1 } : undefined);
    if (tokens !== null) expect(body.meta.tokens).toEqual({ input_tokens: tokens });
  });
});

describe('rankings that are none', () => {
  it.each<[string, number, object, number, string]>([
    [
      'of a document that is not there',
      200,
      {
        results: [
          { index: 3, relevance_score: 1 },
          { index: 0, relevance_score: 1 },
        ],
      },
      502,
      'rank',
    ],
    ['of too few documents', 200, { results: [{ index: 0, relevance_score: 1 }] }, 502, 'rank'],
    ['without scores', 200, { results: [{ index: 0 }, { index: 1 }] }, 502, 'rank'],
    ['refusals', 422, { message: 'too many documents' }, 422, 'too many documents'],
  ])('%s', async (_, status, answer, expected, says) => {
    const asked = await ask(cohere, JINA, BODY);
    asked.flights[0]?.answer(status, JSON.stringify(answer));
    expect(asked.exchange.downstream.status).toBe(expected);
    expect(answerOf(asked).error.message).toContain(says);
  });
});

it('ranks more documents than one call takes in several, the best of all first', async () => {
  const documents = Array.from({ length: 450 }, (_, i) => `d${i}`);
  const asked = await ask(vertex, COHERE, { model: RANKER, query: 'q', documents, top_n: 2 });
  expect(asked.flights.map(({ json }) => json.records.length)).toEqual([200, 200, 50]);
  for (const [part, { json }] of asked.flights.map((flight, i) => [i, flight] as const)) {
    const records = json.records.map(({ id }: { id: string }, i: number) => ({ id, score: i === 7 ? part + 1 : 0 }));
    asked.flights[part]?.answer(200, JSON.stringify({ records }));
  }
  expect(answerOf(asked).results).toEqual([
    { index: 407, relevance_score: 3 },
    { index: 207, relevance_score: 2 },
  ]);
});
