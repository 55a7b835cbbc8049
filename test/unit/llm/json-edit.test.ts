import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editMembers, type MemberEdit } from '../../../src/adapters/llm/json-edit.ts';
import { JsonScanner } from '../../../src/adapters/llm/json-scan.ts';
import { Wanted } from '../../../src/adapters/llm/json-wanted.ts';

const NAMES = ['a', 'b', 'model', 'ä"'] as const;
const WANTED = new Wanted(Object.fromEntries(NAMES.map((name) => [name, true as const])));

function edit(text: string, changes: readonly [string, unknown][]): string {
  const body = Buffer.from(text);
  const scan = new JsonScanner(WANTED, body.length);
  scan.write(body);
  const edits = changes.map(
    ([name, value]): MemberEdit => ({
      name,
      slot: WANTED.slot(name),
      json: value === undefined ? null : JSON.stringify(value),
    }),
  );
  return editMembers(body, scan, edits).toString();
}

describe('editMembers', () => {
  it('changes a value and leaves every other byte', () => {
    const before = '{ "x" : 1.0,\n "model" : "alias" , "unknown":{"k":[1,2,"\\u00e9"]} }';
    expect(edit(before, [['model', 'real']])).toBe(before.replace('"alias"', '"real"'));
  });

  it('adds members at the end, also to an empty object', () => {
    expect(edit('{}', [['a', 1]])).toBe('{"a":1}');
    expect(
      edit('{"x":0}', [
        ['a', 1],
        ['ä"', null],
      ]),
    ).toBe('{"x":0,"a":1,"ä\\"":null}');
  });

  it('removes members with one comma, wherever they stand', () => {
    expect(edit('{"a":1,"x":2,"b":3}', [['a', undefined]])).toBe('{"x":2,"b":3}');
    expect(edit('{"a":1,"x":2,"b":3}', [['b', undefined]])).toBe('{"a":1,"x":2}');
    expect(
      edit('{"a":1,"b":3,"x":2}', [
        ['a', undefined],
        ['b', undefined],
      ]),
    ).toBe('{"x":2}');
    expect(edit('{"a":1}', [['a', undefined]])).toBe('{}');
    expect(
      edit('{"a":1}', [
        ['a', undefined],
        ['b', 2],
      ]),
    ).toBe('{"b":2}');
  });

  it('gives back the same bytes where nothing changes', () => {
    const body = Buffer.from('{"x":1}');
    const scan = new JsonScanner(WANTED, body.length);
    scan.write(body);
    expect(editMembers(body, scan, [{ name: 'a', slot: WANTED.slot('a'), json: null }])).toBe(body);
  });

  it('does to bytes what assignment does to an object', () => {
    const names = fc.constantFrom(...NAMES, 'x', 'y', 'long name');
    const value = fc.oneof(fc.integer(), fc.string({ unit: 'binary' }), fc.constant({ deep: [true, null] }));
    fc.assert(
      fc.property(
        fc.dictionary(names, value, { noNullPrototype: true }),
        fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.option(value, { nil: undefined })), {
          selector: ([name]) => name,
        }),
        fc.constantFrom(undefined, 2),
        (object, changes, space) => {
          const after: Record<string, unknown> = { ...object };
          for (const [name, changed] of changes) {
            if (changed === undefined) delete after[name];
            else after[name] = changed;
          }
          expect(JSON.parse(edit(JSON.stringify(object, null, space), changes))).toEqual(after);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
