import { describe, expect, it } from 'vitest';
import { makeEnvironment } from '../../../src/cel/definitions.ts';
import { gatewayEnvironment } from '../../../src/cel/environment.ts';
import { CelError } from '../../../src/cel/errors.ts';
import { DEFAULT_LIMITS } from '../../../src/cel/limits.ts';
import { compileCel } from '../../../src/cel/program.ts';
import { toJs } from '../../../src/cel/values/json.ts';
import { CelUint, type CelValue } from '../../../src/cel/values/value.ts';
import { activationOf } from '../../../src/cel/variables/activation.ts';
import { evaluate, exchangeOf, failure } from './support.ts';

/** JSON as a claim, so that nothing of the expression is constant. */
const withClaims = (claims: object) => ({ jwt: { claims, rawToken: null } });

describe('numbers', () => {
  it('keeps ints, uints and doubles apart, and equal where they are', () => {
    expect(evaluate('[1, 1u, 1.0]')).toEqual([1n, new CelUint(1n), 1]);
    expect(evaluate('jwt.n == 1u && jwt.n == 1.0 && 1.0 in [jwt.n] && {1: "a"}[1u] == "a"', withClaims({ n: 1 }))).toBe(
      true,
    );
    expect(failure('1 + 1u').message).toBe('no such overload: _+_(int, uint)');
  });

  it('takes JSON numbers without a fraction for ints where they are exact', () => {
    const facts = withClaims({ whole: 3, part: 1.5, huge: 1e300, list: [1, 2.5, { n: 4 }] });
    expect(evaluate('[jwt.whole, jwt.part, jwt.huge]', facts)).toEqual([3n, 1.5, 1e300]);
    expect(evaluate('jwt.list[2].n + jwt.list[0]', facts)).toBe(5n);
  });

  it.each([
    ['9223372036854775807 + jwt.one', 'integer overflow'],
    ['-9223372036854775807 - 2 * jwt.one', 'integer overflow'],
    ['-9223372036854775808 / -jwt.one', 'integer overflow'],
    ['0u - uint(jwt.one)', 'unsigned integer overflow'],
    ['jwt.one / 0', 'division by zero'],
    ['jwt.one % 0', 'division by zero'],
    ['int(1e30 * double(jwt.one))', 'integer out of range'],
  ])('%s: %s', (source, message) => {
    expect(failure(source, withClaims({ one: 1 })).message).toBe(message);
  });
});

describe('errors', () => {
  it('are absorbed by what decides without them', () => {
    const facts = withClaims({ sub: 'a' });
    expect(evaluate('jwt.absent == "x" || jwt.sub == "a"', facts)).toBe(true);
    expect(evaluate('jwt.sub == "a" || jwt.absent == "x"', facts)).toBe(true);
    expect(evaluate('jwt.absent == "x" && jwt.sub == "b"', facts)).toBe(false);
    expect(evaluate('jwt.absent == "x" && jwt.sub == "a" && jwt.sub == "b"', facts)).toBe(false);
    expect(failure('jwt.absent == "x" && jwt.sub == "a"', facts)).toMatchObject({ code: 'no_such_key' });
    expect(failure('jwt.absent == "x" || jwt.sub == "b" || jwt.none', facts)).toMatchObject({ code: 'no_such_key' });
    expect(evaluate('["x", "a"].exists(s, s == jwt.sub || jwt[s] == 1)', facts)).toBe(true);
  });

  it('name what was wrong, and no values', () => {
    expect(failure('jwt.sub.startsWith(1)', withClaims({ sub: 'secret' })).message).toBe(
      'no such overload: startsWith(string, int)',
    );
    expect(failure('json(jwt.sub)', withClaims({ sub: '{"password": "hunter2' })).message).toBe('not valid JSON');
    expect(failure('int(jwt.sub)', withClaims({ sub: 'secret' })).message).not.toContain('secret');
  });

  it('carry no stack, and leave the limit of stacks as it was', () => {
    const before = Error.stackTraceLimit;
    expect(failure('jwt.sub.x', withClaims({ sub: '' })).stack?.split('\n').length).toBe(1);
    expect(Error.stackTraceLimit).toBe(before);
  });
});

