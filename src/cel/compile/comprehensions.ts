import { type CelError, invalidArgument } from '../errors.ts';
import { compare, noOverload } from '../values/order.ts';
import { type CelList, CelMap, type CelValue, EntryMap, isList } from '../values/value.ts';
import { absorbable, type Frame, type Run, step } from './code.ts';

/** Where a comprehension puts the element it is at. `second` of the two-variable form, else -1. */
export interface Slots {
  readonly first: number;
  readonly second: number;
}

/** What a comprehension goes over: elements, or with two variables index and element, key and value. */
interface Range {
  readonly firsts: CelList;
  /** Empty of the one-variable form. */
  readonly seconds: CelList;
}

function rangeOf(value: CelValue, slots: Slots): Range {
  const paired = slots.second >= 0;
  if (isList(value))
    return paired ? { firsts: value.map((_, i) => BigInt(i)), seconds: value } : { firsts: value, seconds: [] };
  if (!(value instanceof CelMap)) throw noOverload('comprehension', value);
  if (!paired) return { firsts: [...value.keys()], seconds: [] };
  const entries = [...value.entries()];
  return { firsts: entries.map(([key]) => key), seconds: entries.map(([, item]) => item) };
}

function put(frame: Frame, slots: Slots, range: Range, i: number): void {
  step(frame);
  frame.locals[slots.first] = range.firsts[i] as CelValue;
  if (slots.second >= 0) frame.locals[slots.second] = range.seconds[i] as CelValue;
}

function test(predicate: Run, frame: Frame, name: string): boolean {
  const value = predicate(frame);
  if (typeof value === 'boolean') return value;
  throw noOverload(name, value);
}

/** `all` and `exists`: stops at the first element that decides, which absorbs errors of others as `&&` and `||` do. */
export function quantifier(deciding: boolean, target: Run, slots: Slots, predicate: Run): Run {
  const name = deciding ? 'exists' : 'all';
  return (frame) => {
    const range = rangeOf(target(frame), slots);
    let error: CelError | undefined;
    for (let i = 0; i < range.firsts.length; i++) {
      put(frame, slots, range, i);
      try {
        if (test(predicate, frame, name) === deciding) return deciding;
      } catch (thrown) {
        error ??= absorbable(thrown);
      }
    }
    if (error !== undefined) throw error;
    return !deciding;
  };
}

/** `exists_one`: exactly one element. */
export function existsOne(target: Run, slots: Slots, predicate: Run): Run {
  return (frame) => {
    const range = rangeOf(target(frame), slots);
    let found = 0;
    for (let i = 0; i < range.firsts.length; i++) {
      put(frame, slots, range, i);
      if (test(predicate, frame, 'exists_one')) found++;
    }
    return found === 1;
  };
}

/** `map`, `filter` and `transformList`: a list of `transform`'s values (null: the elements) where `predicate` (null: always) holds. */
export function collect(target: Run, slots: Slots, predicate: Run | null, transform: Run | null): Run {
  return (frame) => {
    const range = rangeOf(target(frame), slots);
    const out: CelValue[] = [];
    for (let i = 0; i < range.firsts.length; i++) {
      put(frame, slots, range, i);
      if (predicate !== null && !test(predicate, frame, 'filter')) continue;
      out.push(transform === null ? (range.firsts[i] as CelValue) : transform(frame));
    }
    return out;
  };
}

/** `transformMap`: a map of the same keys, and `transformMapEntry`: `transform` gives maps whose entries are put together. */
export function collectMap(target: Run, slots: Slots, predicate: Run | null, transform: Run, asEntries: boolean): Run {
  return (frame) => {
    const range = rangeOf(target(frame), slots);
    const out = new EntryMap();
    for (let i = 0; i < range.firsts.length; i++) {
      put(frame, slots, range, i);
      if (predicate !== null && !test(predicate, frame, 'transformMap')) continue;
      const value = transform(frame);
      if (!asEntries) out.put(range.firsts[i] as CelValue, value);
      else if (value instanceof CelMap) addEntries(out, value);
      else throw noOverload('transformMapEntry', value);
    }
    return out;
  };
}

function addEntries(out: EntryMap, entries: CelMap): void {
  for (const [key, value] of entries.entries()) {
    if (out.has(key)) throw invalidArgument('a map has the same key twice');
    out.put(key, value);
  }
}

/** agentgateway's `mapValues` (the variable is the value) and `filterKeys` (the variable is the key, `transform` null). */
export function overMap(target: Run, slots: Slots, predicate: Run | null, transform: Run | null): Run {
  return (frame) => {
    const map = target(frame);
    if (!(map instanceof CelMap)) throw noOverload(transform === null ? 'filterKeys' : 'mapValues', map);
    const out = new EntryMap();
    for (const [key, value] of map.entries()) {
      step(frame);
      frame.locals[slots.first] = transform === null ? key : value;
      if (predicate !== null && !test(predicate, frame, 'filterKeys')) continue;
      out.put(key, transform === null ? value : transform(frame));
    }
    return out;
  };
}

/** `sortBy`: the elements in the order of their keys; equal keys keep their order. */
export function sortBy(target: Run, slots: Slots, keyOf: Run): Run {
  return (frame) => {
    const list = target(frame);
    if (!isList(list)) throw noOverload('sortBy', list);
    const keyed = list.map((item) => {
      step(frame);
      frame.locals[slots.first] = item;
      return { item, key: keyOf(frame) };
    });
    for (const { key } of keyed) if (keyed[0] !== undefined) compare(key, keyed[0].key);
    return keyed.sort((a, b) => compare(a.key, b.key)).map(({ item }) => item);
  };
}
