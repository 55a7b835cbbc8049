import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { AiProvider } from '../../../../src/resources/types.ts';
import { answerOf, ask, bedrock, cohere, gemini, openai, vertex } from './wires.ts';

/** What the answer of each provider is to each client. */

const TITAN = 'amazon.titan-embed-text-v2:0';
const NOVA = 'amazon.nova-2-multimodal-embeddings-v1:0';
/** Exact as float32. */
const A = [0.5, -0.25, 1];
const B = [0, 2, -4];

interface Wire {
  readonly provider: AiProvider;
  readonly model: string;
  /** Answers to the calls that two inputs become, with their fields. */
  readonly answers: readonly [body: object, headers?: string[]][];
  /** null: the provider doesn't count. */
  readonly tokens: number | null;
}

const TOKENS = 'x-amzn-bedrock-input-token-count';
const WIRES: Readonly<Record<string, Wire>> = {
  Titan: {
    provider: bedrock,
    model: TITAN,
    answers: [
      [{ embedding: A, inputTextTokenCount: 3, embeddingsByType: { float: A } }],
      [{ embedding: B, inputTextTokenCount: 4, embeddingsByType: { float: B } }],
    ],
    tokens: 7,
  },
  Nova: {
    provider: bedrock,
    model: NOVA,
    answers: [
      [{ embeddings: [{ embeddingType: 'TEXT', embedding: A }] }, [TOKENS, '3']],
      [{ embeddings: [{ embeddingType: 'TEXT', embedding: B }] }, [TOKENS, '4']],
    ],
    tokens: 7,
  },
  'Cohere on Bedrock': {
    provider: bedrock,
    model: 'cohere.embed-english-v3',
    answers: [[{ id: 'i', embeddings: { float: [A, B] }, response_type: 'embeddings_by_type' }, [TOKENS, '7']]],
    tokens: 7,
  },
  'Cohere on Bedrock, in its older form': {
    provider: bedrock,
    model: 'cohere.embed-english-v3',
    answers: [[{ id: 'i', embeddings: [A, B], response_type: 'embeddings_floats' }, [TOKENS, '7']]],
    tokens: 7,
  },
  'text embeddings of Vertex AI': {
    provider: vertex,
    model: 'text-embedding-005',
    answers: [
      [
        {
          predictions: [
            { embeddings: { values: A, statistics: { truncated: false, token_count: 3 } } },
            { embeddings: { values: B, statistics: { truncated: false, token_count: 4 } } },
          ],
        },
      ],
    ],
    tokens: 7,
  },
  'multimodal embeddings of Vertex AI': {
    provider: vertex,
    model: 'multimodalembedding@001',
    answers: [[{ predictions: [{ textEmbedding: A }] }], [{ predictions: [{ imageEmbedding: B }] }]],
    tokens: null,
  },
  'embedContent of Vertex AI': {
    provider: vertex,
    model: 'gemini-embedding-2',
    answers: [
      [{ embedding: { values: A }, usageMetadata: { promptTokenCount: 3 } }],
      [{ embedding: { values: B }, usageMetadata: { promptTokenCount: 4 } }],
    ],
    tokens: 7,
  },
};

function answer(asked: Awaited<ReturnType<typeof ask>>, answers: Wire['answers']): void {
  // The last first: the order of the answers is not that of the inputs.
  for (const [i, [body, headers = []]] of [...answers.entries()].reverse()) {
    const { sink } = asked.flights[i]!;
    sink.onHead(200, ['content-type', 'application/json', 'etag', 'x', ...headers]);
    sink.onData(Buffer.from(JSON.stringify(body)));
    sink.onEnd([]);
  }
}

