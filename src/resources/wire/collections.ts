import { asMessage, isAbsent, mapEntries, type Wire, WireError, within } from './definition.ts';
import { message } from './message.ts';
import { text } from './scalars.ts';

/** What stands in a list or a map, where nothing can be left out. */
function readElement(inner: Wire, one: unknown): unknown {
  const value = inner.read(one);
  return value === undefined ? one : value;
}

function writeElement(inner: Wire, one: unknown): unknown {
  return inner.write(one) ?? inner.zero ?? {};
}

/** A repeated field. An empty list is none. */
export function list<Value>(inner: Wire<Value>): Wire<Value[]> {
  return {
    read(wire) {
      if (isAbsent(wire)) return undefined;
      if (!Array.isArray(wire)) throw new WireError('not a list');
      return wire.map((one, index) => within(index, () => readElement(inner as Wire, one) as Value));
    },
    write(value) {
      if (!Array.isArray(value)) throw new WireError('not a list');
      if (value.length === 0) return undefined;
      return value.map((one, index) => within(index, () => writeElement(inner as Wire, one)));
    },
  };
}

/** A map field. An empty map is none. */
export function map<Value>(inner: Wire<Value>): Wire<Record<string, Value>> {
  return {
    read(wire) {
      if (isAbsent(wire)) return undefined;
      return mapEntries(asMessage(wire), (one) => readElement(inner as Wire, one) as Value);
    },
    write(value) {
      if (Object.keys(asMessage(value)).length === 0) return undefined;
      return mapEntries(value, (one) => writeElement(inner as Wire, one));
    },
  };
}

/** A repeated message of a name and a value ↔ an object: `[{name: 'a', value: 'b'}]` ↔ `{a: 'b'}`. An empty one is none. */
export function entries(nameField: string, valueField: string): Wire<Record<string, string>> {
  const inner = list(message<{ name: string; value: string }>({ name: [nameField, text], value: [valueField, text] }));
  return {
    read(wire) {
      const found = inner.read(wire);
      if (found === undefined) return undefined;
      const seen = new Set<string>();
      const pairs = found.map(({ name = '', value = '' }, index): [string, string] => {
        if (seen.has(name)) throw new WireError(`"${name}" is there already`, [index]);
        seen.add(name);
        return [name, value];
      });
      return Object.fromEntries(pairs);
    },
    write: (value) =>
      inner.write(Object.entries(asMessage(value)).map(([name, one]) => ({ name, value: one as string }))),
  };
}
