import { isUtf8 } from 'node:buffer';
import { parseDuration } from './schema/common.ts';

/**
 * How values of configuration stand in control planes' protobuf messages, said once for both directions. Messages are plain objects with the
 * protos' own field names (`max_tokens`), in which whatever is at its proto3 default is absent and enums are the names of their values.
 *
 * `read` gives values as a configuration file would hold them: a schema has still to fill in defaults. `write` takes values that a schema has
 * been through; it says all of a value or throws, so that what it wrote means what it was given.
 */
export interface Wire<Value = unknown> {
  /** What stands for a value at its default where something has to: among the elements of a list. Absent: an empty message. */
  readonly zero?: string | number | boolean;
  /** True where neither a message nor a value can do without: see `required`. */
  readonly required?: true;
  /** The value that a message, or scalar, says; `wire` undefined: nothing was said. Throws WireError. */
  read(wire: unknown): Value | undefined;
  /** The message that says `value`; undefined where nothing has to be said. Throws WireError for what it has no place for. */
  write(value: Value): unknown;
}

/** A decoded protobuf message. */
export type WireMessage = Readonly<Record<string, unknown>>;

/** What a message says that can't be read, or a value that it has no place for; `path` leads there. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly path: readonly (string | number)[];

  constructor(message: string, path: readonly (string | number)[] = []) {
    super(message);
    this.path = path;
  }
}

/** Runs `step`, whose faults lie below `name`. */
function within<Result>(name: string | number, step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    if (error instanceof WireError) throw new WireError(error.message, [name, ...error.path]);
    throw error;
  }
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function asMessage(value: unknown): WireMessage {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new WireError('not an object');
  return value as WireMessage;
}

/** Scalars that mean in configuration what they mean on the wire. One at its default is not there. */
function scalar<Value extends string | number | boolean>(zero: Value, fault?: (value: Value) => string | null) {
  const check = (value: unknown): Value => {
    if (typeof value !== typeof zero) throw new WireError(`not a ${typeof zero}`);
    const found = fault?.(value as Value) ?? null;
    if (found !== null) throw new WireError(found);
    return value as Value;
  };
  const unlessZero = (value: Value) => (value === zero ? undefined : value);
  const wire: Wire<Value> = {
    zero,
    read: (wire) => (isAbsent(wire) ? undefined : unlessZero(check(wire))),
    write: (value) => unlessZero(check(value)),
  };
  return wire;
}

/** The protobuf library would wrap round what does not fit. */
function integer(min: number, max: number): Wire<number> {
  return scalar<number>(0, (value) =>
    Number.isInteger(value) && value >= min && value <= max
      ? null
      : `${value} is not a whole number of ${min} to ${max}`,
  );
}

export const text: Wire<string> = scalar<string>('');
/** float and double. */
export const number: Wire<number> = scalar<number>(0);
export const int32: Wire<number> = integer(-(2 ** 31), 2 ** 31 - 1);
export const uint32: Wire<number> = integer(0, 2 ** 32 - 1);
/** As far as a JavaScript number tells them apart. */
export const uint64: Wire<number> = integer(0, Number.MAX_SAFE_INTEGER);
export const flag: Wire<boolean> = scalar<boolean>(false);

/** What is absent means `value`; for scalars and lists, whose default is not there either. */
export function otherwise<Value>(inner: Wire<Value>, value: Value): Wire<Value> {
  return {
    ...inner,
    read: (wire) => inner.read(wire) ?? value,
    write: (given) => inner.write(given),
  };
}

/** An `optional` scalar, or one of a oneof: its default is told from its absence. */
export function present<Value extends string | number | boolean>(inner: Wire<Value>): Wire<Value> {
  return {
    ...inner,
    read: (wire) => (isAbsent(wire) ? undefined : (inner.read(wire) ?? (wire as Value))),
    write: (value) => inner.write(value) ?? inner.zero,
  };
}

/** What has to be there, in a message and in a value. */
export function required<Value>(inner: Wire<Value>): Wire<Value> {
  return {
    ...inner,
    required: true,
    read(wire) {
      const value = inner.read(wire);
      if (value === undefined) throw new WireError('is missing');
      return value;
    },
    write: (value) => inner.write(value),
  };
}

