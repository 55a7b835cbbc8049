import { describe, expect, it } from 'vitest';
import type { AiProvider } from '../../../../src/resources/types.ts';
import { llmBench, provider, serve } from '../../../support/llm.ts';
import { addressOf, answerOf, ask, bedrock, cohere, cohereOnly, gemini, openai, vertex, vllm } from './wires.ts';

/** What a request for embeddings is on the wire of each provider. */

const PNG = 'data:image/png;base64,aWNvbg==';
const OPENAI = '/v1/embeddings';
const COHERE = '/v2/embed';
const single = (model: string) => `/v1beta/models/${model}:embedContent`;
const batch = (model: string) => `/v1beta/models/${model}:batchEmbedContents`;

type Row = [
  what: string,
  provider: AiProvider,
  url: string,
  body: object,
  address: string,
  sent: unknown[],
  lossy?: string,
];

const G = 'generativelanguage.googleapis.com';
const V = 'us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/models';
const B = 'bedrock-runtime.eu-west-1.amazonaws.com/model';

describe('a request for embeddings', () => {
  it.each<Row>([
    [
      "OpenAI's clients to Titan, a call a text",
      bedrock,
      OPENAI,
      {
        model: 'amazon.titan-embed-text-v2:0',
        input: ['one', 'two'],
        dimensions: 256,
        encoding_format: 'base64',
        user: 'u',
      },
      `${B}/amazon.titan-embed-text-v2%3A0/invoke`,
      [
        { inputText: 'one', dimensions: 256 },
        { inputText: 'two', dimensions: 256 },
      ],
    ],
    [
      "OpenAI's clients to Titan G1",
      bedrock,
      OPENAI,
      { model: 'amazon.titan-embed-text-v1', input: 'one' },
      `${B}/amazon.titan-embed-text-v1/invoke`,
      [{ inputText: 'one' }],
    ],
    [
      "OpenAI's clients to Nova",
      bedrock,
      OPENAI,
      { model: 'us.amazon.nova-2-multimodal-embeddings-v1:0', input: 'one', dimensions: 384, input_type: 'query' },
      `${B}/us.amazon.nova-2-multimodal-embeddings-v1%3A0/invoke`,
      [
        {
          taskType: 'SINGLE_EMBEDDING',
          singleEmbeddingParams: {
            embeddingPurpose: 'GENERIC_RETRIEVAL',
            embeddingDimension: 384,
            text: { truncationMode: 'END', value: 'one' },
          },
        },
      ],
    ],
    [
      "Cohere's clients with an image to Nova",
      bedrock,
      COHERE,
      { model: 'amazon.nova-2-multimodal-embeddings-v1:0', images: [PNG], input_type: 'image' },
      `${B}/amazon.nova-2-multimodal-embeddings-v1%3A0/invoke`,
      [
        {
          taskType: 'SINGLE_EMBEDDING',
          singleEmbeddingParams: {
            embeddingPurpose: 'GENERIC_INDEX',
            image: { format: 'png', source: { bytes: 'aWNvbg==' } },
          },
        },
      ],
    ],
    [
      "OpenAI's clients to Cohere v3 on Bedrock, all texts in one call",
      bedrock,
      OPENAI,
      { model: 'cohere.embed-english-v3', input: ['one', 'two'] },
      `${B}/cohere.embed-english-v3/invoke`,
      [{ texts: ['one', 'two'], input_type: 'search_document', embedding_types: ['float'] }],
    ],
    [
      "Cohere's clients to Cohere v4 on Bedrock, which has other words for the ends",
      bedrock,
      COHERE,
      {
        model: 'global.cohere.embed-v4:0',
        inputs: [
          {
            content: [
              { type: 'text', text: 'a' },
              { type: 'image_url', image_url: { url: PNG } },
            ],
          },
        ],
        input_type: 'search_query',
        truncate: 'START',
        output_dimension: 512,
        embedding_types: ['int8', 'ubinary'],
      },
      `${B}/global.cohere.embed-v4%3A0/invoke`,
      [
        {
          inputs: [
            {
              content: [
                { type: 'text', text: 'a' },
                { type: 'image_url', image_url: PNG },
              ],
            },
          ],
          input_type: 'search_query',
          truncate: 'LEFT',
          output_dimension: 512,
          embedding_types: ['int8', 'ubinary'],
        },
      ],
    ],
    [
      "OpenAI's clients to Vertex AI, all texts in one call",
      vertex,
      OPENAI,
      { model: 'text-embedding-005', input: ['one', 'two'], dimensions: 128, task: 'retrieval.query' },
      `${V}/text-embedding-005:predict`,
      [
        {
          instances: [
            { content: 'one', task_type: 'RETRIEVAL_QUERY' },
            { content: 'two', task_type: 'RETRIEVAL_QUERY' },
          ],
          parameters: { outputDimensionality: 128 },
        },
      ],
    ],
    [
      "OpenAI's clients to gemini-embedding-001 on Vertex AI, a call a text",
      vertex,
      OPENAI,
      { model: 'gemini-embedding-001', input: ['one', 'two'] },
      `${V}/gemini-embedding-001:predict`,
      [{ instances: [{ content: 'one' }] }, { instances: [{ content: 'two' }] }],
    ],
    [
      "OpenAI's clients to Gemini Embedding 2 on Vertex AI",
      vertex,
      OPENAI,
      { model: 'gemini-embedding-2', input: 'one' },
      `${V}/gemini-embedding-2:embedContent`,
      [{ content: { parts: [{ text: 'one' }] } }],
    ],
    [
      "Gemini's clients with a title to Vertex AI",
      vertex,
      single('text-embedding-005'),
      { model: 'models/text-embedding-005', content: { parts: [{ text: 'one' }] }, title: 'T', autoTruncate: false },
      `${V}/text-embedding-005:predict`,
      [
        {
          instances: [{ content: 'one', task_type: 'RETRIEVAL_DOCUMENT', title: 'T' }],
          parameters: { autoTruncate: false },
        },
      ],
    ],
    [
      "OpenAI's clients to Vertex AI's multimodal model",
      vertex,
      OPENAI,
      { model: 'multimodalembedding@001', input: ['one', { image: PNG }], dimensions: 128 },
      `${V}/multimodalembedding@001:predict`,
      [
        { instances: [{ text: 'one' }], parameters: { dimension: 128 } },
        {
          instances: [{ image: { bytesBase64Encoded: 'aWNvbg==', mimeType: 'image/png' } }],
          parameters: { dimension: 128 },
        },
      ],
    ],
    [
      "Cohere's clients to Gemini",
      gemini,
      COHERE,
      {
        model: 'gemini-embedding-001',
        texts: ['one', 'two'],
        input_type: 'clustering',
        output_dimension: 768,
        truncate: 'END',
        max_tokens: 5,
      },
      `${G}/v1beta/models/gemini-embedding-001:batchEmbedContents`,
      [
        {
          requests: ['one', 'two'].map((text) => ({
            model: 'models/gemini-embedding-001',
            content: { parts: [{ text }] },
            taskType: 'CLUSTERING',
            outputDimensionality: 768,
          })),
        },
      ],
    ],
    [
      "Gemini's clients to Cohere",
      cohere,
      batch('embed-v4.0'),
      {
        requests: [
          { model: 'models/embed-v4.0', content: { parts: [{ text: 'one' }] }, taskType: 'RETRIEVAL_QUERY' },
          { model: 'models/embed-v4.0', content: { parts: [{ text: 'two' }] }, taskType: 'RETRIEVAL_QUERY' },
        ],
      },
      'api.cohere.ai/v2/embed',
      [{ model: 'embed-v4.0', texts: ['one', 'two'], input_type: 'search_query', embedding_types: ['float'] }],
    ],
    [
      "Gemini's clients with texts and images to Cohere",
      cohere,
      single('embed-v4.0'),
      { content: { parts: [{ text: 'one' }, { inlineData: { mimeType: 'image/png', data: 'aWNvbg==' } }] } },
      'api.cohere.ai/v2/embed',
      [
        {
          model: 'embed-v4.0',
          inputs: [
            {
              content: [
                { type: 'text', text: 'one' },
                { type: 'image_url', image_url: { url: PNG } },
              ],
            },
          ],
          input_type: 'search_document',
          embedding_types: ['float'],
        },
      ],
    ],
    [
      "OpenAI's clients to a service that takes Cohere's alone",
      cohereOnly,
      OPENAI,
      { model: 'm', input: 'one', input_type: 'passage', truncate: 'NONE' },
      'cohere.test/v2/embed',
      [{ model: 'm', texts: ['one'], input_type: 'search_document', embedding_types: ['float'], truncate: 'NONE' }],
    ],
    [
      "Gemini's clients to OpenAI",
      openai,
      single('text-embedding-3-small'),
      {
        content: { parts: [{ text: 'one' }, { text: 'two' }] },
        outputDimensionality: 4,
        taskType: 'CLUSTERING',
        title: 'T',
      },
      'api.openai.com/v1/embeddings',
      [{ model: 'text-embedding-3-small', input: ['one\ntwo'], dimensions: 4 }],
    ],
    [
      "Cohere's clients to vLLM",
      vllm,
      COHERE,
      { model: 'm', texts: ['one'], embedding_types: ['base64', 'float'], truncate: 'NONE' },
      'localhost/v1/embeddings',
      [{ model: 'm', input: ['one'] }],
    ],
  ])('of %s', async (_, target, url, body, address, sent) => {
    const { flights, exchange } = await ask(target, url, body);
    expect(exchange.error).toBeNull();
    expect(flights.map(addressOf)).toEqual(sent.map(() => address));
    expect(flights.map(({ json }) => json)).toEqual(sent);
  });

  it('in the own format goes as it is', async () => {
    const body = '{"input": ["one"],  "model":"m", "own": 12345678901234567890}';
    for (const target of [openai, cohere, gemini, vllm]) {
      const { flights } = await ask(target, OPENAI, JSON.parse(body) as object);
      expect(flights[0]?.sent).toBe(JSON.stringify(JSON.parse(body)));
    }
    const { flights } = await ask(cohere, COHERE, { model: 'm', texts: ['one'], max_tokens: 3 });
    expect(flights[0]?.sent).toBe('{"model":"m","texts":["one"],"max_tokens":3}');
    expect(flights.map(addressOf)).toEqual(['api.cohere.ai/v2/embed']);
  });

  it('of Gemini names the model that the path does, also where that is another than the client named', async () => {
    const pinned = { ...gemini, settings: { model: 'gemini-embedding-2' } };
    const requests = [{ model: 'models/alias', content: { parts: [{ text: 'one' }] } }];
    const { flights } = await ask(pinned, batch('alias'), { requests });
    expect(flights.map(addressOf)).toEqual([`${G}/v1beta/models/gemini-embedding-2:batchEmbedContents`]);
    expect(flights[0]?.json.requests[0].model).toBe('models/gemini-embedding-2');
    const same = await ask(gemini, batch('alias'), { requests });
    expect(same.flights[0]?.sent).toBe(JSON.stringify({ requests }));
  });
});

