import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  activationOf,
  CelError,
  CelSyntaxError,
  compileCel,
  gatewayEnvironment,
  toJs,
} from '../../../src/cel/index.ts';
import { HeaderList } from '../../../src/headers.ts';
import { exchangeOf } from './support.ts';

const environment = gatewayEnvironment();
const exchange = exchangeOf({ headers: ['x-a', '1', 'x-a', '2', 'cookie', 'c=d'] });
const activation = activationOf(exchange, {
  jwt: {
    claims: { sub: 'a', n: 1, part: 1.5, list: [1, 'x', null, { y: [] }], map: { k: 'v' }, flag: true },
    rawToken: 't',
  },
  response: { status: 200, headers: new HeaderList() },
});

/** Compiles and evaluates; anything but a value, a CelError or a CelSyntaxError with its place is a fault. */
function survives(source: string): void {
  try {
    toJs(compileCel(source, environment).evaluate(activation));
  } catch (error) {
    if (error instanceof CelError) return;
    expect(error).toBeInstanceOf(CelSyntaxError);
    const { offset, line, column } = error as CelSyntaxError;
    expect(offset >= 0 && offset <= source.length && line >= 1 && column >= 1).toBe(true);
  }
}

const PIECES = [
  ...'( ) [ ] { } . , : ? ! - + * / % < > == != <= >= && || in .? [? `a-b` 1 2u 0x1F 1.5 .5 1e400 "s" \'\' r"\\" b"\\xff"'.split(
    ' ',
  ),
  ...'true false null jwt jwt.sub jwt.list jwt.map request.headers response x size( .size() .map(x, .all(x, .filter(x,'.split(
    ' ',
  ),
  ...'.exists(i, .with(x, has( default( coalesce( string( int( type( duration( timestamp( json( optional.of( .orValue('.split(
    ' ',
  ),
  ...'"""a"""|/* */|// c\n|\\|"\\u12|"\\q"|@|é|\ud800'.split('|'),
];

it('answers any text with a value or an error of its own', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), survives), { numRuns: 1500 });
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 25 }), (pieces) => survives(pieces.join(' '))),
    { numRuns: 4000 },
  );
});

const leaf = fc.constantFrom(
  ...[
    '1',
    '-1',
    '9223372036854775807',
    '2u',
    '1.5',
    '0.0',
    '"s"',
    '"a-b"',
    'b"xy"',
    'true',
    'null',
    '[]',
    '{}',
    '[3, 1]',
    '{"k": 1}',
  ],
  ...[
    'jwt',
    'jwt.sub',
    'jwt.n',
    'jwt.list',
    'jwt.map',
    'jwt.flag',
    'jwt.rawToken',
    'request.headers',
    'request.path',
    'response.code',
  ],
  ...[
    'duration("1h")',
    'timestamp("2024-01-01T00:00:00Z")',
    'optional.none()',
    'int',
    'ip("::1")',
    'cidr("10.0.0.0/8")',
    'jwt.?sub',
  ],
);

/** Every function with every number of arguments it takes, and every operator, on values of any type. */
const { expression } = fc.letrec<{ expression: string }>((tie) => {
  const inner = tie('expression');
  const called = (['.', ''] as const).flatMap((dot) =>
    environment.functions.names(dot === '.').flatMap((name) =>
      (environment.functions.named(name, dot === '.') ?? []).flatMap(({ arity: [least, most] }) =>
        Array.from({ length: Math.min(most, least + 2) - least + 1 }, (_, i) =>
          fc.array(inner, { minLength: least + i, maxLength: least + i }).map(([first = '1', ...rest]) => {
            if (dot === '.') return `(${first}).${name}(${rest.join(', ')})`;
            return `${name}(${[first, ...rest].slice(0, least + i).join(', ')})`;
          }),
        ),
      ),
    ),
  );
  const operated = ['+', '-', '*', '/', '%', '==', '!=', '<', '<=', '>', '>=', 'in', '&&', '||'].map((operator) =>
    fc.tuple(inner, inner).map(([a, b]) => `(${a}) ${operator} (${b})`),
  );
  const shaped = [
    fc.tuple(inner, inner, inner).map(([a, b, c]) => `(${a}) ? (${b}) : (${c})`),
    fc.tuple(inner, inner).map(([a, b]) => `(${a})[${b}]`),
    fc.tuple(inner, inner).map(([a, b]) => `(${a})[?${b}]`),
    fc.tuple(inner, inner).map(([a, b]) => `{${a}: ${b}}`),
    fc.tuple(inner, inner).map(([a, b]) => `[?${a}, ${b}]`),
    inner.map((a) => `(${a}).k`),
    inner.map((a) => `-(${a})`),
    inner.map((a) => `!(${a})`),
    ...[
      'all',
      'exists',
      'existsOne',
      'map',
      'filter',
      'sortBy',
      'mapValues',
      'filterKeys',
      'with',
      'optMap',
      'optFlatMap',
    ].map((macro) => fc.tuple(inner, inner).map(([a, b]) => `(${a}).${macro}(v, [v, ${b}][0] == v ? v : (${b}))`)),
    ...['transformList', 'transformMap', 'transformMapEntry'].map((macro) =>
      fc.tuple(inner, inner).map(([a, b]) => `(${a}).${macro}(k, v, k != v, {k: (${b})})`),
    ),
  ];
  return { expression: fc.oneof({ maxDepth: 4, depthSize: 'small' }, leaf, ...called, ...operated, ...shaped) };
});

it('answers any expression with a value or an error of its own', () => {
  fc.assert(fc.property(expression, survives), { numRuns: 6000 });
});
