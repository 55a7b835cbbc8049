import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { EVENT_STREAM_TYPE, EventStreamReader } from '../../../src/adapters/llm/convert/event-stream.ts';
import type { Frame } from '../../../src/adapters/llm/formats/codec.ts';
import { markSignature } from '../../../src/adapters/llm/formats/signatures.ts';
import { GatewayError } from '../../../src/errors/table.ts';
import { type LlmExchange, llmBench, provider, serve } from '../../support/llm.ts';

/** Clients of Bedrock's `invoke` in front of other providers: the body's family decides in which words the answer comes. */

const KEY = { backendAuth: { key: 'a-key' } };
const CLAUDE = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 9 };
const HI = [{ role: 'user', content: 'hi' }];
const bench = (kind = 'openAI', settings: object = {}, values = {}) =>
  llmBench({ providers: [[provider(kind, { policies: KEY, settings: settings as never })]], values });

const invoke = (body: object, stream = false, headers: string[] = [], model = 'gpt-4o') => ({
  url: `/model/${model}/invoke${stream ? '-with-response-stream' : ''}`,
  headers: ['content-type', 'application/json', ...headers],
  body: JSON.stringify(body),
});

const USAGE = {
  prompt_tokens: 10,
  completion_tokens: 5,
  total_tokens: 15,
  prompt_tokens_details: { cached_tokens: 4 },
};
const whole = (reason = 'stop', message: object = { role: 'assistant', content: 'Hi!' }) =>
  JSON.stringify({
    id: 'c',
    model: 'gpt-4o-2026',
    created: 5,
    choices: [{ index: 0, finish_reason: reason, message }],
    usage: USAGE,
  });
const event = (more: object) => `data: ${JSON.stringify({ id: 'c', model: 'gpt-4o-2026', choices: [], ...more })}\n\n`;
const delta = (content: string) => event({ choices: [{ index: 0, delta: { content } }] });
const EVENTS = [
  delta('He'),
  delta('y'),
  event({ choices: [{ index: 0, delta: {}, finish_reason: 'length' }] }),
  event({ usage: USAGE }),
  'data: [DONE]\n\n',
];
const METRICS = {
  inputTokenCount: 6,
  outputTokenCount: 5,
  cacheReadInputTokenCount: 4,
  cacheWriteInputTokenCount: 0,
  invocationLatency: expect.any(Number),
  firstByteLatency: expect.any(Number),
};

function framesOf({ downstream }: LlmExchange): Frame[] {
  const frames: Frame[] = [];
  const reader = new EventStreamReader(1_000_000);
  reader.write(Buffer.concat(downstream.chunks), (one) => frames.push(one));
  reader.end((one) => frames.push(one));
  return frames;
}

/** What the chunks of a stream hold. */
const payloadsOf = (exchange: LlmExchange) =>
  framesOf(exchange).map(({ event: name, data }) => {
    expect(name).toBe('chunk');
    return JSON.parse(Buffer.from(JSON.parse(data).bytes, 'base64').toString());
  });

interface Case {
  readonly body: object;
  /** What the provider is asked, in chat completions. */
  readonly asked: object;
  readonly answer: object;
  readonly first: object;
  readonly last: object;
}

