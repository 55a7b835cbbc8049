import { parseDuration } from './schema/common.ts';

/**
 * How values of configuration stand in control planes' protobuf messages, said once for both directions. Messages are plain objects with the
 * protos' own field names (`max_tokens`), in which whatever is at its proto3 default is absent and enums are the names of their values;
 * values are what a configuration file would hold, before its schema has filled in defaults.
 */
export interface Wire<Value = unknown> {
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

function isMessage(wire: unknown): wire is WireMessage {
  return typeof wire === 'object' && wire !== null && !Array.isArray(wire);
}

function asMessage(value: unknown): WireMessage {
  if (!isMessage(value)) throw new WireError('not an object');
  return value;
}

/** Scalars that mean in configuration what they mean on the wire. One at its default is not there. */
function scalar<Value extends string | number | boolean>(zero: Value): Wire<Value> {
  const check = (value: unknown): Value => {
    if (typeof value !== typeof zero) throw new WireError(`not a ${typeof zero}`);
    return value as Value;
  };
  const unlessZero = (value: Value) => (value === zero ? undefined : value);
  return {
    read: (wire) => (wire === undefined || wire === null ? undefined : unlessZero(check(wire))),
    write: (value) => unlessZero(check(value)),
  };
}

export const text: Wire<string> = scalar<string>('');
export const number: Wire<number> = scalar<number>(0);
export const flag: Wire<boolean> = scalar<boolean>(false);

/** What is absent means `value`, which is not written. */
export function otherwise<Value>(inner: Wire<Value>, value: Value): Wire<Value> {
  return {
    read: (wire) => inner.read(wire) ?? value,
    write: (given) => (given === value ? undefined : inner.write(given)),
  };
}

/** An `optional` scalar: its default is told from its absence. */
export function present<Value extends string | number | boolean>(inner: Wire<Value>): Wire<Value> {
  return {
    read: (wire) => (wire === undefined || wire === null ? undefined : (inner.read(wire) ?? (wire as Value))),
    write: (value) => inner.write(value) ?? value,
  };
}

/** Bytes that are a text in UTF-8. */
export const textBytes: Wire<string> = {
  read(wire) {
    if (wire === undefined || wire === null) return undefined;
    if (!(wire instanceof Uint8Array)) throw new WireError('not bytes');
    return Buffer.from(wire.buffer, wire.byteOffset, wire.byteLength).toString('utf8');
  },
  write(value) {
    if (typeof value !== 'string') throw new WireError('not a text');
    return value === '' ? undefined : Buffer.from(value);
  },
};

/** google.protobuf.Duration ↔ `1.5s`. */
export const duration: Wire<string> = {
  read(wire) {
    if (wire === undefined || wire === null) return undefined;
    const { seconds = 0, nanos = 0 } = asMessage(wire) as { seconds?: number; nanos?: number };
    if (seconds < 0 || nanos < 0) throw new WireError('a negative duration');
    // To the microsecond, which is what timers could ever tell apart.
    return `${Number((seconds + nanos / 1e9).toFixed(6))}s`;
  },
  write(value) {
    const ms = parseDuration(value);
    const seconds = Math.floor(ms / 1000);
    return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
  },
};

/** google.protobuf.Value ↔ JSON. */
export const json: Wire<unknown> = {
  read(wire) {
    if (wire === undefined || wire === null) return undefined;
    return readValue(asMessage(wire));
  },
  write: (value) => writeValue(value),
};

/** google.protobuf.Struct ↔ a JSON object. */
export const struct: Wire<Record<string, unknown>> = {
  read(wire) {
    if (wire === undefined || wire === null) return undefined;
    return readStruct(asMessage(wire));
  },
  write: (value) => ({ fields: mapObject(value, writeValue) }),
};

function readStruct(message: WireMessage): Record<string, unknown> {
  return mapObject((message.fields ?? {}) as WireMessage, (value) => readValue(asMessage(value)));
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
  if (value === null || value === undefined) return { nullValue: 'NULL_VALUE' };
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'number') return { numberValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(writeValue) } };
  return { structValue: { fields: mapObject(value as WireMessage, writeValue) } };
}

