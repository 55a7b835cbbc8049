import { createServer, request, type Server } from 'node:http';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { LLMock } from '@copilotkit/aimock';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, jsonSchema, streamText, type ToolSet, tool } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIENTS } from '../support/client-turns.ts';
import { freePorts, Gateway, ownServers } from '../support/gateway.ts';

/** Official clients of each format, unmodified, to providers of each format: neither end is ours. */

const WEATHER = {
  name: 'get_weather',
  description: 'Weather at a place',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const SCHEMA = {
  type: 'object',
  properties: { capital: { type: 'string' } },
  required: ['capital'],
  additionalProperties: false,
};
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const TEXT = 'The answer — größer als ein Stück 🦦 — comes in several pieces.';
const OBJECT = { capital: 'Paris' };

/** Model names of the gateway → what they stand for. */
const PROVIDERS = {
  completions: { model: 'gpt-4o', provider: '{ custom: { formats: [{ type: completions }] } }', base: '/v1' },
  responses: { model: 'gpt-5', provider: '{ custom: { formats: [{ type: responses }] } }', base: '/v1' },
  messages: { model: 'claude-sonnet-4-5', provider: 'anthropic', base: '' },
  generateContent: { model: 'gemini-2.5-flash', provider: 'gemini', base: '' },
  converse: { model: 'anthropic.claude-3-7-sonnet-20250219-v1:0', provider: 'bedrock', base: '' },
} as const;

/** Counts under the names that each API has for them. */
const USAGE = {
  prompt_tokens: 11,
  completion_tokens: 7,
  input_tokens: 11,
  output_tokens: 7,
  promptTokenCount: 11,
  candidatesTokenCount: 7,
};

let mock: LLMock;
/** Stands before the mock, which keeps no images, and keeps what passed last. */
let recorder: Server;
let lastBody = '';
let gateway: Gateway;
let clients: ReturnType<(typeof CLIENTS)[number]>[] = [];
let baseURL = '';

beforeAll(async () => {
  mock = new LLMock({ port: 0, chunkSize: 7 });
  mock.onMessage('say it', { content: TEXT, usage: USAGE });
  mock.onMessage('weather', { toolCalls: [{ name: 'get_weather', arguments: '{"city":"Köln"}' }] });
  mock.onMessage('capital', { content: JSON.stringify(OBJECT) });
  mock.onMessage('see', { content: 'a pixel' });
  await mock.start();
  recorder = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    lastBody = '';
    incoming.on('data', (chunk) => {
      lastBody += chunk;
    });
    const passed = request(`${mock.url}${url}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => recorder.listen(0, '127.0.0.1', resolve));
  const upstream = (recorder.address() as { port: number }).port;
  const [port = 0] = await freePorts(1);
  const models = Object.entries(PROVIDERS).map(
    ([name, { model, provider, base }]) => `  - name: to-${name}
    provider: ${provider}
    params:
      model: "${model}"
      baseUrl: "http://127.0.0.1:${upstream}${base}"${provider === 'bedrock' ? '\n      awsRegion: us-east-1' : ''}
    auth: ${provider === 'bedrock' ? '{ aws: { accessKeyId: key, secretAccessKey: secret, region: us-east-1 } }' : '{ key: own-key }'}
`,
  );
  gateway = await Gateway.start(
    (ports) => `${ownServers(ports, 1)}llm:\n  port: ${port}\n  models:\n${models.join('')}`,
  );
  clients = CLIENTS.map((open) => open(port));
  baseURL = `http://127.0.0.1:${port}/v1`;
});

afterAll(async () => {
  await gateway?.stop();
  recorder?.close();
  await mock?.stop();
});

describe.each(CLIENTS.map((_, i) => i))('client %#', (i) => {
  describe.each(Object.keys(PROVIDERS))('to a provider of %s', (format) => {
    const model = `to-${format}`;

    it.each(['whole', 'stream'] as const)('text, %s', async (how) => {
      const outcome = await clients[i]![how]({ model, prompt: 'please say it', system: 'Be brief.' });
      expect(outcome.text).toBe(TEXT);
      expect([outcome.inputTokens, outcome.outputTokens]).toEqual([11, 7]);
      // As many pieces as the provider sent: none was held back.
      if (how === 'stream') expect(outcome.pieces).toBeGreaterThan(3);
    });

    it.each(['whole', 'stream'] as const)('a tool call, %s', async (how) => {
      const outcome = await clients[i]![how]({ model, prompt: 'weather?', tool: WEATHER });
      expect(outcome.calls).toEqual([{ name: 'get_weather', arguments: { city: 'Köln' } }]);
    });

    it.each(['whole', 'stream'] as const)('structured output, %s', async (how) => {
      const outcome = await clients[i]![how]({ model, prompt: 'capital?', schema: SCHEMA });
      expect(JSON.parse(outcome.text)).toEqual(OBJECT);
    });

    it('an image', async () => {
      const outcome = await clients[i]!.whole({ model, prompt: 'what do you see?', image: PIXEL });
      expect(outcome.text).toBe('a pixel');
      expect(lastBody).toContain(PIXEL);
    });
  });
});

describe.each(Object.keys(PROVIDERS))('frameworks to a provider of %s', (format) => {
  const name = `to-${format}`;

  it('the AI SDK: text, a stream, a tool call', async () => {
    const model = createOpenAICompatible({ name: 'gateway', baseURL, apiKey: 'client', includeUsage: true })(name);
    const whole = await generateText({ model, prompt: 'please say it', maxRetries: 0 });
    expect(whole.text).toBe(TEXT);
    const stream = streamText({ model, prompt: 'please say it', maxRetries: 0 });
    expect(await stream.text).toBe(TEXT);
    expect(await stream.usage).toMatchObject({ inputTokens: 11, outputTokens: 7 });
    // Its types are not made for exact optional properties.
    const tools: ToolSet = {
      [WEATHER.name]: tool({
        description: WEATHER.description,
        inputSchema: jsonSchema(WEATHER.parameters as object),
      }) as never,
    };
    const called = await generateText({ model, prompt: 'weather?', tools, maxRetries: 0 });
    expect(called.toolCalls).toMatchObject([{ toolName: 'get_weather', input: { city: 'Köln' } }]);
  });

  it('LangChain: text, a stream, a tool call', async () => {
    const model = new ChatOpenAI({ model: name, apiKey: 'client', maxRetries: 0, configuration: { baseURL } });
    expect((await model.invoke('please say it')).text).toBe(TEXT);
    let text = '';
    for await (const chunk of await model.stream('please say it')) text += chunk.text;
    expect(text).toBe(TEXT);
    const bound = model.bindTools([{ type: 'function', function: WEATHER }]);
    expect((await bound.invoke('weather?')).tool_calls).toMatchObject([
      { name: 'get_weather', args: { city: 'Köln' } },
    ]);
  });
});
