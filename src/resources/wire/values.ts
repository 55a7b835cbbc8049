import { parseDuration } from '../schema/common.ts';
import { asMessage, isAbsent, mapEntries, type Wire, WireError, type WireMessage } from './definition.ts';

/** Messages of google.protobuf that are one value in configuration. */

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
