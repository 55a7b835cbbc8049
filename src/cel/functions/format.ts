import { invalidArgument } from '../errors.ts';
import { checkText } from '../values/arithmetic.ts';
import { noOverload } from '../values/order.ts';
import { CelDuration, CelTimestamp } from '../values/time.ts';
import { CelMap, CelType, CelUint, type CelValue, isList, typeOf } from '../values/value.ts';

const MAX_PRECISION = 1000;

/** `"%s is %.2f".format([a, b])` of CEL's strings extension. Throws CelError. */
export function format(template: CelValue, args: CelValue): string {
  if (typeof template !== 'string' || !isList(args)) throw noOverload('format', template, args);
  let next = 0;
  let size = 0;
  return template.replace(
    /%(?:%|(?:\.([0-9]+))?(.?))/gsu,
    (clause: string, precision: string | undefined, verb: string) => {
      if (clause === '%%') return '%';
      const argument = args[next];
      if (argument === undefined) throw invalidArgument(`index ${next} out of range`);
      next++;
      if (precision !== undefined && !(Number(precision) <= MAX_PRECISION))
        throw invalidArgument('precision out of range');
      const shown = clauseOf(verb, argument, precision === undefined ? 6 : Number(precision));
      size += shown.length;
      checkText(size);
      return shown;
    },
  );
}

function clauseOf(verb: string, value: CelValue, precision: number): string {
  switch (verb) {
    case 's':
      return asString(value);
    case 'd':
      if (typeof value === 'number') return doubleText(value);
      return integerOf(value, 'decimal clause can only be used on integers').toString();
    case 'f':
      return real(value, 'fixed-point', (number) => fixed(number, precision));
    case 'e':
      return real(value, 'scientific', (number) => number.toExponential(precision).replace(/e([+-])(\d)$/, 'e$10$2'));
    case 'b':
      if (typeof value === 'boolean') return value ? '1' : '0';
      return integerOf(value, 'only integers and bools can be formatted as binary').toString(2);
    case 'o':
      return integerOf(value, 'octal clause can only be used on integers').toString(8);
    case 'x':
      return hexadecimal(value);
    case 'X':
      return hexadecimal(value).toUpperCase();
  }
  throw invalidArgument(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
}

function integerOf(value: CelValue, complaint: string): bigint {
  if (typeof value === 'bigint') return value;
  if (value instanceof CelUint) return value.value;
  throw invalidArgument(`error during formatting: ${complaint}, was given ${typeOf(value).name}`);
}

function hexadecimal(value: CelValue): string {
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.from(value as string).toString('hex');
  return integerOf(value, 'only integers, byte buffers, and strings can be formatted as hex').toString(16);
}

function real(value: CelValue, clause: string, show: (number: number) => string): string {
  if (typeof value !== 'number') {
    if (typeof value === 'bigint' || value instanceof CelUint) return show(Number(integerOf(value, clause)));
    throw invalidArgument(
      `error during formatting: ${clause} clause can only be used on doubles, was given ${typeOf(value).name}`,
    );
  }
  return Number.isFinite(value) ? show(value) : doubleText(value);
}

/**
 * Decimals rounded from the number's exact value, halves to even: toFixed rounds halves up, and gives no decimals from 1e21 up or
 * past 100.
 */
function fixed(number: number, precision: number): string {
  const [whole, fraction] = exactDigits(Math.abs(number));
  const digits = BigInt(whole + fraction.slice(0, precision).padEnd(precision, '0'));
  const rest = fraction.slice(precision);
  const half = rest.startsWith('5') && /^50*$/.test(rest);
  const up = half ? digits % 2n === 1n : rest.charAt(0) >= '5';
  const text = (up ? digits + 1n : digits).toString().padStart(precision + 1, '0');
  const point = text.length - precision;
  const sign = number < 0 || Object.is(number, -0) ? '-' : '';
  return sign + text.slice(0, point) + (precision === 0 ? '' : `.${text.slice(point)}`);
}

/** The decimal digits before and behind the point of a double's exact value: it is an integer times a power of two. */
function exactDigits(number: number): [string, string] {
  let shift = 0;
  let scaled = number;
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    shift++;
  }
  if (shift === 0) return [BigInt(scaled).toString(), ''];
  // n / 2^shift = n * 5^shift / 10^shift
  const digits = (BigInt(scaled) * 5n ** BigInt(shift)).toString().padStart(shift + 1, '0');
  return [digits.slice(0, -shift), digits.slice(-shift)];
}

/** A double as `string()` shows it. */
export function doubleText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function asString(value: CelValue): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
    case 'bigint':
      return value.toString();
    case 'number':
      return doubleText(value);
  }
  if (value === null) return 'null';
  if (isList(value)) return `[${value.map(asString).join(', ')}]`;
  if (value instanceof CelMap) {
    const entries = [...value.entries()].map(([key, item]): [string, string] => [asString(key), asString(item)]);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${key}: ${item}`).join(', ')}}`;
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (
    value instanceof CelUint ||
    value instanceof CelTimestamp ||
    value instanceof CelDuration ||
    value instanceof CelType
  )
    return value.toString();
  throw invalidArgument(
    `error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ${typeOf(value).name}`,
  );
}
