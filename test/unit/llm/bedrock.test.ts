import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { EVENT_STREAM_TYPE, EventStreamReader, messageOf } from '../../../src/adapters/llm/convert/event-stream.ts';
import { encodePart } from '../../../src/adapters/llm/formats/bedrock-converse/answer.ts';
import type { Frame } from '../../../src/adapters/llm/formats/codec.ts';
import { modelInPath, routeByPath, withModelInPath } from '../../../src/adapters/llm/paths.ts';
import { GatewayError } from '../../../src/errors/table.ts';
import type { AiProvider } from '../../../src/resources/types.ts';
import { type FakeFlight, type LlmExchange, llmBench, model, provider, serve } from '../../support/llm.ts';
import { replyContext } from './formats/hub.ts';

const CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const KEY = { backendAuth: { key: 'a-key' } };
const bedrock = (settings: object = {}, more: Partial<AiProvider> = {}) =>
  provider('bedrock', { settings: { region: 'eu-west-1', ...settings }, policies: KEY, ...more });
const bench = (settings: object = {}, more: Partial<AiProvider> = {}) =>
  llmBench({ providers: [[bedrock(settings, more)]] });

const MESSAGES = [{ role: 'user', content: [{ text: 'hi' }] }];
const converse = (action: string, body: object = { messages: MESSAGES }, id = CLAUDE) => ({
  url: `/model/${encodeURIComponent(id)}/${action}`,
  headers: ['content-type', 'application/json'],
  body: JSON.stringify(body),
});
const chat = (more: object = {}) => ({
  url: '/v1/chat/completions',
  body: JSON.stringify({ model: CLAUDE, messages: [{ role: 'user', content: 'hi' }], ...more }),
});

const WIRE_USAGE = {
  inputTokens: 10,
  outputTokens: 5,
  totalTokens: 20,
  cacheReadInputTokens: 4,
  cacheWriteInputTokens: 1,
};
const USAGE = { input: 10, cachedInput: 4, cacheWrite: 1, output: 5, reasoning: 0 };
const ANSWER = JSON.stringify({
  metrics: { latencyMs: 9 },
  output: { message: { role: 'assistant', content: [{ text: '"usage":{"inputTokens":99}' }] } },
  stopReason: 'end_turn',
  usage: WIRE_USAGE,
});

const frame = (event: string, data: object): Frame => ({ event, data: JSON.stringify(data) });
const delta = (text: string) => frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text }, p: 'abcd' });
const FRAMES = [
  frame('messageStart', { role: 'assistant' }),
  delta('Hel'),
  delta('lo 😀'),
  frame('contentBlockStop', { contentBlockIndex: 0 }),
  frame('messageStop', { stopReason: 'end_turn' }),
  frame('metadata', { usage: WIRE_USAGE, metrics: { latencyMs: 9 } }),
];

function stream({ sink }: FakeFlight, chunks: readonly Buffer[]): void {
  sink.onHead(200, ['content-type', EVENT_STREAM_TYPE]);
  for (const chunk of chunks) sink.onData(chunk);
}

function framesOf({ downstream }: LlmExchange): Frame[] {
  const frames: Frame[] = [];
  const reader = new EventStreamReader(1_000_000);
  reader.write(Buffer.concat(downstream.chunks), (one) => frames.push(one));
  reader.end((one) => frames.push(one));
  return frames;
}

function addressOf({ call }: FakeFlight): string {
  const { target } = call.cluster.spec;
  return target.kind === 'host' ? `${target.host}:${target.port}${call.path}` : '';
}

describe('paths of Bedrock', () => {
  const ARN = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc';
  it.each([
    [`/model/${encodeURIComponent(CLAUDE)}/converse`, 'converse', CLAUDE],
    [`/model/${CLAUDE}/converse-stream`, 'converse', CLAUDE],
    [`/aws/model/${encodeURIComponent(ARN)}/converse`, 'converse', ARN],
    ['/model/amazon.titan/invoke', 'invoke', 'amazon.titan'],
    ['/model/amazon.titan/invoke-with-response-stream', 'invoke', 'amazon.titan'],
    [`/model/${CLAUDE}/count-tokens`, 'bedrockCountTokens', CLAUDE],
    ['/model/converse', null, ''],
    ['/model/a/b/converse', null, ''],
  ])('%s', (path, route, named) => {
    expect(routeByPath(path)).toBe(route);
    expect(modelInPath(path)).toBe(named);
  });

  it('may name another model', () => {
    expect(withModelInPath('/x/model/a%2Fb/invoke', '$&:1')).toBe('/x/model/%24%26%3A1/invoke');
    expect(withModelInPath('/x/y', 'm')).toBe('/x/y');
  });
});