/** What no message says and every control plane means: only `value` can be written, as nothing. */
export function assumed<Value>(value: Value): Wire<Value> {
  return {
    read: () => undefined,
    write(given) {
      if (given !== value) throw new WireError(`"${String(given)}" can't be said`);
      return undefined;
    },
  };
}

/** What configuration says and messages have no word for, since nothing else could be meant: `value`. */
export function fixed<Value>(value: Value): Wire<Value> {
  return { read: () => value, write: (given) => assumed(value).write(given) };
}

/** Bytes ↔ text, or, where they aren't UTF-8, a list of numbers. */
export const bytes: Wire<string | number[]> = {
  read(wire) {
    if (isAbsent(wire)) return undefined;
    if (!(wire instanceof Uint8Array)) throw new WireError('not bytes');
    if (wire.length === 0) return undefined;
    return isUtf8(wire) ? Buffer.from(wire.buffer, wire.byteOffset, wire.byteLength).toString('utf8') : [...wire];
  },
  write(value) {
    if (typeof value !== 'string' && !Array.isArray(value)) throw new WireError('not a text');
    return value.length === 0 ? undefined : Buffer.from(value as string);
  },
};

/** Bytes that are a text in UTF-8. */
export const textBytes: Wire<string> = {
  read(wire) {
    const value = bytes.read(wire);
    if (typeof value === 'object') throw new WireError('not a text in UTF-8');
    return value;
  },
  write(value) {
    if (typeof value !== 'string') throw new WireError('not a text');
    return bytes.write(value);
  },
};

/** What is either absent or more than its default: an empty certificate is a mistake, not no certificate. */
export function nonEmpty<Value>(inner: Wire<Value>): Wire<Value> {
  return {
    ...inner,
    read(wire) {
      const value = inner.read(wire);
      if (value === undefined && !isAbsent(wire)) throw new WireError('is empty');
      return value;
    },
    write(value) {
      const written = inner.write(value);
      if (written === undefined) throw new WireError('is empty');
      return written;
    },
  };
}

/** google.protobuf.Duration ↔ `10s`, `1500ms`. */
export const duration: Wire<string> = {
  read(wire) {
    if (isAbsent(wire)) return undefined;
    const { seconds = 0, nanos = 0 } = asMessage(wire) as { seconds?: number; nanos?: number };
    if (seconds < 0 || nanos < 0) throw new WireError('a negative duration');
    // Only whole numbers, which come out as they went in.
    if (nanos === 0) return `${seconds}s`;
    if (nanos % 1_000_000 === 0) return `${seconds * 1000 + nanos / 1_000_000}ms`;
    return seconds === 0 ? `${nanos}ns` : `${seconds}s${nanos}ns`;
  },
  write(value) {
    const nanos = Math.round(milliseconds(value) * 1e6);
    const seconds = Math.floor(nanos / 1e9);
    return { seconds, nanos: nanos - seconds * 1e9 };
  },
};

function milliseconds(value: unknown): number {
  if (typeof value !== 'string') throw new WireError('not a duration');
  try {
    return parseDuration(value);
  } catch (error) {
    if (error instanceof RangeError) throw new WireError(error.message);
    throw error;
  }
}

/** google.protobuf.Value ↔ JSON. */
export const json: Wire<unknown> = {
  read: (wire) => (isAbsent(wire) ? undefined : readValue(asMessage(wire))),
  write: (value) => writeValue(value),
};

/** google.protobuf.Struct ↔ a JSON object. */
export const struct: Wire<Record<string, unknown>> = {
  read: (wire) => (isAbsent(wire) ? undefined : readStruct(asMessage(wire))),
  write: (value) => ({ fields: mapEntries(asMessage(value), writeValue) }),
};

function readStruct(message: WireMessage): Record<string, unknown> {
  return mapEntries(asMessage(message.fields ?? {}), (value) => readValue(asMessage(value)));
}

function readValue(message: WireMessage): unknown {
  if (message.structValue !== undefined) return readStruct(asMessage(message.structValue));
  if (message.listValue !== undefined) {
    const { values = [] } = asMessage(message.listValue) as { values?: unknown[] };
    return values.map((value) => readValue(asMessage(value)));
  }
  return message.stringValue ?? message.numberValue ?? message.boolValue ?? null;
}