const FAMILIES: Record<string, Case> = {
  Claude: {
    body: { ...CLAUDE, system: 'Be brief.', messages: HI, temperature: 0.5 },
    asked: {
      messages: [{ role: 'system', content: 'Be brief.' }, ...HI],
      max_completion_tokens: 9,
      temperature: 0.5,
    },
    answer: {
      type: 'message',
      content: [{ type: 'text', text: 'Hi!' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 6, cache_read_input_tokens: 4, output_tokens: 5 },
    },
    first: { type: 'message_start', message: { role: 'assistant' } },
    last: { type: 'message_stop' },
  },
  Nova: {
    body: {
      schemaVersion: 'messages-v1',
      system: [{ text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ text: 'hi' }] }],
      inferenceConfig: { max_new_tokens: 9, temperature: 0.5 },
    },
    asked: {
      messages: [{ role: 'system', content: 'Be brief.' }, ...HI],
      max_completion_tokens: 9,
      temperature: 0.5,
    },
    answer: {
      output: { message: { role: 'assistant', content: [{ text: 'Hi!' }] } },
      stopReason: 'end_turn',
      usage: { inputTokens: 6, outputTokens: 5, totalTokens: 15, cacheReadInputTokenCount: 4 },
    },
    first: { messageStart: { role: 'assistant' } },
    last: { metadata: { usage: { inputTokens: 6, outputTokens: 5, cacheReadInputTokenCount: 4 } } },
  },
  'gpt-oss': {
    body: { messages: HI, max_completion_tokens: 9, seed: 3 },
    asked: { messages: HI, max_completion_tokens: 9, seed: 3 },
    answer: {
      object: 'chat.completion',
      choices: [{ message: { content: 'Hi!' }, finish_reason: 'stop' }],
      usage: USAGE,
    },
    first: { object: 'chat.completion.chunk', choices: [{ delta: { role: 'assistant' } }] },
    last: { object: 'chat.completion.chunk', usage: USAGE },
  },
  Llama: {
    body: { prompt: 'hi', max_gen_len: 9, top_p: 0.5 },
    asked: { messages: HI, max_completion_tokens: 9, top_p: 0.5 },
    answer: { generation: 'Hi!', prompt_token_count: 10, generation_token_count: 5, stop_reason: 'stop' },
    first: { generation: 'He', stop_reason: null },
    last: { generation: '', prompt_token_count: 10, generation_token_count: 5, stop_reason: 'length' },
  },
  Mistral: {
    body: { prompt: 'hi', max_tokens: 9, stop: ['x'] },
    asked: { messages: HI, max_completion_tokens: 9, stop: ['x'] },
    answer: { outputs: [{ text: 'Hi!', stop_reason: 'stop' }] },
    first: { outputs: [{ text: 'He', stop_reason: null }] },
    last: { outputs: [{ text: '', stop_reason: 'length' }] },
  },
  Titan: {
    body: { inputText: 'hi', textGenerationConfig: { maxTokenCount: 9, topP: 0.5, stopSequences: ['x'] } },
    asked: { messages: HI, max_completion_tokens: 9, top_p: 0.5, stop: ['x'] },
    answer: {
      inputTextTokenCount: 10,
      results: [{ tokenCount: 5, outputText: 'Hi!', completionReason: 'FINISH' }],
    },
    first: { index: 0, outputText: 'He', completionReason: null },
    last: { outputText: '', inputTextTokenCount: 10, totalOutputTextTokenCount: 5, completionReason: 'LENGTH' },
  },
};

describe.each(Object.entries(FAMILIES))('a body of %s', (_, { body, asked, answer, first, last }) => {
  it('is answered whole, with the counts in the head', async () => {
    const llm = bench();
    const exchange = await serve(llm, invoke(body));
    const [flight] = llm.flights;
    expect(flight!.call.path).toBe('/v1/chat/completions');
    expect(flight!.json).toEqual({ model: 'gpt-4o', ...asked });
    flight!.answer(200, whole());
    expect(JSON.parse(exchange.downstream.text)).toMatchObject(answer);
    expect(exchange.downstream.header('content-type')).toBe('application/json');
    expect(exchange.downstream.header('x-amzn-bedrock-input-token-count')).toBe('6');
    expect(exchange.downstream.header('x-amzn-bedrock-output-token-count')).toBe('5');
    expect(exchange.downstream.header('x-amzn-bedrock-cache-read-input-token-count')).toBe('4');
    expect(exchange.llm).toMatchObject({ operation: 'chat', clientModel: 'gpt-4o', streaming: false });
  });

  it('is answered in chunks, the last of which has the metrics', async () => {
    const llm = bench();
    const exchange = await serve(llm, invoke(body, true));
    const [flight] = llm.flights;
    expect(flight!.json).toEqual({
      model: 'gpt-4o',
      stream: true,
      stream_options: { include_usage: true },
      ...asked,
    });
    const [one, ...rest] = EVENTS;
    flight!.stream(one!);
    // Nothing of the text waits.
    expect(JSON.stringify(payloadsOf(exchange))).toContain('"He"');
    for (const more of rest) flight!.sink.onData(Buffer.from(more));
    flight!.sink.onEnd([]);
    expect(exchange.downstream.header('content-type')).toBe(EVENT_STREAM_TYPE);
    expect(exchange.downstream.header('x-amzn-bedrock-content-type')).toBe('application/json');
    const payloads = payloadsOf(exchange);
    expect(payloads[0]).toMatchObject(first);
    expect(payloads.at(-1)).toMatchObject({ ...last, 'amazon-bedrock-invocationMetrics': METRICS });
    expect(JSON.stringify(payloads).split('amazon-bedrock-invocationMetrics')).toHaveLength(2);
    expect(exchange.llm).toMatchObject({ streaming: true, usage: { input: 6, cachedInput: 4, output: 5 } });
    expect(exchange.endCause).toBe('complete');
  });
});