function mapObject<From, To>(from: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> {
  const to: Record<string, To> = Object.create(null);
  for (const [key, value] of Object.entries(from)) to[key] = change(value);
  return { ...to };
}

/**
 * An enum: each name of configuration and the name of its value in the proto; of two names of one value the first is read. `zero`: the name
 * that the enum's value 0 has, which is the one that is not there; undefined where 0 says nothing.
 */
export function oneWord<Name extends string>(names: Readonly<Record<Name, string>>, zero?: NoInfer<Name>): Wire<Name> {
  const byWire = new Map<unknown, Name>();
  for (const [name, value] of Object.entries(names) as [Name, string][]) {
    if (!byWire.has(value)) byWire.set(value, name);
  }
  return {
    read(wire) {
      if (wire === undefined || wire === null) return zero;
      const name = byWire.get(wire);
      if (name === undefined) throw new WireError(`${String(wire)} is not known to this version`);
      return name;
    },
    write(value) {
      const wire = names[value];
      if (wire === undefined) throw new WireError(`"${value}" can't be said`);
      return value === zero ? undefined : wire;
    },
  };
}

/** A repeated field. An empty list is none. */
export function list<Value>(inner: Wire<Value>): Wire<Value[]> {
  return {
    read(wire) {
      if (wire === undefined || wire === null) return undefined;
      if (!Array.isArray(wire)) throw new WireError('not a list');
      // An element at its default is there all the same.
      return wire.map((one, index) => within(index, () => inner.read(one) ?? (one as Value)));
    },
    write(value) {
      if (value.length === 0) return undefined;
      return value.map((one, index) => within(index, () => inner.write(one) ?? zeroOf(one)));
    },
  };
}

function zeroOf(value: unknown): unknown {
  return typeof value === 'object' ? {} : value;
}

/** A map field. An empty map is none. */
export function map<Value>(inner: Wire<Value>): Wire<Record<string, Value>> {
  return {
    read(wire) {
      if (wire === undefined || wire === null) return undefined;
      return mapEntries(asMessage(wire), (one) => inner.read(one) ?? (one as Value));
    },
    write(value) {
      if (Object.keys(value).length === 0) return undefined;
      return mapEntries(value, (one) => inner.write(one) ?? zeroOf(one));
    },
  };
}

function mapEntries<From, To>(from: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, within(key, () => change(value))]));
}

/** The fields of a message: each name of configuration, and how its value is said; in a field named otherwise, a pair of both. */
export type Fields = Readonly<Record<string, Wire<never> | readonly [field: string, Wire<never>]>>;

/**
 * A message ↔ an object. A field of configuration that isn't given a wire name has its own in snake case. What an object holds beside the
 * fields named here, other than null, can't be said.
 */
export function message<Value extends object = Record<string, unknown>>(fields: Fields): Wire<Value> {
  const known = Object.entries(fields).map(([name, field]) => {
    const [wireName, wire] = Array.isArray(field) ? field : [snakeCase(name), field];
    return { name, wireName: wireName as string, wire: wire as Wire };
  });
  const names = new Set(known.map(({ name }) => name));
  return {
    read(wire) {
      if (wire === undefined || wire === null) return undefined;
      const from = asMessage(wire);
      const value: Record<string, unknown> = {};
      for (const { name, wireName, wire: field } of known) {
        const read = within(wireName, () => field.read(from[wireName]));
        if (read !== undefined) value[name] = read;
      }
      return value as Value;
    },
    write(value) {
      const to: Record<string, unknown> = {};
      for (const [name, given] of Object.entries(asMessage(value))) {
        if (!names.has(name) && given !== undefined && given !== null) throw new WireError("can't be said", [name]);
      }
      for (const { name, wireName, wire: field } of known) {
        const given = (value as WireMessage)[name];
        if (given === undefined || given === null) continue;
        const written = within(name, () => field.write(given));
        if (written !== undefined) to[wireName] = written;
      }
      return to;
    },
  };
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A message of a single field, of which configuration says only the value. */
export function only<Value>(field: string, inner: Wire<Value>): Wire<Value> {
  return {
    read(wire) {
      if (wire === undefined || wire === null) return undefined;
      return within(field, () => inner.read(asMessage(wire)[field]));
    },
    write(value) {
      const written = inner.write(value);
      return written === undefined ? {} : { [field]: written };
    },
  };
}

/** A message without fields ↔ `value`. */
export function unit<Value>(value: Value): Wire<Value> {
  return { read: (wire) => (wire === undefined || wire === null ? undefined : value), write: () => ({}) };
}

/** What is read or written as something else first. `read` and `write` throw WireError for what has no counterpart. */
export function mapped<Inner, Value>(
  inner: Wire<Inner>,
  change: { read(inner: Inner): Value | undefined; write(value: Value): Inner | undefined },
): Wire<Value> {
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

/** Several messages' fields at one level of configuration, or the other way round: each reads and writes what is its own. */
export function merged<Value extends object = Record<string, unknown>>(...parts: readonly Wire<object>[]): Wire<Value> {
  return {
    read(wire) {
      if (wire === undefined || wire === null) return undefined;
      return Object.assign({}, ...parts.map((part) => part.read(wire))) as Value;
    },
    write: (value) => Object.assign({}, ...parts.map((part) => part.write(value))),
  };
}
