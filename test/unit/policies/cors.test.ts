import { describe, expect, it } from 'vitest';
import type { LocalReply } from '../../../src/exchange.ts';
import { cors } from '../../../src/policies/cors.ts';
import type { CompiledPolicy } from '../../../src/policies/definition.ts';
import { fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, faultPaths, responseHead } from '../../support/policy.ts';

const ORIGIN = 'https://app.example';

/** The reply to a preflight, its headers as an object. */
function preflight(value: unknown, origin = ORIGIN, asked: string[] = []): { status: number; headers: object } {
  const exchange = fakeExchange({
    method: 'OPTIONS',
    headers: ['origin', origin, 'access-control-request-method', 'PUT', ...asked],
  });
  const reply = compilePolicy(cors, value).onRequest?.(exchange) as LocalReply;
  return { status: reply.status, headers: fields(reply.headers) };
}

/** Headers of the response to a request that isn't a preflight. */
function actual(value: unknown, requestHeaders: string[], upstream: string[] = [], method = 'GET'): object {
  const policy: CompiledPolicy = compilePolicy(cors, value);
  const exchange = fakeExchange({ method, headers: requestHeaders });
  expect(policy.onRequest?.(exchange)).toBeUndefined();
  const head = responseHead(upstream);
  exchange.runOnResponse(head);
  policy.onResponse?.(head, exchange);
  return fields(head.headers.raw);
}

function fields(flat: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    found[name] = name in found ? `${found[name]} | ${flat[i + 1]}` : (flat[i + 1] as string);
  }
  return found;
}

const PREFLIGHT_VARY = { vary: 'origin, access-control-request-method, access-control-request-headers' };

describe('cors origins', () => {
  it.each([
    ['https://app.example', ORIGIN, true],
    ['https://app.example', 'https://APP.example', true],
    ['https://app.example:443', ORIGIN, true],
    ['https://app.example', 'https://app.example:443', true],
    ['https://app.example', 'http://app.example', false],
    ['https://app.example', 'https://app.example:8443', false],
    ['https://app.example', 'https://app.example.evil.test', false],
    ['https://*.example', ORIGIN, true],
    ['https://*.example', 'https://a.b.example', true],
    ['https://*.example', 'https://example', false],
    ['https://*.example', 'https://.example', false],
    ['https://*.example', 'http://app.example', false],
    ['https://*.example', 'https://app.example:8443', false],
    ['https://*.example:8443', 'https://app.example:8443', true],
    ['https://*.example', 'https://evil.test/.example', false],
    ['https://*.example', 'https://evil.test?.example', false],
    ['https://*.example', 'https://*.example', false],
    ['https://app*.example', 'https://app-7.example', true],
    ['https://*', 'https://anything.test', true],
    ['https://*', 'http://anything.test', false],
    ['*', 'https://anything.test', true],
    ['*', 'null', true],
    ['null', 'null', true],
    ['https://app.example', 'null', false],
    ['http://[::1]:3000', 'http://[::1]:3000', true],
    ['tauri://localhost', 'tauri://localhost', true],
  ])('%s and %s: %s', (pattern, origin, allowed) => {
    const { headers } = preflight({ allowOrigins: [pattern] }, origin);
    expect(headers).toEqual({ ...PREFLIGHT_VARY, ...(allowed ? { 'access-control-allow-origin': origin } : {}) });
  });

  it('allows none by default', () => {
    expect(preflight({})).toEqual({ status: 200, headers: PREFLIGHT_VARY });
  });
});

describe('cors preflight', () => {
  const allow = { 'access-control-allow-origin': ORIGIN };

  it.each([
    [
      'lists as configured',
      { allowMethods: ['GET', 'PUT'], allowHeaders: ['x-a', 'x-b'] },
      [],
      {
        'access-control-allow-methods': 'GET, PUT',
        'access-control-allow-headers': 'x-a, x-b',
      },
    ],
    [
      'what was asked for, for *',
      { allowMethods: ['*'], allowHeaders: ['*'] },
      ['access-control-request-headers', 'x-a,x-b'],
      {
        'access-control-allow-methods': 'PUT',
        'access-control-allow-headers': 'x-a,x-b',
      },
    ],
    ['no header list where none was asked for', { allowHeaders: ['*'] }, [], {}],
    ['credentials', { allowCredentials: true }, [], { 'access-control-allow-credentials': 'true' }],
    ['maxAge as a duration', { maxAge: '1m40s' }, [], { 'access-control-max-age': '100' }],
    ['maxAge in seconds', { maxAge: '86400' }, [], { 'access-control-max-age': '86400' }],
  ])('answers %s', (_what, value, asked, expected) => {
    expect(preflight({ allowOrigins: [ORIGIN], ...value }, ORIGIN, asked)).toEqual({
      status: 200,
      headers: { ...PREFLIGHT_VARY, ...allow, ...expected },
    });
  });

  it('adds nothing twice on the way back', () => {
    const policy = compilePolicy(cors, { allowOrigins: ['*'] });
    const exchange = fakeExchange({
      method: 'OPTIONS',
      headers: ['origin', ORIGIN, 'access-control-request-method', 'PUT'],
    });
    const reply = policy.onRequest?.(exchange) as LocalReply;
    const head = responseHead(reply.headers);
    exchange.runOnResponse(head);
    policy.onResponse?.(head, exchange);
    expect(head.headers.raw).toEqual(reply.headers);
  });

  it('is no plain OPTIONS request', () => {
    expect(actual({ allowOrigins: ['*'] }, ['origin', ORIGIN], [], 'OPTIONS')).toEqual({
      'access-control-allow-origin': ORIGIN,
      vary: 'origin',
    });
  });
});

