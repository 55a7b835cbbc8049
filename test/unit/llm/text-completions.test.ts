import { describe, expect, it } from 'vitest';
import { llmBench, provider, serve } from '../../support/llm.ts';

/** Legacy completions in front of providers that have none. */

const KEY = { backendAuth: { key: 'a-key' } };
const bench = (values = {}) =>
  llmBench({
    providers: [
      [provider('custom', { hostOverride: 'h:1', policies: KEY, settings: { formats: [{ type: 'messages' }] } })],
    ],
    values,
  });
const CHAT = { formats: [{ type: 'completions', path: '/chat' }] };
const chatBench = () => llmBench({ providers: [[provider('custom', { hostOverride: 'h:1', settings: CHAT })]] });
const ask = (more: object = {}) => ({
  url: '/v1/completions',
  body: JSON.stringify({ model: 'm', prompt: 'Once', ...more }),
});

const MESSAGE = JSON.stringify({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-real',
  content: [
    { type: 'thinking', thinking: 'hm', signature: 's' },
    { type: 'text', text: ' upon' },
    { type: 'text', text: ' a time' },
  ],
  stop_reason: 'max_tokens',
  stop_sequence: null,
  usage: { input_tokens: 2, output_tokens: 7 },
});
const USAGE = { prompt_tokens: 2, completion_tokens: 7, total_tokens: 9 };

const event = (type: string, more: object = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
const EVENTS = [
  event('message_start', { message: { id: 'msg_1', model: 'claude-real', usage: { input_tokens: 2 } } }),
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: ' upon' } }),
  event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: ' a time' } }),
  event('content_block_stop', { index: 0 }),
  event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7 } }),
  event('message_stop'),
];

const eventsOf = (text: string) =>
  text
    .split('\n\n')
    .filter((one) => one !== '')
    .map((one) => one.replace(/^data: /, ''));

describe('a prompt', () => {
  it('is the one turn of a conversation, whose text is its completion', async () => {
    const llm = bench();
    const exchange = await serve(llm, ask({ max_tokens: 7, temperature: 0.5, stop: 'x', user: 'u' }));
    expect(llm.flights[0]!.call.path).toBe('/v1/messages');
    expect(llm.flights[0]!.json).toMatchObject({
      model: 'm',
      max_tokens: 7,
      temperature: 0.5,
      stop_sequences: ['x'],
      metadata: { user_id: 'u' },
      messages: [{ role: 'user', content: 'Once' }],
    });
    llm.flights[0]!.answer(200, MESSAGE);
    expect(JSON.parse(exchange.downstream.text)).toMatchObject({
      id: 'msg_1',
      object: 'text_completion',
      created: expect.any(Number),
      model: 'claude-real',
      choices: [{ text: ' upon a time', index: 0, logprobs: null, finish_reason: 'length' }],
      usage: USAGE,
    });
    expect(exchange.downstream.header('x-sluice-lossy')).toBeUndefined();
    expect(exchange.llm).toMatchObject({ operation: 'text_completion', usage: { input: 2, output: 7 } });
  });

  it.each([[['Once']], ['Once']])('%j is one', async (prompt) => {
    const llm = bench();
    await serve(llm, ask({ prompt }));
    expect(llm.flights[0]!.json.messages[0].content).toBe('Once');
  });

  it.each([
    [{ prompt: ['a', 'b'] }, '"prompt" must be one text'],
    [{ prompt: [1, 2] }, '"prompt" must be a text, not tokens'],
    [{ prompt: [[1, 2]] }, '"prompt" must be a text, not tokens'],
    [{ prompt: [] }, '"prompt" must be a text'],
    [{ prompt: null }, '"prompt" is missing'],
    [{ suffix: ' end' }, '"suffix"'],
    [{ n: 2 }, '"n"'],
    [{ logprobs: 1 }, '"logprobs"'],
    [{ max_tokens: 'x' }, '"max_tokens"'],
  ])('%j is refused', async (more, told) => {
    const llm = bench();
    const exchange = await serve(llm, ask(more));
    expect(llm.flights).toEqual([]);
    expect(exchange.status).toBe(400);
    expect(JSON.parse(exchange.downstream.text).error.message).toContain(told);
  });

  it('tells what could not be said, and refuses it on a strict route', async () => {
    const more = { best_of: 3, logit_bias: { 1: 2 }, seed: 1 };
    const llm = bench();
    const exchange = await serve(llm, ask(more));
    llm.flights[0]!.answer(200, MESSAGE);
    expect(exchange.downstream.header('x-sluice-lossy')).toBe('best_of, logit_bias, seed');
    const strict = await serve(bench({ ai: { strict: true } }), ask({ best_of: 3 }));
    expect(strict.status).toBe(400);
  });
});

