import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { Recorder } from '../../../src/telemetry/record.ts';
import { serverTiming } from '../../../src/telemetry/server-timing.ts';
import { costOf, endedExchange, usageOf } from './ended-exchange.ts';

async function samples(family: {
  get(): Promise<{ values: { labels: object; value: number; metricName?: string }[] }>;
}) {
  return (await family.get()).values;
}

describe('recorder', () => {
  it('counts a request by outcome and where it went', async () => {
    const metrics = new Metrics();
    const recorder = new Recorder(metrics, null);
    recorder.end(endedExchange({}));
    recorder.end(endedExchange({}));
    const failed = endedExchange({ status: 503, cause: 'error' });
    failed.error = new GatewayError('upstream_connect');
    failed.attempts = 3;
    recorder.end(failed);
    const where = {
      backend: 'default/backend0',
      bind: 'unknown',
      gateway: 'default/gateway',
      listener: 'listener0',
      route: 'default/route0',
      route_rule: 'unknown',
    };
    expect(await samples(metrics.requests)).toEqual([
      { labels: { protocol: 'http', method: 'GET', status: '200', reason: 'complete', ...where }, value: 2 },
      { labels: { protocol: 'http', method: 'GET', status: '503', reason: 'upstream_connect', ...where }, value: 1 },
    ]);
    expect(await samples(metrics.retries)).toEqual([{ labels: where, value: 2 }]);
    expect(await samples(metrics.responseBytes)).toEqual([{ labels: where, value: 300 }]);
  });

  it('adds up what requests cost, and counts those whose price is unknown', async () => {
    const metrics = new Metrics();
    const recorder = new Recorder(metrics, null);
    const usage = usageOf({ input: 3 });
    const cost = costOf({ total: 0.25, input: 0.2, output: 0.05 });
    for (const one of [cost, cost, null]) recorder.end(endedExchange({ llm: { usage, cost: one } }));
    recorder.end(endedExchange({ llm: { usage: null } }));
    const [sum, ...more] = await samples(metrics.cost);
    expect([sum?.value, more]).toEqual([0.5, []]);
    expect(sum?.labels).toMatchObject({ gen_ai_request_model: 'gpt-5-mini', route: 'default/route0' });
    expect(await samples(metrics.costLookups)).toEqual([
      { labels: { status: 'found' }, value: 2 },
      { labels: { status: 'unknown' }, value: 1 },
    ]);
  });

  it('adds up what prompt caches saved: reading from them against plain input', async () => {
    const metrics = new Metrics();
    const recorder = new Recorder(metrics, null);
    const rates = { input: 3, cacheRead: 0.3 };
    const cached = usageOf({ input: 100, cachedInput: 1_000_000 });
    recorder.end(endedExchange({ llm: { usage: cached, cost: costOf({ total: 0.4, cacheRead: 0.3, rates }) } }));
    recorder.end(endedExchange({ llm: { usage: cached, cost: null } }));
    recorder.end(endedExchange({ llm: { usage: usageOf({ input: 9 }), cost: costOf({ total: 1, rates }) } }));
    // A cache that costs as much as plain input saves nothing.
    recorder.end(endedExchange({ llm: { usage: cached, cost: costOf({ cacheRead: 3, rates: { input: 3 } }) } }));
    const [sum, ...more] = await samples(metrics.costSaved);
    expect(sum?.value).toBeCloseTo(2.7);
    expect(more).toEqual([]);
  });

  it('knows how many exchanges have begun and not ended', () => {
    const recorder = new Recorder(new Metrics(), null);
    const [first, second] = [endedExchange({}), endedExchange({})];
    recorder.begin();
    recorder.begin();
    recorder.end(second);
    expect(recorder.open).toBe(1);
    recorder.end(first);
    expect(recorder.open).toBe(0);
  });

  it('tells routes of the same name on two listeners apart', async () => {
    const metrics = new Metrics();
    const recorder = new Recorder(metrics, null);
    const other = endedExchange({});
    other.routed.listener = 'listener1';
    for (const exchange of [endedExchange({}), other, endedExchange({}), other]) recorder.end(exchange);
    expect((await samples(metrics.requests)).map(({ value }) => value)).toEqual([2, 2]);
  });

  it('observes tokens by disjoint usage bucket, and the times of a streamed answer', async () => {
    const metrics = new Metrics();
    new Recorder(metrics, null).end(
      endedExchange({
        llm: {
          streaming: true,
          usage: usageOf({ input: 10, cachedInput: 4, cacheWrite: 3, output: 20, reasoning: 1 }),
          firstTokenMs: 100,
          lastTokenMs: 500,
        },
      }),
    );
    const sums = (await samples(metrics.tokenUsage)).filter(({ metricName }) => metricName?.endsWith('_sum'));
    expect(sums.map(({ labels, value }) => [(labels as Record<string, string>).gen_ai_token_type, value])).toEqual([
      ['input', 10],
      ['input_cache_read', 4],
      ['input_cache_write', 3],
      ['output', 20],
      ['reasoning', 1],
    ]);
    const labels = {
      gen_ai_operation_name: 'chat',
      gen_ai_system: 'openai',
      gen_ai_request_model: 'gpt-5-mini',
      gen_ai_response_model: 'gpt-5-mini-2025',
      bind: 'unknown',
      gateway: 'default/gateway',
      listener: 'listener0',
      route: 'default/route0',
      route_rule: 'unknown',
    };
    expect(metrics.timeToFirstToken.labels(labels).sum).toBeCloseTo(0.1);
    expect(metrics.timePerOutputToken.labels(labels).sum).toBeCloseTo(0.02);
  });

  it.each([
    [false, 'drained'],
    [true, 'estimated'],
  ])('counts an aborted stream by how it was accounted (estimated: %s)', async (usageEstimated, accounting) => {
    const metrics = new Metrics();
    const usage = usageOf({ input: 1, output: 1 });
    new Recorder(metrics, null).end(
      endedExchange({ cause: 'client_gone', llm: { streaming: true, usage, usageEstimated } }),
    );
    expect(await samples(metrics.abortedStreams)).toMatchObject([{ labels: { accounting }, value: 1 }]);
  });

  it('bounds the labels a client can choose', async () => {
    const metrics = new Metrics();
    const recorder = new Recorder(metrics, null);
    for (let i = 0; i < 3000; i++) {
      const refused = i % 2 === 0;
      recorder.end(
        endedExchange({
          method: `M${i}`,
          route: `r${i % 20}`,
          status: refused ? 404 : 200,
          llm: { requestModel: `model-${i}`, responseModel: '' },
        }),
      );
    }
    const methods = new Set(
      (await samples(metrics.requests)).map(({ labels }) => (labels as { method: string }).method),
    );
    expect([...methods]).toEqual(['other']);
    const models = new Set(
      (await samples(metrics.llmDuration)).map(({ labels }) => (labels as Record<string, string>).gen_ai_request_model),
    );
    expect(models.size).toBe(1001);
    expect(models).toContain('other');
    expect(models).toContain('model-1');
    expect(models).not.toContain('model-0');
  });

  it('counts by status class once a route has had too many outcomes', async () => {
    const metrics = new Metrics();
    const recorder = new Recorder(metrics, null);
    for (let status = 200; status < 600; status++) recorder.end(endedExchange({ status }));
    const statuses = (await samples(metrics.requests)).map(({ labels }) => (labels as { status: string }).status);
    expect(statuses).toHaveLength(128 + 3);
    expect(statuses.slice(-3)).toEqual(['3xx', '4xx', '5xx']);
  });

  it('leaves out of the model metrics what no provider was asked for', async () => {
    const metrics = new Metrics();
    const refused = endedExchange({ status: 401, llm: { requestModel: 'made-up' } });
    refused.upstreamStartMs = -1;
    new Recorder(metrics, null).end(refused);
    expect(await samples(metrics.llmDuration)).toEqual([]);
  });
});

describe('Server-Timing', () => {
  it("parts the gateway's time from the upstream's", () => {
    expect(serverTiming(endedExchange({}))).toMatch(/^gateway;dur=[\d.]+, upstream;dur=20$/);
  });

  it('has no upstream where none was asked', () => {
    const exchange = endedExchange({});
    exchange.upstreamStartMs = -1;
    expect(serverTiming(exchange)).toMatch(/^gateway;dur=[\d.]+$/);
  });
});
