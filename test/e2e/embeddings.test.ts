import { LLMock } from '@copilotkit/aimock';
import { GoogleGenAI } from '@google/genai';
import { encode } from 'gpt-tokenizer/encoding/cl100k_base';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers, until } from '../support/gateway.ts';
import { MockEmbeddings, vectorOf } from '../support/mock-embeddings.ts';

/** Official clients, unmodified, to the embeddings and rerankers of each provider. */

const TEXTS = ['one', 'größer als zwei', 'the third 🦦'];
const VECTORS = TEXTS.map(vectorOf);

const aws = '{ aws: { accessKeyId: key, secretAccessKey: secret, region: us-east-1 } }';
const MODELS = {
  titan: { provider: 'bedrock', model: 'amazon.titan-embed-text-v2:0', params: 'awsRegion: us-east-1', auth: aws },
  nova: {
    provider: 'bedrock',
    model: 'amazon.nova-2-multimodal-embeddings-v1:0',
    params: 'awsRegion: us-east-1',
    auth: aws,
  },
  'bedrock-cohere': {
    provider: 'bedrock',
    model: 'cohere.embed-english-v3',
    params: 'awsRegion: us-east-1',
    auth: aws,
  },
  'bedrock-reranker': { provider: 'bedrock', model: 'cohere.rerank-v3-5:0', params: 'awsRegion: us-east-1', auth: aws },
  vertex: {
    provider: 'vertex',
    model: 'text-embedding-005',
    params: 'vertexProject: p, vertexRegion: us-central1',
    auth: '{ key: ya29.x }',
  },
  'vertex-single': {
    provider: 'vertex',
    model: 'gemini-embedding-001',
    params: 'vertexProject: p, vertexRegion: us-central1',
    auth: '{ key: ya29.x }',
  },
  'vertex-ranker': {
    provider: 'vertex',
    model: 'semantic-ranker-default@latest',
    params: 'vertexProject: p, vertexRegion: us-central1',
    auth: '{ key: ya29.x }',
  },
  gemini: { provider: 'gemini', model: 'gemini-embedding-001', params: '', auth: '{ key: AIza-x }' },
  cohere: {
    provider: '{ custom: { formats: [{ type: cohereEmbed }] } }',
    model: 'embed-v4.0',
    params: '',
    auth: '{ key: x }',
  },
} as const;

let own: MockEmbeddings;
let maintained: LLMock;
let gateway: Gateway;
let base = '';

beforeAll(async () => {
  own = await MockEmbeddings.start();
  maintained = new LLMock({ port: 0 });
  maintained.onEmbedding('one', { embedding: vectorOf('one') });
  maintained.onRerank('longest', [
    { index: 0, relevance_score: 0.25 },
    { index: 1, relevance_score: 0.75 },
  ]);
  await maintained.start();
  const [port = 0] = await freePorts(1);
  const models = Object.entries(MODELS).map(
    ([name, { provider, model, params, auth }]) =>
      `  - name: ${name}\n    provider: ${provider}\n    params: { model: "${model}", baseUrl: "${own.url}"${params === '' ? '' : `, ${params}`} }\n    auth: ${auth}\n`,
  );
  const others = `  - name: mocked-openai
    provider: { custom: { formats: [{ type: embeddings }] } }
    params: { model: text-embedding-3-small, baseUrl: "${maintained.url}/v1" }
  - name: mocked-cohere
    provider: cohere
    params: { model: rerank-v3.5, baseUrl: "${maintained.url}" }
  - name: mocked-cohere-embed
    provider: { custom: { formats: [{ type: cohereEmbed }] } }
    params: { model: embed-v4.0, baseUrl: "${maintained.url}" }
  - name: mocked-gemini
    provider: { custom: { formats: [{ type: embedContent }] } }
    params: { model: gemini-embedding-001, baseUrl: "${maintained.url}/v1beta" }
  - name: claude
    provider: anthropic
    params: { model: claude-sonnet-4-5, baseUrl: "${own.url}" }
`;
  gateway = await Gateway.start(
    (ports) => `${ownServers(ports, 1)}llm:\n  port: ${port}\n  models:\n${models.join('')}${others}`,
  );
  base = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  await gateway?.stop();
  await maintained?.stop();
  own?.stop();
});

