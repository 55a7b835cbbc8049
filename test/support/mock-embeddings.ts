import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A vector by which a text can be told from others; exact as float32. */
export function vectorOf(text: string): number[] {
  return [text.length, (text.codePointAt(0) ?? 0) / 128, 0.5];
}

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object;
}

type Body = any;

/** A word's relevance to anything: how long it is. */
const scoreOf = (text: string) => text.length / 100;
const TOKENS = 'x-amzn-bedrock-input-token-count';

/** By path: what each provider would answer. */
const ROUTES: readonly (readonly [RegExp, (body: Body) => Reply])[] = [
  [
    /^\/model\/amazon\.titan-embed-text-v2(?::|%3A)0\/invoke$/,
    ({ inputText }) => ({ body: { embedding: vectorOf(inputText), inputTextTokenCount: 3 } }),
  ],
  [
    /^\/model\/amazon\.nova-2-multimodal-embeddings-v1(?::|%3A)0\/invoke$/,
    ({ singleEmbeddingParams: { text } }) => ({
      headers: { [TOKENS]: '3' },
      body: { embeddings: [{ embeddingType: 'TEXT', embedding: vectorOf(text.value) }] },
    }),
  ],
  [
    /^\/model\/cohere\.embed-english-v3\/invoke$/,
    ({ texts }) => ({
      headers: { [TOKENS]: String(texts.length * 3) },
      body: { id: 'i', embeddings: { float: texts.map(vectorOf) }, response_type: 'embeddings_by_type' },
    }),
  ],
  [
    /^\/v1\/projects\/p\/locations\/us-central1\/publishers\/google\/models\/(?:text-embedding-005|gemini-embedding-001):predict$/,
    ({ instances }) => ({
      body: {
        predictions: instances.map(({ content }: Body) => ({
          embeddings: { values: vectorOf(content), statistics: { truncated: false, token_count: 3 } },
        })),
      },
    }),
  ],
  [
    /^\/v1beta\/models\/gemini-embedding-001:batchEmbedContents$/,
    ({ requests }) => ({
      body: {
        embeddings: requests.map(({ content }: Body) => ({ values: vectorOf(content.parts[0].text) })),
        usageMetadata: { promptTokenCount: requests.length * 3 },
      },
    }),
  ],
  [
    /^\/v2\/embed$/,
    ({ texts }) => ({
      body: {
        id: 'i',
        embeddings: { float: texts.map(vectorOf) },
        meta: { api_version: { version: '2' }, billed_units: { input_tokens: texts.length * 3 } },
      },
    }),
  ],
  [
    /^\/v1\/projects\/p\/locations\/global\/rankingConfigs\/default_ranking_config:rank$/,
    ({ records }) => ({ body: { records: records.map(({ id, content }: Body) => ({ id, score: scoreOf(content) })) } }),
  ],
  [
    /^\/rerank$/,
    ({ sources }) => ({
      body: {
        results: sources.map(({ inlineDocumentSource }: Body, index: number) => ({
          index,
          relevanceScore: scoreOf(inlineDocumentSource.textDocument.text),
        })),
      },
    }),
  ],
];

/**
 * Providers' embeddings and rerankers, as their documents have them. A text `refuse` is answered with 429, `hang` never.
 */
export class MockEmbeddings {
  readonly requests: { path: string; headers: IncomingHttpHeaders; body: Body }[] = [];
  /** Requests that their sender gave up. */
  abandoned = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const path = request.url ?? '';
        const text = Buffer.concat(chunks).toString();
        const body: Body = JSON.parse(text);
        this.requests.push({ path, headers: request.headers, body });
        response.on('close', () => {
          if (!response.writableFinished) this.abandoned++;
        });
        if (text.includes('"hang"')) return;
        const route = ROUTES.find(([pattern]) => pattern.test(path))?.[1];
        const reply = text.includes('"refuse"') ? REFUSAL : (route?.(body) ?? { status: 404, body: { message: path } });
        response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers });
        response.end(JSON.stringify(reply.body));
      });
    });
  }

  static async start(): Promise<MockEmbeddings> {
    const mock = new MockEmbeddings();
    await new Promise<void>((resolve) => mock.#server.listen(0, '127.0.0.1', resolve));
    return mock;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const REFUSAL: Reply = {
  status: 429,
  headers: { 'retry-after': '9' },
  body: { message: 'Too many requests, please wait.' },
};
