import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import { AccessLog, type LineBatch } from '../../../src/telemetry/access-log.ts';
import { endedExchange, usageOf } from './ended-exchange.ts';

function lines(format: 'text' | 'json', ...exchanges: ReturnType<typeof endedExchange>[]): string {
  const batches: LineBatch[] = [];
  const log = new AccessLog({ format, send: (batch) => batches.push(batch) });
  for (const exchange of exchanges) log.write(exchange);
  log.flush();
  return batches.map((batch) => batch.text).join('');
}

/** Reads `key=value` pairs as a logfmt reader does. */
function readText(line: string): Map<string, string> {
  const pairs = new Map<string, string>();
  const [, , scope, ...rest] = line.split(' ');
  expect(scope).toBe('request');
  for (const [, key, value] of rest.join(' ').matchAll(/([^ =]+)=("(?:[^"\\]|\\.)*"|[^ ]*)/g)) {
    pairs.set(key!, value!.startsWith('"') ? JSON.parse(value!) : value!);
  }
  return pairs;
}

describe('access log', () => {
  it('writes a plain request as one line of text', () => {
    const line = lines('text', endedExchange({ path: '/hello' }));
    expect(line).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info request gateway=default\/gateway listener=listener0 route=default\/route0 endpoint=127\.0\.0\.1:9000 src\.addr=192\.0\.2\.7:40000 http\.method=GET http\.host=api\.example\.com http\.path=\/hello http\.version=HTTP\/1\.1 http\.status=200 protocol=http duration=[\d.]+ms\n$/,
    );
  });

  it('says tokens with cached ones counted as input, and durations in milliseconds', () => {
    const exchange = endedExchange({
      llm: {
        streaming: true,
        usage: usageOf({ input: 10, cachedInput: 5, cacheWrite: 2, output: 20, reasoning: 1 }),
        firstTokenMs: 100,
        lastTokenMs: 300,
      },
    });
    const record = JSON.parse(lines('json', exchange));
    expect(record).toMatchObject({
      level: 'info',
      scope: 'request',
      protocol: 'llm',
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-5-mini',
      'gen_ai.response.model': 'gpt-5-mini-2025',
      'gen_ai.usage.input_tokens': 17,
      'gen_ai.usage.cache_creation.input_tokens': 2,
      'gen_ai.usage.cache_read.input_tokens': 5,
      'gen_ai.usage.output_tokens': 21,
      'gen_ai.usage.reasoning_tokens': 1,
      'agw.ai.time_to_first_token': 100,
      'agw.ai.time_per_output_token': 10,
    });
    expect(record).not.toHaveProperty('gen_ai.usage.estimated');
    expect(record.duration).toBeTypeOf('number');
    const text = readText(lines('text', exchange).trimEnd());
    for (const [name, value] of Object.entries(record)) {
      if (name.startsWith('gen_ai.')) expect(text.get(name)).toBe(String(value));
    }
    expect(text.get('agw.ai.time_per_output_token')).toBe('10ms');
  });

  it('names the error, the retries and what an aborted stream was estimated at', () => {
    const aborted = endedExchange({
      cause: 'client_gone',
      llm: { streaming: true, usage: usageOf({ input: 3, output: 4 }), usageEstimated: true },
    });
    aborted.attempts = 3;
    expect(JSON.parse(lines('json', aborted))).toMatchObject({
      reason: 'client_gone',
      'retry.attempt': 2,
      'gen_ai.usage.estimated': true,
    });
    const failed = endedExchange({ cause: 'error', status: 503 });
    failed.error = new GatewayError('upstream_connect', 'The connection to "b" failed.');
    expect(JSON.parse(lines('json', failed))).toMatchObject({
      error: 'The connection to "b" failed.',
      reason: 'upstream_connect',
    });
    expect(readText(lines('text', failed).trimEnd()).get('error')).toBe('The connection to "b" failed.');
  });

  it('leaves the query out: keys travel there', () => {
    for (const format of ['text', 'json'] as const) {
      expect(lines(format, endedExchange({ path: '/v1', query: 'key=hunter2' }))).not.toContain('hunter2');
    }
  });

  it('puts IPv6 addresses in brackets', () => {
    expect(lines('text', endedExchange({ remoteAddress: '2001:db8::1' }))).toContain('src.addr=[2001:db8::1]:40000');
  });

  it('leaves out what the driver does not know of the client', () => {
    expect(lines('text', endedExchange({ remotePort: 0 }))).toContain(' src.addr=192.0.2.7 http.method');
    expect(lines('json', endedExchange({ remoteAddress: '' }))).not.toContain('src.addr');
  });

  it.each([
    ['newline', '/a\nlevel=error'],
    ['quote and backslash', '/a"\\ b'],
    ['terminal escape', '/\u001b[2J\u009b31m\u007f'],
    ['line separators', '/\u2028\u2029\u0085'],
    ['lone surrogates', '/\ud800x\udfff'],
    ['field forgery', '/x http.status=200'],
    ['empty', ''],
  ])('holds a hostile path in its field: %s', (_, path) => {
    const exchange = endedExchange({ path });
    const json = lines('json', exchange);
    const text = lines('text', exchange);
    for (const line of [json, text]) {
      expect(line.split('\n')).toHaveLength(2);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
      expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      expect(line).not.toMatch(/\p{Surrogate}/u);
    }
    expect(JSON.parse(json)['http.path']).toBe(path);
    expect(readText(text.trimEnd()).get('http.path')).toBe(path);
  });

  it('round-trips any host, path, model and route', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 50 });
    fc.assert(
      fc.property(anything, anything, anything, anything, (host, path, model, route) => {
        const exchange = endedExchange({ host, path, route: `r${route}`, llm: { requestModel: `m${model}` } });
        const expected = {
          'http.host': host,
          'http.path': path,
          route: `r${route}`,
          'gen_ai.request.model': `m${model}`,
        };
        expect(JSON.parse(lines('json', exchange))).toMatchObject(expected);
        expect(Object.fromEntries(readText(lines('text', exchange).trimEnd()))).toMatchObject(expected);
      }),
    );
  });

  it('cuts a value that is longer than a line should be', () => {
    const line = lines('json', endedExchange({ path: `/${'a'.repeat(100_000)}` }));
    expect(JSON.parse(line)['http.path']).toHaveLength(4097);
  });

  it('sends whole lines, and drops and counts them while too much is unacknowledged', () => {
    const batches: LineBatch[] = [];
    const log = new AccessLog({
      format: 'text',
      send: (batch) => batches.push(batch),
      batchUnits: 1000,
      maxUnacknowledged: 3000,
    });
    for (let i = 0; i < 100; i++) log.write(endedExchange({}));
    log.flush();
    const sent = batches.reduce((sum, batch) => sum + batch.count, 0);
    const dropped = batches.reduce((sum, batch) => sum + batch.dropped, 0);
    expect(sent).toBeGreaterThan(5);
    expect(sent + dropped).toBe(100);
    for (const batch of batches) {
      expect(batch.text.split('\n')).toHaveLength(batch.count + 1);
      log.acknowledge(batch.text.length);
    }
    log.write(endedExchange({}));
    log.flush();
    expect(batches.at(-1)).toMatchObject({ count: 1, dropped: 0 });
  });

  it('sends what it has after a moment, without being asked', async () => {
    const batch = await new Promise<LineBatch>((resolve) => {
      new AccessLog({ format: 'text', send: resolve, flushMs: 5 }).write(endedExchange({}));
    });
    expect(batch.count).toBe(1);
  });
});
