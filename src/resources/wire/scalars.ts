import { isUtf8 } from 'node:buffer';
import { isAbsent, type Wire, WireError } from './definition.ts';

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