describe('a request of its own format', () => {
  it('passes as it is, to the region, and its usage is read', async () => {
    const llm = bench();
    const exchange = await serve(llm, converse('converse'));
    const [flight] = llm.flights;
    expect(addressOf(flight!)).toBe(
      `bedrock-runtime.eu-west-1.amazonaws.com:443/model/${encodeURIComponent(CLAUDE)}/converse`,
    );
    expect(flight!.call.signingScope).toEqual({ service: 'bedrock', region: 'eu-west-1' });
    expect(flight!.sent).toBe(JSON.stringify({ messages: MESSAGES }));
    flight!.answer(200, ANSWER);
    expect(exchange.downstream.text).toBe(ANSWER);
    expect(exchange.llm).toMatchObject({
      operation: 'chat',
      provider: 'aws.bedrock',
      clientModel: CLAUDE,
      requestModel: CLAUDE,
      streaming: false,
      usage: USAGE,
      usageEstimated: false,
    });
  });

  it('is told of errors in its own words', async () => {
    const llm = bench();
    const exchange = await serve(llm, converse('converse'));
    llm.flights[0]!.sink.onError(new GatewayError('upstream_connect'));
    expect(exchange.status).toBe(503);
    expect(exchange.downstream.header('x-amzn-errortype')).toBe('ServiceUnavailableException');
    expect(JSON.parse(exchange.downstream.text)).toEqual({ message: expect.any(String) });
  });

  it('asks for the model that is pinned or aliased', async () => {
    for (const options of [
      { settings: { model: 'pinned:1' } },
      { values: { ai: { modelAliases: { [CLAUDE]: 'pinned:1' } } } },
    ]) {
      const { settings = {}, values } = options as { settings?: object; values?: object };
      const llm = llmBench({ providers: [[bedrock(settings)]], ...(values && { values: values as never }) });
      const exchange = await serve(llm, converse('converse-stream'));
      expect(llm.flights[0]!.call.path).toBe('/model/pinned%3A1/converse-stream');
      expect(llm.flights[0]!.sent).toBe(JSON.stringify({ messages: MESSAGES }));
      expect(exchange.llm).toMatchObject({ clientModel: CLAUDE, requestModel: 'pinned:1', streaming: true });
    }
  });

  it('is found by the model in its path', async () => {
    const llm = llmBench({ models: [model('fast', { provider: bedrock({ model: 'amazon.nova-lite-v1:0' }) })] });
    await serve(llm, converse('converse', undefined, 'fast'));
    await serve(llm, converse('invoke', { prompt: 'x' }, 'fast'));
    expect(llm.flights.map(({ call }) => call.path)).toEqual([
      '/model/amazon.nova-lite-v1%3A0/converse',
      '/model/amazon.nova-lite-v1%3A0/invoke',
    ]);
  });

  it('goes to its own path wherever the host is', async () => {
    const llm = bench({}, { hostOverride: 'vpce.test:8443', hostOverrideTls: true });
    await serve(llm, { ...converse('converse'), url: `/anything${converse('converse').url}` });
    expect(addressOf(llm.flights[0]!)).toBe(`vpce.test:8443/model/${encodeURIComponent(CLAUDE)}/converse`);
  });
});