describe('an echo', () => {
  it('begins the text', async () => {
    const llm = bench();
    const exchange = await serve(llm, ask({ echo: true }));
    llm.flights[0]!.answer(200, MESSAGE);
    expect(JSON.parse(exchange.downstream.text).choices[0].text).toBe('Once upon a time');
  });

  it('begins the stream', async () => {
    const llm = bench();
    const exchange = await serve(llm, ask({ echo: true, stream: true }));
    llm.flights[0]!.stream(...EVENTS);
    llm.flights[0]!.sink.onEnd([]);
    const texts = eventsOf(exchange.downstream.text)
      .slice(0, -1)
      .map((one) => JSON.parse(one).choices[0].text);
    expect(texts).toEqual(['Once', ' upon', ' a time', '']);
  });
});

describe('a stream', () => {
  it.each([true, false])('is written piece by piece; usage asked for: %s', async (asked) => {
    const llm = bench();
    const options = asked ? { stream_options: { include_usage: true } } : {};
    const exchange = await serve(llm, ask({ stream: true, ...options }));
    const [flight] = llm.flights;
    flight!.stream(...EVENTS.slice(0, 3));
    expect(exchange.downstream.text).toContain('" upon"');
    for (const more of EVENTS.slice(3)) flight!.sink.onData(Buffer.from(more));
    flight!.sink.onEnd([]);
    const events = eventsOf(exchange.downstream.text);
    expect(events.at(-1)).toBe('[DONE]');
    const chunks = events.slice(0, -1).map((one) => JSON.parse(one));
    for (const chunk of chunks) expect(chunk).toMatchObject({ id: 'msg_1', object: 'text_completion' });
    const choices = chunks.flatMap((chunk) => chunk.choices);
    expect(choices.map(({ text }) => text).join('')).toBe(' upon a time');
    expect(choices.at(-1).finish_reason).toBe('stop');
    expect(chunks.at(-1).usage ?? null).toEqual(asked ? expect.objectContaining(USAGE) : null);
    expect(exchange.llm).toMatchObject({ usage: { input: 2, output: 7 } });
  });

  it('tells of an error in its own words', async () => {
    const llm = bench();
    const exchange = await serve(llm, ask({ stream: true }));
    llm.flights[0]!.stream(
      ...EVENTS.slice(0, 3),
      event('error', { error: { type: 'overloaded_error', message: 'Busy' } }),
    );
    llm.flights[0]!.sink.onEnd([]);
    expect(JSON.parse(eventsOf(exchange.downstream.text).at(-1)!).error.message).toBe('Busy');
    expect(exchange.endCause).not.toBe('complete');
  });
});

describe('to a provider of chat completions', () => {
  const token = (text: string) => ({
    token: text,
    logprob: -0.5,
    bytes: null,
    top_logprobs: [{ token: text, logprob: -0.5 }],
  });

  it('several answers, log-probabilities and what both formats know go along', async () => {
    const llm = chatBench();
    const exchange = await serve(llm, ask({ n: 2, echo: true, logprobs: 1, logit_bias: { 5: 1 }, best_of: 2 }));
    expect(llm.flights[0]!.json).toMatchObject({ n: 2, logprobs: true, top_logprobs: 1, logit_bias: { 5: 1 } });
    expect(llm.flights[0]!.json.best_of).toBeUndefined();
    const choice = (index: number, text: string) => ({
      index,
      finish_reason: 'stop',
      message: { role: 'assistant', content: text },
      logprobs: { content: [token(text.slice(0, 1)), token(text.slice(1))] },
    });
    llm.flights[0]!.answer(200, JSON.stringify({ id: 'c', model: 'm', choices: [choice(0, 'ab'), choice(1, 'cd')] }));
    const { choices } = JSON.parse(exchange.downstream.text);
    expect(choices.map(({ text }: { text: string }) => text)).toEqual(['Onceab', 'Oncecd']);
    expect(exchange.downstream.header('x-sluice-lossy')).toBe('echo.logprobs');
    expect(choices[0].logprobs).toEqual({
      tokens: ['a', 'b'],
      token_logprobs: [-0.5, -0.5],
      top_logprobs: [{ a: -0.5 }, { b: -0.5 }],
      text_offset: [4, 5],
    });
  });

  it('streams log-probabilities with their offsets', async () => {
    const llm = chatBench();
    const exchange = await serve(llm, ask({ stream: true, logprobs: 1 }));
    const chunk = (text: string, finish: string | null = null) =>
      `data: ${JSON.stringify({
        id: 'c',
        model: 'm',
        choices: [{ index: 0, delta: { content: text }, logprobs: { content: [token(text)] }, finish_reason: finish }],
      })}\n\n`;
    llm.flights[0]!.stream(chunk('ab'), chunk('c', 'stop'), 'data: [DONE]\n\n');
    llm.flights[0]!.sink.onEnd([]);
    const chunks = eventsOf(exchange.downstream.text)
      .slice(0, -1)
      .map((one) => JSON.parse(one).choices[0]);
    expect(chunks.map(({ text }) => text).join('')).toBe('abc');
    expect(chunks.flatMap(({ logprobs }) => logprobs?.text_offset ?? [])).toEqual([0, 2]);
  });
});
