import { type FunctionDefinition, globally } from '../definitions.ts';
import { CelError, invalidArgument } from '../errors.ts';
import { int } from '../values/arithmetic.ts';
import { compare, noOverload, numeric } from '../values/order.ts';
import { CelUint, type CelValue, isList } from '../values/value.ts';

/** The least (-1) or greatest (1) of its arguments, or of the elements of its one list. */
function extreme(name: string, direction: number): FunctionDefinition {
  return globally(
    name,
    (...args) => {
      const [first] = args;
      const values = args.length === 1 && first !== undefined && isList(first) ? first : args;
      let best = values[0];
      if (best === undefined) throw invalidArgument(`${name}() of nothing`);
      for (const value of values) {
        if (numeric(value) === undefined) throw noOverload(name, value);
        if (compare(value, best) * direction > 0) best = value;
      }
      return best;
    },
    { arity: [1, Number.POSITIVE_INFINITY] },
  );
}

function ofDouble(name: string, call: (value: number) => number | boolean): FunctionDefinition {
  return globally(name, (value) => {
    if (typeof value === 'number') return call(value);
    throw noOverload(name, value);
  });
}

/** To the nearest, halves away from zero. */
function round(value: number): number {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

function abs(value: CelValue): CelValue {
  if (typeof value === 'bigint') return int(value < 0n ? -value : value);
  if (typeof value === 'number') return Math.abs(value);
  if (value instanceof CelUint) return value;
  throw noOverload('math.abs', value);
}

function sign(value: CelValue): CelValue {
  if (typeof value === 'bigint') return value > 0n ? 1n : value < 0n ? -1n : 0n;
  if (typeof value === 'number') return Math.sign(value);
  if (value instanceof CelUint) return new CelUint(value.value > 0n ? 1n : 0n);
  throw noOverload('math.sign', value);
}

function sqrt(value: CelValue): number {
  const number = numeric(value);
  if (number === undefined) throw noOverload('math.sqrt', value);
  return Math.sqrt(Number(number));
}

/** A bit operation on two ints, two uints; and as agentgateway has it, on bytes, aligned at their ends, alone or with an integer. */
function bits(name: string, call: (a: bigint, b: bigint) => bigint): FunctionDefinition {
  return globally(name, (a, b) => {
    if (typeof a === 'bigint' && typeof b === 'bigint') return call(a, b);
    if (a instanceof CelUint && b instanceof CelUint) return new CelUint(call(a.value, b.value));
    if (a instanceof Uint8Array && b instanceof Uint8Array) {
      const size = Math.max(a.length, b.length);
      return Buffer.from(
        call(bigEndian(a), bigEndian(b))
          .toString(16)
          .padStart(size * 2, '0'),
        'hex',
      ).subarray(-size || 0);
    }
    const [bytes, other] = a instanceof Uint8Array ? [a, b] : [b, a];
    const number = numeric(other);
    if (!(bytes instanceof Uint8Array) || typeof number !== 'bigint') throw noOverload(name, a, b);
    if (number < 0n) throw invalidArgument(`${name}() takes no negative number with bytes`);
    const result = call(number, BigInt.asUintN(64, bigEndian(bytes)));
    return other instanceof CelUint ? new CelUint(result) : int(result);
  });
}

const MAX_BYTES = 32;

function bigEndian(bytes: Uint8Array): bigint {
  if (bytes.length > MAX_BYTES) throw invalidArgument(`bit operations take at most ${MAX_BYTES} bytes`);
  return BigInt(`0x0${Buffer.from(bytes).toString('hex')}`);
}

function bitNot(value: CelValue): CelValue {
  if (typeof value === 'bigint') return ~value;
  if (value instanceof CelUint) return new CelUint(BigInt.asUintN(64, ~value.value));
  throw noOverload('math.bitNot', value);
}

/** Shifts the 64 bits of a value; what is shifted in is 0, from the left too. */
function shift(name: string, call: (bits: bigint, places: bigint) => bigint): FunctionDefinition {
  return globally(name, (value, places) => {
    if (typeof places !== 'bigint') throw noOverload(name, value, places);
    if (places < 0n) throw new CelError('invalid_argument', `${name}() by a negative number of places`);
    const result = (number: bigint) => (places >= 64n ? 0n : call(BigInt.asUintN(64, number), places));
    if (typeof value === 'bigint') return BigInt.asIntN(64, result(value));
    if (value instanceof CelUint) return new CelUint(BigInt.asUintN(64, result(value.value)));
    throw noOverload(name, value, places);
  });
}

/** CEL's math extension; `max` and `min` are agentgateway's. */
export const MATH: readonly FunctionDefinition[] = [
  extreme('math.greatest', 1),
  extreme('math.least', -1),
  extreme('max', 1),
  extreme('min', -1),
  ofDouble('math.ceil', Math.ceil),
  ofDouble('math.floor', Math.floor),
  ofDouble('math.round', round),
  ofDouble('math.trunc', Math.trunc),
  ofDouble('math.isNaN', Number.isNaN),
  ofDouble('math.isInf', (value) => Math.abs(value) === Number.POSITIVE_INFINITY),
  ofDouble('math.isFinite', Number.isFinite),
  globally('math.abs', abs),
  globally('math.sign', sign),
  globally('math.sqrt', sqrt),
  bits('math.bitAnd', (a, b) => a & b),
  bits('math.bitOr', (a, b) => a | b),
  bits('math.bitXor', (a, b) => a ^ b),
  globally('math.bitNot', bitNot),
  shift('math.bitShiftLeft', (value, places) => value << places),
  shift('math.bitShiftRight', (value, places) => value >> places),
];
