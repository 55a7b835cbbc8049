import { describe, expect, it } from 'vitest';
import type { LocalReply } from '../../../src/exchange.ts';
import { requestRedirect } from '../../../src/policies/request-redirect.ts';
import { type FakeRequest, fakeExchange } from '../../support/exchange.ts';
import { compilePolicy, faultPaths } from '../../support/policy.ts';

function redirect(value: unknown, request: FakeRequest): LocalReply {
  const reply = compilePolicy(requestRedirect, value).onRequest?.(fakeExchange(request));
  return reply as LocalReply;
}

describe('requestRedirect', () => {
  it.each<[unknown, FakeRequest, string]>([
    [{}, { url: '/a?b=c' }, 'http://example.com/a?b=c'],
    [{ scheme: 'https' }, { url: '/a' }, 'https://example.com/a'],
    // A scheme brings its well-known port; without one, the port the client used stays.
    [{ scheme: 'https' }, { host: 'example.com:8080' }, 'https://example.com/'],
    [{ scheme: 'http' }, { host: 'example.com:8080' }, 'http://example.com/'],
    [{}, { host: 'example.com:8080' }, 'http://example.com:8080/'],
    [{}, { host: 'example.com:80' }, 'http://example.com/'],
    [{}, { host: 'example.com:443', scheme: 'https' }, 'https://example.com/'],
    [{}, { host: 'example.com:443' }, 'http://example.com:443/'],
    [{ scheme: 'https', authority: { port: 443 } }, {}, 'https://example.com/'],
    [{ scheme: 'https', authority: { port: 80 } }, {}, 'https://example.com:80/'],
    [{ authority: { port: 80 } }, { host: 'example.com:8080' }, 'http://example.com/'],
    [{ authority: { port: 8443 } }, { scheme: 'https' }, 'https://example.com:8443/'],
    [{ authority: { host: 'new.example' } }, { host: 'example.com:8080' }, 'http://new.example:8080/'],
    [{ scheme: 'https', authority: { host: 'new.example' } }, { host: 'a:8080' }, 'https://new.example/'],
    [{ authority: { full: 'new.example:81' } }, {}, 'http://new.example:81/'],
    [{ authority: 'none' }, { host: 'example.com:81' }, 'http://example.com:81/'],
    [{ authority: 'auto' }, {}, 'http://example.com/'],
    [{ path: { full: '/new' } }, { url: '/old/x?q=1', matchedPrefix: '/old' }, 'http://example.com/new?q=1'],
    [{ path: { prefix: '/new' } }, { url: '/old/x?q=1', matchedPrefix: '/old' }, 'http://example.com/new/x?q=1'],
    [{ path: { prefix: '/' } }, { url: '/old', matchedPrefix: '/old' }, 'http://example.com/'],
    [{}, { host: '[::1]:8080' }, 'http://[::1]:8080/'],
    [{}, { host: '', url: '/a' }, '/a'],
  ])('%j of %j', (value, request, location) => {
    expect(redirect(value, request)).toEqual({ status: 302, headers: ['location', location], body: '' });
  });

  it.each([301, 302, 303, 307, 308])('answers %i where configured', (status) => {
    expect(redirect({ status }, {}).status).toBe(status);
  });

  it.each([
    [{ status: 200 }, ['status']],
    [{ status: 0 }, ['schema']],
    [{ scheme: 'ht tp' }, ['scheme']],
    [{ authority: { full: 'a/b' } }, ['authority.full']],
    [{ path: { prefix: '/a b' } }, ['path.prefix']],
    [{ scheme: null, authority: null, path: null, status: null }, []],
  ])('faults of %j', (value, paths) => {
    expect(faultPaths(requestRedirect, value)).toEqual(paths);
  });
});
