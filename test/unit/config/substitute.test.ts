// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shell references are what is tested here.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { substitute } from '../../../src/config/substitute.ts';

function expand(text: string, env: Record<string, string> = {}): string {
  const { result, faults } = substitute(text, env);
  expect(faults).toEqual([]);
  return result.text;
}

function messages(text: string, env: Record<string, string> = {}): string[] {
  return substitute(text, env).faults.map(({ offset, message }) => `${offset}: ${message}`);
}

describe('substitution', () => {
  it.each([
    ['a: $A', 'a: 1'],
    ['a: ${A}', 'a: 1'],
    ['a: x$A/y${B}z', 'a: x1/ytwoz'],
    ['a: ${NONE:-d}', 'a: d'],
    ['a: ${NONE:-}', 'a: '],
    ['a: ${EMPTY:-d}', 'a: d'],
    ['a: ${A:-d}', 'a: 1'],
    ['a: $EMPTY', 'a: '],
    ['a: $$A', 'a: $A'],
    ['a: $${A}', 'a: ${A}'],
    ["a: '^x$'", "a: '^x$'"],
    ['a: cost $ 5', 'a: cost $ 5'],
    ['a: "$A" # $NONE', 'a: "1" # $NONE'],
    ['# yaml-language-server: $schema=x\na: $A', '# yaml-language-server: $schema=x\na: 1'],
    ['a: |\n  # $A\n  $B', 'a: |\n  # 1\n  two'],
    ['a: "# $A"', 'a: "# 1"'],
    ['a: x#$A', 'a: x#1'],
    ['a: [$A, ${B}]', 'a: [1, two]'],
    ['$B: x', 'two: x'],
    ['a: ~/x', 'a: /home/me/x'],
    ['a: "~/x"', 'a: "/home/me/x"'],
    ['a: ~', 'a: ~'],
    ['a: x~/y', 'a: x~/y'],
    ['a: $LIST', 'a: ["p", {q: 1}]'],
    ['a: $QUOTED', 'a: "x: y"'],
    ["a: '$PAIRED'", "a: 'it''s'"],
    ['a: "$ESCAPED"', 'a: "x\\ny"'],
  ])('of %j gives %j', (text, expected) => {
    const env = { A: '1', B: 'two', EMPTY: '', HOME: '/home/me', LIST: '["p", {q: 1}]', QUOTED: '"x: y"' };
    expect(expand(text, { ...env, PAIRED: "it''s", ESCAPED: 'x\\ny' })).toBe(expected);
  });

  it.each([
    ['a: $A', 'x: y'],
    ['a: $A', 'x #y'],
    ['a: $A', '#y'],
    ['a: $A', '*y'],
    ['a: $A', '&y z'],
    ['a: $A', '!y z'],
    ['a: $A', '- y'],
    ['a: $A', '| '],
    ['a: $A', '[y'],
    ['a: $A', '[y] # z'],
    ['a: $A', '{y: 1}: z'],
    ['a: $A b', 'x:'],
    ['a: [$A]', 'x, y'],
    ['a: [$A]', 'x: y'],
    ['a: {b: $A}', 'x}, c: {d: 1'],
    ['a: "$A"', 'x"y'],
    ['a: "$A"', 'x\\'],
    ["a: '$A'", "x'y"],
    ['a: |\n  $A', 'x\nb: y'],
    ['a: "$A"', 'x\ry'],
  ])('of %j refuses the value %j', (text, value) => {
    const said = messages(text, { A: value });
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('$A');
  });

  it('reports every reference that cannot be resolved, where it stands', () => {
    expect(messages('a: $X\nb: "${Y}" # $Z\nc: ${W\nd: ${V:-${U}}')).toEqual([
      '3: environment variable X is not set',
      '10: environment variable Y is not set',
      '24: "${" without its "}"',
      '31: a default cannot hold another reference',
    ]);
  });

  it('never quotes a value in a fault', () => {
    for (const text of ['a: $A', 'a: "$A"', "a: '$A'", 'a: [$A]']) {
      const { faults } = substitute(text, { A: `hunter2"'\\: {,\n` });
      expect(faults).toHaveLength(1);
      expect(JSON.stringify(faults)).not.toContain('hunter2');
    }
  });

  it('leaves text without references as it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/[$~]/.test(text));
        const { result, faults } = substitute(text, {});
        expect(faults).toEqual([]);
        expect(result.text).toBe(text);
        expect(result.origin(text.length)).toBe(text.length);
      }),
    );
  });

  const line = fc.stringMatching(/^[^\r\n\u0085\u2028\u2029\ufeff]*$/);

  it('can change one value and nothing around it, or is refused', () => {
    const places = ['a: $V', 'a: "$V"', "a: '$V'", 'a: x $V y', 'a: [p, $V, q]', 'a: {k: $V}', 'a: |\n  x$V'];
    fc.assert(
      fc.property(fc.constantFrom(...places), line, (place, value) => {
        const { result, faults } = substitute(`${place}\nz: end\n`, { V: value });
        if (faults.length > 0) return;
        let parsed: unknown;
        try {
          parsed = parse(result.text);
        } catch {
          // Not YAML any more (an escape that is none, a control character): refused one step later.
          return;
        }
        expect(Object.keys(parsed as object)).toEqual(['a', 'z']);
        const { a, z } = parsed as { a: unknown; z: unknown };
        expect(z).toBe('end');
        if (place.includes('[')) expect(a).toHaveLength(3);
        if (place.includes('{k')) expect(Object.keys(a as object)).toEqual(['k']);
      }),
      { numRuns: 2000 },
    );
  });

  it('in single quotes and literal blocks gives exactly the value', () => {
    const word = fc.stringMatching(/^[!-~]([ -~]*[!-~])?$/);
    fc.assert(
      fc.property(word, (value) => {
        const quoted = substitute("a: '$V'", { V: value.replaceAll("'", "''") });
        expect(quoted.faults).toEqual([]);
        expect(parse(quoted.result.text)).toEqual({ a: value });
        const block = substitute('a: |-\n  $V', { V: value });
        expect(block.faults).toEqual([]);
        expect(parse(block.result.text)).toEqual({ a: value });
      }),
    );
  });

  it('maps every offset of what was copied back to where it came from', () => {
    const part = fc.oneof(
      fc.constant('$A'),
      fc.constant('${LONGER_NAME}'),
      fc.constant('$$'),
      fc.stringMatching(/^[a-z ]{0,6}$/),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const text = `k: "${parts.join('.')}"`;
        const { result, faults } = substitute(text, { A: 'value', LONGER_NAME: '' });
        expect(faults).toEqual([]);
        let last = 0;
        for (let offset = 0; offset <= result.text.length; offset++) {
          const origin = result.origin(offset);
          expect(origin).toBeGreaterThanOrEqual(last);
          expect(origin).toBeLessThanOrEqual(text.length);
          last = origin;
        }
        // Dots and the closing quote are never part of a reference or a value.
        const dots = (from: string) =>
          [...from].flatMap((char, index) => (char === '.' || char === '"' ? [index] : []));
        expect(dots(result.text).map((offset) => result.origin(offset))).toEqual(dots(text));
      }),
    );
  });
});
