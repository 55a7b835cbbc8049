import { isIn } from '../compile/access.ts';
import { type FunctionDefinition, globally, member } from '../definitions.ts';
import { noOverload } from '../values/order.ts';
import { codePoints } from '../values/text.ts';
import { CelMap, type CelValue, equals, isList, typeOf } from '../values/value.ts';
import { compileRegex } from './regex.ts';

function size(value: CelValue): bigint {
  if (typeof value === 'string') return BigInt(codePoints(value));
  if (isList(value) || value instanceof Uint8Array) return BigInt(value.length);
  if (value instanceof CelMap) return BigInt(value.size);
  throw noOverload('size', value);
}

/** Strings; and as agentgateway has it, elements of lists, keys of maps, sequences of bytes. */
function contains(value: CelValue, part: CelValue): boolean {
  if (typeof value === 'string' && typeof part === 'string') return value.includes(part);
  if (isList(value) || value instanceof CelMap) return isIn(part, value);
  if (value instanceof Uint8Array && part instanceof Uint8Array) return Buffer.from(value).includes(Buffer.from(part));
  throw noOverload('contains', value, part);
}

function startsWith(value: CelValue, part: CelValue): boolean {
  if (typeof value === 'string' && typeof part === 'string') return value.startsWith(part);
  throw noOverload('startsWith', value, part);
}

function endsWith(value: CelValue, part: CelValue): boolean {
  if (typeof value === 'string' && typeof part === 'string') return value.endsWith(part);
  throw noOverload('endsWith', value, part);
}

/** Whether a part of the text matches, in RE2 syntax. */
function matches(text: CelValue, pattern: CelValue): boolean {
  if (typeof text === 'string' && typeof pattern === 'string') return compileRegex(pattern).test(text);
  throw noOverload('matches', text, pattern);
}

function prepareMatches([, pattern]: readonly (CelValue | undefined)[]) {
  if (typeof pattern !== 'string') return undefined;
  const regex = compileRegex(pattern);
  return (text: CelValue): boolean => {
    if (typeof text === 'string') return regex.test(text);
    throw noOverload('matches', text, pattern);
  };
}

/** CEL's standard functions (language definition, "List of Standard Definitions") but conversions and times. */
export const STANDARD: readonly FunctionDefinition[] = [
  globally('size', size),
  member('size', size),
  member('contains', contains),
  member('startsWith', startsWith),
  member('endsWith', endsWith),
  member('matches', matches, { prepare: prepareMatches }),
  globally('matches', matches, { prepare: prepareMatches }),
  globally('type', (value) => typeOf(value)),
  globally('dyn', (value) => value),
  globally('sets.contains', (all, some) => listOf(some).every((item) => isIn(item, listOf(all)))),
  globally('sets.intersects', (a, b) => listOf(a).some((item) => isIn(item, listOf(b)))),
  globally(
    'sets.equivalent',
    (a, b) =>
      listOf(a).every((x) => listOf(b).some((y) => equals(x, y))) &&
      listOf(b).every((y) => listOf(a).some((x) => equals(x, y))),
  ),
];

function listOf(value: CelValue) {
  if (isList(value)) return value;
  throw noOverload('sets', value);
}
