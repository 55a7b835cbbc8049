import { describe, expect, test } from 'vitest';
import { REFUSALS, type Refusal } from '../../../src/workers/drivers/refusals.ts';
import { CheckedHead, checkHttp1Head, checkHttp2Head } from '../../../src/workers/drivers/request-head.ts';

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
