import { type Change, isAbsent, type Wire, WireError } from './definition.ts';

/** What is there, what may be missing, and what stands for something else. */

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
