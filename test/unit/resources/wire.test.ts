import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../../src/resources/schema/common.ts';
import {
  assumed,
  bytes,
  duration,
  empty,
  entries,
  fixed,
  flag,
  int32,
  into,
  json,
  lazily,
  list,
  map,
  mapped,
  merged,
  message,
  nonEmpty,
  number,
  oneWord,
  only,
  otherwise,
  present,
  required,
  struct,
  text,
  textBytes,
  uint32,
  uint64,
  under,
  unless,
  type Wire,
  WireError,
} from '../../../src/resources/wire.ts';
import { backendReference, headerMatch, keepalives } from '../../../src/resources/wire-messages.ts';
import { messageType } from '../../../src/xds/wire/protos.ts';

/** Every kind of field there is. */
const EVERYTHING = protobuf.parse(
  `syntax = "proto3";
  import "google/protobuf/duration.proto";
  import "google/protobuf/struct.proto";
  message Everything {
    enum Word { NOTHING = 0; ONE = 1; TWO = 2; }
    string text = 1;
    optional string maybe_text = 2;
    double ratio = 3;
    optional uint32 count = 4;
    int32 signed = 5;
    uint64 large = 6;
    bool flag = 7;
    optional bool maybe_flag = 8;
    bytes data = 9;
    google.protobuf.Duration time = 10;
    google.protobuf.Value json = 11;
    google.protobuf.Struct struct = 12;
    Word word = 13;
    repeated Word words = 14;
    repeated string texts = 15;
    map<string, uint32> counts = 16;
    map<string, Word> by_name = 17;
    Everything self = 18;
    repeated Everything selves = 19;
    repeated Pair pairs = 20;
    message Pair { string name = 1; string value = 2; }
    oneof kind { string this = 21; Empty that = 22; }
    message Empty {}
  }`,
  { keepCase: true },
).root;
EVERYTHING.addJSON(protobuf.common.get('google/protobuf/duration.proto')?.nested ?? {});
EVERYTHING.addJSON(protobuf.common.get('google/protobuf/struct.proto')?.nested ?? {});
const type = EVERYTHING.lookupType('Everything');

/** As a control plane would be told it and tell it back. */
function throughBytes(wire: unknown): unknown {
  const encoded = type.encode(type.fromObject(wire as object)).finish();
  return type.toObject(type.decode(encoded), { enums: String, longs: Number });
}

const word = oneWord({ nothing: 'NOTHING', one: 'ONE', two: 'TWO' }, 'nothing');
const everything: Wire<Record<string, unknown>> = message({
  text,
  maybeText: present(text),
  ratio: number,
  count: present(uint32),
  signed: int32,
  large: uint64,
  flag,
  maybeFlag: present(flag),
  data: bytes,
  time: duration,
  json,
  struct,
  word,
  words: list(word),
  texts: list(text),
  counts: map(uint32),
  byName: map(word),
  self: lazily(() => everything),
  selves: list(lazily(() => everything)),
  pairs: entries('name', 'value'),
  this: present(text),
  that: empty,
});

const someText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
const someWord = fc.constantFrom('nothing', 'one', 'two');
const name = fc.stringMatching(/^[a-z_]{1,12}$/);
// Doubles carry all of JavaScript's numbers but -0's sign where 0 is not written.
const someNumber = fc.double({ noNaN: true, noDefaultInfinity: true }).filter((one) => !Object.is(one, -0));
const someJson = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.boolean(),
    someNumber,
    fc.string(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 3 }),
  ),
})).value;
const someDuration = fc
  .tuple(fc.nat(10_000_000), fc.constantFrom('ns', 'us', 'ms', 's', 'm', 'h'))
  .map(([amount, unit]) => `${amount}${unit}`);

const flat = {
  text: someText,
  maybeText: fc.string(),
  ratio: someNumber.filter((one) => one !== 0),
  count: fc.nat(),
  signed: fc.integer().filter((one) => one !== 0),
  large: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  flag: fc.constant(true),
  maybeFlag: fc.boolean(),
  data: fc.oneof(
    someText,
    fc.array(fc.integer({ min: 128, max: 255 }), { minLength: 1 }).map((rest) => [255, ...rest]),
  ),
  time: someDuration,
  // In configuration a null is nothing.
  json: someJson.filter((one) => one !== null),
  struct: fc.dictionary(name, someJson, { maxKeys: 3 }),
  word: someWord,
  words: fc.array(someWord, { minLength: 1 }),
  texts: fc.array(fc.string(), { minLength: 1 }),
  counts: fc.dictionary(name, fc.nat(), { minKeys: 1 }),
  byName: fc.dictionary(name, someWord, { minKeys: 1 }),
  pairs: fc.dictionary(fc.string(), fc.string(), { minKeys: 1 }),
};
const someRecord = fc.record(flat, { requiredKeys: ['word'] });
const someNested = fc
  .record({
    own: someRecord,
    self: fc.option(someRecord, { nil: undefined }),
    selves: fc.array(someRecord, { maxLength: 2 }),
    kind: fc.constantFrom({}, { this: '' }, { this: 'a' }, { that: {} }),
  })
  .map(({ own, self, selves, kind }) => ({
    ...own,
    ...kind,
    ...(self !== undefined && { self }),
    ...(selves.length > 0 && { selves }),
  }));

