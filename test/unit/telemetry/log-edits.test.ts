import { describe, expect, it } from 'vitest';
import { accessLog } from '../../../src/policies/access-log.ts';
import { AccessLog } from '../../../src/telemetry/access-log.ts';
import { type FakeRequest, fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, expressions, inactive } from '../../support/policy.ts';

/** The line of a request that ended with 200, as the policy leaves it; null where none is written. */
function line(value: object, format: 'text' | 'json' = 'text', request: FakeRequest = {}, errors: string[] = []) {
  const lines: string[] = [];
  const log = new AccessLog({
    format,
    sink: { write: (text) => lines.push(text) > 0, drop() {} },
    announce: () => {},
    announceUnits: 1,
  });
  const exchange = fakeExchange({ url: '/p', ...request });
  const policy = compilePolicy(accessLog, value, { level: 'frontend', services: { cel: expressions(errors) } });
  policy.onRequest?.(exchange);
  exchange.status = 200;
  exchange.endCause = 'complete';
  log.write(exchange);
  return lines[0] ?? null;
}

describe('edits of the access log', () => {
  it('leave fields out, whatever their values hold', () => {
    const text = line({ remove: ['http.path', 'src.addr'] }, 'text', { url: '/a http.status=1 "x\\"' });
    expect(text).toMatch(/ http\.host=example\.com http\.version=HTTP\/1\.1 http\.status=200 /);
    expect(text).not.toContain('http.path');
    const json = line({ remove: ['http.path', 'time', 'http.status'] }, 'json', { url: '/a","http.host":"b\\"' });
    const record = JSON.parse(json ?? '');
    expect(Object.keys(record)).toEqual(expect.arrayContaining(['time', 'http.host', 'duration']));
    expect(record).toMatchObject({ 'http.host': 'example.com' });
    for (const name of ['http.path', 'http.status']) expect(record).not.toHaveProperty(name);
  });

  it('add fields, in the place of standard ones of the name', () => {
    const add = { a: '"x y"', b: '1.5', c: '{"k": [1]}', 'http.host': '"h"', none: 'null', failed: 'jwt.sub' };
    const errors: string[] = [];
    expect(line({ add }, 'text', {}, errors)).toMatch(/ms a="x y" b=1\.5 c="\{\\"k\\":\[1\]\}" http\.host=h\n$/);
    expect(errors).toEqual(['accessLog.add']);
    const json = line({ add }, 'json') ?? '';
    expect(JSON.parse(json)).toMatchObject({ a: 'x y', b: 1.5, c: { k: [1] }, 'http.host': 'h' });
    expect(json.match(/http\.host/g)).toHaveLength(1);
  });

  it('flatten', () => {
    const record = JSON.parse(
      line({ add: { a: 'flatten({"b": {"c": 1}})', d: 'flattenRecursive({"e": [{"f": 1}]})' } }, 'json') ?? '',
    );
    expect(record).toMatchObject({ 'a.b': { c: 1 }, 'd.e.0.f': 1 });
  });

  it('cannot break a line', () => {
    const add = { a: '"1\\n2\\u2028"', 'b\n': '"\\u009b"', c: '{"x": "\\u2028"}' };
    for (const format of ['text', 'json'] as const) {
      const text = line({ add }, format) ?? '';
      expect(text.slice(0, -1)).not.toMatch(/[\n\u2028\u009b]/);
    }
  });

  it('cut what is too long', () => {
    const add = { a: '{"x": request.headers["long"]}' };
    const text = line({ add }, 'json', { headers: ['long', 'y'.repeat(100_000)] }) ?? '';
    expect(text.length).toBeLessThan(6000);
    expect(() => JSON.parse(text)).not.toThrow();
  });

  it.each([
    ['request.path == "/p"', true],
    ['request.path == "/q"', false],
    ['jwt.sub == "a"', false],
  ])('choose lines by %s: %s', (filter, written) => {
    expect(line({ filter }) !== null).toBe(written);
  });

  it('are none where nothing is configured', () => {
    expect(compilePolicy(accessLog, {}, { level: 'frontend' })).toEqual({});
  });

  it('hold or keep bodies only where a field reads them', () => {
    const reads = (text: string) => compilePolicy(accessLog, { add: { a: text } }, { level: 'frontend' });
    expect(reads('request.path').readsBody).toBe(false);
    expect(reads('request.body').readsBody).toBe(true);
    const exchange = fakeExchange();
    reads('response.code').onRequest?.(exchange);
    expect(exchange.responseCapture).toBeNull();
    reads('response.body').onRequest?.(exchange);
    expect(exchange.responseCapture).toMatchObject({ complete: true });
  });

  it('say what is not executed', () => {
    expect(inactive(accessLog, { database: { llm: 'full' }, add: { a: '1' } })).toEqual([
      { path: 'database', protects: false },
    ]);
  });
});
