import { describe, expect, it } from 'vitest';
import type { RouteMatch } from '../../../src/resources/types.ts';
import { type Routable, Router } from '../../../src/workers/router.ts';
import { type FakeRequest, fakeExchange } from '../../support/exchange.ts';

function route(
  key: string,
  matches: (Partial<RouteMatch> & { path: RouteMatch['path'] })[],
  hostnames: string[] = [],
  order = 0,
): Routable {
  return { key, hostnames, order, matches: matches.map((match) => ({ method: '', headers: [], query: [], ...match })) };
}

function select(routes: Routable[], request: FakeRequest): string | null {
  const router = new Router<Routable>();
  for (const one of routes) router.add(one);
  return router.select(fakeExchange(request))?.target.key ?? null;
}

const root = route('root', [{ path: { pathPrefix: '/' } }]);

describe('path precedence (Gateway API HTTPPathMatch)', () => {
  const routes = [
    root,
    route('exact', [{ path: { exact: '/api/v1' } }]),
    route('short', [{ path: { pathPrefix: '/api' } }]),
    route('long', [{ path: { pathPrefix: '/api/v1/' } }]),
    route('regex', [{ path: { regex: '/re/[0-9]+' } }]),
  ];
  it.each([
    ['/api/v1', 'exact'],
    ['/api/v1/', 'long'],
    ['/api/v1/x', 'long'],
    ['/api/v10', 'short'],
    ['/api', 'short'],
    ['/api/', 'short'],
    ['/apix', 'root'],
    ['/', 'root'],
    ['/re/5', 'root'],
  ])('%s → %s', (target, expected) => expect(select(routes, { url: target })).toBe(expected));

  it('tries a regular expression only where no prefix holds, and against the whole path', () => {
    const only = routes.slice(4);
    expect(select(only, { url: '/re/5' })).toBe('regex');
    expect(select(only, { url: '/re/5/x' })).toBeNull();
    expect(select(only, { url: '/re/x' })).toBeNull();
  });
});

describe('precedence of equals', () => {
  const path = { pathPrefix: '/a' };
  const routes = [
    route('plain', [{ path }]),
    route('query', [{ path, query: [{ name: 'q', value: { exact: '1' } }] }]),
    route('header', [{ path, headers: [{ name: 'x', value: { exact: '1' } }] }]),
    route('headers', [
      {
        path,
        headers: [
          { name: 'x', value: { exact: '1' } },
          { name: 'y', value: { regex: '[0-9]' } },
        ],
      },
    ]),
    route('method', [{ path, method: 'POST' }]),
  ];
  it.each<[FakeRequest, string]>([
    [{ url: '/a' }, 'plain'],
    [{ url: '/a?q=1' }, 'query'],
    [{ url: '/a?q=2' }, 'plain'],
    [{ url: '/a?q=1', headers: ['x', '1'] }, 'header'],
    [{ url: '/a', headers: ['x', '1', 'y', '7'] }, 'headers'],
    [{ url: '/a', headers: ['x', '1', 'y', '77'] }, 'header'],
    [{ url: '/a', method: 'POST', headers: ['x', '1', 'y', '7'] }, 'method'],
  ])('%o → %s', (request, expected) => expect(select(routes, request)).toBe(expected));

  it('takes the earlier of two alike, then the smaller key', () => {
    expect(select([route('b', [{ path }], [], 1), route('a', [{ path }], [], 2)], { url: '/a' })).toBe('b');
    expect(select([route('b', [{ path }]), route('a', [{ path }])], { url: '/a' })).toBe('a');
  });
});

describe('hostnames', () => {
  const path = { pathPrefix: '/' };
  const routes = [
    route('any', [{ path }]),
    route('com', [{ path }], ['*.com']),
    route('wild', [{ path }], ['*.example.com']),
    route('exact', [{ path: { pathPrefix: '/only' } }], ['a.example.com']),
  ];
  it.each([
    ['a.example.com', '/only', 'exact'],
    ['a.example.com', '/other', 'wild'],
    ['b.a.example.com', '/', 'wild'],
    ['example.com', '/', 'com'],
    ['example.org', '/', 'any'],
    ['a.example.com:8080', '/only', 'exact'],
    ['com', '/', 'any'],
    ['', '/', 'any'],
  ])('%s %s → %s', (host, target, expected) => expect(select(routes, { host, url: target })).toBe(expected));
});

it('matches pseudo headers', () => {
  const routes = [
    route('p', [{ path: { pathPrefix: '/' }, headers: [{ name: ':method', value: { regex: 'PUT|POST' } }] }]),
    route('q', [{ path: { pathPrefix: '/' }, headers: [{ name: ':authority', value: { exact: 'h:1' } }] }]),
  ];
  expect(select(routes, { method: 'PUT' })).toBe('p');
  expect(select(routes, { host: 'h:1' })).toBe('q');
  expect(select(routes, {})).toBeNull();
});

it('removes exactly what was added', () => {
  const router = new Router<Routable>();
  const all = [
    root,
    route('x', [{ path: { exact: '/x' } }, { path: { pathPrefix: '/y' } }, { path: { regex: '/z.*' } }], ['h', '*.w']),
  ];
  for (const one of all) router.add(one);
  expect(router.size).toBe(7);
  router.remove(all[1]!);
  expect(router.size).toBe(1);
  expect(router.select(fakeExchange({ host: 'h', url: '/y/1' }))?.target.key).toBe('root');
  router.remove(root);
  expect(router.size).toBe(0);
  expect(router.select(fakeExchange())).toBeNull();
});

it('says the prefix that held, for rewrites', () => {
  const router = new Router<Routable>();
  router.add(route('p', [{ path: { pathPrefix: '/p/q/' } }]));
  expect(router.select(fakeExchange({ url: '/p/q/r' }))?.prefix).toBe('/p/q');
});