/** Durations by value: the same time has many texts. */
function timed(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, one) =>
    key === 'time' && typeof one === 'string' ? Math.round(parseDuration(one) * 1e6) : one,
  );
}

describe('wire', () => {
  it('reads what it wrote, whatever it is', () => {
    fc.assert(
      fc.property(someNested, (value) => {
        const again = everything.read(throughBytes(everything.write(value)));
        expect(timed(again)).toEqual(timed(value));
      }),
    );
  });

  it('writes again what it read', () => {
    fc.assert(
      fc.property(someNested, (value) => {
        const wire = throughBytes(everything.write(value));
        expect(throughBytes(everything.write(everything.read(wire) as typeof value))).toEqual(wire);
      }),
    );
  });

  it.each([
    ['1ns', { seconds: 0, nanos: 1 }, '1ns'],
    ['0', { seconds: 0, nanos: 0 }, '0s'],
    ['0.9999999999s', { seconds: 1, nanos: 0 }, '1s'],
    ['1.001s', { seconds: 1, nanos: 1_000_000 }, '1001ms'],
    ['1d', { seconds: 86400, nanos: 0 }, '86400s'],
    ['2s5us', { seconds: 2, nanos: 5000 }, '2s5000ns'],
  ])('says the duration %s', (value, wire, read) => {
    expect(duration.write(value)).toEqual(wire);
    expect(duration.read(wire)).toBe(read);
  });

  it('reads negative durations as a mistake', () => {
    expect(() => duration.read({ seconds: -1 })).toThrow(WireError);
    expect(() => duration.write('soon')).toThrow(WireError);
  });

  it.each([
    [uint32, -1],
    [uint32, 2 ** 32],
    [uint32, 1.5],
    [int32, 2 ** 31],
    [uint64, Number.NaN],
    [text, 1],
    [flag, 'true'],
    [word, 'three'],
    [word, 'toString'],
    [list(text), 'a'],
    [map(text), 'a'],
    [struct, 'a'],
    [bytes, 1],
    [textBytes, [1]],
    [duration, 5],
  ] as [Wire, unknown][])('refuses to write what would not fit', (wire, value) => {
    expect(() => wire.write(value)).toThrow(WireError);
  });

  it.each([
    [text, 1],
    [number, '1'],
    [list(text), {}],
    [map(text), 'a'],
    [message({}), 'a'],
    [message({}), []],
    [bytes, 'a'],
    [textBytes, Buffer.from([255])],
    [word, 'THREE'],
    [word, 3],
    [entries('name', 'value'), [{ name: 'a' }, { name: 'a' }]],
    [required(text), undefined],
    [nonEmpty(textBytes), new Uint8Array()],
  ] as [Wire, unknown][])('refuses to read what it does not know', (wire, value) => {
    expect(() => wire.read(value)).toThrow(WireError);
  });

  it('leads to the mistake', () => {
    const deep = message({ outer: ['first', list(map(message({ inner: ['second', text] })))] });
    expect(() => deep.read({ first: [{}, { a: { second: 1 } }] })).toThrow(
      expect.objectContaining({ path: ['first', 1, 'a', 'second'] }),
    );
    expect(() => deep.write({ outer: [{}, { a: { inner: 1 } }] })).toThrow(
      expect.objectContaining({ path: ['outer', 1, 'a', 'inner'] }),
    );
  });

  it('drops nothing silently, in neither direction', () => {
    const some = message({ a: text });
    expect(() => some.read({ a: 'x', b: 'y' })).toThrow(expect.objectContaining({ path: ['b'] }));
    expect(some.read({ a: 'x', b: '', c: 0, d: false, e: [], f: undefined })).toEqual({ a: 'x' });
    expect(() => some.write({ a: 'x', b: 'y' })).toThrow(expect.objectContaining({ path: ['b'] }));
    expect(some.write({ a: 'x', b: null, c: undefined })).toEqual({ a: 'x' });
  });

  it('tells absence from defaults only where the message does', () => {
    expect(text.read('')).toBeUndefined();
    expect(present(text).read('')).toBe('');
    expect(present(text).write('')).toBe('');
    expect(present(uint32).read(0)).toBe(0);
    expect(otherwise(flag, false).read(undefined)).toBe(false);
    expect(otherwise(list(text), []).read(undefined)).toEqual([]);
    expect(otherwise(list(text), []).write([])).toBeUndefined();
    expect(word.read(undefined)).toBe('nothing');
    expect(word.write('nothing')).toBeUndefined();
  });

  it('reads enums by every name that it is given', () => {
    const versions = oneWord({ 'HTTP/1.1': 'HTTP1', '1.1': 'HTTP1' }, undefined, { ANY: 'HTTP/1.1' });
    expect(versions.write('1.1')).toBe('HTTP1');
    expect(versions.read('HTTP1')).toBe('HTTP/1.1');
    expect(versions.read('ANY')).toBe('HTTP/1.1');
    expect(versions.read(undefined)).toBeUndefined();
    expect(unless('UNSPECIFIED', versions).read('UNSPECIFIED')).toBeUndefined();
  });

  it('has what can only be one thing both ways', () => {
    expect(assumed('a').write('a')).toBeUndefined();
    expect(assumed('a').read(undefined)).toBeUndefined();
    expect(() => assumed('a').write('b')).toThrow(WireError);
    expect(fixed('a').read(undefined)).toBe('a');
    expect(() => fixed('a').write('b')).toThrow(WireError);
  });

  it('shares out the fields of one message', () => {
    const whole = merged(
      message({ a: text }),
      under('far', message({ b: text, c: text })),
      into('near', message({ d: text, e: text })),
      into('word', message<{ f?: string }>({ f: text }), {
        read: ({ f }) => f,
        write: (f: string) => ({ f }),
      }),
    );
    const value = { a: '1', b: '2', c: '3', near: { d: '4', e: '5' }, word: '6' };
    const wire = { a: '1', far: { b: '2', c: '3' }, d: '4', e: '5', f: '6' };
    expect(whole.write(value)).toEqual(wire);
    expect(whole.read(wire)).toEqual(value);
    expect(whole.read({})).toEqual({});
    expect(whole.write({})).toEqual({});
    expect(() => whole.write({ d: '4' })).toThrow(WireError);
    expect(() => whole.read({ b: '2' })).toThrow(WireError);
    expect(() => whole.read({ far: { x: 'y' } })).toThrow(expect.objectContaining({ path: ['far', 'x'] }));
  });

  it('reads through single fields and other shapes', () => {
    expect(only('x', text).read({ x: 'a' })).toBe('a');
    expect(only('x', text).write('')).toEqual({});
    expect(() => only('x', text).read({ y: 'a' })).toThrow(WireError);
    const doubled = mapped(uint32, { read: (n) => n * 2, write: (n: number) => n / 2 });
    expect(doubled.read(3)).toBe(6);
    expect(doubled.write(6)).toBe(3);
    expect(doubled.read(undefined)).toBeUndefined();
  });

  it('keeps members that objects have from birth', () => {
    const value = JSON.parse('{"__proto__": "a", "constructor": "b"}');
    expect(map(text).read(map(text).write(value))).toEqual(value);
    expect(struct.read(struct.write(value))).toEqual(value);
    expect(entries('name', 'value').read(entries('name', 'value').write(value))).toEqual(value);
  });
});

