import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import type { Exchange } from '../../../src/exchange.ts';
import { apiKey } from '../../../src/policies/api-key.ts';
import { type FakeRequest, fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, faultPaths, inactive } from '../../support/policy.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const KEYS = [
  { key: 'key-alice', metadata: { name: 'alice', group: 'research', level: 3 }, allowedModels: ['gpt-*'] },
  { keyHash: `sha256:${sha256('key-bob').toUpperCase()}`, metadata: { name: 'bob' } },
  { key: 'key-bare' },
];

/** Runs the policy: the error code it refused with, or 'ok'. */
function run(value: object, request: FakeRequest): { outcome: string; exchange: Exchange; error: GatewayError | null } {
  const exchange = fakeExchange(request);
  try {
    compilePolicy(apiKey, { keys: KEYS, ...value }).onRequest?.(exchange);
    return { outcome: 'ok', exchange, error: null };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { outcome: error.code, exchange, error };
  }
}

const bearer = (key: string): FakeRequest => ({ headers: ['authorization', `Bearer ${key}`] });

describe('apiKey modes', () => {
  it.each([
    ['strict', bearer('key-alice'), 'ok', 'alice'],
    ['strict', {}, 'unauthenticated', 'anonymous'],
    ['strict', bearer('wrong'), 'unauthenticated', 'anonymous'],
    ['optional', bearer('key-alice'), 'ok', 'alice'],
    ['optional', {}, 'ok', 'anonymous'],
    ['optional', bearer('wrong'), 'unauthenticated', 'anonymous'],
    ['optional', { headers: ['authorization', 'Basic Zm9v'] }, 'ok', 'anonymous'],
    ['permissive', bearer('key-alice'), 'ok', 'alice'],
    ['permissive', {}, 'ok', 'anonymous'],
    ['permissive', bearer('wrong'), 'ok', 'anonymous'],
  ])('%s, %j: %s as %s', (mode, request, outcome, principal) => {
    const result = run({ mode }, request);
    expect(result.outcome).toBe(outcome);
    expect(result.exchange.principal).toBe(principal);
  });

  it('is optional by default', () => {
    expect(run({}, {}).outcome).toBe('ok');
    expect(run({}, bearer('wrong')).outcome).toBe('unauthenticated');
  });
});

describe('apiKey identity', () => {
  it('comes from the metadata', () => {
    const { exchange } = run({ mode: 'strict' }, bearer('key-alice'));
    expect(exchange.apiKey).toEqual({
      id: 'alice',
      metadata: { name: 'alice', group: 'research', level: 3 },
      allowedModels: ['gpt-*'],
    });
    expect([exchange.principal, exchange.tenant]).toEqual(['alice', 'research']);
  });

  it('of a key given by its hash, without a group', () => {
    const { exchange } = run({}, bearer('key-bob'));
    expect([exchange.principal, exchange.tenant, exchange.apiKey?.allowedModels]).toEqual(['bob', 'bob', null]);
  });

  it('of a limited key says whether it may use batches all the same', () => {
    const keys = [
      { key: 'job', allowedModels: ['gpt-*'], allowBatches: true },
      { key: 'chat', allowedModels: ['gpt-*'], allowBatches: false },
    ];
    expect(run({ keys }, bearer('job')).exchange.apiKey?.allowsBatches).toBe(true);
    expect(run({ keys }, bearer('chat')).exchange.apiKey?.allowsBatches).toBeUndefined();
  });

  it('of a key without metadata is the beginning of its digest', () => {
    const { exchange } = run({}, bearer('key-bare'));
    expect(exchange.principal).toBe(sha256('key-bare').slice(0, 8));
    expect(JSON.stringify(exchange.apiKey)).not.toContain('key-bare');
  });

  it('does not take a digest for a key', () => {
    expect(run({}, bearer(sha256('key-bob'))).outcome).toBe('unauthenticated');
  });
});

describe('apiKey locations', () => {
  it('keeps a used header from being forwarded', () => {
    const { exchange } = run({ mode: 'strict' }, bearer('key-alice'));
    expect(exchange.credentialHeader).toBe('authorization');
  });

  it('reads the scheme without case', () => {
    expect(run({ mode: 'strict' }, { headers: ['authorization', 'bearer key-alice'] }).outcome).toBe('ok');
  });

  it.each([
    [{ header: { name: 'X-My-Key' } }, 'ok'],
    [{ header: { name: 'X-My-Key', prefix: 'Key ' } }, 'unauthenticated'],
  ])('%j for a bare value in x-my-key: %s', (location, outcome) => {
    const result = run({ mode: 'strict', location }, { headers: ['x-my-key', 'key-alice'] });
    expect(result.outcome).toBe(outcome);
    expect(result.exchange.credentialHeader).toBe(outcome === 'ok' ? 'x-my-key' : null);
  });

  it.each([
    ['/p?api_key=key-alice', ''],
    ['/p?a=1&api_key=key-alice&b=2', 'a=1&b=2'],
    ['/p?api%5Fkey=key%2Dalice&a=1', 'a=1'],
    ['/p?api_key=key-alice&api_key=other', ''],
  ])('removes the parameter from %s', (url, query) => {
    const { outcome, exchange } = run({ mode: 'strict', location: { queryParameter: { name: 'api_key' } } }, { url });
    expect(outcome).toBe('ok');
    expect(exchange.query).toBe(query);
  });

  it.each([
    ['sid=1; key=key-alice; b=2', 'sid=1; b=2'],
    ['key="key-alice"', undefined],
  ])('removes the cookie from %s', (cookie, left) => {
    const { outcome, exchange } = run(
      { mode: 'strict', location: { cookie: { name: 'key' } } },
      { headers: ['cookie', cookie] },
    );
    expect(outcome).toBe('ok');
    expect(exchange.headers.get('cookie')).toBe(left);
  });

  it('leaves what is not a valid key where it was', () => {
    const { outcome, exchange } = run(
      { mode: 'permissive', location: { queryParameter: { name: 'key' } } },
      { url: '/p?key=theirs' },
    );
    expect(outcome).toBe('ok');
    expect(exchange.query).toBe('key=theirs');
  });
});

