import { CelError } from '../errors.ts';
import { MAX_LIST, MAX_TEXT } from '../limits.ts';
import { noOverload } from './order.ts';
import { CelDuration, CelTimestamp } from './time.ts';
import { CelUint, type CelValue, isList } from './value.ts';

/** Throws CelError where a text of `size` characters, or that many bytes, would be too large. */
export function checkText(size: number): void {
  if (size > MAX_TEXT) throw new CelError('limit', `a text would be larger than ${MAX_TEXT} characters`);
}

/** Throws CelError where a list of `size` elements would be too large. */
export function checkList(size: number): void {
  if (size > MAX_LIST) throw new CelError('limit', `a list would be larger than ${MAX_LIST} elements`);
}

/** A 64-bit int; throws CelError where `value` is none. */
export function int(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new CelError('overflow', 'integer overflow');
  return value;
}

export function uint(value: bigint): CelUint {
  if (BigInt.asUintN(64, value) !== value) throw new CelError('overflow', 'unsigned integer overflow');
  return new CelUint(value);
}

export function add(a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'string' && typeof b === 'string') {
    checkText(a.length + b.length);
    return a + b;
  }
  if (typeof a === 'bigint' && typeof b === 'bigint') return int(a + b);
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a instanceof CelUint && b instanceof CelUint) return uint(a.value + b.value);
  if (isList(a) && isList(b)) {
    checkList(a.length + b.length);
    return [...a, ...b];
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    checkText(a.length + b.length);
    return Buffer.concat([a, b]);
  }
  if (a instanceof CelDuration && b instanceof CelDuration) return new CelDuration(a.nanos + b.nanos);
  if (a instanceof CelTimestamp && b instanceof CelDuration) return new CelTimestamp(a.nanos + b.nanos);
  if (a instanceof CelDuration && b instanceof CelTimestamp) return new CelTimestamp(a.nanos + b.nanos);
  throw noOverload('_+_', a, b);
}

export function subtract(a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int(a - b);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (a instanceof CelUint && b instanceof CelUint) return uint(a.value - b.value);
  if (a instanceof CelDuration && b instanceof CelDuration) return new CelDuration(a.nanos - b.nanos);
  if (a instanceof CelTimestamp && b instanceof CelDuration) return new CelTimestamp(a.nanos - b.nanos);
  if (a instanceof CelTimestamp && b instanceof CelTimestamp) return new CelDuration(a.nanos - b.nanos);
  throw noOverload('_-_', a, b);
}

export function multiply(a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int(a * b);
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  if (a instanceof CelUint && b instanceof CelUint) return uint(a.value * b.value);
  throw noOverload('_*_', a, b);
}

export function divide(a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int(a / divisor(b));
  if (typeof a === 'number' && typeof b === 'number') return a / b;
  if (a instanceof CelUint && b instanceof CelUint) return uint(a.value / divisor(b.value));
  throw noOverload('_/_', a, b);
}

export function modulo(a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a % divisor(b);
  if (a instanceof CelUint && b instanceof CelUint) return uint(a.value % divisor(b.value));
  throw noOverload('_%_', a, b);
}

export function negate(value: CelValue): CelValue {
  if (typeof value === 'bigint') return int(-value);
  if (typeof value === 'number') return -value;
  throw noOverload('-_', value);
}

function divisor(value: bigint): bigint {
  if (value === 0n) throw new CelError('divide_by_zero', 'division by zero');
  return value;
}
