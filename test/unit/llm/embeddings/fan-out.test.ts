import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/errors/table.ts';
import { type FakeFlight, llmBench, serve } from '../../../support/llm.ts';
import { answerOf, ask, bedrock, openai, vertex } from './wires.ts';

/** A request that takes several calls. */

const TITAN = 'amazon.titan-embed-text-v2:0';
const inputs = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`);
const titan = (count: number) => ask(bedrock, '/v1/embeddings', { model: TITAN, input: inputs(count) });
const titanAnswer = (value: number) => JSON.stringify({ embedding: [value], inputTextTokenCount: 2 });

describe('several calls', () => {
  it('are made eight at a time, and answered in the order of the inputs', async () => {
    const asked = await titan(20);
    expect(asked.flights).toHaveLength(8);
    const answered = new Set<FakeFlight>();
    for (;;) {
      expect(asked.flights.length - answered.size).toBeLessThanOrEqual(8);
      // The youngest first.
      const flight = asked.flights.findLast((one) => !answered.has(one));
      if (flight === undefined) break;
      answered.add(flight);
      flight.answer(200, titanAnswer(Number(flight.json.inputText.slice('text '.length))));
    }
    expect(asked.flights).toHaveLength(20);
    const body = answerOf(asked);
    expect(body.data.map(({ index, embedding }: any) => [index, embedding[0]])).toEqual(
      inputs(20).map((_, i) => [i, i]),
    );
    expect(body.usage).toEqual({ prompt_tokens: 40, total_tokens: 40 });
    expect(asked.exchange.llm.usage).toMatchObject({ input: 40 });
    expect(asked.exchange.endCause).toBe('complete');
  });

  it('are asked for as the first one is', async () => {
    const { flights } = await titan(3);
    const [first, ...others] = flights.map(({ call }) => call);
    expect(others).toHaveLength(2);
    for (const call of others) {
      expect(call).toMatchObject({ path: first?.path, method: 'POST', cluster: first?.cluster, auxiliary: true });
      expect(call.headers).toEqual(first?.headers);
    }
  });

  it.each([0, 1, 7])('fail as a whole where call %i is refused, with what the provider said', async (i) => {
    const asked = await titan(12);
    const refused = asked.flights[i]!;
    refused.sink.onHead(429, ['content-type', 'application/json', 'retry-after', '7']);
    refused.sink.onData(Buffer.from('{"message":"Too many requests, '));
    refused.sink.onData(Buffer.from('wait."}'));
    refused.sink.onEnd([]);
    expect(asked.exchange.downstream.status).toBe(429);
    expect(answerOf(asked).error.message).toBe('Too many requests, wait.');
    expect(asked.exchange.downstream.header('retry-after')).toBe('7');
    expect(asked.flights.filter(({ aborted }) => aborted)).toHaveLength(7);
    expect(refused.aborted).toBe(false);
    // What comes after it changes nothing.
    for (const flight of asked.flights) if (flight !== refused) flight.answer(200, titanAnswer(1));
    expect(asked.flights).toHaveLength(8);
    expect(asked.exchange.endCause).toBe('complete');
  });

  it.each(['before its answer', 'in the middle of it'])('fail as a whole where one breaks off %s', async (when) => {
    const asked = await titan(3);
    const broken = asked.flights[2]!;
    asked.flights[0]?.answer(200, titanAnswer(1));
    if (when !== 'before its answer') {
      broken.sink.onHead(200, ['content-type', 'application/json']);
      broken.sink.onData(Buffer.from('{"embed'));
    }
    broken.sink.onError(new GatewayError('upstream_closed'));
    expect(asked.exchange.downstream.status).toBe(503);
    expect(asked.flights.map(({ aborted }) => aborted)).toEqual([false, true, true]);
  });

  it.each(['nonsense', '{"embedding":"x"}'])('fail as a whole where one is answered with %s', async (text) => {
    const asked = await titan(3);
    for (const [i, flight] of asked.flights.entries()) flight.answer(200, i === 1 ? text : titanAnswer(i));
    expect(asked.exchange.downstream.status).toBe(502);
    expect(answerOf(asked).error.code).toBe('upstream_response_invalid');
  });

  it('end with their client, and make no more', async () => {
    const asked = await titan(12);
    asked.flights[3]?.answer(200, titanAnswer(3));
    expect(asked.flights).toHaveLength(9);
    asked.exchange.downstream.onAbort?.();
    expect(asked.flights.filter(({ aborted }) => aborted)).toHaveLength(8);
    asked.flights[4]?.answer(200, titanAnswer(4));
    expect(asked.flights).toHaveLength(9);
    expect(asked.exchange.endCause).toBe('client_gone');
    expect(asked.exchange.llm).toMatchObject({ usageEstimated: true });
  });

  it('hold no more than may be held of all answers together', async () => {
    const llm = llmBench({ providers: [[bedrock]], maxBufferBytes: 400 });
    const exchange = await serve(llm, {
      url: '/v1/embeddings',
      body: JSON.stringify({ model: TITAN, input: inputs(3) }),
    });
    for (const flight of llm.flights) flight.answer(200, JSON.stringify({ embedding: new Array(100).fill(1) }));
    expect(exchange.downstream.status).toBe(502);
    expect(exchange.downstream.text).toContain('larger than may be held');
  });

  it('hold the vectors of an answer, not its text', async () => {
    const llm = llmBench({ providers: [[bedrock]], maxBufferBytes: 2500 });
    const exchange = await serve(llm, {
      url: '/v1/embeddings',
      body: JSON.stringify({ model: TITAN, input: inputs(20) }),
    });
    const embedding = new Array(10).fill(0.12345678901234568);
    const text = JSON.stringify({ embedding });
    expect(text.length * 20).toBeGreaterThan(2500);
    for (let i = 0; i < 20; i++) llm.flights[i]?.answer(200, text);
    expect(exchange.downstream.status).toBe(200);
    expect(JSON.parse(exchange.downstream.text).data).toHaveLength(20);
  });

  it('take as many texts as a call may have tokens', async () => {
    const long = 'x'.repeat(9_000);
    const asked = await ask(vertex, '/v1/embeddings', {
      model: 'text-embedding-005',
      input: [long, long, long, 'x'.repeat(30_000), 'a'],
    });
    expect(asked.flights.map(({ json }) => json.instances.length)).toEqual([2, 1, 1, 1]);
    const many = await ask(vertex, '/v1/embeddings', { model: 'text-embedding-005', input: inputs(600) });
    expect(many.flights.map(({ json }) => json.instances.length)).toEqual([250, 250, 100]);
  });
});

describe('with another provider to go to', () => {
  const body = JSON.stringify({ model: TITAN, input: inputs(3) });

  it('wait for the first, which says who answers', async () => {
    const llm = llmBench({ providers: [[bedrock], [openai]] });
    const exchange = await serve(llm, { url: '/v1/embeddings', body });
    expect(llm.flights).toHaveLength(1);
    llm.flights[0]?.answer(200, titanAnswer(0));
    expect(llm.flights).toHaveLength(3);
    for (const flight of llm.flights.slice(1)) flight.answer(200, titanAnswer(1));
    expect(JSON.parse(exchange.downstream.text).data).toHaveLength(3);
  });

  it('go to it in its own format where the first fails', async () => {
    let tries = 0;
    const llm = llmBench({
      providers: [[bedrock], [openai]],
      wrap: (next) => (call, sink) => {
        tries++;
        return next(call, {
          ...{
            onData: (chunk) => sink.onData(chunk),
            onEnd: (trailers) => sink.onEnd(trailers),
            onError: (error) => sink.onError(error),
          },
          onHead: (status, headers) => {
            if (status !== 503 || tries > 1) return sink.onHead(status, headers);
            tries++;
            next(call, sink);
          },
        });
      },
    });
    const exchange = await serve(llm, { url: '/v1/embeddings', body });
    llm.flights[0]?.sink.onHead(503, []);
    expect(llm.flights).toHaveLength(2);
    expect(llm.flights[1]?.sent).toBe(body);
    const answer = JSON.stringify({
      data: [1, 2, 3].map((one, index) => ({ index, embedding: [one] })),
      usage: { prompt_tokens: 1, total_tokens: 1 },
    });
    llm.flights[1]?.answer(200, answer);
    expect(exchange.downstream.text).toBe(answer);
    expect(llm.flights).toHaveLength(2);
  });
});
