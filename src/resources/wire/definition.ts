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

/** How a value comes out of another and back; undefined: nothing. Both throw WireError for what has no counterpart. */
export interface Change<Inner, Value> {
  read(inner: Inner): Value | undefined;
  write(value: Value): Inner | undefined;
}

/** Runs `step`, whose faults lie below `name`. */
export function within<Result>(name: string | number, step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    if (error instanceof WireError) throw new WireError(error.message, [name, ...error.path]);
    throw error;
  }
}

export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

export function asMessage(value: unknown): WireMessage {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new WireError('not an object');
  return value as WireMessage;
}

export function mapEntries<From, To>(
  from: Readonly<Record<string, From>>,
  change: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, within(key, () => change(value))]));
}
