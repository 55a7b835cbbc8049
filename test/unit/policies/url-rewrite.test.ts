import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import { urlRewrite } from '../../../src/policies/url-rewrite.ts';
import { fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, faultPaths } from '../../support/policy.ts';

describe('urlRewrite path.prefix', () => {
  // The examples of Gateway API `HTTPPathModifier.replacePrefixMatch`, and the root prefix.
  it.each([
    ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
    ['/foo', '/foo', '/xyz', '/xyz'],
    ['/foo/', '/foo', '/xyz', '/xyz/'],
    ['/foo/bar', '/foo', '', '/bar'],
    ['/foo/', '/foo', '', '/'],
    ['/foo', '/foo', '', '/'],
    ['/foo/', '/foo', '/', '/'],
    ['/foo', '/foo', '/', '/'],
    ['/foo', '/foo/', '/xyz', '/xyz'],
    ['/foo/bar', '/', '/xyz', '/xyz/foo/bar'],
    ['/', '/', '/xyz', '/xyz/'],
    ['/foo/bar', '/foo', 'xyz', '/xyz/bar'],
    ['/foo/b%2Far', '/foo', '/x', '/x/b%2Far'],
  ])('%s matched by %s with %s becomes %s', (path, matchedPrefix, prefix, expected) => {
    const exchange = fakeExchange({ url: `${path}?q=1`, matchedPrefix });
    compilePolicy(urlRewrite, { path: { prefix } }).onRequest?.(exchange);
    expect(exchange.path).toBe(expected);
    expect(exchange.query).toBe('q=1');
    expect(exchange.originalPath).toBe(path);
  });

  it('refuses a request that no prefix matched', () => {
    const exchange = fakeExchange({ url: '/foo', matchedPrefix: '' });
    const policy = compilePolicy(urlRewrite, { path: { prefix: '/x' } });
    expect(() => policy.onRequest?.(exchange)).toThrow(GatewayError);
    expect(exchange.path).toBe('/foo');
  });
});

describe('urlRewrite path.full', () => {
  it.each([
    ['/new', '/old?a=1', '/new', 'a=1'],
    ['new', '/old', '/new', ''],
    ['/new?b=2', '/old?a=1', '/new', 'b=2'],
    ['/', '/old', '/', ''],
  ])('%s for %s gives %s ? %s', (full, url, path, query) => {
    const exchange = fakeExchange({ url, matchedPrefix: '' });
    compilePolicy(urlRewrite, { path: { full } }).onRequest?.(exchange);
    expect([exchange.path, exchange.query]).toEqual([path, query]);
  });
});

describe('urlRewrite authority', () => {
  it.each([
    [{ full: 'New.example:81' }, 'example.com:8080', 'new.example:81'],
    [{ full: 'new.example' }, 'example.com:8080', 'new.example'],
    [{ host: 'new.example' }, 'example.com:8080', 'new.example:8080'],
    [{ host: 'new.example' }, 'example.com:80', 'new.example'],
    [{ host: 'new.example' }, 'example.com', 'new.example'],
    [{ port: 9000 }, 'example.com:8080', 'example.com:9000'],
    [{ port: 80 }, 'example.com:8080', 'example.com'],
    [{ port: 9000 }, '[::1]:8080', '[::1]:9000'],
    [{ port: 9000 }, '[::1]', '[::1]:9000'],
    ['auto', 'example.com', ''],
    ['none', 'example.com:8080', 'example.com:8080'],
    [null, 'example.com:8080', 'example.com:8080'],
  ])('%j on %s sends %s', (authority, host, expected) => {
    const exchange = fakeExchange({ host, url: '/p' });
    compilePolicy(urlRewrite, { authority }).onRequest?.(exchange);
    expect(exchange.authority).toBe(expected);
    expect(exchange.path).toBe('/p');
  });
});

describe('urlRewrite faults', () => {
  it.each([
    [{ authority: { full: 'bad host' } }, ['authority.full']],
    [{ authority: { host: 'with:port:81' } }, ['authority.host']],
    [{ authority: { port: 0 } }, ['schema']],
    [{ authority: { full: 'a', host: 'b' } }, ['schema']],
    [{ authority: 'other' }, ['schema']],
    [{ path: {} }, ['schema']],
    [{ path: { full: '/a b' } }, ['path.full']],
    [{ path: { full: '/a\r\nx: y' } }, ['path.full']],
    [{ path: { prefix: '/a?b' } }, ['path.prefix']],
    [{ authority: { full: '[::1]:80' }, path: { full: '/a?b=c' } }, []],
  ])('%j', (value, paths) => {
    expect(faultPaths(urlRewrite, value)).toEqual(paths);
  });
});
