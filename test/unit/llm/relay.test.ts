import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import { chatEvents, llmBench, provider, serve } from '../../support/llm.ts';

const USAGE = { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 };
const WORDS = ['Hel', 'lo ', 'wörld 😀'];

function chat(more: object = {}) {
  const body = JSON.stringify({ model: 'gpt-real', messages: [{ role: 'user', content: 'hi' }], ...more });
  return { url: '/v1/chat/completions', body };
}

function bench(more: Parameters<typeof llmBench>[0] = {}) {
  return llmBench({ providers: [[provider('openAI')]], ...more });
}

describe('a JSON answer', () => {
  it('passes as it is, and its usage and model are known at the end', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat());
    const answer = JSON.stringify({
      model: 'gpt-real-2026',
      choices: [{ message: { content: '"usage":{"prompt_tokens":99}' } }],
      usage: { ...USAGE, prompt_tokens_details: { cached_tokens: 2 } },
    });
    llm.flights[0]!.answer(200, answer);
    expect(exchange.downstream.text).toBe(answer);
    expect(exchange.downstream.header('content-length')).toBe(String(Buffer.byteLength(answer)));
    expect(exchange.endCause).toBe('complete');
    expect(exchange.llm).toMatchObject({
      operation: 'chat',
      provider: 'openai',
      clientModel: 'gpt-real',
      requestModel: 'gpt-real',
      responseModel: 'gpt-real-2026',
      streaming: false,
      usage: { input: 10, cachedInput: 2, cacheWrite: 0, output: 3, reasoning: 0 },
      usageEstimated: false,
    });
  });

  it.each([
    ['gpt-4o-2024-08-06', 'gpt-real', 12 * 2.5 + 3 * 10],
    ['own-name', 'gpt-4o', 12 * 2.5 + 3 * 10],
    ['own-name', 'gpt-real', null],
  ])('of %s, asked for as %s, costs what its price says', async (answered, asked, micros) => {
    const llm = bench();
    const exchange = await serve(llm, chat({ model: asked }));
    llm.flights[0]!.answer(200, JSON.stringify({ model: answered, usage: USAGE }));
    if (micros === null) expect(exchange.llm.cost).toBeNull();
    else expect(exchange.llm.cost?.total).toBeCloseTo(micros / 1e6, 12);
  });

  it('is counted wherever its chunks are cut', async () => {
    const answer = Buffer.from(JSON.stringify({ model: 'm', choices: ['é'], usage: USAGE }));
    for (let cut = 0; cut <= answer.length; cut++) {
      const llm = bench();
      const exchange = await serve(llm, chat());
      const { sink } = llm.flights[0]!;
      sink.onHead(200, ['content-type', 'application/json']);
      sink.onData(answer.subarray(0, cut));
      sink.onData(answer.subarray(cut));
      sink.onEnd([]);
      expect(exchange.downstream.text).toBe(answer.toString());
      expect(exchange.llm.usage).toMatchObject({ input: 12, output: 3 });
    }
  });

  it('without usage is estimated and says so', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat());
    llm.flights[0]!.answer(200, JSON.stringify({ choices: [{ message: { content: 'x'.repeat(400) } }] }));
    expect(exchange.llm.usageEstimated).toBe(true);
    expect(exchange.llm.usage?.input).toBe(Math.ceil(exchange.llm.requestBytes / 4));
    expect(exchange.llm.usage?.output).toBeGreaterThanOrEqual(100);
  });

  it('that is an error passes whole and counts nothing', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const body = '{"error":{"message":"over quota","type":"insufficient_quota"}}';
    llm.flights[0]!.answer(429, body);
    expect(exchange.status).toBe(429);
    expect(exchange.downstream.text).toBe(body);
    expect(exchange.downstream.header('content-length')).toBe(String(body.length));
    expect(exchange.llm.usage).toBeNull();
  });

  it('runs usage hooks once, with the usage set', async () => {
    const llm = bench();
    const seen: unknown[] = [];
    await serve(llm, chat(), (exchange) => exchange.onUsage((at) => seen.push(at.llm?.usage?.input)));
    llm.flights[0]!.answer(200, JSON.stringify({ usage: USAGE }));
    expect(seen).toEqual([12]);
  });
});

