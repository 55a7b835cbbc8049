import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseFast } from '../../../src/config/fast-yaml.ts';
import { parseYaml } from '../../../src/config/parse-yaml.ts';

/** What the fast reader reads must be what the full parser reads, without faults. */
function agree(text: string): boolean {
  const fast = parseFast(text);
  if (fast === null) return false;
  const { value, faults } = parseYaml(text);
  expect(faults, text).toEqual([]);
  expect(fast, text).toEqual(value);
  expect(JSON.stringify(fast)).toBe(JSON.stringify(value));
  return true;
}

describe('the fast reader', () => {
  it.each([
    'a: 1',
    'a: x # comment\n# comment\nb: "y"  # z\n',
    'a:\n- b\n- c: 1\n  d:\n    e: f\n-\n  g: h\n- - i\n  - j\n-\nk:\nl: ~',
    'a:\n  - b: {c: [1, "x"]}\n    d: []\n  - {}\n',
    "url: http://a:80/x#y\npath: /a/b\nhost: 'a:1'\nglob: a*b\nn: -1.5e3\nh: 0x1F\no: 0o17\ni: .inf\nv: 1.2.3\nip: 10.0.0.1\n",
    'binds:\n- port: 3000\n\n  listeners:\n  - routes:\n\n    - backends:\n      - host: a:1\n',
  ])('reads %j', (text) => {
    expect(agree(text)).toBe(true);
  });

  it.each([
    '',
    'a: &x 1\nb: *x',
    'a: |\n  text',
    'a: two\n  lines',
    'a: 1\na: 2',
    'a: b: c',
    '- list',
    'a:\n    b: 1\n  c: 2',
    'a:\n\tb: 1',
    '"quoted key": 1',
    'a: "x\\n"',
    'a: "x" y',
    'a: !t x',
    '? a\n: b',
    'a: 1\n---\nb: 2',
    'a: [1,\n 2]',
    'a: {b: 1',
    'a: {b: 1, b: 2}',
    '<<: {a: 1}',
    '__proto__: 1',
    '1: a',
    'true: a',
    'a: @x',
    'a: `x',
    'a: %x',
    'a: - b',
    'a: b:',
    'a\nb: 1',
  ])('leaves %j to the full parser', (text) => {
    expect(parseFast(text)).toBeNull();
  });

  it('reads most of what a machine writes, and all of that rightly', () => {
    const key = fc.stringMatching(/^[a-z][A-Za-z0-9_-]{0,6}$/);
    const text = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.stringMatching(/^[ -~]{0,12}$/),
      fc.webUrl(),
      fc.constantFrom('null', '1', 'yes', 'a: b'),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.dictionary(key, tie('node'), { maxKeys: 5, noNullPrototype: true }),
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        text,
        fc.double({ noNaN: true }),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('node'), { maxLength: 4 }),
        tie('tree'),
      ),
    }));
    let read = 0;
    let runs = 0;
    fc.assert(
      fc.property(tree, fc.boolean(), (value, indentSeq) => {
        runs++;
        if (agree(stringify(value, { indentSeq, lineWidth: 0 }))) read++;
      }),
      { numRuns: 1000 },
    );
    expect(read).toBeGreaterThan(runs / 10);
  });

  it('never misreads any heap of lines', () => {
    const piece = fc.constantFrom(
      'a',
      'b: ',
      'c:',
      '- ',
      '-',
      ' ',
      '  ',
      '#',
      ' #',
      ': ',
      '"',
      "'",
      '{',
      '}',
      '[',
      ']',
      ', ',
      '1',
      '~',
      'x y',
      '\n',
      '\n  ',
      '\n- ',
      '\n  - ',
      '\nd: ',
      '|',
      '>',
      '&q ',
      '*q',
      '!',
      '?',
      '<<: ',
      '.',
      '+',
      'null',
      '=',
      '\\',
      '(',
      '$',
      '%',
      '@',
      '---',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        agree(pieces.join(''));
        agree(`a: ${pieces.join('')}\nz: 1`);
      }),
      { numRuns: 5_000 },
    );
  });

  it("agrees on this project's own fixtures", () => {
    const directory = new URL('../../fixtures/config/', import.meta.url);
    for (const name of readdirSync(directory).filter((one) => one.endsWith('.yaml'))) {
      agree(readFileSync(new URL(name, directory), 'utf8'));
    }
  });
});