const openai = () => new OpenAI({ apiKey: 'client', baseURL: `${base}/v1`, maxRetries: 0 });
const google = () =>
  new GoogleGenAI({ apiKey: 'client', httpOptions: { baseUrl: base, retryOptions: { attempts: 1 } } });

async function post(path: string, body: object): Promise<{ status: number; headers: Headers; json: any }> {
  const response = await fetch(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer client' },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, json: await response.json() };
}

const EMBEDDERS = ['titan', 'nova', 'bedrock-cohere', 'vertex', 'vertex-single', 'gemini', 'cohere'] as const;

describe.each(EMBEDDERS.filter((name) => name !== 'gemini'))("OpenAI's client to %s", (model) => {
  // The client asks for base64 by itself, and decodes it.
  it.each([undefined, 'float', 'base64'] as const)('asks for %s', async (encoding_format) => {
    const { data, usage } = await openai().embeddings.create({
      model,
      input: TEXTS,
      ...(encoding_format !== undefined && { encoding_format }),
    });
    const vectors = data.map(({ embedding }) => embedding as unknown);
    if (encoding_format === 'base64') expect(vectors).toEqual(VECTORS.map(base64));
    else expect(vectors).toEqual(VECTORS);
    expect(data.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(usage).toEqual({ prompt_tokens: 9, total_tokens: 9 });
  });

  it('asks for one text', async () => {
    const { data } = await openai().embeddings.create({ model, input: 'one' });
    expect(data.map(({ embedding }) => embedding)).toEqual([VECTORS[0]]);
  });
});

it("makes texts of tokens that OpenAI's client sends to others", async () => {
  const { data } = await openai().embeddings.create({ model: 'titan', input: TEXTS.map((text) => encode(text)) });
  expect(data.map(({ embedding }) => embedding)).toEqual(VECTORS);
});

function base64(vector: number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString('base64');
}

describe.each(EMBEDDERS)("Google's client to %s", (model) => {
  it('embeds texts', async () => {
    const { embeddings } = await google().models.embedContent({
      model,
      contents: TEXTS,
      config: { taskType: 'RETRIEVAL_DOCUMENT' },
    });
    expect(embeddings?.map(({ values }) => values)).toEqual(VECTORS);
  });
});

describe.each(EMBEDDERS)("Cohere's v2/embed to %s", (model) => {
  it('embeds texts', async () => {
    const { status, json } = await post('/v2/embed', {
      model,
      texts: TEXTS,
      input_type: 'search_document',
      embedding_types: ['float'],
    });
    expect(status).toBe(200);
    expect(json.embeddings.float).toEqual(VECTORS);
    expect(json.meta.billed_units.input_tokens).toBe(9);
  });
});

describe('with a maintained mock', () => {
  it("OpenAI's client, in its own format", async () => {
    const { data } = await openai().embeddings.create({
      model: 'mocked-openai',
      input: 'one',
      // The mock knows no other.
      encoding_format: 'float',
    });
    expect(data[0]?.embedding).toEqual(VECTORS[0]);
  });

  it.each(['mocked-gemini', 'mocked-cohere-embed'])("OpenAI's client to %s", async (model) => {
    const { data } = await openai().embeddings.create({ model, input: ['one', 'one'] });
    expect(data.map(({ embedding }) => embedding)).toEqual([VECTORS[0], VECTORS[0]]);
  });

  it.each(['mocked-openai', 'mocked-cohere-embed', 'mocked-gemini'])("Google's client to %s", async (model) => {
    const { embeddings } = await google().models.embedContent({ model, contents: ['one'] });
    expect(embeddings?.[0]?.values).toEqual(VECTORS[0]);
  });

  it("Jina's clients to Cohere", async () => {
    const body = { model: 'mocked-cohere', query: 'the longest', documents: ['a', 'bb'], top_n: 1 };
    const jina = await post('/v1/rerank', body);
    expect(jina.json.results).toEqual([{ index: 1, relevance_score: 0.75, document: { text: 'bb' } }]);
    const cohere = await post('/v2/rerank', body);
    expect(cohere.json.results[0]).toMatchObject({ relevance_score: expect.any(Number) });
  });
});

describe.each(['bedrock-reranker', 'vertex-ranker'])('rerankers: %s', (model) => {
  const body = { model, query: 'q', documents: ['a', 'bbb', 'cc'], top_n: 2 };

  it("to Jina's clients", async () => {
    const { status, json } = await post('/v1/rerank', body);
    expect(status).toBe(200);
    expect(json.results).toEqual([
      { index: 1, relevance_score: 0.03, document: { text: 'bbb' } },
      { index: 2, relevance_score: 0.02, document: { text: 'cc' } },
    ]);
  });

  it("to Cohere's clients", async () => {
    const { json } = await post('/v2/rerank', body);
    expect(json.results).toEqual([
      { index: 1, relevance_score: 0.03 },
      { index: 2, relevance_score: 0.02 },
    ]);
  });
});

describe('several calls', () => {
  it('are each signed, at most eight at a time, and logged as one request', async () => {
    own.requests.length = 0;
    const input = Array.from({ length: 40 }, (_, i) => `text ${i}`);
    const { data, usage } = await openai().embeddings.create({ model: 'titan', input });
    expect(data.map(({ embedding }) => embedding)).toEqual(input.map(vectorOf));
    expect(usage.total_tokens).toBe(120);
    expect(own.requests).toHaveLength(40);
    const signatures = new Set(own.requests.map(({ headers }) => headers.authorization));
    expect(signatures.size).toBe(40);
    for (const signature of signatures) expect(signature).toMatch(/^AWS4-HMAC-SHA256 Credential=key\//);
    const lines = () => gateway.lines.filter((line) => line.includes('gen_ai.usage.input_tokens=120'));
    await until(() => lines().length > 0);
    expect(lines()).toHaveLength(1);
  });

  it("fail as one, with the provider's words and when to come back", async () => {
    const input = ['one', 'refuse', 'three'];
    const error = await openai()
      .embeddings.create({ model: 'titan', input })
      .catch((caught) => caught);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error.message).toContain('Too many requests, please wait.');
    expect(error.headers.get('retry-after')).toBe('9');
    const cohere = await post('/v2/embed', { model: 'titan', texts: input });
    expect([cohere.status, cohere.json]).toEqual([429, { message: 'Too many requests, please wait.' }]);
    const gemini = await google()
      .models.embedContent({ model: 'titan', contents: input })
      .catch((caught) => caught);
    expect(gemini.status).toBe(429);
    expect(gemini.message).toContain('Too many requests, please wait.');
  });

  it('are broken off with their client', async () => {
    const before = own.abandoned;
    const input = ['hang', 'hang', 'hang'];
    const client = openai().withOptions({ timeout: 300 });
    await expect(client.embeddings.create({ model: 'titan', input })).rejects.toBeInstanceOf(
      OpenAI.APIConnectionTimeoutError,
    );
    await until(() => own.abandoned === before + 3);
  });
});

it('says what a provider without embeddings takes', async () => {
  const error = await openai()
    .embeddings.create({ model: 'claude', input: 'a' })
    .catch((caught) => caught);
  expect(error).toMatchObject({
    status: 400,
    code: 'unsupported_conversion',
    message: expect.stringContaining('messages'),
  });
});