describe('a stream', () => {
  it('is asked for its usage, which a client that did not ask does not see', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const flight = llm.flights[0]!;
    expect(flight.json.stream_options).toEqual({ include_usage: true });
    const events = chatEvents(WORDS, USAGE);
    flight.stream(...events);
    flight.sink.onEnd([]);
    const hidden = events.at(-2) as string;
    expect(hidden).toContain('"prompt_tokens"');
    expect(exchange.downstream.text).toBe(events.filter((event) => event !== hidden).join(''));
    expect(exchange.llm).toMatchObject({
      usage: { input: 12, output: 3 },
      usageEstimated: false,
      responseModel: 'gpt-real',
    });
    expect(exchange.llm.firstTokenMs).toBeGreaterThanOrEqual(0);
    expect(exchange.llm.lastTokenMs).toBeGreaterThanOrEqual(exchange.llm.firstTokenMs);
  });

  it('loses exactly the usage event wherever its chunks are cut', async () => {
    const events = chatEvents(WORDS, USAGE);
    const bytes = Buffer.from(events.join(''));
    const expected = events.filter((_, i) => i !== events.length - 2).join('');
    for (let cut = 0; cut <= bytes.length; cut++) {
      const llm = bench();
      const exchange = await serve(llm, chat({ stream: true }));
      const { sink } = llm.flights[0]!;
      sink.onHead(200, ['content-type', 'text/event-stream']);
      sink.onData(bytes.subarray(0, cut));
      sink.onData(bytes.subarray(cut));
      sink.onEnd([]);
      expect(exchange.downstream.text).toBe(expected);
      expect(exchange.llm.usage).toMatchObject({ input: 12, output: 3 });
    }
  });

  it('is not held back: each complete event goes on with its chunk', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const [first = '', second = ''] = chatEvents(WORDS, USAGE);
    llm.flights[0]!.stream(first, second.slice(0, 20));
    expect(exchange.downstream.text).toBe(first);
    llm.flights[0]!.sink.onData(Buffer.from(second.slice(20)));
    expect(exchange.downstream.text).toBe(first + second);
  });

  it('passes untouched to a client that asked for usage itself', async () => {
    const llm = bench();
    const request = chat({ stream: true, stream_options: { include_usage: true, x: 1 } });
    const exchange = await serve(llm, request);
    const flight = llm.flights[0]!;
    expect(flight.sent).toBe(request.body);
    const events = chatEvents(WORDS, USAGE);
    flight.stream(...events);
    flight.sink.onEnd([]);
    expect(exchange.downstream.text).toBe(events.join(''));
    expect(exchange.llm.usage).toMatchObject({ input: 12, output: 3 });
  });

  it('keeps the other stream options of the client', async () => {
    const llm = bench();
    await serve(llm, chat({ stream: true, stream_options: { include_usage: false, include_obfuscation: false } }));
    expect(llm.flights[0]!.json.stream_options).toEqual({ include_usage: true, include_obfuscation: false });
  });

  it('keeps a usage that stands beside choices: it is not the usage event', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const last = `data: ${JSON.stringify({ choices: [{ delta: {}, finish_reason: 'stop' }], usage: USAGE })}\n\n`;
    llm.flights[0]!.stream(last, 'data: [DONE]\n\n');
    llm.flights[0]!.sink.onEnd([]);
    expect(exchange.downstream.text).toBe(`${last}data: [DONE]\n\n`);
    expect(exchange.llm).toMatchObject({ usage: { input: 12, output: 3 }, usageEstimated: false });
  });

  it('counts from the last of continuous reports', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const reports = [1, 2, 3].map((n) => {
      const usage = { prompt_tokens: 12, completion_tokens: n, total_tokens: 12 + n };
      return `data: ${JSON.stringify({ choices: [{ delta: { content: 'x' } }], usage })}\n\n`;
    });
    llm.flights[0]!.stream(...reports);
    llm.flights[0]!.sink.onEnd([]);
    expect(exchange.llm.usage).toMatchObject({ input: 12, output: 3 });
  });

  it('is counted when its last event has no blank line', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const usage = `data: ${JSON.stringify({ choices: [], usage: USAGE })}`;
    llm.flights[0]!.stream(...chatEvents(WORDS, null).slice(0, -1), usage);
    llm.flights[0]!.sink.onEnd([]);
    expect(exchange.llm).toMatchObject({ usage: { input: 12, output: 3 }, usageEstimated: false });
    expect(exchange.downstream.text).not.toContain('prompt_tokens');
  });

  it('is not taken in by text that looks like usage', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const text = '"usage":{"prompt_tokens":999,"completion_tokens":999,"total_tokens":1998},"choices":[]';
    llm.flights[0]!.stream(...chatEvents([text], USAGE));
    llm.flights[0]!.sink.onEnd([]);
    expect(exchange.llm.usage).toMatchObject({ input: 12, output: 3 });
    expect(exchange.downstream.text).toContain('999');
  });

  it('breaks off with an error event in the format of the client', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const [first = '', second = ''] = chatEvents(WORDS, USAGE);
    llm.flights[0]!.stream(first, second);
    llm.flights[0]!.sink.onError(new GatewayError('upstream_closed'));
    await vi.waitFor(() => expect(exchange.endCause).toBe('upstream_gone'));
    expect(exchange.downstream.aborted).toBe(true);
    const last = exchange.downstream.text.split('\n\n').filter(Boolean).at(-1) as string;
    expect(JSON.parse(last.replace('data: ', '')).error.code).toBe('upstream_closed');
    expect(exchange.llm).toMatchObject({ usageEstimated: true, usage: { output: 1 } });
  });

  it('waits for a slow client and goes on when it has caught up', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const flight = llm.flights[0]!;
    flight.sink.onHead(200, ['content-type', 'text/event-stream']);
    const write = vi.spyOn(exchange.downstream, 'write').mockReturnValue(false);
    const [first = '', second = ''] = chatEvents(WORDS, USAGE);
    expect(flight.sink.onData(Buffer.from(first))).toBe(false);
    write.mockRestore();
    expect(flight.resumed).toBe(0);
    exchange.downstream.onDrain?.();
    expect(flight.resumed).toBe(1);
    expect(flight.sink.onData(Buffer.from(second))).toBe(true);
    exchange.downstream.onDrain?.();
    expect(flight.resumed).toBe(1);
  });

  it('of messages is counted from its first and last reports', async () => {
    const llm = bench({ providers: [[provider('anthropic')]] });
    const body = JSON.stringify({ model: 'claude', max_tokens: 9, stream: true, messages: [] });
    const exchange = await serve(llm, { url: '/v1/messages', body });
    const flight = llm.flights[0]!;
    expect(flight.sent).toBe(body);
    const event = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
    const events = [
      event('message_start', { message: { model: 'claude-x', usage: { input_tokens: 7, output_tokens: 1 } } }),
      event('ping', {}),
      event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'hi' } }),
      event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } }),
      event('message_stop', {}),
    ];
    flight.stream(...events.slice(0, 2));
    expect(exchange.llm.firstTokenMs).toBe(-1);
    for (const rest of events.slice(2)) flight.sink.onData(Buffer.from(rest));
    flight.sink.onEnd([]);
    expect(exchange.downstream.text).toBe(events.join(''));
    expect(exchange.llm).toMatchObject({
      responseModel: 'claude-x',
      usage: { input: 7, output: 5 },
      usageEstimated: false,
    });
    expect(exchange.llm.firstTokenMs).toBeGreaterThanOrEqual(0);
  });

  it('of responses is counted from its completed event, however long that is', async () => {
    const llm = bench();
    const body = JSON.stringify({ model: 'gpt-real', stream: true, input: 'x' });
    const exchange = await serve(llm, { url: '/v1/responses', body });
    const flight = llm.flights[0]!;
    expect(flight.sent).toBe(body);
    const event = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
    const response = {
      model: 'gpt-real-1',
      output: [{ text: 'y'.repeat(300_000) }],
      usage: { input_tokens: 4, output_tokens: 6, total_tokens: 10, output_tokens_details: { reasoning_tokens: 2 } },
    };
    const bytes = Buffer.from(
      event('response.created', { response: { model: 'gpt-real-1', usage: null } }) +
        event('response.output_text.delta', { delta: 'y' }) +
        event('response.completed', { response }),
    );
    flight.sink.onHead(200, ['content-type', 'text/event-stream']);
    for (let at = 0; at < bytes.length; at += 16_384) flight.sink.onData(bytes.subarray(at, at + 16_384));
    flight.sink.onEnd([]);
    expect(exchange.downstream.text).toBe(bytes.toString());
    expect(exchange.llm).toMatchObject({
      responseModel: 'gpt-real-1',
      usage: { input: 4, output: 4, reasoning: 2 },
      usageEstimated: false,
    });
  });
});

