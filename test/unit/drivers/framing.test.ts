import { describe, expect, test } from 'vitest';
import {
  CheckedHead,
  checkHttp1Head,
  checkHttp2Head,
  isSendable,
  REFUSALS,
  type Refusal,
  readTrailers,
  responseFields,
  sendableFields,
} from '../../../src/workers/drivers/framing.ts';
import { readAuthority, readTarget, removeDotSegments } from '../../../src/workers/drivers/target.ts';

const HOST = ['Host', 'a.test'];

function http1(fields: string[], options: { method?: string; target?: string; minor?: number } = {}) {
  return checkHttp1Head(options.method ?? 'POST', options.target ?? '/', options.minor ?? 1, fields, 'http', 20);
}

function head(result: CheckedHead | Refusal): CheckedHead {
  if (!(result instanceof CheckedHead)) throw new Error(`refused: ${result.reason}`);
  return result;
}

describe('HTTP/1 framing', () => {
  const refusals: [string, string[], Refusal, { method?: string; target?: string; minor?: number }?][] = [
    ['no Host', [], REFUSALS.authority],
    ['two Hosts', [...HOST, 'host', 'b.test'], REFUSALS.authority],
    ['two equal Hosts', [...HOST, ...HOST], REFUSALS.authority],
    ['an empty Host', ['Host', ''], REFUSALS.authority],
    ['two lengths', [...HOST, 'Content-Length', '1', 'Content-Length', '2'], REFUSALS.framing],
    ['two equal lengths', [...HOST, 'Content-Length', '1', 'content-length', '1'], REFUSALS.framing],
    ['a list of lengths', [...HOST, 'Content-Length', '1, 1'], REFUSALS.framing],
    ['a signed length', [...HOST, 'Content-Length', '+1'], REFUSALS.framing],
    ['an empty length', [...HOST, 'Content-Length', ''], REFUSALS.framing],
    ['a length past exact numbers', [...HOST, 'Content-Length', '9999999999999999'], REFUSALS.framing],
    ['length and coding', [...HOST, 'Content-Length', '1', 'Transfer-Encoding', 'chunked'], REFUSALS.framing],
    ['coding and length', [...HOST, 'Transfer-Encoding', 'chunked', 'Content-Length', '1'], REFUSALS.framing],
    ['another coding', [...HOST, 'Transfer-Encoding', 'gzip, chunked'], REFUSALS.framing],
    ['two codings', [...HOST, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], REFUSALS.framing],
    ['a padded coding', [...HOST, 'Transfer-Encoding', 'chunked '], REFUSALS.framing],
    ['a coding on HTTP/1.0', [...HOST, 'Transfer-Encoding', 'chunked'], REFUSALS.framing, { minor: 0 }],
    ['an unknown expectation', [...HOST, 'Expect', 'more'], REFUSALS.expectation],
    ['too many fields', [...HOST, ...Array.from({ length: 40 }, (_, i) => `x${i}`)], REFUSALS.headTooLarge],
    ['CONNECT', HOST, REFUSALS.method, { method: 'CONNECT', target: 'a.test:80' }],
    ['a lower-case method', HOST, REFUSALS.syntax, { method: 'get' }],
    ['another authority in the target', HOST, REFUSALS.authorityMismatch, { target: 'http://b.test/' }],
    ['user information in the target', HOST, REFUSALS.authority, { target: 'http://u@a.test/' }],
    ['* for another method than OPTIONS', HOST, REFUSALS.target, { target: '*' }],
    ['an authority for a target', HOST, REFUSALS.target, { method: 'GET', target: 'a.test:80' }],
  ];
  test.each(refusals)('refuses %s', (_, fields, refusal, options) => {
    expect(http1([...fields], options)).toBe(refusal);
  });

  test('keeps end-to-end fields in order, in lower case, and drops the others', () => {
    const result = head(
      http1([
        'X-A',
        '1',
        'Host',
        'A.Test:81',
        'Connection',
        'keep-alive, X-Hop',
        'Keep-Alive',
        '5',
        'x-hop',
        '1',
        'Proxy-Connection',
        'x',
        'Upgrade',
        'h2c',
        'TE',
        'trailers;q=1, gzip',
        'Content-Length',
        '3',
        'X-A',
        '2',
      ]),
    );
    expect(result.headers.raw).toEqual(['x-a', '1', 'content-length', '3', 'x-a', '2', 'te', 'trailers']);
    expect(result).toMatchObject({ authority: 'a.test:81', host: 'a.test', contentLength: 3, hasBody: true });
  });

  test('Connection can not list the framing away', () => {
    const result = head(http1([...HOST, 'Connection', 'close, content-length, host', 'Content-Length', '3']));
    expect(result.headers.get('content-length')).toBe('3');
    expect(result.close).toBe(true);
    expect(result.contentLength).toBe(3);
  });

  test('chunked, expectation and HTTP/1.0', () => {
    expect(head(http1([...HOST, 'Transfer-Encoding', 'Chunked'])).hasBody).toBe(true);
    expect(head(http1([...HOST, 'Expect', '100-Continue', 'Content-Length', '1'])).expectsContinue).toBe(true);
    expect(head(http1(['Expect', 'x'], { minor: 0 })).authority).toBe('');
    expect(head(http1([...HOST, 'Content-Length', '0'])).hasBody).toBe(false);
  });

  test('absolute form gives the authority', () => {
    const result = head(http1(HOST.slice(), { target: 'http://A.test:80/x/../y?z' }));
    expect(result).toMatchObject({ path: '/y', query: 'z', authority: 'a.test:80', host: 'a.test' });
  });
});