describe.each(Object.entries(WIRES))('the answer of %s', (_, { provider, model, answers, tokens }) => {
  it.each([undefined, 'float', 'base64'])("to OpenAI's clients, as %s", async (encoding_format) => {
    const asked = await ask(provider, '/v1/embeddings', { model, input: ['one', 'two'], encoding_format });
    answer(asked, answers);
    const body = answerOf(asked);
    const told = tokens ?? body.usage.prompt_tokens;
    expect(body).toMatchObject({ object: 'list', model, usage: { prompt_tokens: told, total_tokens: told } });
    expect(told).toBeGreaterThan(0);
    const data = body.data.map(({ embedding, index, object }: any) => {
      const values = typeof embedding === 'string' ? Buffer.from(embedding, 'base64') : null;
      const floats = values === null ? embedding : [0, 4, 8].map((at) => values.readFloatLE(at));
      return [object, index, typeof embedding === 'string', floats];
    });
    const text = encoding_format === 'base64';
    expect(data).toEqual([
      ['embedding', 0, text, A],
      ['embedding', 1, text, B],
    ]);
    expect(asked.exchange.llm).toMatchObject({
      operation: 'embeddings',
      usage: { input: told, output: 0 },
      usageEstimated: tokens === null,
    });
    expect(asked.exchange.downstream.header('etag')).toBeUndefined();
    expect(asked.exchange.downstream.header('x-sluice-estimated')).toBe(tokens === null ? 'true' : undefined);
  });

  it("to Cohere's clients", async () => {
    const asked = await ask(provider, '/v2/embed', {
      model,
      texts: ['one', 'two'],
      embedding_types: ['float', 'base64'],
    });
    answer(asked, answers);
    const body = answerOf(asked);
    expect(body).toMatchObject({
      id: expect.any(String),
      embeddings: { float: [A, B], base64: [expect.any(String), expect.any(String)] },
      texts: ['one', 'two'],
    });
    if (tokens !== null) expect(body.meta.billed_units).toEqual({ input_tokens: tokens });
  });

  it("to Gemini's clients", async () => {
    const requests = ['one', 'two'].map((text) => ({ content: { parts: [{ text }] } }));
    const url = `/v1beta/models/${encodeURIComponent(model)}:batchEmbedContents`;
    const asked = await ask(provider, url, { requests });
    answer(asked, answers);
    expect(answerOf(asked)).toMatchObject({ embeddings: [{ values: A }, { values: B }] });
  });
});

