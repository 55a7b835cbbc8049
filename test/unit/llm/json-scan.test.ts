import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonScanner } from '../../../src/adapters/llm/json-scan.ts';
import { MAX_DEPTH } from '../../../src/adapters/llm/json-skip.ts';
import { isEmptyArray, jsonString, jsonValue } from '../../../src/adapters/llm/json-value.ts';
import { Wanted } from '../../../src/adapters/llm/json-wanted.ts';

const WANTED = new Wanted({
  model: true,
  usage: true,
  stream: true,
  'na"me\n': true,
  response: { usage: true, model: true },
});

function scan(bytes: Buffer, cuts: readonly number[] = []): JsonScanner {
  const scanner = new JsonScanner(WANTED);
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    scanner.write(bytes.subarray(from, cut));
    from = cut;
  }
  return scanner;
}

/** What JSON.parse finds at each wanted path. */
function expected(text: string): unknown[] {
  const parsed = JSON.parse(text);
  return WANTED.paths.map((path) => {
    if (!path.startsWith('response.')) return parsed[path];
    const response = parsed.response;
    const inside = typeof response === 'object' && response !== null && !Array.isArray(response);
    return inside ? response[path.slice('response.'.length)] : undefined;
  });
}

function values(scanner: JsonScanner): unknown[] {
  return WANTED.paths.map((_, slot) => jsonValue(scanner.value(slot)));
}

const names = fc.oneof(
  fc.constantFrom('model', 'usage', 'stream', 'na"me\n', 'response', 'modem', 'mod', 'usages', 'x_response'),
  fc.string({ unit: 'binary', maxLength: 12 }).filter((name) => name !== '__proto__'),
);
const leaf = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ unit: fc.constantFrom('"', '\\', 'a', '\u{1f600}', '{', ']', ','), maxLength: 60 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
);
const { value: anyJson } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(names, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
}));
const object = fc.dictionary(names, anyJson, { maxKeys: 8, noNullPrototype: true });
const spacing = fc.constantFrom(undefined, 1, '\t', '\r\n ' as unknown as string);