describe('shared messages', () => {
  const references = messageType('agentgateway.dev.resource.BackendReference');

  it.each([
    [{ service: { name: 'ns/a.ns.svc.cluster.local', port: 80 } }],
    [{ service: { name: '/a.example', port: 0 } }],
    [{ backend: 'ns/a' }],
    [{ host: 'a.example:80' }],
    [{ host: '10.0.0.1:65535' }],
    [{ host: '[fd00::1]:443' }],
    [{ backend: '' }],
  ])('says the backend %j', (value) => {
    const wire = references.decode(references.encode(backendReference.write(value) as object as never));
    expect(backendReference.read(wire)).toEqual(value);
  });

  it.each([undefined, {}, { port: 80 }, { inline: { hostname: 'a' } }, { inline: { port: 1 } }])(
    'that is %j names a backend that is never found',
    (wire) => {
      expect(backendReference.read(wire)).toEqual({ backend: '' });
    },
  );

  it('names no backend that it could not reach', () => {
    for (const host of ['unix:/run/a.sock', 'a', '', 'a:0'])
      expect(() => backendReference.write({ host })).toThrow(WireError);
    expect(() => backendReference.write({ service: { name: 'a', port: 1 } })).toThrow(WireError);
  });

  it('says what headers match', () => {
    expect(headerMatch.write({ name: 'a', value: { exact: '' } })).toEqual({ name: 'a', exact: '' });
    expect(headerMatch.read({ name: 'a', regex: '.*' })).toEqual({ name: 'a', value: { regex: '.*' } });
    expect(() => headerMatch.write({ name: 'a', value: 'invalid' })).toThrow(WireError);
  });

  it('has no word for keep-alives that are off', () => {
    expect(keepalives.write({ enabled: true, time: '1s' })).toEqual({ time: { seconds: 1, nanos: 0 } });
    expect(() => keepalives.write({ enabled: false })).toThrow(WireError);
  });
});