describe('other answers', () => {
  it("of OpenAI's in any order, as base64, to Gemini's clients", async () => {
    const asked = await ask(openai, '/v1beta/models/m:embedContent', { content: { parts: [{ text: 'a' }] } });
    const bytes = Buffer.alloc(12);
    for (const [i, value] of A.entries()) bytes.writeFloatLE(value, i * 4);
    const data = [{ index: 0, embedding: bytes.toString('base64') }];
    asked.flights[0]?.answer(200, JSON.stringify({ data, model: 'm-1', usage: { prompt_tokens: 2, total_tokens: 2 } }));
    expect(answerOf(asked)).toEqual({ embedding: { values: A }, usageMetadata: { promptTokenCount: 2 } });
    expect(asked.exchange.llm.responseModel).toBe('m-1');
  });

  it("of Cohere's with integers to Cohere's clients of Bedrock", async () => {
    const asked = await ask(bedrock, '/v2/embed', {
      model: 'cohere.embed-v4:0',
      texts: ['a'],
      embedding_types: ['int8', 'ubinary'],
    });
    const embeddings = { int8: [[1, -2]], ubinary: [[255]] };
    asked.flights[0]?.answer(200, JSON.stringify({ embeddings, id: 'i' }));
    expect(answerOf(asked)).toMatchObject({ id: 'i', embeddings });
  });

  it.each<[string, AiProvider, string, object, string, number | null]>([
    [
      'Cohere',
      cohere,
      '/v2/embed',
      { model: 'm', texts: ['a'] },
      '{"embeddings":{"float":[[1]]},"meta":{"billed_units":{"input_tokens":5}}}',
      5,
    ],
    [
      'Gemini',
      gemini,
      '/v1beta/models/m:embedContent',
      { content: { parts: [{ text: 'a' }] } },
      '{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":5}}',
      5,
    ],
    [
      'Gemini where it does not count',
      gemini,
      '/v1beta/models/m:embedContent',
      { content: { parts: [{ text: 'a' }] } },
      '{"embedding":{"values":[1]}}',
      null,
    ],
  ])('in the own format of %s pass as they are, and are counted', async (_, target, url, body, text, tokens) => {
    const asked = await ask(target, url, body);
    asked.flights[0]?.answer(200, text);
    expect(asked.exchange.downstream.text).toBe(text);
    expect(asked.exchange.llm).toMatchObject({ operation: 'embeddings', usageEstimated: tokens === null });
    if (tokens !== null) expect(asked.exchange.llm.usage?.input).toBe(tokens);
  });

  const MILD = { content: { parts: [{ text: 'a' }] }, taskType: 'CLUSTERING', title: 'T', autoTruncate: true, own: 1 };
  it.each<[AiProvider, string, object, object, string]>([
    [
      bedrock,
      '/v1/embeddings',
      { model: TITAN, input: 'a', user: 'u', task: 'retrieval.query', own: 1 },
      { embedding: A },
      'own, input_type, user',
    ],
    [openai, '/v1beta/models/m:embedContent', MILD, { data: [{ embedding: A }] }, 'own, taskType, autoTruncate, title'],
    [gemini, '/v2/embed', { model: 'm', texts: ['a'], truncate: 'START' }, { embeddings: [{ values: A }] }, 'truncate'],
    [
      vertex,
      '/v2/embed',
      { model: 'text-embedding-005', texts: ['a'], truncate: 'START' },
      { predictions: [{ embeddings: { values: A } }] },
      'truncate',
    ],
    [cohere, '/v1beta/models/m:embedContent', MILD, { embeddings: { float: [A] } }, 'own, title'],
  ])('%# name what was dropped', async (target, url, body, sent, lossy) => {
    const asked = await ask(target, url, body);
    asked.flights[0]?.answer(200, JSON.stringify(sent));
    expect(asked.exchange.downstream.status).toBe(200);
    expect(asked.exchange.downstream.header('x-sluice-lossy')).toBe(lossy);
  });
});

describe('answers that are none', () => {
  it.each<[what: string, status: number, type: string, text: string, expected: number, says: string]>([
    ['no JSON', 200, 'application/json', '{"embedding":[1', 502, 'JSON'],
    ['a page', 200, 'text/html', '<html>', 502, 'JSON'],
    ['no embedding', 200, 'application/json', '{"inputTextTokenCount":1}', 502, 'embeddings asked for'],
    ['no numbers', 200, 'application/json', '{"embedding":["a"]}', 502, 'embeddings asked for'],
    ['a refusal', 400, 'application/json', '{"message":"Malformed input request"}', 400, 'Malformed input request'],
    ['a refusal in words', 503, 'text/plain', 'come back later', 503, 'come back later'],
  ])('%s', async (_, status, type, text, expected, says) => {
    const asked = await ask(bedrock, '/v1/embeddings', { model: TITAN, input: 'a' });
    asked.flights[0]?.answer(status, text, type);
    expect(asked.exchange.downstream.status).toBe(expected);
    expect(answerOf(asked).error.message).toContain(says);
    expect(asked.exchange.endCause).not.toBeNull();
  });

  it('one that is too large', async () => {
    const { llmBench, serve } = await import('../../../support/llm.ts');
    const llm = llmBench({ providers: [[bedrock]], maxBufferBytes: 200 });
    const exchange = await serve(llm, { url: '/v1/embeddings', body: JSON.stringify({ model: TITAN, input: 'a' }) });
    llm.flights[0]?.answer(200, JSON.stringify({ embedding: new Array(500).fill(1) }));
    await turn();
    expect(exchange.downstream.status).toBe(502);
    expect(exchange.downstream.text).toContain('larger than may be held');
  });
});