describe('what a body is of', () => {
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
  it.each([
    ['embeddings by Titan', { inputText: 'hi', dimensions: 256 }],
    ['an image by Titan', { taskType: 'TEXT_IMAGE', textToImageParams: { text: 'hi' } }],
    ["Claude's oldest API", { prompt: '\n\nHuman: hi', max_tokens_to_sample: 9 }],
    ['nothing', {}],
  ])('%s is refused', async (_, body) => {
    const llm = bench();
    const exchange = await serve(llm, invoke(body));
    expect(llm.flights).toEqual([]);
    expect(exchange.status).toBe(400);
    expect(exchange.downstream.header('x-amzn-errortype')).toBe('ValidationException');
    expect(JSON.parse(exchange.downstream.text).message).toContain('can be converted');
  });

  it('Nova by its blocks, Claude by its version alone', async () => {
    const llm = bench();
    await serve(llm, invoke({ messages: [{ role: 'user', content: [{ text: 'hi' }] }] }));
    await serve(llm, invoke({ ...CLAUDE, messages: [{ role: 'user', content: [image] }] }));
    await serve(llm, invoke({ messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }] }));
    const [nova, claude, chat] = llm.flights.map(({ json }) => json.messages[0].content);
    expect(nova).toBe('hi');
    expect(claude).toEqual([{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }]);
    expect(chat).toBe('hi');
  });

  it.each([
    [{ ...CLAUDE }, 'messages'],
    [{ ...CLAUDE, messages: HI, temperature: 'warm' }, 'temperature'],
    [{ inputText: 'hi', textGenerationConfig: { topP: [] } }, 'textGenerationConfig.topP'],
    [{ prompt: 'hi', max_gen_len: '9' }, 'max_gen_len'],
    [{ messages: [], inferenceConfig: 'long' }, 'inferenceConfig'],
  ])('%j is refused with the place', async (body, place) => {
    const exchange = await serve(bench(), invoke(body));
    expect(exchange.status).toBe(400);
    expect(JSON.parse(exchange.downstream.text).message).toContain(`"${place}"`);
  });

  it('tells what is lost under the names it has for it', async () => {
    const llm = bench();
    const exchange = await serve(
      llm,
      invoke({ prompt: 'hi', top_k: 5, max_tokens: 1, other: 1 }, false, [
        'x-amzn-bedrock-performanceconfig-latency',
        'optimized',
      ]),
    );
    llm.flights[0]!.answer(200, whole());
    expect(exchange.downstream.header('x-sluice-lossy')).toBe('x-amzn-bedrock-performanceconfig-latency, other, top_k');
  });

  it.each([
    [{ inferenceConfig: { topK: 5, reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } } }],
    [{ inferenceConfig: { topK: 5 }, reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } }],
  ])("tells Nova of it under Nova's names: %j", async (config) => {
    const llm = bench();
    const exchange = await serve(llm, invoke({ messages: [{ role: 'user', content: [{ text: 'hi' }] }], ...config }));
    llm.flights[0]!.answer(200, whole());
    const lost = 'inferenceConfig.topK, reasoningConfig.maxReasoningEffort';
    expect(exchange.downstream.header('x-sluice-lossy')).toBe(lost);
  });
});