describe('what a provider can not be asked for', () => {
  const TITAN = 'amazon.titan-embed-text-v2:0';
  it.each<[what: string, provider: AiProvider, url: string, body: object, code: string, says: string]>([
    ['an image', bedrock, COHERE, { model: TITAN, images: [PNG] }, 'unsupported_parameter', 'images'],
    [
      'an image behind a URL',
      cohere,
      single('m'),
      { content: { parts: [{ fileData: { fileUri: 'gs://b/o' } }] } },
      'unsupported_parameter',
      'fileData',
    ],
    [
      'integers',
      bedrock,
      COHERE,
      { model: TITAN, texts: ['a'], embedding_types: ['int8'] },
      'unsupported_parameter',
      'embedding_types',
    ],
    [
      'dimensions of Titan G1',
      bedrock,
      OPENAI,
      { model: 'amazon.titan-embed-text-v1', input: 'a', dimensions: 8 },
      'unsupported_parameter',
      'dimensions',
    ],
    [
      'dimensions of Cohere v3',
      bedrock,
      COHERE,
      { model: 'cohere.embed-english-v3', texts: ['a'], output_dimension: 8 },
      'unsupported_parameter',
      'output_dimension',
    ],
    [
      'more inputs than OpenAI takes',
      bedrock,
      OPENAI,
      { model: TITAN, input: new Array(2049).fill('a') },
      'unsupported_parameter',
      '2048',
    ],
    [
      'a batch with two purposes',
      cohere,
      batch('m'),
      {
        requests: ['CLUSTERING', 'CLASSIFICATION'].map((taskType) => ({
          content: { parts: [{ text: 'a' }] },
          taskType,
        })),
      },
      'unsupported_parameter',
      'taskType',
    ],
    ['no input', bedrock, OPENAI, { model: TITAN }, 'invalid_request_body', 'input'],
    [
      'an input of another kind',
      bedrock,
      OPENAI,
      { model: TITAN, input: ['a', 1] },
      'invalid_request_body',
      'input[1]',
    ],
    ['no texts', gemini, COHERE, { model: 'm' }, 'invalid_request_body', 'texts'],
    [
      'a form of vectors nobody knows',
      gemini,
      COHERE,
      { model: 'm', texts: ['a'], embedding_types: ['int4'] },
      'invalid_request_body',
      'embedding_types[0]',
    ],
    [
      'an encoding nobody knows',
      bedrock,
      OPENAI,
      { model: TITAN, input: 'a', encoding_format: 'hex' },
      'invalid_request_body',
      'encoding_format',
    ],
    [
      'a conversation of vLLM',
      bedrock,
      OPENAI,
      { model: TITAN, input: 'a', messages: [] },
      'unsupported_parameter',
      'messages',
    ],
    [
      'embeddings of a model that converses',
      bedrock,
      OPENAI,
      { model: 'anthropic.claude-3-haiku', input: 'a' },
      'unsupported_conversion',
      'converse',
    ],
  ])('%s', async (_, target, url, body, code, says) => {
    const { exchange, flights } = await ask(target, url, body);
    expect(flights).toEqual([]);
    expect(exchange.error?.code).toBe(code);
    expect(exchange.error?.message).toContain(says);
  });

  it('where the route is strict, what would be dropped', async () => {
    const body = { model: TITAN, input: 'a', user: 'u' };
    const asked = await ask(bedrock, OPENAI, body, { ai: { strict: true } });
    expect(asked.flights).toEqual([]);
    expect(answerOf(asked).error).toMatchObject({
      code: 'unsupported_parameter',
      message: expect.stringContaining('"user"'),
    });
  });

  it("is said in the client's own words", async () => {
    const openaiError = answerOf(await ask(bedrock, OPENAI, { model: TITAN }));
    expect(openaiError.error.type).toBe('invalid_request_error');
    const cohereError = answerOf(await ask(gemini, COHERE, { model: 'm' }));
    expect(cohereError).toEqual({ message: expect.stringContaining('texts') });
    const googleError = answerOf(await ask(cohere, single('m'), {}));
    expect(googleError.error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' });
  });
});

describe('inputs as tokens', () => {
  const TITAN = 'amazon.titan-embed-text-v2:0';
  const body = (input: unknown) => JSON.stringify({ model: TITAN, input });

  it.each([
    [[1, 2], ['1 2']],
    [
      [[1, 2], [3]],
      ['1 2', '3'],
    ],
  ])('%j become texts for who takes none', async (input, texts) => {
    const { flights } = await ask(bedrock, OPENAI, JSON.parse(body(input)) as object);
    expect(flights.map(({ json }) => json.inputText)).toEqual(texts);
  });

  it.each([[[]], [['a', [1]]], [[[1], 'a']], [[[]]]])('%j are left to the decoder', async (input) => {
    const { exchange, flights } = await ask(bedrock, OPENAI, JSON.parse(body(input)) as object);
    const mixed = input.some((one) => typeof one === 'string');
    expect(exchange.error?.code).toBe(mixed ? 'unsupported_parameter' : 'invalid_request_body');
    expect(flights).toEqual([]);
  });

  it.each(['cohere', 'gemini', 'mistral', 'ollama', 'openrouter'])(
    'become texts for %s, whose API follows OpenAI but takes none',
    async (name) => {
      const { flights } = await ask(provider(name), OPENAI, { model: 'm', input: [[1, 2], [3]] });
      expect(flights.map(({ sent }) => sent)).toEqual(['{"model":"m","input":["1 2","3"]}']);
    },
  );

  it('go as they are to who takes them', async () => {
    const { flights } = await ask(openai, OPENAI, { model: 'm', input: [[1, 2]] });
    expect(flights[0]?.sent).toBe('{"model":"m","input":[[1,2]]}');
  });

  it.each<[string, (string | null)[] | null, number, string]>([
    ['that are none', ['a', null], 400, 'input[1]'],
    ['that nobody has time for', null, 503, 'no time'],
  ])('%s are refused', async (_, decoded, status, says) => {
    const llm = llmBench({ providers: [[bedrock]], decodeTokens: async () => decoded });
    const exchange = await serve(llm, { url: OPENAI, body: body([[1], [2]]) });
    expect(llm.flights).toEqual([]);
    expect(exchange.downstream.status).toBe(status);
    expect(exchange.downstream.text).toContain(says);
  });
});