function writeValue(value: unknown): WireMessage {
  if (isAbsent(value)) return { nullValue: 'NULL_VALUE' };
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'number') return { numberValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(writeValue) } };
  return { structValue: { fields: mapEntries(asMessage(value), writeValue) } };
}

/**
 * An enum: each name of configuration and the name of its value in the proto; of two names of one value the first is read. `zero`: the name
 * that the enum's value 0 has, which is the one that is not there; undefined where 0 says nothing. `alsoRead`: values that are not written.
 */
export function oneWord<Name extends string>(
  names: Readonly<Record<Name, string>>,
  zero?: NoInfer<Name>,
  alsoRead: Readonly<Record<string, NoInfer<Name>>> = {},
): Wire<Name> {
  const byWire = new Map<unknown, Name>(Object.entries(alsoRead));
  for (const [name, value] of Object.entries(names) as [Name, string][]) {
    if (!byWire.has(value)) byWire.set(value, name);
  }
  const zeroWord = zero === undefined ? undefined : names[zero];
  return {
    ...(zeroWord !== undefined && { zero: zeroWord }),
    read(wire) {
      if (isAbsent(wire)) return zero;
      const name = byWire.get(wire);
      if (name === undefined) throw new WireError(`${String(wire)} is not known to this version`);
      return name;
    },
    write(value) {
      const word = Object.hasOwn(names, value) ? names[value] : undefined;
      if (word === undefined) throw new WireError(`"${String(value)}" can't be said`);
      return word === zeroWord ? undefined : word;
    },
  };
}

/** An enum whose value `unspecified`, where it is said at all, says nothing. */
export function unless<Name extends string>(unspecified: string, inner: Wire<Name>): Wire<Name> {
  return {
    ...inner,
    read: (wire) => inner.read(wire === unspecified ? undefined : wire),
    write: (value) => inner.write(value),
  };
}

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

function mapEntries<From, To>(from: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, within(key, () => change(value))]));
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

/** A message ↔ an object, of which others can be made: see `merged`, `under`, `into`. */
export interface MessageWire<Value extends object = Record<string, unknown>> extends Wire<Value> {
  /** Fields of configuration. */
  readonly names: ReadonlySet<string>;
  /** Fields of the message. */
  readonly fields: ReadonlySet<string>;
  /** As `read` and `write`, whatever else the message or the value holds. */
  readPart(from: WireMessage): Record<string, unknown>;
  writePart(value: WireMessage): Record<string, unknown>;
}

type Part = Pick<MessageWire, 'names' | 'fields' | 'readPart' | 'writePart'>;

function whole<Value extends object>(part: Part): MessageWire<Value> {
  return {
    ...part,
    read(wire) {
      if (isAbsent(wire)) return undefined;
      const from = asMessage(wire);
      for (const [field, said] of Object.entries(from)) {
        if (!part.fields.has(field) && isSaid(said)) throw new WireError('is not supported', [field]);
      }
      return part.readPart(from) as Value;
    },
    write(value) {
      const from = asMessage(value);
      for (const [name, given] of Object.entries(from)) {
        if (!part.names.has(name) && !isAbsent(given)) throw new WireError("can't be said", [name]);
      }
      return part.writePart(from);
    },
  };
}

/** False for what a decoder may have filled in. */
function isSaid(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return !isAbsent(value) && value !== '' && value !== 0 && value !== false;
}

/** The fields of a message: each name of configuration, and how its value is said; in a field named otherwise, a pair of both. */
export type Fields = Readonly<Record<string, Wire | readonly [field: string, wire: Wire]>>;

/**
 * A message ↔ an object. A field of configuration that isn't given a wire name has its own in snake case. What an object holds beside the
 * fields named here, other than null, can't be said; what the message says beside them can't be read.
 */