describe('HTTP/2 heads', () => {
  const PSEUDO = [':method', 'POST', ':scheme', 'http', ':path', '/a?b', ':authority', 'A.test'];
  const http2 = (fields: string[], hasBody = true) => checkHttp2Head(fields, 'http', hasBody, 20);

  test('joins cookies and takes the authority', () => {
    const result = head(http2([...PSEUDO, 'cookie', 'a=1', 'x', 'y', 'cookie', 'b=2', 'te', 'trailers']));
    expect(result.headers.raw).toEqual(['x', 'y', 'te', 'trailers', 'cookie', 'a=1; b=2']);
    expect(result).toMatchObject({ method: 'POST', path: '/a', query: 'b', host: 'a.test', hasBody: true });
  });

  const refusals: [string, string[], Refusal][] = [
    ['connection-specific fields', [...PSEUDO, 'connection', 'close'], REFUSALS.fieldSyntax],
    ['a transfer coding', [...PSEUDO, 'transfer-encoding', 'chunked'], REFUSALS.fieldSyntax],
    ['other te', [...PSEUDO, 'te', 'gzip'], REFUSALS.fieldSyntax],
    ['a differing host', [...PSEUDO, 'host', 'b.test'], REFUSALS.authorityMismatch],
    ['no authority at all', PSEUDO.slice(0, 6), REFUSALS.authority],
    ['two lengths', [...PSEUDO, 'content-length', '1', 'content-length', '1'], REFUSALS.framing],
    ['CONNECT', [':method', 'CONNECT', ':authority', 'a.test:1'], REFUSALS.method],
    ['extended CONNECT', [...PSEUDO, ':protocol', 'websocket'], REFUSALS.method],
    ['an absolute path', [':method', 'GET', ':path', 'http://a.test/', ':authority', 'a.test'], REFUSALS.target],
    ['an empty path', [':method', 'GET', ':path', '', ':authority', 'a.test'], REFUSALS.target],
  ];
  test.each(refusals)('refuses %s', (_, fields, refusal) => {
    expect(http2(fields)).toBe(refusal);
  });

  test('a declared body on a stream that has ended is refused', () => {
    expect(http2([...PSEUDO, 'content-length', '1'], false)).toBe(REFUSALS.framing);
  });
});

describe('targets', () => {
  test.each([
    ['/a/b/../c', '/a/c'],
    ['/a/./b/.', '/a/b/'],
    ['/..', '/'],
    ['/../..//a', '//a'],
    ['/a/%2e%2E/b', '/b'],
    ['/a/.%2e', '/'],
    ['/a/%2e', '/a/'],
    ['/a/...', '/a/...'],
    ['/a/%2e%2e%2e', '/a/%2e%2e%2e'],
    ['/a//../b', '/a/b'],
    ['/%2E%2E%2Fetc', '/%2E%2E%2Fetc'],
  ])('%s is %s', (given, path) => {
    expect(readTarget(`${given}?q=/../`)).toEqual({ path, query: 'q=/../' });
    expect(removeDotSegments(path)).toBe(path);
  });

  test.each(['', 'a', '/a b', '/a\u0001', '/\u00e9', '/a#b', '/a\\b', '/%00', '/a\u007f', '/?a b'])(
    '%j is none',
    (given) => {
      expect(readTarget(given)).toBeNull();
    },
  );

  test.each([
    ['A.test', 'a.test', 'a.test'],
    ['a:8080', 'a:8080', 'a'],
    ['[2001:DB8::1]:443', '[2001:db8::1]:443', '[2001:db8::1]'],
    ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
    ['a:', 'a:', 'a'],
  ])('authority %s', (given, authority, host) => {
    expect(readAuthority(given)).toMatchObject({ authority, host });
  });

  test.each(['', ':80', 'a b', 'u@a', 'a/b', 'a:65536', 'a:8a', '[::1', '[a]', '[::1]x', 'a%41', 'a,b:1:2', 'é'])(
    'authority %j is none',
    (given) => {
      expect(readAuthority(given)).toBeNull();
    },
  );
});

describe('reply fields', () => {
  test('the same array where nothing is to be removed', () => {
    const fields = ['content-type', 'a', 'content-length', '1'];
    expect(responseFields(200, fields)).toBe(fields);
  });

  test("without the connection's own, and without a length on 204", () => {
    const fields = [
      'connection',
      'x',
      'a',
      '1',
      'transfer-encoding',
      'chunked',
      'content-length',
      '0',
      'upgrade',
      'h2c',
    ];
    expect(responseFields(204, fields)).toEqual(['a', '1']);
    expect(responseFields(200, fields)).toEqual(['a', '1', 'content-length', '0']);
  });

  test('text beyond Latin-1 goes as UTF-8 bytes, what would split is left out', () => {
    expect(sendableFields(['a', '\u20ac', 'b', 'x\r\ny: z', 'c d', 'v', 'e', 'caf\u00e9'])).toEqual([
      'a',
      '\u00e2\u0082\u00ac',
      'e',
      'caf\u00e9',
    ]);
    expect(isSendable('a', 'x\0')).toBe(false);
    expect(isSendable('', 'x')).toBe(false);
  });

  test('trailers that would change framing or routing are dropped', () => {
    expect(readTrailers(['X-Sum', '1', 'Content-Length', '3', 'HOST', 'x', 'grpc-status', '0'])).toEqual([
      'x-sum',
      '1',
      'grpc-status',
      '0',
    ]);
  });
});
