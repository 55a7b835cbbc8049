import { describe, expect, it } from 'vitest';
import type { Dispatch } from '../../../../src/upstream/call.ts';
import { type LlmExchange, llmBench, model, provider, serve } from '../../../support/llm.ts';

/** A client of Anthropic's messages in front of a provider that takes OpenAI's responses alone. */
const RESPONSES = provider('custom', {
  settings: { formats: [{ type: 'responses' }] },
  hostOverride: 'responses.test:443',
});
const bench = (more: Partial<Parameters<typeof llmBench>[0]> = {}) => llmBench({ providers: [[RESPONSES]], ...more });

const messages = (more: object = {}) => ({
  url: '/v1/messages?beta=true',
  headers: ['anthropic-version', '2023-06-01', 'anthropic-beta', 'x', 'x-mine', 'kept'],
  body: JSON.stringify({ model: 'gpt-5', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }], ...more }),
});

const USAGE = { input_tokens: 12, output_tokens: 3, total_tokens: 15, input_tokens_details: { cached_tokens: 2 } };
const ANSWER = {
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  model: 'gpt-5-2026',
  status: 'completed',
  output: [
    {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'Hello', annotations: [] }],
    },
  ],
  usage: USAGE,
};

const event = (type: string, more: object = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
const ITEM = { type: 'message', id: 'msg_1', role: 'assistant', status: 'in_progress', content: [] };
const PART = { type: 'output_text', text: '', annotations: [] };
const at = { item_id: 'msg_1', output_index: 0, content_index: 0 };
const EVENTS = [
  event('response.created', { response: { ...ANSWER, status: 'in_progress', output: [], usage: null } }),
  event('response.output_item.added', { output_index: 0, item: ITEM }),
  event('response.content_part.added', { ...at, part: PART }),
  event('response.output_text.delta', { ...at, delta: 'Hel' }),
  event('response.output_text.delta', { ...at, delta: 'lo' }),
  event('response.output_text.done', { ...at, text: 'Hello' }),
  event('response.content_part.done', { ...at, part: { ...PART, text: 'Hello' } }),
  event('response.output_item.done', { output_index: 0, item: ANSWER.output[0] }),
  event('response.completed', { response: ANSWER }),
];

/** The events a client of Anthropic's got. */
const eventsOf = ({ downstream }: LlmExchange) =>
  downstream.text
    .split('\n\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(/^data: (.*)$/m.exec(text)![1]!));
const textOf = (exchange: LlmExchange) =>
  eventsOf(exchange)
    .map(({ delta }) => delta?.text ?? '')
    .join('');

describe('a converted request', () => {
  it("goes to the provider's own path, without the client's query and API fields", async () => {
    const llm = bench();
    await serve(llm, messages());
    const [flight] = llm.flights;
    expect(flight!.call.path).toBe('/v1/responses');
    expect(flight!.json).toMatchObject({ model: 'gpt-5', max_output_tokens: 100 });
    expect(flight!.header('anthropic-version')).toBeUndefined();
    expect(flight!.header('anthropic-beta')).toBeUndefined();
    expect(flight!.header('x-mine')).toBe('kept');
    expect(flight!.header('accept-encoding')).toBe('identity');
  });

  it('names what could not be said, or is refused where the route is strict', async () => {
    const lax = bench();
    const exchange = await serve(lax, messages({ top_k: 5 }));
    lax.flights[0]!.answer(200, JSON.stringify(ANSWER));
    expect(exchange.downstream.header('x-sluice-lossy')).toBe('top_k');

    const strict = bench({ values: { ai: { strict: true } } });
    const refused = await serve(strict, messages({ top_k: 5 }));
    expect(strict.flights).toEqual([]);
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.downstream.text)).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', message: expect.stringContaining('"top_k"') },
    });
  });

  it('is refused with the place of what is wrong', async () => {
    const llm = bench();
    const exchange = await serve(llm, messages({ messages: [{ role: 'user', content: [{ type: 'text' }] }] }));
    expect(exchange.status).toBe(400);
    expect(JSON.parse(exchange.downstream.text).error.message).toContain('messages[0].content[0]');
  });
});