describe('a guardrail that no other provider has', () => {
  it.each([
    [['x-amzn-bedrock-guardrailidentifier', 'gr-1'], {}],
    [[], { 'amazon-bedrock-guardrailConfig': { tagSuffix: 'x' } }],
    [[], { schemaVersion: 'messages-v1', guardrailConfig: { guardrailIdentifier: 'gr-1' } }],
  ])('%j %j is not left out', async (headers, more) => {
    const llm = bench();
    const body = 'schemaVersion' in more ? {} : CLAUDE;
    const exchange = await serve(llm, invoke({ ...body, messages: HI, ...more }, false, headers));
    expect(llm.flights).toEqual([]);
    expect(exchange.status).toBe(400);
  });
});

describe('errors', () => {
  it('are exceptions, with the words of the provider', async () => {
    const llm = bench();
    const exchange = await serve(llm, invoke({ ...CLAUDE, messages: HI }));
    llm.flights[0]!.answer(429, '{"error":{"message":"Slow down","type":"rate_limit_error"}}');
    expect(exchange.status).toBe(429);
    expect(exchange.downstream.header('x-amzn-errortype')).toBe('ThrottlingException');
    expect(JSON.parse(exchange.downstream.text)).toEqual({ message: 'Slow down' });
  });

  it.each([
    [event({ error: { message: 'Overloaded', code: 429 } }), 'throttlingException', 'Overloaded'],
    ['data: {"choices":[{\n\n', '', ''],
  ])('in a stream end it: %s', async (broken, name, told) => {
    const llm = bench();
    const exchange = await serve(llm, invoke({ ...CLAUDE, messages: HI }, true));
    llm.flights[0]!.stream(EVENTS[0]!, broken);
    llm.flights[0]!.sink.onEnd([]);
    const last = framesOf(exchange).at(-1)!;
    expect(last.event).toMatch(name === '' ? /Exception$/ : name);
    expect(last.data).toContain(told);
    expect(exchange.endCause).not.toBe('complete');
  });

  it('of a connection that breaks off are told before the stream ends', async () => {
    const llm = bench();
    const exchange = await serve(llm, invoke({ prompt: 'hi', max_gen_len: 9 }, true));
    llm.flights[0]!.stream(EVENTS[0]!, EVENTS[2]!);
    llm.flights[0]!.sink.onError(new GatewayError('upstream_timeout'));
    await turn();
    expect(framesOf(exchange).map(({ event: name }) => name)).toEqual(['chunk', 'internalServerException']);
    expect(exchange.llm.usageEstimated).toBe(true);
  });

  it('of an answer that is none', async () => {
    const llm = bench();
    const exchange = await serve(llm, invoke({ ...CLAUDE, messages: HI }, true));
    llm.flights[0]!.answer(200, '<html>', 'text/html');
    expect(exchange.status).toBe(502);
    expect(exchange.downstream.header('x-amzn-errortype')).toBe('InternalServerException');
  });

  it('of an answer in one piece in place of a stream there are none', async () => {
    const llm = bench();
    const exchange = await serve(llm, invoke({ ...CLAUDE, messages: HI }, true));
    llm.flights[0]!.answer(200, whole());
    expect(payloadsOf(exchange).at(-1)).toMatchObject({ type: 'message_stop' });
  });
});

describe("Claude's beta features", () => {
  const BETAS = ['context-1m-2025-08-07', 'mine'];

  it('go along in the field that Anthropic has for them', async () => {
    const llm = bench('anthropic');
    await serve(llm, invoke({ ...CLAUDE, anthropic_beta: BETAS, messages: HI }, false, [], 'claude-sonnet-4-5'));
    const [flight] = llm.flights;
    expect(flight!.call.path).toBe('/v1/messages');
    expect(flight!.json).toEqual({ model: 'claude-sonnet-4-5', max_tokens: 9, messages: HI });
    expect(flight!.header('anthropic-beta')).toBe(BETAS.join(','));
  });

  it('that Bedrock has go along with a request that is converted for it', async () => {
    const llm = bench('bedrock', { region: 'eu-west-1' });
    const body = JSON.stringify({ model: 'anthropic.claude-sonnet-4-5-v1:0', max_tokens: 9, messages: HI });
    await serve(llm, { url: '/v1/messages', headers: ['anthropic-beta', BETAS.join(', ')], body });
    expect(llm.flights[0]!.json.additionalModelRequestFields).toEqual({ anthropic_beta: BETAS.slice(0, 1) });
  });
});

