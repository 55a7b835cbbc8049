import { expect, test } from 'vitest';
import { readAuthority, readTarget, removeDotSegments } from '../../../src/workers/drivers/target.ts';

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
