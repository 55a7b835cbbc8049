import { invalidArgument } from '../errors.ts';
import { CelOptional, type CelValue, EntryMap } from '../values/value.ts';
import type { Code, Run } from './code.ts';

/** `[a, ?b]`: an element marked `?` is an optional, and left out where that is none. */
export function listOf(items: readonly { readonly value: Code; readonly optional: boolean }[]): Run {
  const runs = items.map(({ value }) => value.run);
  if (items.every(({ optional }) => !optional)) return (frame) => runs.map((run) => run(frame));
  return (frame) => {
    const out: CelValue[] = [];
    for (const item of items) {
      const value = item.optional ? unwrap(item.value.run(frame)) : item.value.run(frame);
      if (value !== undefined) out.push(value);
    }
    return out;
  };
}

/** `{a: b, ?c: d}`: the value of an entry marked `?` is an optional, and the entry left out where that is none. */
export function mapOf(
  entries: readonly { readonly key: Code; readonly value: Code; readonly optional: boolean }[],
): Run {
  return (frame) => {
    const map = new EntryMap();
    for (const entry of entries) {
      const key = entry.key.run(frame);
      const value = entry.optional ? unwrap(entry.value.run(frame)) : entry.value.run(frame);
      if (value === undefined) continue;
      if (map.has(key)) throw invalidArgument('a map has the same key twice');
      if (!map.put(key, value)) throw invalidArgument('a key of a map is a string, an integer or a bool');
    }
    return map;
  };
}

function unwrap(value: CelValue): CelValue | undefined {
  if (value instanceof CelOptional) return value.value;
  throw invalidArgument('an element marked with ? is an optional');
}