describe('an event stream', () => {
  const BYTES = Buffer.concat(FRAMES.map(messageOf));

  it('passes as it is, and is counted wherever it is cut', async () => {
    for (let cut = 0; cut <= BYTES.length; cut += 7) {
      const llm = bench();
      const exchange = await serve(llm, converse('converse-stream'));
      stream(llm.flights[0]!, [BYTES.subarray(0, cut), BYTES.subarray(cut)]);
      llm.flights[0]!.sink.onEnd([]);
      expect(Buffer.compare(Buffer.concat(exchange.downstream.chunks), BYTES)).toBe(0);
      expect(exchange.llm).toMatchObject({ streaming: true, usage: USAGE, usageEstimated: false });
      expect(exchange.llm.firstTokenMs).toBeGreaterThanOrEqual(0);
      expect(exchange.endCause).toBe('complete');
    }
  });

  it('that breaks off ends with an exception, where it is between two events', async () => {
    const whole = Buffer.concat(FRAMES.slice(0, 3).map(messageOf));
    const llm = bench();
    const exchange = await serve(llm, converse('converse-stream'));
    stream(llm.flights[0]!, [whole]);
    llm.flights[0]!.sink.onError(new GatewayError('upstream_timeout'));
    await turn();
    expect(framesOf(exchange).at(-1)).toMatchObject({ event: 'internalServerException' });
    // The bench takes all text for one token.
    expect(exchange.llm).toMatchObject({ usageEstimated: true, usage: { output: 1 } });

    const torn = bench();
    const other = await serve(torn, converse('converse-stream'));
    stream(torn.flights[0]!, [whole.subarray(0, -3)]);
    torn.flights[0]!.sink.onError(new GatewayError('upstream_timeout'));
    await turn();
    expect(Buffer.compare(Buffer.concat(other.downstream.chunks), whole.subarray(0, -3))).toBe(0);
  });

  it('that is none passes all the same', async () => {
    for (const bytes of [
      Buffer.from('<html>not a stream at all</html>'),
      Buffer.concat([BYTES.subarray(0, 40), BYTES]),
    ]) {
      const llm = bench();
      const exchange = await serve(llm, converse('converse-stream'));
      stream(llm.flights[0]!, [bytes]);
      llm.flights[0]!.sink.onEnd([]);
      expect(Buffer.compare(Buffer.concat(exchange.downstream.chunks), bytes)).toBe(0);
      expect(exchange.llm.usageEstimated).toBe(true);
    }
  });

  it("of a model's own events is counted by Bedrock's metrics", async () => {
    const llm = bench();
    const exchange = await serve(llm, converse('invoke-with-response-stream', { prompt: 'x' }));
    const chunk = (json: object) =>
      messageOf(frame('chunk', { bytes: Buffer.from(JSON.stringify(json)).toString('base64') }));
    const metrics = {
      inputTokenCount: 10,
      outputTokenCount: 5,
      cacheReadInputTokenCount: 4,
      cacheWriteInputTokenCount: 1,
    };
    const bytes = [
      chunk({ type: 'content_block_delta' }),
      chunk({ type: 'message_stop', 'amazon-bedrock-invocationMetrics': metrics }),
    ];
    stream(llm.flights[0]!, bytes);
    llm.flights[0]!.sink.onEnd([]);
    expect(llm.flights[0]!.call.path).toBe(`/model/${encodeURIComponent(CLAUDE)}/invoke-with-response-stream`);
    expect(Buffer.compare(Buffer.concat(exchange.downstream.chunks), Buffer.concat(bytes))).toBe(0);
    expect(exchange.llm).toMatchObject({ clientModel: CLAUDE, streaming: true, usage: USAGE });
  });
});

describe('invoke', () => {
  it.each([
    [{ usage: { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 4, cache_creation_input_tokens: 1 } }],
    [{ usage: WIRE_USAGE }],
  ])('passes as it is, and its usage is read: %j', async (answer) => {
    const llm = bench();
    const exchange = await serve(llm, converse('invoke', { anthropic_version: 'bedrock-2023-05-31' }));
    expect(llm.flights[0]!.sent).toBe('{"anthropic_version":"bedrock-2023-05-31"}');
    llm.flights[0]!.answer(200, JSON.stringify(answer));
    expect(exchange.llm.usage).toEqual(USAGE);
  });
});

