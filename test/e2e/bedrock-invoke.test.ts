import {
  BedrockRuntimeClient,
  CountTokensCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { LLMock } from '@copilotkit/aimock';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers } from '../support/gateway.ts';

/** AWS's client, unmodified and over its default HTTP/2, invoking models of every provider format; and OpenAI's legacy completions. */

const TEXT = 'The answer — größer als ein Stück 🦦 — comes in several pieces.';
const USAGE = {
  prompt_tokens: 11,
  completion_tokens: 7,
  input_tokens: 11,
  output_tokens: 7,
  promptTokenCount: 11,
  candidatesTokenCount: 7,
};
const PROVIDERS = {
  completions: {
    model: 'gpt-4o',
    provider: '{ custom: { formats: [{ type: completions, path: /v1/chat/completions }] } }',
  },
  messages: { model: 'claude-sonnet-4-5', provider: 'anthropic' },
  generateContent: { model: 'gemini-2.5-flash', provider: 'gemini' },
} as const;

let mock: LLMock;
let gateway: Gateway;
let client: BedrockRuntimeClient;
let openai: OpenAI;

beforeAll(async () => {
  mock = new LLMock({ port: 0, chunkSize: 7 });
  mock.onMessage('say it', { content: TEXT, usage: USAGE });
  mock.onMessage('weather', { toolCalls: [{ name: 'get_weather', arguments: '{"city":"Köln"}' }] });
  await mock.start();
  const [port = 0] = await freePorts(1);
  const models = Object.entries(PROVIDERS).map(
    ([name, { model, provider }]) => `  - name: to-${name}
    provider: ${provider}
    params: { model: "${model}", baseUrl: "${mock.url}" }
    auth: { key: own-key }
`,
  );
  const bedrock = `  - name: "*"
    provider: bedrock
    params: { baseUrl: "${mock.url}", awsRegion: us-east-1 }
    auth: { aws: { accessKeyId: key, secretAccessKey: secret, region: us-east-1 } }
`;
  gateway = await Gateway.start(
    (ports) => `${ownServers(ports, 1)}llm:\n  port: ${port}\n  models:\n${models.join('')}${bedrock}`,
  );
  client = new BedrockRuntimeClient({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'client', secretAccessKey: 'client' },
    maxAttempts: 1,
  });
  openai = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'client', maxRetries: 0 });
});

afterAll(async () => {
  client?.destroy();
  await gateway?.stop();
  await mock?.stop();
});

async function whole(modelId: string, body: object): Promise<any> {
  const answer = await client.send(new InvokeModelCommand({ modelId, body: JSON.stringify(body) }));
  expect(answer.contentType).toBe('application/json');
  return JSON.parse(Buffer.from(answer.body).toString());
}

async function streamed(modelId: string, body: object): Promise<any[]> {
  const answer = await client.send(new InvokeModelWithResponseStreamCommand({ modelId, body: JSON.stringify(body) }));
  const payloads: any[] = [];
  for await (const { chunk } of answer.body ?? []) payloads.push(JSON.parse(Buffer.from(chunk!.bytes!).toString()));
  return payloads;
}

const CLAUDE = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 100 };

/** How each family asks, and where its text is, whole and in a chunk. */
const FAMILIES: Record<string, [(text: string) => object, (body: any) => unknown, (payload: any) => unknown]> = {
  Claude: [
    (content) => ({ ...CLAUDE, messages: [{ role: 'user', content }] }),
    ({ content }) => content[0].text,
    ({ delta }) => delta?.text,
  ],
  Nova: [
    (text) => ({ schemaVersion: 'messages-v1', messages: [{ role: 'user', content: [{ text }] }] }),
    ({ output }) => output.message.content[0].text,
    ({ contentBlockDelta }) => contentBlockDelta?.delta.text,
  ],
  'gpt-oss': [
    (content) => ({ messages: [{ role: 'user', content }] }),
    ({ choices }) => choices[0].message.content,
    ({ choices }) => choices[0]?.delta.content,
  ],
  Llama: [(prompt) => ({ prompt, max_gen_len: 100 }), ({ generation }) => generation, ({ generation }) => generation],
  Titan: [(inputText) => ({ inputText }), ({ results }) => results[0].outputText, ({ outputText }) => outputText],
};

describe.each(Object.keys(PROVIDERS))('to a provider of %s', (format) => {
  const model = `to-${format}`;

  it.each(Object.entries(FAMILIES))('a body of %s', async (_, [ask, textOf, pieceOf]) => {
    expect(textOf(await whole(model, ask('please say it')))).toBe(TEXT);
    const payloads = await streamed(model, ask('please say it'));
    const pieces = payloads.map(pieceOf).filter(Boolean);
    expect(pieces.join('')).toBe(TEXT);
    // None was held back.
    expect(pieces.length).toBeGreaterThan(3);
    expect(payloads.at(-1)['amazon-bedrock-invocationMetrics']).toMatchObject({
      inputTokenCount: 11,
      outputTokenCount: 7,
    });
  });

  it("a tool call in Claude's words", async () => {
    const tools = [{ name: 'get_weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } }];
    const { content } = await whole(model, {
      ...CLAUDE,
      tools,
      messages: [{ role: 'user', content: 'weather?' }],
    });
    expect(content.at(-1)).toMatchObject({ type: 'tool_use', name: 'get_weather', input: { city: 'Köln' } });
  });

  it("OpenAI's legacy completions", async () => {
    const prompt = 'please say it';
    const answer = await openai.completions.create({ model, prompt, echo: true });
    expect(answer.choices[0]!.text).toBe(prompt + TEXT);
    expect(answer.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7 });
    let text = '';
    const stream = await openai.completions.create({ model, prompt, stream: true });
    for await (const { choices } of stream) text += choices[0]?.text ?? '';
    expect(text).toBe(TEXT);
  });
});

describe('errors', () => {
  it('are exceptions of the service', async () => {
    await expect(whole('to-messages', { taskType: 'TEXT_IMAGE' })).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('can be converted'),
    });
  });
});

describe('counting tokens', () => {
  it('of a request to converse, and of one to invoke', async () => {
    const messages = [{ role: 'user' as const, content: [{ text: 'Hello world' }] }];
    const converse = await client.send(
      new CountTokensCommand({ modelId: 'to-completions', input: { converse: { messages } } }),
    );
    const body = Buffer.from(JSON.stringify({ ...CLAUDE, messages: [{ role: 'user', content: 'Hello world' }] }));
    const invoke = await client.send(
      new CountTokensCommand({ modelId: 'to-completions', input: { invokeModel: { body } } }),
    );
    expect(converse.inputTokens).toBeGreaterThan(2);
    expect(invoke.inputTokens).toBe(converse.inputTokens);
  });
});

describe('to Bedrock itself', () => {
  const modelId = 'anthropic.claude-3-haiku-20240307-v1:0';

  it('goes as it is', async () => {
    const body = { ...CLAUDE, messages: [{ role: 'user', content: 'please say it' }] };
    expect((await whole(modelId, body)).content[0].text).toBe(TEXT);
  });
});
