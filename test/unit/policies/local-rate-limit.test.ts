import { beforeEach, describe, expect, it, vi } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import type { Exchange } from '../../../src/exchange.ts';
import { emptyUsage, type LlmFacts } from '../../../src/facts/llm.ts';
import type { CompiledPolicy } from '../../../src/policies/definition.ts';
import { localRateLimit } from '../../../src/policies/local-rate-limit.ts';
import { TokenBuckets } from '../../../src/state/shared/token-buckets.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { type FakeRequest, fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, faultPaths, responseHead } from '../../support/policy.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const memory = (): SharedArrayBuffer => TokenBuckets.create({ rows: 16, workers: 2 });

let metrics: Metrics;

beforeEach(() => {
  vi.useFakeTimers({ now: START, toFake: ['Date'] });
  metrics = new Metrics();
  return () => vi.useRealTimers();
});

function limits(value: unknown, buffer = memory(), worker = 0, key = 'route/a'): CompiledPolicy {
  const buckets = TokenBuckets.open(buffer, worker);
  return compilePolicy(localRateLimit, value, { key, services: { buckets, metrics } });
}

/** Lets a request through the policy: its exchange, or the refusal. */
function ask(policy: CompiledPolicy, request: FakeRequest = {}): Exchange | GatewayError {
  const exchange = fakeExchange(request);
  try {
    policy.onRequest?.(exchange);
    return exchange;
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

const granted = (result: Exchange | GatewayError): boolean => !(result instanceof GatewayError);

function llmExchange(policy: CompiledPolicy, bytes: number): Exchange {
  const result = ask(policy, { method: 'POST', body: 'x'.repeat(bytes) });
  if (result instanceof GatewayError) throw result;
  return result;
}

function use(exchange: Exchange, input: number, output: number): void {
  exchange.llm = { usage: { ...emptyUsage(), input, output } } as LlmFacts;
  exchange.runOnUsage();
  exchange.runOnEnd('complete');
}

describe('localRateLimit of requests', () => {
  const spec = [{ maxTokens: 2, tokensPerFill: 1, fillInterval: '10s' }];

  it('grants the burst, then what is refilled', () => {
    const policy = limits(spec);
    expect([granted(ask(policy)), granted(ask(policy)), granted(ask(policy))]).toEqual([true, true, false]);
    vi.setSystemTime(START + 10_000);
    expect([granted(ask(policy)), granted(ask(policy))]).toEqual([true, false]);
  });

  it('is one limit for all workers', () => {
    const buffer = memory();
    const [first, second] = [limits(spec, buffer, 0), limits(spec, buffer, 1)];
    expect([granted(ask(first)), granted(ask(second)), granted(ask(first)), granted(ask(second))]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('is its own limit on each route', () => {
    const buffer = memory();
    const [a, b] = [limits(spec, buffer, 0, 'route/a'), limits(spec, buffer, 0, 'route/b')];
    ask(a);
    ask(a);
    expect([granted(ask(a)), granted(ask(b))]).toEqual([false, true]);
  });

  it('refuses with 429 and says when to come back', async () => {
    const policy = limits(spec);
    ask(policy);
    ask(policy);
    vi.setSystemTime(START + 3_000);
    const refusal = ask(policy) as GatewayError;
    expect([refusal.code, refusal.status]).toEqual(['rate_limited', 429]);
    expect(refusal.headers).toEqual([
      'x-ratelimit-limit',
      '2',
      'x-ratelimit-remaining',
      '0',
      'x-ratelimit-reset',
      '7',
      'retry-after',
      '7',
    ]);
    const counted = await metrics.rateLimited.get();
    expect(counted.values.map(({ value, labels }) => [value, labels.type])).toEqual([[1, 'requests']]);
  });

  it('names no time where nothing is ever refilled', () => {
    const policy = limits([{ maxTokens: 1, tokensPerFill: 0, fillInterval: '1s' }]);
    ask(policy);
    expect((ask(policy) as GatewayError).headers).toEqual(['x-ratelimit-limit', '1', 'x-ratelimit-remaining', '0']);
  });

  it('refuses everything where nothing fits', () => {
    expect(granted(ask(limits([{ fillInterval: '1s' }])))).toBe(false);
  });

  it('tells its state on responses', () => {
    const exchange = ask(limits(spec)) as Exchange;
    const head = responseHead(['x-ratelimit-limit', "the backend's"]);
    exchange.runOnResponse(head);
    expect(head.headers.raw).toEqual([
      'x-ratelimit-limit',
      '2',
      'x-ratelimit-remaining',
      '1',
      'x-ratelimit-reset',
      '10',
    ]);
  });
});

describe('localRateLimit of several limits', () => {
  it('gives back what earlier limits granted when a later one refuses', () => {
    const buffer = memory();
    const wide = { maxTokens: 4, tokensPerFill: 4, fillInterval: '1h' };
    const narrow = { maxTokens: 1, tokensPerFill: 1, fillInterval: '10s' };
    const policy = limits([wide, narrow], buffer);
    expect([granted(ask(policy)), granted(ask(policy)), granted(ask(policy))]).toEqual([true, false, false]);
    // The two refused requests left the wide limit alone: three of four are left for the next intervals of the narrow one.
    const served = [10, 20, 30, 40].map((seconds) => {
      vi.setSystemTime(START + seconds * 1000);
      return granted(ask(policy));
    });
    expect(served).toEqual([true, true, true, false]);
  });

  it('tells the tightest', () => {
    const exchange = ask(
      limits([
        { maxTokens: 9, tokensPerFill: 1, fillInterval: '1s' },
        { maxTokens: 3, tokensPerFill: 1, fillInterval: '1s' },
        { maxTokens: 5, tokensPerFill: 1, fillInterval: '1s' },
      ]),
    ) as Exchange;
    const head = responseHead();
    exchange.runOnResponse(head);
    expect(head.headers.get('x-ratelimit-limit')).toBe('3');
    expect(head.headers.get('x-ratelimit-remaining')).toBe('2');
  });
});

describe('localRateLimit of tokens', () => {
  const spec = [{ maxTokens: 100, tokensPerFill: 10, fillInterval: '1m', type: 'tokens' }];

  it('reserves a quarter of the body and settles with the usage', () => {
    const policy = limits(spec);
    const first = llmExchange(policy, 240);
    // 60 of 100 are reserved: another 60 don't fit, 40 do.
    expect(granted(ask(policy, { body: 'x'.repeat(240) }))).toBe(false);
    expect(granted(ask(policy, { body: 'x'.repeat(160) }))).toBe(true);
    use(first, 10, 20);
    expect(granted(ask(policy, { body: 'x'.repeat(120) }))).toBe(true);
    expect(granted(ask(policy, { body: 'x' }))).toBe(false);
  });

  it('lets later requests owe what one used beyond its estimate', () => {
    const policy = limits(spec);
    use(llmExchange(policy, 4), 50, 70);
    expect(granted(ask(policy))).toBe(false);
    vi.setSystemTime(START + 2 * 60_000);
    expect(granted(ask(policy))).toBe(false);
    vi.setSystemTime(START + 3 * 60_000);
    expect(granted(ask(policy))).toBe(true);
  });

  it.each(['error', 'client_gone', 'upstream_gone', 'timeout', 'complete'] as const)(
    'gives the estimate back where no usage is known by the end (%s)',
    (cause) => {
      const policy = limits(spec);
      const exchange = llmExchange(policy, 400);
      expect(granted(ask(policy))).toBe(false);
      exchange.runOnEnd(cause);
      expect(granted(ask(policy, { body: 'x'.repeat(400) }))).toBe(true);
    },
  );

  it('counts the usage once, also when the end follows', () => {
    const policy = limits(spec);
    use(llmExchange(policy, 4), 60, 0);
    expect(granted(ask(policy, { body: 'x'.repeat(164) }))).toBe(false);
    expect(granted(ask(policy, { body: 'x'.repeat(160) }))).toBe(true);
  });

  it('takes a prompt larger than the bucket when the bucket is full', () => {
    const policy = limits(spec);
    expect(granted(ask(policy, { body: 'x'.repeat(4000) }))).toBe(true);
  });

  it('stands beside a request limit', () => {
    const policy = limits([{ maxTokens: 1, tokensPerFill: 1, fillInterval: '1h' }, ...spec]);
    use(llmExchange(policy, 4), 1, 1);
    const refusal = ask(policy, { body: 'x' }) as GatewayError;
    expect(refusal.message).toContain('request rate limit');
  });
});

describe('localRateLimit values', () => {
  it.each([
    [[{ maxTokens: 1, tokensPerFill: 2, fillInterval: '1s' }], ['0.tokensPerFill']],
    [[{ maxTokens: 1, tokensPerFill: 1, fillInterval: '0' }], ['0.fillInterval']],
    [[{ maxTokens: 1, tokensPerFill: 1, fillInterval: 'soon' }], ['schema']],
    [[{ maxTokens: 1 }], ['schema']],
    [[{ maxTokens: -1, fillInterval: '1s' }], ['schema']],
    [[{ maxTokens: 1, fillInterval: '1s', type: 'bytes' }], ['schema']],
    [{ conditional: [{ maxTokens: 1, tokensPerFill: 2, fillInterval: '1s' }] }, ['conditional.0.tokensPerFill']],
    [[], []],
  ])('faults of %j', (value, paths) => {
    expect(faultPaths(localRateLimit, value)).toEqual(paths);
  });

  it('is, where it is conditional, the first limit whose condition holds', () => {
    const spec = (condition: string | null, maxTokens: number) => ({
      ...(condition !== null && { condition }),
      maxTokens,
      tokensPerFill: 1,
      fillInterval: '1h',
    });
    const policy = limits({ conditional: [spec('request.path == "/a"', 1), spec(null, 2)] });
    const served = (url: string) => granted(ask(policy, { url }));
    expect(['/a', '/a', '/b', '/b', '/b'].map(served)).toEqual([true, false, true, true, false]);
  });
});

describe('localRateLimit of tokens that are counted ahead', () => {
  const spec = [{ maxTokens: 100, tokensPerFill: 10, fillInterval: '10s', type: 'tokens' }];
  const refusal = (exchange: Exchange, tokens: number): GatewayError | null => {
    try {
      exchange.runOnPromptTokens(tokens);
      return null;
    } catch (error) {
      if (error instanceof GatewayError) return error;
      throw error;
    }
  };

  it('holds the count in place of the estimate, more or less', () => {
    const policy = limits(spec);
    // 40 bytes are estimated at 10 tokens each.
    const [more, less] = [llmExchange(policy, 40), llmExchange(policy, 40)];
    expect(refusal(more, 70)).toBeNull();
    expect(refusal(less, 5)).toBeNull();
    expect(granted(ask(policy, { method: 'POST', body: 'x'.repeat(101) }))).toBe(false);
    expect(granted(ask(policy, { method: 'POST', body: 'x'.repeat(100) }))).toBe(true);
  });

  it('refuses what is not left, saying when, and gives all of it back', async () => {
    const policy = limits(spec);
    const [first, second] = [llmExchange(policy, 40), llmExchange(policy, 40)];
    expect(refusal(first, 60)).toBeNull();
    const error = refusal(second, 50);
    expect(error?.code).toBe('rate_limited');
    expect(error?.headers).toContain('retry-after');
    second.runOnEnd('error');
    first.runOnEnd('error');
    expect(refusal(llmExchange(policy, 4), 100)).toBeNull();
    const counts = (await metrics.rateLimited.get()).values;
    expect(counts).toMatchObject([{ value: 1, labels: { type: 'tokens' } }]);
  });

  it('refuses at once, and for good, what can never fit', () => {
    const error = refusal(llmExchange(limits(spec), 4), 101);
    expect(error?.message).toBe('The prompt has 101 tokens; the token limit of this route holds 100 at most.');
    expect(error?.headers).toEqual(['x-ratelimit-limit', '100', 'x-should-retry', 'false']);
  });

  it('settles with what the provider counts', () => {
    const policy = limits(spec);
    const exchange = llmExchange(policy, 40);
    expect(refusal(exchange, 90)).toBeNull();
    use(exchange, 20, 20);
    expect(granted(ask(policy, { method: 'POST', body: 'x'.repeat(240) }))).toBe(true);
    expect(granted(ask(policy, { method: 'POST', body: 'x'.repeat(8) }))).toBe(false);
  });
});
