import { describe, expect, it } from 'vitest';
import { activationOf, CelSyntaxError, compileCel, gatewayEnvironment, toJs } from '../../../src/cel/index.ts';
import { exchangeOf } from './support.ts';

const FUNCTIONS = `
# Functions of the house.
hi() { "hi" }
add(a, b) { a + b }   // in the middle

this.mix(a, rest...) { this + a + rest.join("") }
isGet() { request.method == "GET" }
nested() { isGet() && hasBody() }
hasBody() { size(request.body) > 0 }
braces() { {"end": "}"}["end"] + '{' + r"\\}" }
shadow(request) { request + 1 }
`;

const compile = (source: string, customFunctions = FUNCTIONS) =>
  compileCel(source, gatewayEnvironment({ customFunctions }));
const see = (source: string) =>
  toJs(
    compile(source).evaluate(activationOf(exchangeOf(), { requestBody: { bytes: Buffer.from('x'), complete: true } })),
  );

describe('configured functions', () => {
  it.each<[string, unknown]>([
    ['hi()', 'hi'],
    ['add(2, 3)', 5],
    ['add("a", "b")', 'ab'],
    ['"a".mix("b", "c", "d") + "x".mix("y")', 'abcdxy'],
    ['nested()', true],
    ['braces()', '}{\\}'],
    ['shadow(1)', 2],
    ['[1, 2].map(x, add(x, [10].map(y, y + x)[0]))', [12, 14]],
    ['add(add(1, 2), add(3, 4))', 10],
    ['{"hi": 1}.hi', 1],
  ])('%s', (source, value) => {
    expect(see(source)).toEqual(value);
  });

  it('tell what they read, through others too', () => {
    const { references } = compile('nested()');
    expect([...references.paths].sort()).toEqual(['request.body', 'request.method']);
    expect(references.reads('request.body')).toBe(true);
    expect(compile('isGet()').references.reads('request.body')).toBe(false);
    expect(compile('shadow(1)').references.paths.size).toBe(0);
  });

  it('do not see the local variables of who calls them', () => {
    expect(() => compile('[1].map(x, f())', 'f() { x }')).toThrow("in function 'f': unknown variable: 'x'");
  });

  it.each<[string, string]>([
    ['hi(1)', 'hi() takes 0 arguments, not 1'],
    ['add(1)', 'add() takes 2 arguments, not 1'],
    ['"a".mix()', 'mix() takes at least 1 argument, not 0'],
    ['mix("a", "b")', "'mix' is called on a value: write value.mix(…)"],
    ['"a".hi()', "'hi' is not called on a value: write hi(…)"],
    ['hii()', "unknown function: 'hii'; did you mean 'hi'?"],
  ])('%s: %s', (source, message) => {
    expect(() => compile(source)).toThrow(message);
  });

  it.each<[string, string]>([
    ['f { true }', 'a function begins with its name and parameters'],
    ['f( { true }', 'a function begins with its name and parameters'],
    ['f() true', 'a function has no body in braces'],
    ['f() { true', 'the body of a function is not closed'],
    ['f() { "}', 'string is not closed'],
    ['1f() { true }', "'1f' can't be the name of a function"],
    ['this.() { true }', "'' can't be the name of a function"],
    ['this() { true }', "'this' can't be the name of a function"],
    ['f(this...) { true }', "'this' can't be the name of a parameter"],
    ['f(a-b) { true }', "'a-b' can't be the name of a parameter"],
    ['f(a..., b) { true }', "'a...' can't be the name of a parameter"],
    ['f(a, a) { true }', "a parameter of 'f' is there twice"],
    ['f() { 1 } f(a) { a }', "function 'f' is defined twice"],
    ['size() { 1 }', "'size' is a function of CEL's or the gateway's; choose another name"],
    ['has(a) { a }', "'has' is a function of CEL's or the gateway's; choose another name"],
    ['f() { 1 + }', "in function 'f': the expression ends where an expression should be"],
    ['f() { requst.method }', "in function 'f': unknown variable: 'requst'; did you mean 'request'?"],
    ['f(a) { a == 10 ? 100 : f(a + 1) }', "function 'f' calls itself"],
    ['f() { g() } g() { h() } h() { f() }', "function 'f' calls itself"],
  ])('%s is refused: %s', (customFunctions, message) => {
    expect(() => gatewayEnvironment({ customFunctions })).toThrow(message);
  });

  it('says where in the block the fault is', () => {
    const customFunctions = 'a() { true }\n\n  b() {\n    requst.method\n  }\n';
    expect.assertions(2);
    try {
      gatewayEnvironment({ customFunctions });
    } catch (error) {
      expect(error).toBeInstanceOf(CelSyntaxError);
      expect(error).toMatchObject({ line: 4, column: 5 });
    }
  });
});