describe('a configured guardrail', () => {
  const GUARDED = { guardrailIdentifier: 'gr-1', guardrailVersion: '3' };

  it('applies whatever the client says, in every format', async () => {
    const llm = bench(GUARDED);
    await serve(
      llm,
      converse('converse', { messages: MESSAGES, guardrailConfig: { guardrailIdentifier: 'mine', trace: 'enabled' } }),
    );
    await serve(llm, chat());
    await serve(llm, converse('invoke', {}));
    const [own, converted, invoked] = llm.flights;
    expect(own!.json).toEqual({ messages: MESSAGES, guardrailConfig: { ...GUARDED, trace: 'enabled' } });
    expect(converted!.json.guardrailConfig).toEqual(GUARDED);
    expect(own!.header('x-amzn-bedrock-guardrailidentifier')).toBeUndefined();
    expect(invoked!.header('x-amzn-bedrock-guardrailidentifier')).toBe('gr-1');
    expect(invoked!.header('x-amzn-bedrock-guardrailversion')).toBe('3');
  });

  it('is the draft where no version is said', async () => {
    const llm = bench({ guardrailIdentifier: 'gr-1' });
    await serve(llm, converse('converse'));
    expect(llm.flights[0]!.json.guardrailConfig).toEqual({ guardrailIdentifier: 'gr-1', guardrailVersion: 'DRAFT' });
  });
});

describe('a request of another format', () => {
  it('is converted, and so is the answer', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ max_tokens: 7, seed: 1 }));
    expect(llm.flights[0]!.call.path).toBe(`/model/${encodeURIComponent(CLAUDE)}/converse`);
    expect(llm.flights[0]!.json).toEqual({ messages: MESSAGES, inferenceConfig: { maxTokens: 7 } });
    llm.flights[0]!.answer(200, ANSWER);
    expect(exchange.downstream.header('x-sluice-lossy')).toBe('seed');
    expect(JSON.parse(exchange.downstream.text)).toMatchObject({
      model: CLAUDE,
      choices: [{ message: { role: 'assistant' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 15, completion_tokens: 5, total_tokens: 20 },
    });
    expect(exchange.llm.usage).toEqual(USAGE);
  });

  it('is streamed, each event as it comes', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true, stream_options: { include_usage: true } }));
    const [flight] = llm.flights;
    expect(flight!.call.path).toBe(`/model/${encodeURIComponent(CLAUDE)}/converse-stream`);
    const [begin, first, ...rest] = FRAMES.map(messageOf);
    stream(flight!, [begin!, first!.subarray(0, 20)]);
    expect(exchange.downstream.text).not.toContain('Hel');
    flight!.sink.onData(first!.subarray(20));
    expect(exchange.downstream.text).toContain('"Hel"');
    for (const message of rest) flight!.sink.onData(message);
    flight!.sink.onEnd([]);
    expect(exchange.downstream.header('content-type')).toContain('text/event-stream');
    expect(exchange.downstream.text).toContain('"total_tokens":20');
    expect(exchange.downstream.text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(exchange.endCause).toBe('complete');
  });

  it('is told of a damaged stream, and of an exception in it', async () => {
    const damaged = Buffer.concat(FRAMES.map(messageOf));
    damaged[60] = (damaged[60] as number) ^ 1;
    const refused = messageOf(frame('throttlingException', { message: 'Too many tokens.' }));
    for (const [bytes, told] of [
      [damaged, 'could not be converted'],
      [refused, 'Too many tokens.'],
    ] as const) {
      const llm = bench();
      const exchange = await serve(llm, chat({ stream: true }));
      stream(llm.flights[0]!, [bytes]);
      llm.flights[0]!.sink.onEnd([]);
      expect(exchange.downstream.text).toContain(told);
      expect(exchange.endCause).not.toBe('complete');
    }
  });

  it("keeps the provider's own words of an error", async () => {
    const llm = bench();
    const exchange = await serve(llm, chat());
    llm.flights[0]!.answer(429, '{"message":"Too many requests, please wait."}');
    expect(exchange.status).toBe(429);
    expect(JSON.parse(exchange.downstream.text).error.message).toBe('Too many requests, please wait.');
  });
});

