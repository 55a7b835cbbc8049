import { type FunctionDefinition, globally, member } from '../definitions.ts';
import { CelError, invalidArgument } from '../errors.ts';
import { int, uint } from '../values/arithmetic.ts';
import { noOverload } from '../values/order.ts';
import { CelDuration, CelTimestamp, localDate, parseDuration, parseTimestamp } from '../values/time.ts';
import { CelObject, CelOptional, CelType, CelUint, type CelValue } from '../values/value.ts';
import { doubleText } from './format.ts';

/** Longer texts are no 64-bit integers, and reading them takes more than linear time. */
const MAX_DIGITS = 64;
const BOOLS: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'true', 'TRUE', 'True', 'T'].map((text) => [text, true] as const),
  ...['0', 'f', 'false', 'FALSE', 'False', 'F'].map((text) => [text, false] as const),
]);

function parseInteger(text: string): bigint {
  if (text.length > MAX_DIGITS || !/^[+-]?[0-9]+$/.test(text)) throw invalidArgument('not an integer');
  return BigInt(text.replace('+', ''));
}

function truncate(value: number): bigint {
  if (!Number.isFinite(value)) throw new CelError('overflow', 'integer out of range');
  return BigInt(Math.trunc(value));
}

function toInt(value: CelValue): bigint {
  if (typeof value === 'bigint') return value;
  if (value instanceof CelUint) return int(value.value);
  if (typeof value === 'number') {
    // The ends of the range are no doubles: both round to powers of two, which are refused.
    if (Math.abs(value) >= 2 ** 63) throw new CelError('overflow', 'integer out of range');
    return truncate(value);
  }
  if (typeof value === 'string') return int(parseInteger(value));
  if (value instanceof CelTimestamp) return BigInt(Math.floor(value.ms / 1000));
  if (value instanceof CelDuration) return value.nanos / 1_000_000_000n;
  throw noOverload('int', value);
}

function toUint(value: CelValue): CelUint {
  if (value instanceof CelUint) return value;
  if (typeof value === 'bigint') return uint(value);
  if (typeof value === 'number') return uint(truncate(value));
  if (typeof value === 'string') return uint(parseInteger(value));
  throw noOverload('uint', value);
}

function toDouble(value: CelValue): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof CelUint) return Number(value.value);
  if (typeof value !== 'string') throw noOverload('double', value);
  if (/^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(value)) return Number(value);
  if (/^[+-]?inf(?:inity)?$/i.test(value))
    return value.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^nan$/i.test(value)) return Number.NaN;
  throw invalidArgument('not a number');
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function toStringValue(value: CelValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return doubleText(value);
  if (typeof value === 'boolean' || typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) {
    try {
      return UTF8.decode(value);
    } catch {
      throw invalidArgument('bytes are not valid UTF-8');
    }
  }
  if (value instanceof CelObject && !(value instanceof CelOptional) && !(value instanceof CelType))
    return value.toString();
  throw noOverload('string', value);
}

function toBytes(value: CelValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  throw noOverload('bytes', value);
}

function toBool(value: CelValue): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') throw noOverload('bool', value);
  const found = BOOLS.get(value);
  if (found === undefined) throw invalidArgument('not a bool');
  return found;
}

function toTimestamp(value: CelValue): CelTimestamp {
  if (value instanceof CelTimestamp) return value;
  if (typeof value === 'bigint') return new CelTimestamp(value * 1_000_000_000n);
  if (typeof value === 'string') return parseTimestamp(value);
  throw noOverload('timestamp', value);
}

function toDuration(value: CelValue): CelDuration {
  if (value instanceof CelDuration) return value;
  if (typeof value === 'bigint') return new CelDuration(value * 1_000_000_000n);
  if (typeof value === 'string') return parseDuration(value);
  throw noOverload('duration', value);
}

/** A getter of a timestamp's date in a time zone, and of a duration where `ofDuration` says how. */
function getter(name: string, ofDate: (date: Date) => number, unit = 0n, wrap = 0n): FunctionDefinition {
  const get = (value: CelValue, zone: CelValue = ''): bigint => {
    if (value instanceof CelTimestamp && typeof zone === 'string') return BigInt(ofDate(localDate(value, zone)));
    if (!(value instanceof CelDuration) || unit === 0n || zone !== '') throw noOverload(name, value, zone);
    return wrap === 0n ? value.nanos / unit : (value.nanos / unit) % wrap;
  };
  return member(name, get, { arity: [1, 2] });
}

function dayOfYear(date: Date): number {
  const start = new Date(0);
  start.setUTCFullYear(date.getUTCFullYear(), 0, 1);
  return Math.floor((date.getTime() - start.getTime()) / 86_400_000);
}

/** CEL's type conversions, and what timestamps and durations can be asked. */
export const CONVERSIONS: readonly FunctionDefinition[] = [
  globally('int', toInt),
  globally('uint', toUint),
  globally('double', toDouble),
  globally('string', toStringValue),
  globally('bytes', toBytes),
  globally('bool', toBool),
  globally('timestamp', toTimestamp),
  globally('duration', toDuration),
  getter('getFullYear', (date) => date.getUTCFullYear()),
  getter('getMonth', (date) => date.getUTCMonth()),
  getter('getDayOfYear', dayOfYear),
  getter('getDayOfMonth', (date) => date.getUTCDate() - 1),
  getter('getDate', (date) => date.getUTCDate()),
  getter('getDayOfWeek', (date) => date.getUTCDay()),
  getter('getHours', (date) => date.getUTCHours(), 3_600_000_000_000n),
  getter('getMinutes', (date) => date.getUTCMinutes(), 60_000_000_000n),
  getter('getSeconds', (date) => date.getUTCSeconds(), 1_000_000_000n),
  // Of a duration: the milliseconds within its second.
  getter('getMilliseconds', (date) => date.getUTCMilliseconds(), 1_000_000n, 1000n),
];