describe('bounds of an evaluation', () => {
  const run = (source: string, claims: object, maxSteps = DEFAULT_LIMITS.maxSteps, customFunctions = ''): CelValue => {
    const limits = { ...DEFAULT_LIMITS, maxSteps };
    const environment = makeEnvironment({ ...gatewayEnvironment({ customFunctions }), limits });
    return compileCel(source, environment).evaluate(activationOf(exchangeOf(), withClaims(claims)));
  };
  const many = { items: Array.from({ length: 400 }, (_, i) => i) };

  it('bounds the rounds of all comprehensions together, and nothing absorbs that', () => {
    expect(run('jwt.items.all(x, x >= 0)', many, 400)).toBe(true);
    const nested = 'jwt.items.all(x, jwt.items.all(y, x + y >= 0))';
    expect(() => run(nested, many)).toThrow('more than 100000 steps');
    expect(() => run(`${nested} || true`, many)).toThrow(CelError);
    expect(() => run(`coalesce(${nested}, 1)`, many)).toThrow('steps');
    expect(() => run(`jwt.items.exists(z, ${nested} || z > 5)`, many)).toThrow('steps');
    expect(() => run('jwt.items.map(x, jwt.items.filter(y, y > x)).size()', many, 1000)).toThrow('steps');
    expect(() => run('jwt.items.sortBy(x, -x)', many, 100)).toThrow('steps');
    expect(() => run('{"a": 1, "b": 2}.mapValues(v, jwt.items.size())', many, 1)).toThrow('steps');
  });

  it('counts what configured functions do, also those that fail', () => {
    const functions = 'busy(items) { items.all(x, x >= 0) && items[100000] == 1 }';
    expect(() => run('jwt.items.exists(x, busy(jwt.items))', many, 100_000, functions)).toThrow('steps');
  });

  it('bounds the size of what is made', () => {
    const bomb = Array.from({ length: 30 }).reduce<string>((inner) => `${inner}.with(a, a + a)`, 'jwt.s');
    expect(() => run(bomb, { s: 'x'.repeat(1000) })).toThrow('larger than');
    expect(() => run(bomb, { s: Array.from({ length: 1000 }, () => 1) })).toThrow('larger than');
    expect(() => run('jwt.s.replace("", jwt.s)', { s: 'x'.repeat(10_000) })).toThrow('larger than');
    expect(() => run('jwt.l.join(jwt.s)', { s: 'x'.repeat(100_000), l: Array(1000).fill('') })).toThrow('larger than');
    expect(() => run('jwt.l.map(x, jwt.s).flatten()', { s: Array(10_000).fill(1), l: Array(5000).fill(1) })).toThrow(
      'larger than',
    );
    expect(failure('lists.range(1000000)').message).toContain('lists.range() takes 0 to 100000');
    expect(failure('"%.100000f".format([1.0])').message).toBe('precision out of range');
  });

  it("compiles what it can't compute beforehand", () => {
    expect(failure(`json('${'['.repeat(30_000)}${']'.repeat(30_000)}')`)).toMatchObject({ code: 'limit' });
  });

  it('turns running out of stack into an error of the expression', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    expect(failure('json(jwt.s)', withClaims({ s: deep }))).toMatchObject({ name: 'CelError', code: 'limit' });
  });

  it('matches in linear time', () => {
    const text = `${'a'.repeat(30_000)}!`;
    expect(evaluate('jwt.s.matches("^(a+)+$")', withClaims({ s: text }))).toBe(false);
    expect(evaluate('jwt.s.matches(jwt.p)', withClaims({ s: text, p: '^(a|a)*$' }))).toBe(false);
    expect(failure('jwt.s.matches(jwt.p)', withClaims({ s: text, p: 'x'.repeat(10_000) })).message).toContain(
      'longer than',
    );
  });

  it('keeps a bounded number of regular expressions that are computed', () => {
    for (let i = 0; i < 600; i++) {
      expect(evaluate('jwt.s.matches(jwt.p)', withClaims({ s: `a${i}`, p: `^a${i}$` }))).toBe(true);
    }
  });
});