describe("a client of AWS's in front of another provider", () => {
  const openai = () => llmBench({ providers: [[provider('openAI', { policies: KEY })]] });

  it('gets an answer of its own format', async () => {
    const llm = openai();
    const exchange = await serve(
      llm,
      converse('converse', { messages: MESSAGES, inferenceConfig: { maxTokens: 9 } }, 'gpt-4.1'),
    );
    expect(llm.flights[0]!.json).toMatchObject({ model: 'gpt-4.1', messages: [{ role: 'user', content: 'hi' }] });
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: 15,
      prompt_tokens_details: { cached_tokens: 4 },
    };
    llm.flights[0]!.answer(
      200,
      JSON.stringify({
        id: 'c',
        model: 'gpt-4.1',
        choices: [{ index: 0, finish_reason: 'length', message: { role: 'assistant', content: 'Hi' } }],
        usage,
      }),
    );
    expect(JSON.parse(exchange.downstream.text)).toMatchObject({
      output: { message: { role: 'assistant', content: [{ text: 'Hi' }] } },
      stopReason: 'max_tokens',
      usage: { inputTokens: 6, cacheReadInputTokens: 4, outputTokens: 5, totalTokens: 15 },
      metrics: { latencyMs: expect.any(Number) },
    });
  });

  it('gets a stream in its own framing', async () => {
    const llm = openai();
    const exchange = await serve(llm, converse('converse-stream', { messages: MESSAGES }, 'gpt-4.1'));
    expect(llm.flights[0]!.json.stream).toBe(true);
    const chunk = (more: object) => `data: ${JSON.stringify({ id: 'c', model: 'gpt-4.1', choices: [], ...more })}\n\n`;
    llm.flights[0]!.stream(
      chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: 'Hi' } }] }),
      chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
      chunk({ usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } }),
      'data: [DONE]\n\n',
    );
    llm.flights[0]!.sink.onEnd([]);
    expect(exchange.downstream.header('content-type')).toBe(EVENT_STREAM_TYPE);
    expect(framesOf(exchange).map(({ event }) => event)).toEqual([
      'messageStart',
      'contentBlockDelta',
      'contentBlockStop',
      'messageStop',
      'metadata',
    ]);
  });

  it('is told of an error by header and message', async () => {
    const llm = openai();
    const exchange = await serve(llm, converse('converse', { messages: MESSAGES }, 'gpt-4.1'));
    llm.flights[0]!.answer(429, '{"error":{"message":"Slow down","type":"rate_limit_error"}}');
    expect(exchange.status).toBe(429);
    expect(exchange.downstream.header('x-amzn-errortype')).toBe('ThrottlingException');
    expect(JSON.parse(exchange.downstream.text)).toEqual({ message: 'Slow down' });
  });
});

describe('a conversation that changes its provider', () => {
  it('brings each the signatures of its own alone, as they were', async () => {
    const google = { issuer: 'google', data: 'Z29vZ2xl' };
    const anthropic = { issuer: 'anthropic', data: 'Y2xhdWRl' };
    const content = [
      { kind: 'thinking' as const, text: 'a', signature: anthropic },
      { kind: 'tool_call' as const, id: 'c', name: 'f', arguments: '{}', signature: google },
    ];
    const given = content.flatMap((part) => encodePart(part, replyContext()));
    const messages = [
      ...MESSAGES,
      { role: 'assistant', content: given },
      { role: 'user', content: [{ toolResult: { toolUseId: 'c', content: [{ text: 'r' }] } }] },
    ];
    const toolConfig = { tools: [{ toolSpec: { name: 'f', inputSchema: { json: { type: 'object' } } } }] };
    const llm = bench();
    await serve(llm, converse('converse', { messages, toolConfig }));
    expect(llm.flights[0]!.json).toEqual({
      messages: [
        ...MESSAGES,
        {
          role: 'assistant',
          content: [
            { reasoningContent: { reasoningText: { text: 'a', signature: 'Y2xhdWRl' } } },
            { toolUse: { toolUseId: 'c', name: 'f', input: {} } },
          ],
        },
        messages[2],
      ],
      toolConfig,
    });
    // The mark alone within bytes is seen as well.
    const bytes = given.slice(-1);
    await serve(
      llm,
      converse('converse', { messages: [...MESSAGES, { role: 'assistant', content: [{ text: 'x' }, ...bytes] }] }),
    );
    expect(llm.flights[1]!.json.messages[1].content).toEqual([{ text: 'x' }]);
  });
});
