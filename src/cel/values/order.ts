import { CelError } from '../errors.ts';
import { CelDuration, CelTimestamp } from './time.ts';
import { CelUint, type CelValue, typeOf } from './value.ts';

/**
 * Orders two values as CEL's `<` does: numbers by value across their types, strings by code point, bytes, bools, timestamps and
 * durations. Negative, 0 or positive; NaN where they are not ordered. Throws CelError where the types have no order.
 */
export function compare(a: CelValue, b: CelValue, operator = '<'): number {
  let x = numeric(a);
  if (x !== undefined) {
    let y = numeric(b);
    // An integer meets a double as the double nearest to it, as the specification's tests have it.
    if (typeof x === 'number' && typeof y === 'bigint') y = Number(y);
    else if (typeof x === 'bigint' && typeof y === 'number') x = Number(x);
    if (y !== undefined) return x < y ? -1 : x > y ? 1 : Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : 0;
  } else if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b);
  else if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  else if (a instanceof CelTimestamp && b instanceof CelTimestamp) return sign(a.nanos - b.nanos);
  else if (a instanceof CelDuration && b instanceof CelDuration) return sign(a.nanos - b.nanos);
  else if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  throw noOverload(`_${operator}_`, a, b);
}

/** The number of any numeric value; undefined of others. */
export function numeric(value: CelValue): bigint | number | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return value instanceof CelUint ? value.value : undefined;
}

export function noOverload(name: string, ...args: readonly CelValue[]): CelError {
  const types = args.map((arg) => typeOf(arg).name).join(', ');
  return new CelError('no_such_overload', `no such overload: ${name}(${types})`);
}

function sign(value: bigint): number {
  return value < 0n ? -1 : value > 0n ? 1 : 0;
}

/** By code points. UTF-16 order differs only where a surrogate meets a unit from U+E000 up. */
function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xAstral = x >= 0xd800 && x <= 0xdfff;
    const yAstral = y >= 0xd800 && y <= 0xdfff;
    if (xAstral !== yAstral) return xAstral ? 1 : -1;
    return x - y;
  }
  return a.length - b.length;
}