describe('JsonScanner', () => {
  it('finds what JSON.parse finds, wherever the chunks are cut', () => {
    fc.assert(
      fc.property(object, spacing, fc.array(fc.nat(), { maxLength: 6 }), (value, space, seeds) => {
        const text = JSON.stringify(value, null, space as string);
        const bytes = Buffer.from(text);
        const cuts = seeds.map((seed) => seed % (bytes.length + 1)).sort((a, b) => a - b);
        const scanner = scan(bytes, cuts);
        expect(scanner.complete).toBe(true);
        expect(values(scanner)).toEqual(expected(text));
        expect(bytes[scanner.closeOffset]).toBe(0x7d);
        expect(scanner.members).toBe(Object.keys(value).length);
      }),
      { numRuns: 1000 },
    );
  });

  it('finds the same however one document is cut in two, and byte by byte', () => {
    const text =
      ' {"a":[1,{"model":"no \\"}\\\\"}],"mod\\u0065l":"gpt-\\u00e9 é😀","usage":{"n":-1.5e3,"s":"\\\\\\""},\r\n' +
      '"response": {"model" : "inner", "x":{"usage":0}, "usage":[ ]}, "stream":true, "na\\"me\\n":null}\n';
    const bytes = Buffer.from(text);
    const whole = expected(text);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const scanner = scan(bytes, [cut]);
      expect(scanner.complete).toBe(true);
      expect(values(scanner)).toEqual(whole);
    }
    const each = scan(
      bytes,
      Array.from({ length: bytes.length }, (_, i) => i),
    );
    expect(values(each)).toEqual(whole);
    expect(jsonString(each.value(WANTED.slot('model')))).toBe('gpt-é é😀');
  });

  it('gives byte ranges that are the value', () => {
    const bytes = Buffer.from('{ "x":0 , "model" : "m" , "usage":{"a":1}}');
    const scanner = scan(bytes, [3, 11, 12, 20]);
    const model = scanner.found(WANTED.slot('model'));
    const usage = scanner.found(WANTED.slot('usage'));
    expect(bytes.toString('utf8', model?.start, model?.end)).toBe('"m"');
    expect(bytes.toString('utf8', model?.nameStart, model?.end)).toBe('"model" : "m"');
    expect(bytes[model?.commaBefore ?? -1]).toBe(0x2c);
    expect(bytes[model?.commaAfter ?? -1]).toBe(0x2c);
    expect(bytes.toString('utf8', usage?.start, usage?.end)).toBe('{"a":1}');
    expect(usage?.commaAfter).toBe(-1);
    expect([model?.ordinal, usage?.ordinal]).toEqual([1, 2]);
  });

  it('counts a repeated name, also one that is written with escapes, and keeps the last value as JSON.parse does', () => {
    const scanner = scan(Buffer.from('{"model":"a","\\u006dodel":"b","stream":true}'));
    const model = scanner.found(WANTED.slot('model'));
    expect(model?.count).toBe(2);
    expect(jsonString(model?.value ?? null)).toBe('b');
    expect(scanner.found(WANTED.slot('stream'))?.count).toBe(1);
  });

  it.each(['{"Model":"a"}', '{"modEL":1,"model":2}', '{"\\u004dodel":"a"}'])(
    'notes a name of other case: %s',
    (text) => {
      expect(scan(Buffer.from(text)).ambiguous).toBe('model');
    },
  );

  it('takes no name for another that only shares bits with it', () => {
    // "]odel" and "-odel" differ from "model" by a bit of 0x20 or 0x40, and are no letters.
    for (const text of ['{"Modem":1}', '{"\x4dode\x2c":1}', '{"models":1}', '{"odel":1}'])
      expect(scan(Buffer.from(text)).ambiguous).toBeNull();
  });

  it.each([
    '',
    ' ',
    '[]',
    '"model"',
    '\ufeff{"model":"a"}',
    '{',
    '{"model"',
    '{"model":',
    '{"model":"a"',
    '{"model":"a",}',
    '{,"model":"a"}',
    '{"model" "a"}',
    '{"model":"a" "b":1}',
    '{"model":"a"}x',
    '{"model":"a"}{}',
    "{'model':'a'}",
    '{model:"a"}',
    '{"a":[1}',
    '{"a":{"b":1]}',
    '{"a":[1]],"model":1}',
    '{"a":[/* " */1],"model":"b"}',
    '{"a":1 // x\n,"model":"b"}',
    '{"a":[NaN],"model":"b"}',
    '{"a":,"model":"b"}',
    '{"mod\\xel":"b"}',
  ])('refuses what is not one JSON object: %s', (text) => {
    expect(() => {
      const parsed = JSON.parse(text);
      if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new SyntaxError();
    }).toThrow();
    expect(scan(Buffer.from(text)).complete).toBe(false);
  });

  it('never accepts the rest of a document that it refuses, and never refuses what JSON.parse accepts', () => {
    const pieces = fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', ' ', '1', 'true', '"model"', '"a":', 'é');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 14 }), (parts) => {
        const text = `{${parts.join('')}}`;
        let accepted = true;
        try {
          JSON.parse(text);
        } catch {
          accepted = false;
        }
        if (accepted) expect(scan(Buffer.from(text)).complete).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('bounds nesting', () => {
    const nested = (depth: number) => Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect(scan(nested(MAX_DEPTH - 1)).complete).toBe(true);
    expect(scan(nested(MAX_DEPTH)).failed).toBe(true);
    expect(scan(nested(100_000)).failed).toBe(true);
  });

  it('does not keep a value that is longer than the limit and split', () => {
    const text = `{"usage":"${'x'.repeat(200)}","model":"m"}`;
    const bytes = Buffer.from(text);
    const scanner = new JsonScanner(WANTED, 100);
    for (let i = 0; i < bytes.length; i += 50) scanner.write(bytes.subarray(i, i + 50));
    expect(scanner.complete).toBe(true);
    expect(scanner.value(WANTED.slot('usage'))).toBeNull();
    expect(scanner.found(WANTED.slot('usage'))?.count).toBe(1);
    expect(jsonString(scanner.value(WANTED.slot('model')))).toBe('m');
  });
});

describe('values', () => {
  it('reads strings and nothing else as strings', () => {
    expect(jsonString(Buffer.from('"a\\n\\u0041"'))).toBe('a\nA');
    expect(jsonString(Buffer.from('1'))).toBeNull();
    expect(jsonString(Buffer.from('"\\x"'))).toBeNull();
    expect(jsonString(null)).toBeNull();
  });

  it('knows an empty array', () => {
    expect(isEmptyArray(Buffer.from('[]'))).toBe(true);
    expect(isEmptyArray(Buffer.from('[ \n]'))).toBe(true);
    expect(isEmptyArray(Buffer.from('[0]'))).toBe(false);
    expect(isEmptyArray(Buffer.from('{}'))).toBe(false);
  });
});