export function message<Value extends object = Record<string, unknown>>(fields: Fields): MessageWire<Value> {
  const known = Object.entries(fields).map(([name, field]) => {
    const [wireName, wire] = isPair(field) ? field : [snakeCase(name), field];
    return { name, wireName, wire };
  });
  return whole({
    names: new Set(known.map(({ name }) => name)),
    fields: new Set(known.map(({ wireName }) => wireName)),
    readPart(from) {
      const value: Record<string, unknown> = {};
      for (const { name, wireName, wire } of known) {
        const read = within(wireName, () => wire.read(from[wireName]));
        if (read !== undefined) value[name] = read;
      }
      return value;
    },
    writePart(value) {
      const to: Record<string, unknown> = {};
      for (const { name, wireName, wire } of known) {
        const given = value[name];
        if (isAbsent(given)) {
          if (wire.required) throw new WireError('is missing', [name]);
          continue;
        }
        const written = within(name, () => wire.write(given));
        if (written !== undefined) to[wireName] = written;
      }
      return to;
    },
  });
}

function isPair(field: Fields[string]): field is readonly [string, Wire] {
  return Array.isArray(field);
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** One message ↔ one object whose fields several declarations share out among them. */
export function merged<Value extends object = Record<string, unknown>>(...parts: readonly Part[]): MessageWire<Value> {
  return whole({
    names: new Set(parts.flatMap((part) => [...part.names])),
    fields: new Set(parts.flatMap((part) => [...part.fields])),
    readPart: (from) => Object.assign({}, ...parts.map((part) => part.readPart(from))),
    writePart: (value) => Object.assign({}, ...parts.map((part) => part.writePart(value))),
  });
}

/** A message in the field `field` whose fields configuration has beside the others; to merge. */
export function under(field: string, inner: Wire<object> | MessageWire<object>, ...names: string[]): MessageWire {
  const own = 'names' in inner ? inner.names : new Set(names);
  return whole({
    names: own,
    fields: new Set([field]),
    readPart: (from) => ({ ...within(field, () => inner.read(from[field])) }),
    writePart(value) {
      const given = Object.entries(value).filter(([name, one]) => own.has(name) && !isAbsent(one));
      if (given.length === 0) {
        if (inner.required) throw new WireError(`one of ${[...own].join(', ')} is missing`);
        return {};
      }
      const written = inner.write(Object.fromEntries(given));
      const isNothing = written === undefined || (Object.keys(written as object).length === 0 && !inner.required);
      return isNothing ? {} : { [field]: written };
    },
  });
}

/**
 * Fields of a message that configuration has in an object of their own, `name`, or in what `change` makes of one; to merge. Where the message
 * says none of them, it has none.
 */
export function into<Inner extends object = Record<string, unknown>, Value = Inner>(
  name: string,
  inner: MessageWire<Inner>,
  change?: Change<Inner, Value>,
): MessageWire {
  return whole({
    names: new Set([name]),
    fields: inner.fields,
    readPart(from) {
      const fields = inner.readPart(from) as Inner;
      if (Object.keys(fields).length === 0) return {};
      const value = change === undefined ? fields : change.read(fields);
      return value === undefined ? {} : { [name]: value };
    },
    writePart(value) {
      const given = value[name];
      if (isAbsent(given)) return {};
      return within(name, () => {
        const fields = change === undefined ? (given as Inner) : change.write(given as Value);
        return (fields === undefined ? {} : inner.write(fields)) as Record<string, unknown>;
      });
    },
  });
}

/** A message of a single field, of which configuration says only the value. */
export function only<Value>(field: string, inner: Wire<Value>): Wire<Value> {
  const outer = message<Record<string, unknown>>({ [field]: [field, inner as Wire] });
  return {
    read: (wire) => outer.read(wire)?.[field] as Value | undefined,
    write: (value) => outer.write({ [field]: value }),
  };
}

/** A message without fields ↔ `{}`. */
export const empty: Wire<object> = message({});

/** How a value comes out of another and back; undefined: nothing. Both throw WireError for what has no counterpart. */
export interface Change<Inner, Value> {
  read(inner: Inner): Value | undefined;
  write(value: Value): Inner | undefined;
}

/** What is read or written as something else first. */
export function mapped<Inner, Value>(inner: Wire<Inner>, change: Change<Inner, Value>): Wire<Value> {
  return {
    read(wire) {
      const value = inner.read(wire);
      return value === undefined ? undefined : change.read(value);
    },
    write(value) {
      const written = change.write(value);
      return written === undefined ? undefined : inner.write(written);
    },
  };
}

/** A message that is part of itself, or of what follows it. */
export function lazily<Value>(get: () => Wire<Value>): Wire<Value> {
  return { read: (wire) => get().read(wire), write: (value) => get().write(value) };
}