describe('constants', () => {
  const constantOf = (source: string) => compileCel(source, gatewayEnvironment()).constant;

  it('are computed once', () => {
    expect(constantOf('1 + 2 * 3')).toBe(7n);
    expect(constantOf('"a".upperAscii() + "b"')).toBe('Ab');
    expect(constantOf('size([1, 2]) == 2 ? cidr("10.0.0.0/8").prefixLength() : 0')).toBe(8n);
    expect(constantOf('null == false')).toBe(false);
    expect(constantOf('timestamp("2024-01-01T00:00:00Z") < timestamp("2025-01-01T00:00:00Z")')).toBe(true);
  });

  it('are not what differs each time, reads the request or fails', () => {
    expect(constantOf('uuid()')).toBeUndefined();
    expect(constantOf('random() < 2.0')).toBeUndefined();
    expect(constantOf('request.method')).toBeUndefined();
    expect(constantOf('1 / 0')).toBeUndefined();
    expect(evaluate('uuid()')).not.toBe(evaluate('uuid()'));
  });
});

describe('maps made of JSON', () => {
  it('has own keys only, whatever their names', () => {
    const claims = JSON.parse('{"__proto__": {"a": 1}, "constructor": "c"}') as object;
    expect(evaluate('jwt["__proto__"].a', withClaims(claims))).toBe(1n);
    expect(evaluate('has(jwt.toString) || has(jwt.hasOwnProperty)', withClaims(claims))).toBe(false);
    expect(toJs(evaluate('json("{\\"__proto__\\": 1}")'))).toEqual(JSON.parse('{"__proto__": 1}'));
  });

  it('evaluates the same program for different requests, also within itself', () => {
    const program = compileCel('jwt.n.map(x, x * 2)', gatewayEnvironment());
    const of = (n: number[]) => program.evaluate(activationOf(exchangeOf(), withClaims({ n })));
    expect([of([1]), of([2, 3]), of([])]).toEqual([[2n], [4n, 6n], []]);
  });
});

describe('time', () => {
  it.each([
    ['timestamp("2024-03-10T09:59:59.123456789Z").getHours("America/Los_Angeles")', 1n],
    ['timestamp("2024-03-10T10:00:00Z").getHours("America/Los_Angeles")', 3n],
    ['timestamp("1969-12-31T23:59:59.5Z").getMilliseconds()', 500n],
    ['timestamp("2024-12-31T00:00:00Z").getDayOfYear()', 365n],
    ['string(timestamp("2024-01-01T00:00:00.120Z") - duration("1h"))', '2023-12-31T23:00:00.12Z'],
    ['string(duration("1h0m1.5s"))', '3601.5s'],
    ['string(duration("-1.5ms"))', '-0.0015s'],
    ['string(timestamp("0001-01-01T00:00:00Z"))', '0001-01-01T00:00:00Z'],
    ['string(timestamp("2024-02-29T12:00:00+05:30"))', '2024-02-29T06:30:00Z'],
  ])('%s', (source, value) => {
    expect(evaluate(source)).toBe(value);
  });

  it.each([
    'timestamp("2023-02-29T00:00:00Z")',
    'timestamp("2024-01-01T24:00:00Z")',
    'timestamp("2024-01-01")',
    'duration("1")',
    'duration("1x")',
    'duration("")',
    'timestamp(0).getHours("Mars/Olympus")',
  ])('refuses %s', (source) => {
    expect(failure(source)).toBeInstanceOf(CelError);
  });
});

describe('strings', () => {
  it.each([
    ['"añ😀".replace("", "-")', '-a-ñ-😀-'],
    ['"añ😀".replace("", "-", 2)', '-a-ñ😀'],
    ['"".replace("", "-")', '-'],
    ['"aaa".replace("a", "aa", 2)', 'aaaaa'],
    ['"a.b".replace(".", "$&")', 'a$&b'],
    ['"😀a".substring(1)', 'a'],
    ['"x😀y".charAt(1)', '😀'],
    ['"x😀y😀".lastIndexOf("😀")', 3n],
    ['"x😀y".indexOf("y", 2)', 2n],
    ['"😀a".reverse()', 'a😀'],
    ['"a-b-c".split("-", 2)', ['a', 'b-c']],
    ['"a😀".split("")', ['a', '😀']],
    ['size("a😀")', 2n],
    ['"\\uffff" < "😀"', true],
    ['"foobar".stripPrefix("foo") + "foobar".stripSuffix("bar") + "x".stripSuffix("")', 'barfoox'],
    ['"%s|%d|%.3e|%x|%5"', '%s|%d|%.3e|%x|%5'],
    ['"%.2f %.0f %.1f".format([0.125, 0.5, 1e21])', '0.12 0 1000000000000000000000.0'],
  ])('%s', (source, value) => {
    expect(evaluate(source)).toEqual(value);
  });
});