describe('whether to stream', () => {
  it('the path alone says', async () => {
    for (const body of [
      { ...CLAUDE, messages: HI, stream: true },
      { messages: HI, stream: true },
    ]) {
      const llm = bench();
      await serve(llm, invoke(body));
      expect(llm.flights[0]!.json.stream).toBeUndefined();
      const own = bench('bedrock', { region: 'eu-west-1' });
      await serve(own, invoke(body, false, [], 'openai.gpt-oss-20b-1:0'));
      expect(own.flights[0]!.call.path).toMatch(/\/invoke$/);
      expect(own.flights[0]!.json).toEqual(body);
    }
  });
});

describe('to Bedrock itself', () => {
  const bedrock = (values = {}) => bench('bedrock', { region: 'eu-west-1' }, values);

  it('goes as it is, for the model that is asked for', async () => {
    const llm = bedrock({ ai: { modelAliases: { fast: 'meta.llama3-8b-instruct-v1:0' } } });
    await serve(llm, invoke({ prompt: 'hi' }, true, ['x-amzn-bedrock-guardrailidentifier', 'gr-1'], 'fast'));
    const [flight] = llm.flights;
    expect(flight!.call.path).toBe('/model/meta.llama3-8b-instruct-v1%3A0/invoke-with-response-stream');
    expect(flight!.sent).toBe('{"prompt":"hi"}');
    expect(flight!.header('x-amzn-bedrock-guardrailidentifier')).toBe('gr-1');
  });

  const HEAD = ['x-amzn-bedrock-input-token-count', '10', 'x-amzn-bedrock-output-token-count', '5'];
  it.each([
    ['in the head', { generation: 'Hi' }, HEAD, { input: 10, output: 5, cachedInput: 0 }],
    [
      'of Claude',
      { usage: { input_tokens: 6, cache_read_input_tokens: 4, output_tokens: 5 } },
      HEAD,
      { input: 6, output: 5, cachedInput: 4 },
    ],
    [
      'of Nova',
      { usage: { inputTokens: 6, outputTokens: 5, cacheReadInputTokenCount: 4, cacheWriteInputTokenCount: 0 } },
      [],
      { input: 6, output: 5, cachedInput: 4 },
    ],
    ['of gpt-oss', { usage: USAGE }, [], { input: 6, output: 5, cachedInput: 4 }],
  ])('its counts are read: %s', async (_, answer, head, usage) => {
    const llm = bedrock();
    const exchange = await serve(llm, invoke({ prompt: 'hi' }));
    const { sink } = llm.flights[0]!;
    sink.onHead(200, ['content-type', 'application/json', ...head]);
    sink.onData(Buffer.from(JSON.stringify(answer)));
    sink.onEnd([]);
    expect(exchange.llm).toMatchObject({ usage, usageEstimated: false });
  });

  it('goes by way of Converse where it bears the signatures of others', async () => {
    const llm = bedrock();
    const signature = markSignature({ issuer: 'anthropic', data: 'c2ln' });
    const messages = [...HI, { role: 'assistant', content: [{ type: 'thinking', thinking: 'a', signature }] }, ...HI];
    const model = 'anthropic.claude-sonnet-4-5-v1:0';
    const exchange = await serve(llm, invoke({ ...CLAUDE, messages }, false, [], model));
    expect(llm.flights[0]!.call.path).toBe(`/model/${encodeURIComponent(model)}/converse`);
    expect(llm.flights[0]!.json.messages[1].content).toEqual([
      { reasoningContent: { reasoningText: { text: 'a', signature: 'c2ln' } } },
    ]);
    const output = { message: { role: 'assistant', content: [{ text: 'Hi!' }] } };
    llm.flights[0]!.answer(200, JSON.stringify({ output, stopReason: 'end_turn' }));
    expect(JSON.parse(exchange.downstream.text)).toMatchObject({ type: 'message', content: [{ text: 'Hi!' }] });
  });
});
