import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { HeldResponse } from '../../../src/exchange.ts';
import { transformations } from '../../../src/policies/transformations.ts';
import type { UpstreamCall } from '../../../src/upstream/call.ts';
import { type FakeRequest, fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, expressions, faultPaths, responseHead } from '../../support/policy.ts';

function transformed(request: object, from: FakeRequest = {}, held?: string) {
  const exchange = fakeExchange(from);
  if (held !== undefined) exchange.heldBody = Buffer.from(held);
  compilePolicy(transformations, { request }).onRequest?.(exchange);
  return exchange;
}

describe('transformations of requests', () => {
  it.each<[string, object, string[], string[]]>([
    ['sets', { set: { 'X-A': 'request.path' } }, ['x-a', '1', 'x-b', '2', 'x-a', '3'], ['x-a', '/p', 'x-b', '2']],
    ['adds', { add: { 'x-a': '"2"' } }, ['x-a', '1'], ['x-a', '1', 'x-a', '2']],
    ['removes', { remove: ['X-A'] }, ['x-a', '1', 'x-b', '2'], ['x-b', '2']],
    [
      'numbers, bools, bytes',
      { set: { a: '1 + 1', b: 'true', c: 'b"x"', d: '1.5' } },
      [],
      'a 2 b true c x d 1.5'.split(' '),
    ],
    ['takes what a set failed on away', { set: { 'x-user': 'jwt.sub' } }, ['x-user', 'forged'], []],
    [
      '… and what is no header',
      { set: { a: '{"b": 1}', c: '[1]', d: 'null', e: '"x\\r\\ny: 1"' } },
      ['a', '1', 'e', '2'],
      [],
    ],
    [
      'later steps see earlier ones',
      { add: { a: '"1"' }, set: { b: 'request.headers["a"] + "2"' } },
      [],
      ['a', '1', 'b', '12'],
    ],
    ['removes last', { set: { a: '"1"' }, remove: ['a'] }, [], []],
    [
      'replaces all but what frames the message',
      {
        replace: '{"x-b": ["1", "2"], "content-length": "9", "host": "evil", "a b": "x", "x-n": null}',
        add: { c: '"3"' },
      },
      ['x-a', '1', 'content-length', '4'],
      ['content-length', '4', 'x-b', '1', 'x-b', '2', 'c', '3'],
    ],
    ['replaces nothing where that fails', { replace: 'jwt' }, ['x-a', '1'], ['x-a', '1']],
    ['text beyond Latin-1 as UTF-8', { set: { a: '"€"' } }, [], ['a', '\u00e2\u0082\u00ac']],
  ])('%s', (_, request, before, after) => {
    expect(transformed(request, { url: '/p', headers: before }).headers.raw).toEqual(after);
  });

  it.each<[string, object, object]>([
    [':path', { set: { ':path': '"/new?" + "a=1"' } }, { path: '/new', query: 'a=1', originalPath: '/p' }],
    [':path without a query', { set: { ':path': '"/new"' } }, { path: '/new', query: '' }],
    [':method', { set: { ':method': '"PUT"' } }, { method: 'PUT' }],
    [':authority', { set: { ':authority': '"Other:8080"' } }, { authority: 'other:8080' }],
    ['host', { set: { Host: '"other"' } }, { authority: 'other' }],
    ['what is no path', { set: { ':path': '"a b"' } }, { path: '/p', query: 'q=1' }],
    ['what is no method', { set: { ':method': '"A B"' } }, { method: 'GET' }],
    ['what is no host', { set: { ':authority': '"a/b"' } }, { authority: 'example.com' }],
    ['what failed', { set: { ':path': 'jwt.sub' } }, { path: '/p' }],
  ])('%s', (_, request, after) => {
    expect(transformed(request, { url: '/p?q=1' })).toMatchObject(after);
  });

  it.each<[string, string]>([
    ['json(request.body).with(b, {"n": b.n + 1})', '{"n":2}'],
    ['"<" + string(request.body) + ">"', '<{"n":1}>'],
    ['json(request.body).missing', ''],
  ])('the body %s', (body, after) => {
    const exchange = transformed({ body }, { body: '{"n":1}', headers: ['content-encoding', 'gzip'] }, '{"n":1}');
    expect(exchange.heldBody?.toString()).toBe(after);
    expect(exchange.headers.has('content-encoding')).toBe(false);
  });

  it('a body that nobody reads takes the place of the one the client sends, which is read and let go', () => {
    const exchange = fakeExchange({ body: 'x'.repeat(100) });
    let read = 0;
    exchange.downstream.readBody = (sink) => {
      read++;
      sink.onChunk(Buffer.alloc(100));
      sink.onEnd([]);
    };
    const policy = compilePolicy(transformations, { request: { body: '"new"' } });
    expect(policy.readsBody).toBe(false);
    policy.onRequest?.(exchange);
    expect(read).toBe(1);
    expect(exchange.heldBody?.toString()).toBe('new');
  });

  it('metadata is read by what comes later', () => {
    const exchange = transformed({
      metadata: { tier: '"gold"', none: 'jwt.sub', size: '{"n": [1, 2]}' },
      set: { 'x-tier': 'metadata.tier', 'x-n': 'string(metadata.size.n[1])' },
    });
    expect(exchange.headers.raw).toEqual(['x-tier', 'gold', 'x-n', '2']);
    expect(Object.keys(exchange.metadata ?? {})).toEqual(['tier', 'size']);
  });

  it('counts failures by part', () => {
    const errors: string[] = [];
    const value = { request: { set: { a: 'jwt.sub' }, body: 'jwt.sub' }, response: { add: { b: 'jwt.sub' } } };
    const policy = compilePolicy(transformations, value, { services: { cel: expressions(errors) } });
    const exchange = fakeExchange();
    policy.onRequest?.(exchange);
    policy.onResponse?.(responseHead(), exchange);
    expect(errors).toEqual([
      'transformations.request.set',
      'transformations.request.body',
      'transformations.response.add',
    ]);
  });
});

