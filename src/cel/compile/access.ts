import { CelError, invalidArgument, noSuchKey } from '../errors.ts';
import { noOverload, numeric } from '../values/order.ts';
import { CelMap, CelOptional, type CelValue, equals, isList } from '../values/value.ts';

/** `value.field`. */
export function select(value: CelValue, field: string): CelValue {
  if (value instanceof CelMap) {
    const found = value.get(field);
    if (found === undefined) throw noSuchKey(field);
    return found;
  }
  if (value instanceof CelOptional) return selectOptional(value, field);
  throw noOverload(`_.${field}`, value);
}

/** `value.?field`: an optional, none where there is no such field. */
export function selectOptional(value: CelValue, field: string): CelOptional {
  if (value instanceof CelOptional) return value.value === undefined ? value : selectOptional(value.value, field);
  if (value instanceof CelMap) return CelOptional.of(value.get(field));
  throw noOverload(`_.?${field}`, value);
}

/** `has(value.field)`. */
export function hasField(value: CelValue, field: string): boolean {
  if (value instanceof CelMap) return value.has(field);
  if (value instanceof CelOptional) return value.value !== undefined && hasField(value.value, field);
  throw noOverload(`has(_.${field})`, value);
}

/** `value[key]`. */
export function index(value: CelValue, key: CelValue): CelValue {
  if (value instanceof CelMap) {
    const found = value.get(key);
    if (found === undefined) throw noSuchKey(typeof key === 'string' ? key : String(key));
    return found;
  }
  if (isList(value)) {
    const found = value[position(key)];
    if (found === undefined) throw new CelError('no_such_key', `index out of range: ${String(key)} of ${value.length}`);
    return found;
  }
  if (value instanceof CelOptional) return indexOptional(value, key);
  throw noOverload('_[_]', value, key);
}

/** `value[?key]`. */
export function indexOptional(value: CelValue, key: CelValue): CelOptional {
  if (value instanceof CelOptional) return value.value === undefined ? value : indexOptional(value.value, key);
  if (value instanceof CelMap) return CelOptional.of(value.get(key));
  if (isList(value)) return CelOptional.of(value[position(key)]);
  throw noOverload('_[?_]', value, key);
}

function position(key: CelValue): number {
  const number = numeric(key);
  if (number === undefined || !Number.isInteger(Number(number))) throw invalidArgument('a list is indexed by integers');
  return Number(number);
}

/** `value in container`. */
export function isIn(value: CelValue, container: CelValue): boolean {
  if (isList(container)) return container.some((item) => equals(item, value));
  if (container instanceof CelMap) return container.has(value);
  throw noOverload('@in', value, container);
}