describe('a converted answer', () => {
  it("is the client's, and counted", async () => {
    const llm = bench();
    const exchange = await serve(llm, messages());
    llm.flights[0]!.answer(200, JSON.stringify(ANSWER));
    const body = JSON.parse(exchange.downstream.text);
    expect(body).toMatchObject({ type: 'message', role: 'assistant', content: [{ type: 'text', text: 'Hello' }] });
    expect(body.usage).toMatchObject({ input_tokens: 10, cache_read_input_tokens: 2, output_tokens: 3 });
    expect(exchange.downstream.header('content-length')).toBe(String(exchange.downstream.text.length));
    expect(exchange.endCause).toBe('complete');
    expect(exchange.llm).toMatchObject({
      clientModel: 'gpt-5',
      responseModel: 'gpt-5-2026',
      usage: { input: 10, cachedInput: 2, cacheWrite: 0, output: 3, reasoning: 0 },
      usageEstimated: false,
    });
  });

  it.each([
    ['no JSON', 200, '<html>busy</html>', 'text/html'],
    ['cut off', 200, '{"id":"resp_1","output":[', 'application/json'],
    ['no object', 200, '[1]', 'application/json'],
  ])('that is %s is an error in the words of the client', async (_, status, body, type) => {
    const llm = bench();
    const exchange = await serve(llm, messages());
    llm.flights[0]!.answer(status, body, type);
    expect(exchange.status).toBe(502);
    expect(JSON.parse(exchange.downstream.text)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
    expect(exchange.error?.code).toBe('upstream_protocol');
    expect(llm.flights[0]!.aborted).toBe(type === 'text/html');
  });

  it.each([
    ['completions', { error: { message: 'No room', code: 429 } }, 429],
    ['completions', { error: 'No room' }, 502],
    [
      'responses',
      { ...ANSWER, status: 'failed', output: [], error: { code: 'server_error', message: 'No room' } },
      500,
    ],
    ['messages', { type: 'error', error: { type: 'overloaded_error', message: 'No room' } }, 529],
    ['generateContent', { error: { code: 503, message: 'No room', status: 'UNAVAILABLE' } }, 503],
  ])('that is an error under a status of success is one, from a provider of %s', async (type, body, status) => {
    for (const stream of [false, true]) {
      const target = provider('custom', { settings: { formats: [{ type }] }, hostOverride: 'p:1' });
      const llm = llmBench({ providers: [[target]] });
      const contents = [{ role: 'user', parts: [{ text: 'hi' }] }];
      const exchange = await serve(
        llm,
        type === 'generateContent'
          ? messages({ stream })
          : { url: `/v1beta/models/m:${stream ? 'streamG' : 'g'}enerateContent`, body: JSON.stringify({ contents }) },
      );
      llm.flights[0]!.answer(200, JSON.stringify(body));
      expect(exchange.status).toBe(status);
      expect(JSON.parse(exchange.downstream.text).error.message).toBe('No room');
    }
  });

  it('that is a redirection is an error, and leads nowhere', async () => {
    const llm = bench();
    const exchange = await serve(llm, messages());
    llm.flights[0]!.sink.onHead(302, ['location', 'http://elsewhere.test/', 'retry-after', '1']);
    llm.flights[0]!.sink.onEnd([]);
    expect(exchange.status).toBe(502);
    expect(exchange.downstream.header('location')).toBeUndefined();
    expect(exchange.downstream.header('retry-after')).toBe('1');
    expect(JSON.parse(exchange.downstream.text).error.message).toContain('302');
  });

  it('that holds none is an error', async () => {
    const target = provider('custom', { settings: { formats: [{ type: 'completions' }] }, hostOverride: 'p:1' });
    const llm = llmBench({ providers: [[target]] });
    const exchange = await serve(llm, messages());
    llm.flights[0]!.answer(200, '{"id":"x","choices":[]}');
    expect(exchange.status).toBe(502);
    expect(JSON.parse(exchange.downstream.text)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
  });

  it.each(['messages', 'generateContent', 'responses'])(
    'that is an error in no words says its status, from a provider of %s',
    async (type) => {
      for (const body of ['', ' <!doctype html><h1>Busy</h1>']) {
        const target = provider('custom', { settings: { formats: [{ type }] }, hostOverride: 'p:1' });
        const llm = llmBench({ providers: [[target]] });
        const user = { role: 'user', content: 'hi' };
        const exchange = await serve(llm, {
          url: '/v1/chat/completions',
          body: JSON.stringify({ model: 'm', messages: [user] }),
        });
        llm.flights[0]!.answer(503, body, 'text/html');
        expect(exchange.status).toBe(503);
        expect(JSON.parse(exchange.downstream.text).error.message).toBe('The provider answered with status 503.');
      }
    },
  );

  it.each([
    ['JSON', '{"error":{"message":"over quota","type":"insufficient_quota","code":null,"param":null}}', 'over quota'],
    ['text', 'Too many of them', 'Too many of them'],
    ['a page', '<h1>Too many</h1>', 'status 429'],
  ])("that is a provider's error in %s keeps its status, its words and when to retry", async (_, body, words) => {
    const llm = bench();
    const exchange = await serve(llm, messages());
    const { sink } = llm.flights[0]!;
    sink.onHead(429, ['content-type', 'text/plain', 'retry-after', '7', 'content-length', String(body.length)]);
    sink.onData(Buffer.from(body));
    sink.onEnd([]);
    expect(exchange.status).toBe(429);
    expect(exchange.downstream.header('retry-after')).toBe('7');
    const { type, error } = JSON.parse(exchange.downstream.text);
    expect([type, error.type]).toEqual(['error', 'rate_limit_error']);
    expect(error.message).toContain(words);
    expect(exchange.llm.usage).toBeNull();
  });

  it('too large to be held is refused', async () => {
    const llm = bench({ maxBufferBytes: 2000 });
    const exchange = await serve(llm, messages());
    const output = [{ ...ANSWER.output[0], content: [{ ...PART, text: 'x'.repeat(3000) }] }];
    llm.flights[0]!.answer(200, JSON.stringify({ ...ANSWER, output }));
    expect(exchange.status).toBe(502);
    expect(exchange.error?.message).toContain('larger');
  });
});

describe('a converted stream', () => {
  const ask = () => messages({ stream: true });

  it('is written event by event, none held back', async () => {
    const llm = bench();
    const exchange = await serve(llm, ask());
    llm.flights[0]!.stream(...EVENTS.slice(0, 4));
    expect(textOf(exchange)).toBe('Hel');
    for (const rest of EVENTS.slice(4)) llm.flights[0]!.sink.onData(Buffer.from(rest));
    llm.flights[0]!.sink.onEnd([]);
    expect(textOf(exchange)).toBe('Hello');
    expect(exchange.downstream.header('content-type')).toContain('text/event-stream');
    expect(eventsOf(exchange).map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(exchange.endCause).toBe('complete');
    expect(exchange.llm).toMatchObject({ streaming: true, usage: { input: 10, cachedInput: 2, output: 3 } });
    expect(exchange.llm.firstTokenMs).toBeGreaterThanOrEqual(0);
  });

  it('is the same wherever its chunks are cut', async () => {
    const whole = bench();
    const expected = await serve(whole, ask());
    whole.flights[0]!.stream(EVENTS.join(''));
    whole.flights[0]!.sink.onEnd([]);
    const bytes = Buffer.from(EVENTS.join(''));
    for (let cut = 1; cut < bytes.length; cut++) {
      const llm = bench();
      const exchange = await serve(llm, ask());
      llm.flights[0]!.stream();
      llm.flights[0]!.sink.onData(bytes.subarray(0, cut));
      llm.flights[0]!.sink.onData(bytes.subarray(cut));
      llm.flights[0]!.sink.onEnd([]);
      expect(eventsOf(exchange).map(({ type, delta }) => [type, delta])).toEqual(
        eventsOf(expected).map(({ type, delta }) => [type, delta]),
      );
    }
  });

  it('that stops without its end tells the client so', async () => {
    const llm = bench();
    const exchange = await serve(llm, ask());
    llm.flights[0]!.stream(...EVENTS.slice(0, 4));
    llm.flights[0]!.sink.onEnd([]);
    expect(eventsOf(exchange).at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
    expect(exchange.endCause).toBe('upstream_gone');
    expect(exchange.llm.usageEstimated).toBe(true);
  });

  it('from a provider that answers whole is a stream all the same', async () => {
    const llm = bench();
    const exchange = await serve(llm, ask());
    llm.flights[0]!.answer(200, JSON.stringify(ANSWER));
    expect(eventsOf(exchange)[0].type).toBe('message_start');
    expect(eventsOf(exchange).at(-1).type).toBe('message_stop');
    expect(exchange.llm.usage).toMatchObject({ input: 10, output: 3 });
    expect(exchange.endCause).toBe('complete');
  });

  it('nobody asked for is an error', async () => {
    const llm = bench();
    const exchange = await serve(llm, messages());
    llm.flights[0]!.stream(EVENTS[0]!);
    expect(exchange.status).toBe(502);
    expect(llm.flights[0]!.aborted).toBe(true);
  });

  it('is read on to its usage when the client leaves', async () => {
    const llm = bench();
    const exchange = await serve(llm, ask());
    llm.flights[0]!.stream(...EVENTS.slice(0, 4));
    exchange.downstream.onAbort!();
    for (const rest of EVENTS.slice(4)) llm.flights[0]!.sink.onData(Buffer.from(rest));
    llm.flights[0]!.sink.onEnd([]);
    expect(exchange.endCause).toBe('client_gone');
    expect(exchange.llm).toMatchObject({ usage: { input: 10, cachedInput: 2, output: 3 }, usageEstimated: false });
    expect(textOf(exchange)).toBe('Hel');
  });

  it('an event of which is longer than may be held ends with an error', async () => {
    const llm = bench({ maxBufferBytes: 4000 });
    const exchange = await serve(llm, ask());
    llm.flights[0]!.stream(...EVENTS.slice(0, 4), event('response.output_text.delta', { delta: 'x'.repeat(5000) }));
    llm.flights[0]!.sink.onEnd([]);
    expect(eventsOf(exchange).at(-1)).toMatchObject({ type: 'error' });
    expect(exchange.endCause).toBe('upstream_gone');
  });
});

/** Sends a second attempt where the first is answered with 503. */
const retryOnce: (next: Dispatch) => Dispatch = (next) => (call, sink) =>
  next(call, {
    onHead: (status, headers) => (status === 503 ? void next(call, sink) : sink.onHead(status, headers)),
    onData: () => true,
    onEnd: () => {},
    onError: () => {},
  });

it('a further attempt is converted anew, for a provider of another format', async () => {
  const models = [
    model('claude', { provider: provider('anthropic', { hostOverride: 'a.test:80' }) }),
    model('gpt', { provider: RESPONSES }),
  ];
  const targets = [
    { model: 'claude', priority: 0 },
    { model: 'gpt', priority: 1 },
  ];
  const virtualModels = [{ name: 'virtual', routing: { kind: 'failover' as const, targets } }];
  const llm = llmBench({ models, virtualModels, wrap: retryOnce });
  const exchange = await serve(llm, messages({ model: 'virtual' }));
  expect(llm.flights[0]!.json).toMatchObject({ model: 'claude', max_tokens: 100 });
  llm.flights[0]!.sink.onHead(503, []);
  expect(llm.flights[1]!.call.path).toBe('/v1/responses');
  expect(llm.flights[1]!.json).toMatchObject({ model: 'gpt', max_output_tokens: 100 });
  llm.flights[1]!.answer(200, JSON.stringify(ANSWER));
  expect(JSON.parse(exchange.downstream.text)).toMatchObject({ type: 'message', content: [{ text: 'Hello' }] });
});

describe('JSON that is no answer', () => {
  /** Each provider with its format and what an answer in it has. */
  const PROVIDERS: [string, string, string][] = [
    ['anthropic', 'messages', '"content"'],
    ['openAI', 'completions', '"choices"'],
    ['gemini', 'generateContent', '"candidates" and "promptFeedback"'],
    ['bedrock', 'converse', '"output"'],
    ['custom', 'responses', '"output"'],
  ];
  const EMPTY = '{"content":[],"choices":[],"candidates":[],"output":[]}';
  it.each(
    PROVIDERS.flatMap(([name, format, members]) =>
      [
        ['{}', 'it lacks'],
        ['{"detail":"Not Found","usage":{"input_tokens":1,"prompt_tokens":1,"inputTokens":1}}', 'it lacks'],
        ['{"content":"x","choices":null,"candidates":1,"output":"y"}', 'it lacks'],
        ...(format === 'responses' || format === 'converse' ? [] : [[EMPTY, 'there is nothing in']]),
      ].map(([text = '', what = '']) => [name, format, text, `(${format}): ${what} ${members}.`] as const),
    ),
  )('is an error that says why: of %s, which speaks %s, %s', async (name, format, text, said) => {
    const settings = {
      ...(name === 'bedrock' && { region: 'eu-west-1' }),
      ...(name === 'custom' && { formats: [{ type: format }] }),
    };
    const one = provider(name, { settings, policies: { backendAuth: { key: 'k' } }, hostOverride: 'x.test:443' });
    for (const stream of [false, true]) {
      const llm = llmBench({ providers: [[one]] });
      const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 1, stream });
      const url = name === 'openAI' ? '/v1/messages' : '/v1/chat/completions';
      const exchange = await serve(llm, { url, body });
      llm.flights[0]?.answer(200, text);
      expect([exchange.status, exchange.error?.code]).toEqual([502, 'upstream_response_invalid']);
      expect(JSON.parse(exchange.downstream.text).error.message).toContain(said);
    }
  });
});

it.each([429, 503])("tells when to come back where Google's error does, with status %i", async (status) => {
  const limited = (details: object[]) => JSON.stringify({ error: { code: status, message: 'Later.', details } });
  const ask = async (body: string, headers: string[] = []) => {
    const llm = llmBench({ providers: [[provider('gemini')]] });
    const exchange = await serve(llm, messages());
    llm.flights[0]!.sink.onHead(status, ['content-type', 'application/json', ...headers]);
    llm.flights[0]!.sink.onData(Buffer.from(body));
    llm.flights[0]!.sink.onEnd([]);
    expect(exchange.status).toBe(status);
    return exchange.downstream.header('retry-after');
  };
  const info = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '11.2s' };
  expect(await ask(limited([{ '@type': 'x' }, info]))).toBe('12');
  expect(await ask(limited([info]), ['retry-after', '7'])).toBe('7');
  expect(await ask(limited([]))).toBeUndefined();
});

describe('thinking that another provider signed', () => {
  const thinking = (signature: string) => [
    { role: 'user', content: 'hi' },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'hm', signature },
        { type: 'text', text: 'Hello' },
      ],
    },
    { role: 'user', content: 'and now?' },
  ];

  it("is not given to the provider of the client's own format, though the rest goes there as it was", async () => {
    const llm = llmBench({ providers: [[provider('anthropic')]] });
    const exchange = await serve(llm, messages({ messages: thinking('sluice:openai:abc'), unknown: 1 }));
    const [flight] = llm.flights;
    expect(flight!.sent).not.toContain('sluice:');
    expect(flight!.json).toMatchObject({ model: 'gpt-5', unknown: 1 });
    expect(flight!.header('anthropic-beta')).toBe('x');
    flight!.answer(200, JSON.stringify({ type: 'message', content: [{ type: 'text', text: 'x' }], usage: {} }));
    expect(exchange.status).toBe(200);
  });

  it("is not taken for the provider's own where nobody signed it", async () => {
    const chat = llmBench({
      providers: [[provider('custom', { settings: { formats: [{ type: 'completions' }] }, hostOverride: 'chat:1' })]],
    });
    const own = llmBench({ providers: [[provider('anthropic')]] });
    const message = { role: 'assistant', content: 'Hello', reasoning_content: 'hm' };
    const answer = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] });
    const told = await serve(chat, messages());
    chat.flights[0]!.answer(200, answer);
    const { content } = JSON.parse(told.downstream.text);
    expect(content).toMatchObject([{ type: 'thinking', thinking: 'hm' }, { text: 'Hello' }]);
    const [asked, , next] = thinking('');
    await serve(own, messages({ messages: [asked, { role: 'assistant', content }, next] }));
    const said = ['<thinking>\nhm\n</thinking>', 'Hello'].map((text) => ({ type: 'text', text }));
    expect(own.flights[0]!.json.messages[1]).toEqual({ role: 'assistant', content: said });
  });

  it("is a summary for OpenAI's own responses, under no id that was made up", async () => {
    const chat = llmBench({
      providers: [[provider('custom', { settings: { formats: [{ type: 'completions' }] }, hostOverride: 'chat:1' })]],
    });
    const own = llmBench({ providers: [[provider('openAI')]] });
    const message = { role: 'assistant', content: 'Hello', reasoning_content: 'hm' };
    const ask = (input: unknown[]) => ({
      url: '/v1/responses',
      body: JSON.stringify({ model: 'gpt-5', store: false, input }),
    });
    const user = { type: 'message', role: 'user', content: 'hi' };
    const told = await serve(chat, ask([user]));
    chat.flights[0]!.answer(200, JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] }));
    await serve(own, ask([user, ...JSON.parse(told.downstream.text).output, user]));
    expect(own.flights[0]!.json.input[1]).toEqual({
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'hm' }],
    });
  });

  it('is nothing to another provider without a name', async () => {
    const at = (host: string) =>
      llmBench({
        providers: [
          [provider('custom', { settings: { formats: [{ type: 'responses' }] }, hostOverride: `${host}:1` })],
        ],
      });
    const reasoning = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'enc' };
    const first = at('a');
    const told = await serve(first, messages());
    first.flights[0]!.answer(200, JSON.stringify({ ...ANSWER, output: [reasoning, ...ANSWER.output] }));
    const { content } = JSON.parse(told.downstream.text);
    const [asked, , next] = thinking('');
    const again = messages({ messages: [asked, { role: 'assistant', content }, next] });
    const [same, other] = [at('a'), at('b')];
    await serve(same, again);
    await serve(other, again);
    expect(same.flights[0]!.json.input[1]).toMatchObject({ type: 'reasoning', encrypted_content: 'enc' });
    expect(other.flights[0]!.sent).not.toContain('"enc"');
  });

  it("goes untouched where it is that provider's own", async () => {
    const llm = llmBench({ providers: [[provider('anthropic')]] });
    const request = messages({ messages: thinking('own') });
    await serve(llm, request);
    expect(llm.flights[0]!.sent).toBe(request.body);
  });
});
