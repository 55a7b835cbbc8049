import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  aliases,
  bytes,
  celExpression,
  duration,
  durationMs,
  exactlyOne,
  fileOrInline,
  headerName,
  headerOrPseudo,
  parseDuration,
  parseHostPort,
  parseSize,
  regex,
  size,
} from '../../../src/resources/schema/common.ts';

describe('durations', () => {
  it.each([
    ['0', 0],
    ['500ms', 500],
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['3m0s', 180_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['250us', 0.25],
    ['250µs', 0.25],
    ['1h1m1s1ms', 3_661_001],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBeCloseTo(milliseconds, 9);
    expect(durationMs().parse(text)).toBeCloseTo(milliseconds, 9);
    expect(duration().parse(text)).toBe(text);
  });

  it.each(['', '10', '1 s', '-1s', 's', '1x', '1s ', '1e3s', '.5s', '5.s'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(RangeError);
    expect(duration().safeParse(text).success).toBe(false);
  });

  it('reads back what is written of whole parts', () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(59), fc.nat(59), fc.nat(999), (h, m, s, ms) => {
        expect(parseDuration(`${h}h${m}m${s}s${ms}ms`)).toBe(((h * 60 + m) * 60 + s) * 1000 + ms);
      }),
    );
  });
});

describe('sizes', () => {
  it.each([
    [0, 0],
    [2097152, 2097152],
    ['1024', 1024],
    ['64Ki', 65_536],
    ['256Mi', 268_435_456],
    ['1Gi', 1_073_741_824],
    ['10M', 10_000_000],
  ])('%s is %d bytes', (value, amount) => {
    expect(parseSize(value)).toBe(amount);
    expect(size().parse(value)).toBe(value);
  });

  it.each(['', '1.5Gi', '-1', '1 Mi', 'Mi', '1Kib'])('refuses %j', (text) => {
    expect(() => parseSize(text)).toThrow(RangeError);
    expect(size().safeParse(text).success).toBe(false);
  });

  it.each([-1, 1.5, Number.NaN])('refuses the number %d', (value) => {
    expect(size().safeParse(value).success).toBe(false);
  });
});

describe('addresses', () => {
  it.each([
    ['127.0.0.1:15000', { host: '127.0.0.1', port: 15000 }],
    ['localhost:80', { host: 'localhost', port: 80 }],
    ['[::1]:443', { host: '::1', port: 443 }],
    ['[::]:15020', { host: '::', port: 15020 }],
    ['unix:/run/x.sock', { path: '/run/x.sock' }],
  ])('reads %s', (text, address) => {
    expect(parseHostPort(text)).toEqual(address);
  });

  it.each(['', 'host', ':80', 'host:', 'host:70000', '::1:80', 'a b:1', 'unix:', 'host:1/x'])('refuses %j', (text) => {
    expect(() => parseHostPort(text)).toThrow(RangeError);
  });
});

describe('names and expressions', () => {
  it('takes header names by RFC 9110, pseudo-headers only where they are allowed', () => {
    expect(headerName().safeParse('X-Api-Key').success).toBe(true);
    expect(headerName().safeParse(':path').success).toBe(false);
    expect(headerOrPseudo().safeParse(':path').success).toBe(true);
    for (const name of ['', 'a b', 'a:b', ':nonsense', 'ä'])
      expect(headerOrPseudo().safeParse(name).success).toBe(false);
  });

  it('takes regular expressions that run in linear time', () => {
    expect(regex().safeParse('^/v[0-9]+/(?:a|b)$').success).toBe(true);
    const lookahead = regex().safeParse('(?=a)b');
    expect(lookahead.success).toBe(false);
    expect(lookahead.error?.issues[0]?.message).toContain('RE2');
    expect(regex().safeParse('(a').success).toBe(false);
  });

  it('refuses blank expressions', () => {
    expect(celExpression().safeParse('request.path == "/"').success).toBe(true);
    expect(celExpression().safeParse('  ').success).toBe(false);
  });

  it('takes text in place, in a file, or as bytes', () => {
    for (const value of ['text', { file: '/x' }]) expect(fileOrInline().parse(value)).toEqual(value);
    for (const value of [{}, { file: '/x', url: 'y' }, { url: 'y' }, 1]) {
      expect(fileOrInline().safeParse(value).success).toBe(false);
    }
    expect(bytes().safeParse([0, 255]).success).toBe(true);
    expect(bytes().safeParse([256]).success).toBe(false);
  });
});

describe('rules over fields', () => {
  const choice = exactlyOne(
    z.strictObject({
      a: z.string().optional(),
      b: z.string().optional(),
      c: z.null().optional(),
      more: z.number().optional(),
    }),
    ['a', 'b', 'c'],
  );

  it('asks for exactly one', () => {
    expect(choice.parse({ a: 'x', more: 1 })).toEqual({ a: 'x', more: 1 });
    expect(choice.parse({ c: null })).toEqual({ c: null });
    expect(choice.safeParse({ more: 1 }).error?.issues).toMatchObject([{ message: 'give one of a, b, c', path: [] }]);
    expect(choice.safeParse({ a: 'x', b: 'y' }).error?.issues).toMatchObject([
      { message: 'give only one of a, b, c, not a and b' },
    ]);
  });

  it('refuses two names of one field', () => {
    const named = aliases(z.strictObject({ a: z.string().optional(), b: z.string().optional() }), [['a', 'b']]);
    expect(named.safeParse({ a: 'x' }).success).toBe(true);
    expect(named.safeParse({}).success).toBe(true);
    expect(named.safeParse({ a: 'x', b: 'y' }).error?.issues).toMatchObject([
      { message: 'a and b are the same field; give one' },
    ]);
  });
});
