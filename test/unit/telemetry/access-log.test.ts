import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import { AccessLog, type AccessLogOptions, type LineSink } from '../../../src/telemetry/access-log.ts';
import { costOf, endedExchange, usageOf } from './ended-exchange.ts';

/** Takes as many lines as it has room for, and makes room when it is told to. */
class CountingSink implements LineSink {
  readonly taken: string[] = [];
  dropped = 0;
  room: number;

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room;
  }

  write(line: string): boolean {
    if (this.taken.length >= this.room) return false;
    this.taken.push(line);
    return true;
  }

  drop(lines: number): void {
    this.dropped += lines;
  }

  /** The paths of the lines taken. */
  get paths(): string[] {
    return this.taken.map((line) => /http\.path=\/(\S+)/.exec(line)?.[1] ?? '');
  }
}

function lines(format: 'text' | 'json', ...exchanges: ReturnType<typeof endedExchange>[]): string {
  const { log, sink } = open({ format });
  for (const exchange of exchanges) log.write(exchange);
  log.flush();
  return sink.taken.join('');
}

/** A log that announces nothing by itself unless `options` say so, and how often it did. */
function open(options: Partial<AccessLogOptions> & { room?: number }) {
  const sink = new CountingSink(options.room);
  const announced = { times: 0 };
  const announce = () => {
    announced.times++;
  };
  return { sink, announced, log: new AccessLog({ format: 'text', sink, announce, flushMs: 60_000, ...options }) };
}

/** Writes lines with the paths /0, /1 …; `from` is the first. */
function writeNumbered(log: AccessLog, count: number, from = 0): string[] {
  const paths = Array.from({ length: count }, (_, n) => String(from + n));
  for (const path of paths) log.write(endedExchange({ path: `/${path}` }));
  return paths;
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
      llm: {
        streaming: true,
        usage: usageOf({ input: 3, output: 4 }),
        usageEstimated: true,
        cost: costOf({ total: 4.2e-8, output: 4.2e-8 }),
      },
    });
    aborted.attempts = 3;
    expect(JSON.parse(lines('json', aborted))).toMatchObject({
      reason: 'client_gone',
      'retry.attempt': 2,
      'gen_ai.usage.estimated': true,
      'agw.ai.usage.cost.total': 4.2e-8,
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

  it('hands each line on at once, and announces them after so many units', () => {
    const { log, sink, announced } = open({ announceUnits: 1000 });
    let units = 0;
    let due = 0;
    for (let n = 0; n < 100; n++) {
      writeNumbered(log, 1, n);
      expect(sink.taken).toHaveLength(n + 1);
      expect(sink.taken[n]).toMatch(/^[^\n]+\n$/);
      units += sink.taken[n]?.length ?? 0;
      if (units >= 1000) {
        due++;
        units = 0;
      }
      expect(announced.times).toBe(due);
    }
    expect(due).toBeGreaterThan(5);
    log.flush();
  });

  it('announces what it has after a moment, without being asked', async () => {
    const sink = new CountingSink();
    await new Promise<void>((announce) => {
      new AccessLog({ format: 'text', sink, announce, flushMs: 5 }).write(endedExchange({}));
    });
    expect(sink.taken).toHaveLength(1);
  });

  it('holds lines back while there is no room, and hands them on later, in order', () => {
    const { log, sink } = open({ room: 3 });
    const paths = writeNumbered(log, 10);
    expect(sink.paths).toEqual(paths.slice(0, 3));
    expect(log.flush()).toBe(false);
    sink.room = 5;
    // There is room again, but others have waited longer.
    paths.push(...writeNumbered(log, 1, 10));
    expect(sink.paths).toEqual(paths.slice(0, 3));
    expect(log.flush()).toBe(false);
    expect(sink.paths).toEqual(paths.slice(0, 5));
    sink.room = 100;
    expect(log.flush()).toBe(true);
    expect(sink.paths).toEqual(paths);
    paths.push(...writeNumbered(log, 1, 11));
    expect(sink.paths).toEqual(paths);
    expect(sink.dropped).toBe(0);
    log.flush();
  });

  it('goes on trying without being asked while lines are held back', async () => {
    const sink = new CountingSink(1);
    const log = new AccessLog({
      format: 'text',
      sink,
      flushMs: 1,
      announce: () => {
        sink.room++;
      },
    });
    const paths = writeNumbered(log, 5);
    while (sink.taken.length < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(sink.paths).toEqual(paths);
  });

  it('drops and counts lines past what it may hold, and takes new ones once that is less', () => {
    const { log, sink } = open({ room: 1, maxHeldUnits: 3000 });
    const paths = writeNumbered(log, 100);
    expect(sink.dropped).toBeGreaterThan(50);
    const held = 99 - sink.dropped;
    expect(held).toBeGreaterThan(5);
    sink.room = 100;
    expect(log.flush()).toBe(true);
    // Those that came first were kept, and in order. (Lines differ in length with their durations: after one that
    // found no room, a shorter one still may.)
    const half = Math.floor(held / 2);
    expect(sink.paths).toHaveLength(1 + held);
    expect(sink.paths.slice(0, half)).toEqual(paths.slice(0, half));
    expect(sink.paths).toEqual(paths.filter((path) => sink.paths.includes(path)));
    // All of the bound is free again, each time: what stayed taken would add up.
    sink.dropped = 0;
    for (let round = 0; round < 10; round++) {
      sink.room = sink.taken.length;
      writeNumbered(log, half);
      sink.room += half;
      expect(log.flush()).toBe(true);
    }
    expect(sink.dropped).toBe(0);
  });

  it('is closed once everything has found room', async () => {
    const { log, sink } = open({ room: 2 });
    const paths = writeNumbered(log, 6);
    const more = setInterval(() => sink.room++, 1);
    await log.close(20_000);
    clearInterval(more);
    expect(sink.paths).toEqual(paths);
    expect(sink.dropped).toBe(0);
  });

  it('drops and counts what finds no room while it is closed, and still takes a late line', async () => {
    const { log, sink, announced } = open({ room: 2, flushMs: 1 });
    const paths = writeNumbered(log, 6);
    await log.close(1);
    expect(sink.dropped).toBe(4);
    sink.room = 3;
    const before = announced.times;
    writeNumbered(log, 1, 6);
    expect(sink.paths).toEqual([...paths.slice(0, 2), '6']);
    while (announced.times === before) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(sink.dropped).toBe(4);
  });
});