describe('apiKey x-api-key', () => {
  it.each(['x-api-key', 'x-goog-api-key', 'api-key'])('is read beside the default location: %s', (name) => {
    const { outcome, exchange } = run({ mode: 'strict' }, { headers: [name, 'key-alice'] });
    expect([outcome, exchange.principal, exchange.credentialHeader]).toEqual(['ok', 'alice', name]);
  });

  it('is not read beside another location', () => {
    const location = { header: { name: 'x-my-key' } };
    expect(run({ mode: 'strict', location }, { headers: ['x-api-key', 'key-alice'] }).outcome).toBe('unauthenticated');
  });

  it('works where Authorization carries something for the backend', () => {
    const { outcome, exchange } = run(
      { mode: 'strict' },
      { headers: ['authorization', 'Bearer theirs', 'x-api-key', 'key-alice'] },
    );
    expect([outcome, exchange.credentialHeader]).toEqual(['ok', 'x-api-key']);
    expect(exchange.headers.get('authorization')).toBe('Bearer theirs');
  });

  it('is removed where it repeats a key', () => {
    const { exchange } = run({}, { headers: ['authorization', 'Bearer key-alice', 'x-api-key', 'key-alice'] });
    expect(exchange.credentialHeader).toBe('authorization');
    expect(exchange.headers.has('x-api-key')).toBe(false);
  });

  it('is removed wherever else it repeats a key', () => {
    const headers = ['x-goog-api-key', 'key-alice', 'api-key', 'key-alice', 'x-api-key', 'theirs'];
    const { exchange } = run({}, { headers });
    expect(exchange.credentialHeader).toBe('x-goog-api-key');
    expect([exchange.headers.has('api-key'), exchange.headers.get('x-api-key')]).toEqual([false, 'theirs']);
  });

  it('may hold a key for the backend where none is required', () => {
    const { outcome, exchange } = run({ mode: 'optional' }, { headers: ['x-api-key', 'sk-theirs'] });
    expect([outcome, exchange.headers.get('x-api-key')]).toEqual(['ok', 'sk-theirs']);
    expect(run({ mode: 'strict' }, { headers: ['x-api-key', 'sk-theirs'] }).outcome).toBe('unauthenticated');
  });
});

describe('apiKey refusals', () => {
  it.each([
    [{}, {}, 'Bearer realm="gateway"'],
    [{}, bearer('wrong'), 'Bearer realm="gateway", error="invalid_token"'],
    [{ location: { queryParameter: { name: 'k' } } }, {}, 'ApiKey realm="gateway"'],
  ])('%j, %j: challenge %s', (value, request, challenge) => {
    const { error } = run({ mode: 'strict', ...value }, request);
    expect(error?.status).toBe(401);
    expect(error?.headers).toEqual(['www-authenticate', challenge]);
  });

  it('do not repeat the credential', () => {
    const { error } = run({}, bearer('secret-typo'));
    expect(`${error?.message}${error?.headers.join()}${error?.stack}`).not.toContain('secret-typo');
  });
});

describe('apiKey values', () => {
  it.each([
    [{ keys: [] }, []],
    [{ keys: [{ key: 'a' }, { keyHash: `sha256:${sha256('a')}` }] }, ['keys.1']],
    [{ keys: [{ key: 'a', keyHash: `sha256:${sha256('b')}` }] }, ['schema']],
    [{ keys: [{ metadata: {} }] }, ['schema']],
    [{ keys: [{ keyHash: 'md5:00' }] }, ['schema']],
    [{ keys: [{ key: 'a' }], mode: 'lax' }, ['schema']],
    [{ keys: [{ key: 'a' }], location: {} }, ['schema']],
    [{}, ['schema']],
  ])('faults of %j', (value, paths) => {
    expect(faultPaths(apiKey, value)).toEqual(paths);
  });

  it('an expression as location is not active and protects', () => {
    const value = { keys: [{ key: 'a' }], location: { expression: 'request.headers["x"]' } };
    expect(inactive(apiKey, value)).toEqual([{ path: 'location.expression', protects: true }]);
    expect(inactive(apiKey, { keys: [{ key: 'a' }] })).toEqual([]);
  });
});
