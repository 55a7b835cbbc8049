import { describe, expect, it } from 'vitest';
import { directResponse } from '../../../src/policies/direct-response.ts';
import { fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, faultPaths } from '../../support/policy.ts';

describe('directResponse', () => {
  it.each([
    [{ status: 200, body: 'hello' }, 200, 'hello'],
    [{ status: 503 }, 503, ''],
    [{ status: 418, body: [104, 105] }, 418, 'hi'],
  ])('%j', async (value, status, body) => {
    const reply = await compilePolicy(directResponse, value).onRequest?.(fakeExchange());
    expect(reply?.status).toBe(status);
    expect(reply?.headers).toEqual([]);
    expect(String(reply?.body)).toBe(body);
  });

  it('gives each reply its own header list', async () => {
    const policy = compilePolicy(directResponse, { status: 200 });
    const first = await policy.onRequest?.(fakeExchange());
    first?.headers.push('x-a', '1');
    const second = await policy.onRequest?.(fakeExchange());
    expect(second?.headers).toEqual([]);
  });

  it.each([
    ['request.path', '/a'],
    ['{"path": request.path, "n": 1}', '{"path":"/a","n":1}'],
    ['b"\\x00\\xff"', '\u0000\ufffd'],
    ['json(request.body).name', 'Ann'],
  ])('the body %s', async (bodyExpression, body) => {
    const exchange = fakeExchange({ url: '/a' });
    exchange.heldBody = Buffer.from('{"name":"Ann"}');
    const reply = await compilePolicy(directResponse, { status: 200, bodyExpression }).onRequest?.(exchange);
    expect(String(reply?.body)).toBe(body);
  });

  it('computes headers, and leaves out those that have no value or none that a header can carry', async () => {
    const headers = {
      'X-Path': 'request.path',
      'x-n': '1 + 1',
      'x-none': 'jwt.sub',
      'x-map': '{}',
      'x-break': '"a\\nb"',
    };
    const reply = await compilePolicy(directResponse, { status: 200, headers }).onRequest?.(
      fakeExchange({ url: '/a' }),
    );
    expect(reply?.headers).toEqual(['x-path', '/a', 'x-n', '2']);
  });

  it('fails where its body does', () => {
    const policy = compilePolicy(directResponse, { status: 200, bodyExpression: 'jwt.sub' });
    expect(() => policy.onRequest?.(fakeExchange())).toThrow(expect.objectContaining({ code: 'internal' }));
  });

  it('gives the first conditional answer whose condition holds, or none', async () => {
    const policy = compilePolicy(directResponse, {
      conditional: [
        { condition: 'jwt.sub == "a"', status: 500 },
        { condition: 'request.path == "/a"', status: 503 },
        { condition: 'request.path.startsWith("/a")', status: 404 },
      ],
    });
    const status = async (url: string) => (await policy.onRequest?.(fakeExchange({ url })))?.status;
    expect([await status('/a'), await status('/ab'), await status('/b')]).toEqual([503, 404, undefined]);
  });

  it('has the body held only where an expression reads it', () => {
    const reads = (value: object) => compilePolicy(directResponse, value).readsBody;
    expect(reads({ status: 200, bodyExpression: 'request.body' })).toBe(true);
    expect(reads({ status: 200, bodyExpression: 'request.path' })).toBe(false);
    expect(reads({ conditional: [{ condition: 'size(request.body) > 1', status: 200 }] })).toBe(true);
  });

  it.each([
    [{ status: 101 }, ['status']],
    [{ status: 600 }, ['status']],
    [{ status: 200, body: 'a', bodyExpression: 'b' }, ['bodyExpression']],
    [{ status: 200, headers: { 'content-length': '"1"', 'a b': '"1"' } }, ['headers.content-length', 'headers.a b']],
    [{ conditional: [{ status: 100 }] }, ['conditional.0.status']],
    [{ conditional: [] }, ['schema']],
    [{ conditional: [{ status: 200 }, { condition: 'a', status: 200 }] }, ['schema']],
    [{ body: 'no status' }, ['schema']],
    [{ status: 200, body: [256] }, ['schema']],
  ])('faults of %j', (value, paths) => {
    expect(faultPaths(directResponse, value)).toEqual(paths);
  });
});