describe('a client that leaves', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Counting is asynchronous. */
  const counted = async () => {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  /** A token a letter. */
  const letters = async (texts: readonly string[]) => ({ tokens: texts.join('').length, exact: true });
  const SEEN = WORDS.slice(0, 2).join('').length;

  async function abortedStream(llm: ReturnType<typeof bench>) {
    const exchange = await serve(llm, chat({ stream: true }));
    const flight = llm.flights[0]!;
    flight.stream(...chatEvents(WORDS, USAGE).slice(0, 3));
    const before = exchange.downstream.text;
    exchange.downstream.onAbort?.();
    return { exchange, flight, before };
  }

  it('has its stream read on to the count', async () => {
    const llm = bench();
    const { exchange, flight, before } = await abortedStream(llm);
    expect(flight.aborted).toBe(false);
    expect(exchange.endCause).toBeNull();
    expect(llm.drains.used).toBe(1);
    for (const event of chatEvents(WORDS, USAGE).slice(3)) flight.sink.onData(Buffer.from(event));
    flight.sink.onEnd([]);
    expect(exchange.endCause).toBe('client_gone');
    expect(exchange.llm).toMatchObject({ usage: { input: 12, output: 3 }, usageEstimated: false });
    expect(exchange.downstream.text).toBe(before);
    expect(llm.drains.used).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('has a paused stream resumed', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const flight = llm.flights[0]!;
    flight.sink.onHead(200, ['content-type', 'text/event-stream']);
    vi.spyOn(exchange.downstream, 'write').mockReturnValue(false);
    expect(flight.sink.onData(Buffer.from(chatEvents(WORDS, USAGE)[0] as string))).toBe(false);
    exchange.downstream.onAbort?.();
    expect(flight.resumed).toBe(1);
    expect(flight.sink.onData(Buffer.from(chatEvents(WORDS, USAGE)[1] as string))).toBe(true);
  });

  it('past the cap has it cancelled and estimated', async () => {
    const llm = bench({ maxDrains: 1, countTokens: letters });
    const first = await abortedStream(llm);
    const second = await serve(llm, chat({ stream: true }));
    llm.flights[1]!.stream(...chatEvents(WORDS, USAGE).slice(0, 3));
    second.downstream.onAbort?.();
    expect(llm.flights[1]!.aborted).toBe(true);
    await counted();
    expect(second.endCause).toBe('client_gone');
    expect(second.llm.usageEstimated).toBe(true);
    expect(second.llm.usage).toMatchObject({ input: Math.ceil(second.llm.requestBytes / 4), output: SEEN });
    expect(first.flight.aborted).toBe(false);
    expect(llm.drains.used).toBe(1);
  });

  it('past the time has it cancelled and estimated', async () => {
    const llm = bench({ drainTimeoutMs: 5_000, countTokens: letters });
    const { exchange, flight } = await abortedStream(llm);
    vi.advanceTimersByTime(4_999);
    expect(flight.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(flight.aborted).toBe(true);
    await counted();
    expect(exchange.endCause).toBe('client_gone');
    expect(exchange.llm).toMatchObject({ usageEstimated: true, usage: { output: SEEN } });
    expect(llm.drains.used).toBe(0);
  });

  it('has it cancelled at once where the route says so', async () => {
    const llm = bench({ values: { onClientAbort: 'cancel' } });
    const { exchange, flight } = await abortedStream(llm);
    expect(flight.aborted).toBe(true);
    await counted();
    expect(exchange.llm.usageEstimated).toBe(true);
    expect(llm.drains.used).toBe(0);
  });

  it('before the answer began is waited for too, and a refusal then costs nothing', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat());
    exchange.downstream.onAbort?.();
    expect(exchange.endCause).toBeNull();
    llm.flights[0]!.answer(400, '{"error":{}}');
    expect(exchange.endCause).toBe('client_gone');
    expect(exchange.llm.usage).toBeNull();
    expect(llm.drains.used).toBe(0);
  });

  it('and whose upstream fails is counted by what was seen', async () => {
    const llm = bench({ countTokens: letters });
    const { exchange, flight } = await abortedStream(llm);
    flight.sink.onError(new GatewayError('upstream_closed'));
    await counted();
    expect(exchange.endCause).toBe('client_gone');
    expect(exchange.llm).toMatchObject({ usageEstimated: true, usage: { output: SEEN } });
    expect(llm.drains.used).toBe(0);
  });

  it('after the last word left nothing unfinished', async () => {
    const llm = bench();
    const exchange = await serve(llm, chat({ stream: true }));
    const events = chatEvents(WORDS, USAGE);
    llm.flights[0]!.stream(...events.slice(0, -1));
    exchange.downstream.onAbort?.();
    llm.flights[0]!.sink.onData(Buffer.from(events.at(-1) as string));
    llm.flights[0]!.sink.onEnd([]);
    expect(exchange.endCause).toBe('complete');
    expect(exchange.llm).toMatchObject({ usage: { input: 12, output: 3 }, usageEstimated: false });
  });

  it('of a messages stream is estimated from the input reported at its start', async () => {
    const llm = bench({ providers: [[provider('anthropic')]], values: { onClientAbort: 'cancel' } });
    const body = JSON.stringify({ model: 'claude', stream: true, messages: [] });
    const exchange = await serve(llm, { url: '/v1/messages', body });
    const message = { model: 'claude-x', usage: { input_tokens: 700, cache_read_input_tokens: 50, output_tokens: 1 } };
    const delta = 'event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n';
    llm.flights[0]!.stream(`event: message_start\ndata: ${JSON.stringify({ message })}\n\n`, delta, delta, delta);
    exchange.downstream.onAbort?.();
    await counted();
    expect(exchange.llm).toMatchObject({
      usageEstimated: true,
      usage: { input: 700, cachedInput: 50, output: 3 },
    });
  });
});
