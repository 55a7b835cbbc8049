import { asMessage, type Change, isAbsent, type Wire, WireError, type WireMessage, within } from './definition.ts';

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
