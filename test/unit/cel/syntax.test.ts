import { describe, expect, it } from 'vitest';
import { makeEnvironment } from '../../../src/cel/definitions.ts';
import { gatewayEnvironment } from '../../../src/cel/environment.ts';
import { CelSyntaxError } from '../../../src/cel/errors.ts';
import { DEFAULT_LIMITS } from '../../../src/cel/limits.ts';
import { compileCel } from '../../../src/cel/program.ts';
import { evaluate, failure } from './support.ts';

function syntaxError(source: string): CelSyntaxError {
  const error = failure(source);
  expect(error).toBeInstanceOf(CelSyntaxError);
  return error as CelSyntaxError;
}

describe('syntax errors', () => {
  it.each([
    ['', 'the expression is empty', 1, 1],
    ['1 +', 'the expression ends where an expression should be', 1, 4],
    ['(1', "the expression ends where ')' should be", 1, 3],
    ['1 2', "unexpected '2' where an operator or the end should be", 1, 3],
    ['request.method = "GET"', "unexpected '='; to compare, write '=='", 1, 16],
    ['true & false', "unexpected '&'; write '&&'", 1, 6],
    ['true and false', "unexpected 'and' where an operator or the end should be", 1, 6],
    ['"abc', 'string is not closed', 1, 1],
    ['"a\nb"', 'string is not closed on its line; write """ around a text of several lines', 1, 1],
    ['"\\q"', "invalid escape '\\q'", 1, 2],
    ['"\\ud800"', "'\\ud800' is no Unicode character", 1, 2],
    ['b"\\u00ff"', "'\\u' is for strings; bytes take '\\x'", 1, 3],
    ['9223372036854775808', "'9223372036854775808' is more than 64 bits", 1, 1],
    ['-1u', "'-1u': an unsigned number can't be negative", 1, 1],
    ['1x', "malformed number '1x'", 1, 1],
    ['package', "'package' is a reserved word of CEL", 1, 1],
    ['request.\n  headers.', 'the expression ends where the name of a field should be', 2, 11],
    ['a.b{c: 1}', 'protocol buffer messages are not supported: write a map', 1, 4],
    ['#', 'unexpected character "#"', 1, 1],
    ['[1, 2', "the expression ends where ']' should be", 1, 6],
    ['{"a": 1, "b"}', "unexpected '}' where ':' should be", 1, 13],
    ['true ? 1', "the expression ends where ':' should be", 1, 9],
  ])('%j: %s', (source, message, line, column) => {
    expect(syntaxError(source)).toMatchObject({ message, line, column });
  });
});

describe('names that are not known', () => {
  it.each([
    ['requst.method', "unknown variable: 'requst'; did you mean 'request'?", 1],
    ['request.metod', "unknown field of 'request': 'metod'; did you mean 'method'?", 9],
    ['request["metod"]', "unknown field of 'request': 'metod'; did you mean 'method'?", 8],
    ['has(mcp.tool.nmae)', "unknown field of 'mcp.tool': 'nmae'; did you mean 'name'?", 14],
    ['request.method.startWith("G")', "unknown function: 'startWith'; did you mean 'startsWith'?", 16],
    ['base64.encod("a")', "unknown function: 'base64.encod'; did you mean 'base64.encode'?", 1],
    ['math.size()', "unknown function: 'math.size'; did you mean 'math.sign'?", 1],
    ['[1].exist(x, x > 0)', "unknown function: 'exist'; did you mean 'exists'?", 5],
    ['[1].all(x, y > 0)', "unknown variable: 'y'", 12],
    ['startsWith("a", "b")', "'startsWith' is called on a value: write value.startsWith(…)", 1],
    ['"a".json()', "'json' is not called on a value: write json(…)", 5],
    ['"a".startsWith()', 'startsWith() takes 1 argument, not 0', 5],
    ['size(1, 2)', 'size() takes 1 argument, not 2', 1],
    ['"a".split("b", 1, 2)', 'split() takes 0, 1 or 2 arguments, not 3', 5],
    ['math.least()', 'math.least() takes at least 1 argument, not 0', 6],
    ['[1].all(x)', "'all' takes other arguments", 5],
    ['[1].all("x", true)', 'the variable must be a plain name', 9],
    ['has(request)', 'has() takes the selection of a field, as in has(request.host)', 1],
  ])('%s', (source, message, column) => {
    expect(syntaxError(source)).toMatchObject({ message, column });
  });

  it('finds a bad regular expression when the expression is compiled', () => {
    expect(syntaxError('request.path.matches("(")')).toMatchObject({ column: 22 });
    expect(syntaxError('request.path.matches("(")').message).toContain('invalid regular expression');
    expect(syntaxError('"a".regexReplace("[", "")').message).toContain('invalid regular expression');
    const large = '(a?){1000}'.repeat(5);
    expect(syntaxError(`request.path.matches("${large}")`).message).toContain('too large');
    expect(failure(`"a".matches("${large}".lowerAscii())`).message).toContain('too large');
  });

  it('takes what a comprehension names before what the environment names', () => {
    expect(evaluate('[{"method": 1}].all(request, request.method == 1)')).toBe(true);
    expect(evaluate('["a"].map(math, math.size())')).toEqual([1n]);
    expect(evaluate('["x"].exists(request, .request.method == "GET")')).toBe(true);
  });
});

describe('limits', () => {
  const compileWith = (limits: Partial<typeof DEFAULT_LIMITS>, source: string) =>
    compileCel(source, makeEnvironment({ ...gatewayEnvironment(), limits: { ...DEFAULT_LIMITS, ...limits } }));

  it('bounds the source, the number of its parts and their nesting', () => {
    expect(() => compileWith({ maxSource: 10 }, '"aaaaaaaaaaaaa"')).toThrow('longer than 10');
    expect(() => compileWith({ maxNodes: 10 }, '[1, 2, 3, 4, 5, 6]')).toThrow('more than 10 parts');
    expect(() => compileWith({ maxDepth: 5 }, '((((((1))))))')).toThrow('nested deeper than 5');
    expect(() => compileWith({ maxDepth: 5 }, '1 + 1 + 1 + 1 + 1 + 1 + 1')).toThrow('nested deeper than 5');
    expect(() => compileWith({ maxDepth: 5 }, '!!!!!!true')).toThrow('nested deeper than 5');
    expect(() => compileWith({ maxDepth: 5 }, 'jwt.a.b.c.d.e.f.g')).toThrow('nested deeper than 5');
  });

  it.each(['(', '[', '-(', '{"a": ', '!(', 'size([', '"a".size(', 'true ? true : ', '[?', 'jwt[', '1 + (', 'jwt.a('])(
    'refuses deep nesting of %s without running out of stack',
    (piece) => {
      expect(() => compileWith({}, piece.repeat(3000))).toThrow(CelSyntaxError);
    },
  );

  it('evaluates what is as deep as may be', () => {
    expect(evaluate(`${'('.repeat(240)}1${')'.repeat(240)}`)).toBe(1n);
    expect(evaluate(Array.from({ length: 240 }, () => 'request.method').join(' + '))).toBe('GET'.repeat(240));
    expect(evaluate(Array.from({ length: 3000 }, () => 'false').join(' || '))).toBe(false);
  });
});
