import { type FunctionDefinition, globally, member } from '../definitions.ts';
import { CelError, invalidArgument } from '../errors.ts';
import { checkList } from '../values/arithmetic.ts';
import { compare, noOverload } from '../values/order.ts';
import { type CelList, CelMap, CelOptional, CelUint, type CelValue, equals, isList } from '../values/value.ts';

const MAX_RANGE = 100_000n;
/** `distinct` compares each element with each. */
const MAX_DISTINCT = 10_000;

function onList(
  name: string,
  call: (list: CelList, ...args: CelValue[]) => CelValue,
  more: readonly [number, number] = [0, 0],
) {
  return member(
    name,
    (list, ...args) => {
      if (list !== undefined && isList(list)) return call(list, ...args);
      throw noOverload(name, ...(list === undefined ? [] : [list]));
    },
    { arity: [1 + more[0], 1 + more[1]], accepts: isList },
  );
}

function range(count: CelValue): CelValue {
  if (typeof count !== 'bigint') throw noOverload('lists.range', count);
  if (count < 0n || count > MAX_RANGE) throw invalidArgument(`lists.range() takes 0 to ${MAX_RANGE}`);
  return Array.from({ length: Number(count) }, (_, i) => BigInt(i));
}

function flatten(list: CelList, depth: CelValue = 1n): CelValue {
  if (typeof depth !== 'bigint') throw noOverload('flatten', list, depth);
  if (depth < 0n) throw invalidArgument('flatten() takes a depth from 0');
  const out: CelValue[] = [];
  for (const item of list) {
    if (!isList(item)) out.push(item);
    else for (const inner of depth > 1n ? (flatten(item, depth - 1n) as CelList) : item) out.push(inner);
    checkList(out.length);
  }
  return depth === 0n ? list : out;
}

function distinct(list: CelList): CelValue {
  if (list.every((item) => typeof item === 'string')) return [...new Set(list)];
  if (list.length > MAX_DISTINCT) throw new CelError('limit', `distinct() takes at most ${MAX_DISTINCT} elements`);
  const out: CelValue[] = [];
  for (const item of list) if (!out.some((known) => equals(known, item))) out.push(item);
  return out;
}

function slice(list: CelList, start?: CelValue, end?: CelValue): CelValue {
  if (typeof start !== 'bigint' || typeof end !== 'bigint') throw noOverload('slice', list);
  if (start < 0n || end > BigInt(list.length) || start > end)
    throw invalidArgument(`slice(${start}, ${end}) of a list of ${list.length}`);
  return list.slice(Number(start), Number(end));
}

function sort(list: CelList): CelValue {
  const [first] = list;
  // Also where there is one only, or sorting would not compare it: what has no order is refused.
  if (first !== undefined) for (const item of list) compare(item, first);
  return [...list].sort((a, b) => compare(a, b));
}

function isZero(value: CelValue): boolean {
  if (isList(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof CelMap) return value.size === 0;
  if (value instanceof CelUint) return value.value === 0n;
  if (value instanceof CelOptional) return value.value === undefined;
  return value === null || value === false || value === '' || value === 0n || value === 0;
}

function onOptional(name: string, call: (optional: CelOptional) => CelValue): FunctionDefinition {
  return member(name, (value) => {
    if (value instanceof CelOptional) return call(value);
    throw noOverload(name, value);
  });
}

function unwrapAll(list: CelList): CelValue {
  const out: CelValue[] = [];
  for (const item of list) {
    if (!(item instanceof CelOptional)) throw noOverload('unwrap', item);
    if (item.value !== undefined) out.push(item.value);
  }
  return out;
}

/** CEL's lists extension, and the functions of its optional types (`or` and `orValue` are macros). */
export const LISTS: readonly FunctionDefinition[] = [
  globally('lists.range', range),
  onList('flatten', flatten, [0, 1]),
  onList('distinct', distinct),
  onList('slice', slice, [2, 2]),
  onList('sort', sort),
  onList('reverse', (list) => [...list].reverse()),
  onList('first', (list) => CelOptional.of(list[0])),
  onList('last', (list) => CelOptional.of(list.at(-1))),
  onList('unwrapOpt', unwrapAll),
  globally('optional.of', (value) => CelOptional.of(value)),
  globally('optional.none', () => CelOptional.none),
  globally('optional.ofNonZeroValue', (value) => (isZero(value) ? CelOptional.none : CelOptional.of(value))),
  globally('optional.unwrap', (list) => {
    if (isList(list)) return unwrapAll(list);
    throw noOverload('optional.unwrap', list);
  }),
  onOptional('hasValue', ({ value }) => value !== undefined),
  onOptional('value', ({ value }) => {
    if (value === undefined) throw invalidArgument('optional.none() has no value');
    return value;
  }),
];