describe('transformations of responses', () => {
  const held = (body: string): HeldResponse => ({
    limit: 100,
    reads: true,
    head: null,
    chunks: [],
    bytes: 0,
    error: null,
    body: Buffer.from(body),
  });

  it('sets headers and the status by request and response', () => {
    const policy = compilePolicy(transformations, {
      response: {
        set: { ':status': 'response.code == 200 ? 201 : 500', 'x-from': 'request.path' },
        remove: ['server'],
      },
    });
    const head = responseHead(['server', 'x']);
    policy.onResponse?.(head, fakeExchange({ url: '/p' }));
    expect(head).toMatchObject({ status: 201 });
    expect(head.headers.raw).toEqual(['x-from', '/p']);
  });

  it.each(['"teapot"', '101', '700', '-1', 'jwt.sub'])('%s is no status', (status) => {
    const head = responseHead();
    compilePolicy(transformations, { response: { set: { ':status': status } } }).onResponse?.(head, fakeExchange());
    expect(head.status).toBe(200);
  });

  it('replaces a body that was held', () => {
    const policy = compilePolicy(transformations, { response: { body: 'json(response.body).a' } });
    expect(policy.responseBody).toBe('read');
    const exchange = fakeExchange();
    exchange.heldResponse = held('{"a":{"b":1}}');
    policy.onResponse?.(responseHead(), exchange);
    expect(exchange.heldResponse.body?.toString()).toBe('{"b":1}');
  });

  it.each<[object, string | undefined]>([
    [{ set: { a: 'request.path' } }, undefined],
    [{ body: '"fixed"' }, 'replaced'],
    [{ set: { a: 'string(size(response.body))' } }, 'read'],
    [{ set: { a: 'toJson(variables())' } }, 'read'],
  ])('%j holds the response: %s', (response, wanted) => {
    expect(compilePolicy(transformations, { response }).responseBody).toBe(wanted);
  });
});

describe('transformations at a backend', () => {
  it('change each call, not the request', () => {
    const value = {
      request: {
        set: { 'x-a': '"1"', ':path': '"/b"', ':authority': '"c"', ':method': '"PUT"' },
        body: '"<" + string(request.body) + ">"',
      },
    };
    const policy = compilePolicy(transformations, value, { level: 'backend' });
    expect(policy.onRequest).toBeUndefined();
    const call = { method: 'POST', path: '/', authority: '', headers: ['x-a', '0'], body: Buffer.from('x') };
    const exchange = fakeExchange();
    policy.onUpstream?.(call as unknown as UpstreamCall, exchange);
    expect(call).toEqual({
      method: 'PUT',
      path: '/b',
      authority: 'c',
      headers: ['x-a', '1'],
      body: Buffer.from('<x>'),
    });
    expect(exchange.headers.raw).toEqual([]);
  });

  it('let a stream go that they replace', () => {
    const policy = compilePolicy(transformations, { request: { body: '"new"' } }, { level: 'backend' });
    const body = Readable.from([Buffer.from('old')]);
    const call = { headers: [] as string[], body: body as Readable | Buffer };
    policy.onUpstream?.(call as unknown as UpstreamCall, fakeExchange());
    expect(String(call.body)).toBe('new');
    expect(body.readableFlowing).toBe(true);
  });
});

describe('conditional transformations', () => {
  const policy = compilePolicy(transformations, {
    conditional: [
      { condition: 'jwt.sub == "a"', request: { set: { 'x-a': '"0"' } } },
      { condition: 'request.path == "/a"', request: { set: { 'x-a': '"1"' } }, response: { set: { 'x-r': '"1"' } } },
      { request: { set: { 'x-a': '"2"' } }, response: { set: { 'x-r': '"2"' } } },
    ],
  });

  it.each([
    ['/a', '1'],
    ['/b', '2'],
  ])('%s: the first whose condition holds, for the response too', (url, mark) => {
    const exchange = fakeExchange({ url });
    policy.onRequest?.(exchange);
    const head = responseHead();
    exchange.runOnResponse(head);
    expect([exchange.headers.get('x-a'), head.headers.get('x-r')]).toEqual([mark, mark]);
  });
});

it.each<[object, string[]]>([
  [{ request: { set: { ':status': '200' } } }, ['request.set.:status']],
  [{ request: { set: { ':scheme': '"https"' } } }, ['request.set.:scheme']],
  [{ response: { set: { ':path': '"/"' } } }, ['response.set.:path']],
  [
    { request: { set: { 'Content-Length': '1' }, remove: ['connection'] } },
    ['request.set.Content-Length', 'request.remove.0'],
  ],
  [{ request: { add: { 'a b': '1' } } }, ['request.add.a b']],
  [{ request: { remove: [':path'] } }, ['request.remove.0']],
  [{ conditional: [{ request: { set: { ':status': '200' } } }] }, ['conditional.0.request.set.:status']],
  [{ request: { set: { host: '"a"', ':path': '"/"' } }, response: { set: { ':status': '200' } } }, []],
])('faults of %j', (value, paths) => {
  expect(faultPaths(transformations, value)).toEqual(paths);
});
