import { describe, expect, it } from 'vitest';
import { directResponse } from '../../../src/policies/direct-response.ts';
import { fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, faultPaths, inactive } from '../../support/policy.ts';

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
    [{ status: 200 }, []],
    [{ status: 200, bodyExpression: '"a"' }, [{ path: 'bodyExpression', protects: false }]],
    [{ status: 200, headers: { 'x-a': '"a"' } }, [{ path: 'headers', protects: false }]],
    [{ conditional: [{ condition: 'random() < 0.1', status: 503 }] }, [{ path: 'conditional', protects: false }]],
    [{ conditional: [{ condition: 'a', status: 200 }, { status: 403 }] }, [{ path: 'conditional', protects: true }]],
  ])('inactive parts of %j', (value, parts) => {
    expect(inactive(directResponse, value)).toEqual(parts);
  });

  it('lets requests pass where it is conditional', async () => {
    const policy = compilePolicy(directResponse, { conditional: [{ condition: 'false', status: 503 }] });
    expect(await policy.onRequest?.(fakeExchange())).toBeUndefined();
  });

  it.each([
    [{ status: 101 }, ['status']],
    [{ status: 600 }, ['status']],
    [{ status: 200, body: 'a', bodyExpression: 'b' }, ['bodyExpression']],
    [{ conditional: [{ status: 100 }] }, ['conditional.0.status']],
    [{ conditional: [] }, ['schema']],
    [{ conditional: [{ status: 200 }, { condition: 'a', status: 200 }] }, ['schema']],
    [{ body: 'no status' }, ['schema']],
    [{ status: 200, body: [256] }, ['schema']],
  ])('faults of %j', (value, paths) => {
    expect(faultPaths(directResponse, value)).toEqual(paths);
  });
});