describe('cors on responses', () => {
  it.each([
    [
      'an allowed origin',
      { allowOrigins: [ORIGIN] },
      ['origin', ORIGIN],
      [],
      {
        'access-control-allow-origin': ORIGIN,
        vary: 'origin',
      },
    ],
    [
      'any origin with credentials',
      { allowOrigins: ['*'], allowCredentials: true },
      ['origin', ORIGIN],
      [],
      {
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-credentials': 'true',
        vary: 'origin',
      },
    ],
    [
      'exposed headers',
      { allowOrigins: ['*'], exposeHeaders: ['x-a', 'x-b'] },
      ['origin', ORIGIN],
      [],
      {
        'access-control-allow-origin': ORIGIN,
        'access-control-expose-headers': 'x-a, x-b',
        vary: 'origin',
      },
    ],
    [
      'all headers exposed',
      { allowOrigins: ['*'], exposeHeaders: ['*'] },
      ['origin', ORIGIN],
      ['x-a', '1'],
      {
        'x-a': '1',
        'access-control-allow-origin': ORIGIN,
        'access-control-expose-headers': '*',
        vary: 'origin',
      },
    ],
    [
      'all headers exposed with credentials: by name',
      { allowOrigins: ['*'], exposeHeaders: ['*'], allowCredentials: true },
      ['origin', ORIGIN],
      ['x-a', '1', 'set-cookie', 's=1', 'x-a', '2'],
      {
        'x-a': '1 | 2',
        'set-cookie': 's=1',
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'x-a',
        vary: 'origin',
      },
    ],
    ['no origin', { allowOrigins: [ORIGIN] }, [], ['x-a', '1'], { 'x-a': '1', vary: 'origin' }],
    ['another origin', { allowOrigins: [ORIGIN] }, ['origin', 'https://other.test'], [], { vary: 'origin' }],
    [
      "the backend's own word for another origin",
      { allowOrigins: [ORIGIN] },
      ['origin', 'https://other.test'],
      ['access-control-allow-origin', '*', 'access-control-allow-credentials', 'true'],
      { vary: 'origin' },
    ],
    [
      "the backend's own word for an allowed origin",
      { allowOrigins: [ORIGIN] },
      ['origin', ORIGIN],
      ['access-control-allow-origin', '*', 'access-control-expose-headers', 'x-b', 'vary', 'Accept'],
      { 'access-control-allow-origin': ORIGIN, vary: 'Accept, origin' },
    ],
    [
      'a Vary that says so already',
      { allowOrigins: [ORIGIN] },
      [],
      ['vary', 'Accept, Origin'],
      { vary: 'Accept, Origin' },
    ],
    ['a Vary of *', { allowOrigins: [ORIGIN] }, [], ['vary', '*'], { vary: '*' }],
  ])('%s', (_what, value, request, upstream, expected) => {
    expect(actual(value, request, upstream)).toEqual(expected);
  });
});

describe('cors faults', () => {
  it.each([
    [{ allowOrigins: ['https://app.example/path'] }, ['allowOrigins.0']],
    [{ allowOrigins: ['app.example'] }, ['allowOrigins.0']],
    [{ allowOrigins: ['https://*.*.example'] }, ['allowOrigins.0']],
    [{ allowMethods: ['GET, PUT'] }, ['allowMethods.0']],
    [{ allowHeaders: ['bad header'] }, ['allowHeaders.0']],
    [{ maxAge: 'soon' }, ['maxAge']],
    [{ allowOrigin: ['*'] }, ['schema']],
    [{ allowOrigins: ['*', 'null', 'https://*.x:8443'], allowMethods: ['*'], maxAge: null }, []],
  ])('%j', (value, paths) => {
    expect(faultPaths(cors, value)).toEqual(paths);
  });
});
