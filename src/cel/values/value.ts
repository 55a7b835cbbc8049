import { noSuchKey } from '../errors.ts';

/**
 * A CEL value. int is a bigint, double a number, uint a `CelUint`, so that the three can be told apart; bytes are a Uint8Array,
 * lists arrays. Maps and all else are objects of classes of ours. Values are never changed once made.
 */
export type CelValue = null | boolean | bigint | number | string | Uint8Array | CelList | CelMap | CelObject;

export type CelList = readonly CelValue[];

/** A value of a type of its own: uint, timestamp, optional, IP address … */
export abstract class CelObject {
  abstract readonly type: CelType;
  abstract equals(other: CelValue): boolean;
  /** As `string()` and `toJson()` show it. */
  abstract toString(): string;
}

export class CelType extends CelObject {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }

  get type(): CelType {
    return TYPE;
  }

  equals(other: CelValue): boolean {
    return other instanceof CelType && other.name === this.name;
  }

  toString(): string {
    return this.name;
  }
}

export const TYPE = new CelType('type');
export const NULL = new CelType('null_type');
export const BOOL = new CelType('bool');
export const INT = new CelType('int');
export const UINT = new CelType('uint');
export const DOUBLE = new CelType('double');
export const STRING = new CelType('string');
export const BYTES = new CelType('bytes');
export const LIST = new CelType('list');
export const MAP = new CelType('map');
export const TIMESTAMP = new CelType('google.protobuf.Timestamp');
export const DURATION = new CelType('google.protobuf.Duration');
export const OPTIONAL = new CelType('optional_type');

/** Types that an expression can name. */
export const NAMED_TYPES: ReadonlyMap<string, CelType> = new Map(
  [TYPE, NULL, BOOL, INT, UINT, DOUBLE, STRING, BYTES, LIST, MAP, TIMESTAMP, DURATION, OPTIONAL].map((type) => [
    type.name,
    type,
  ]),
);

/** An unsigned 64-bit integer. */
export class CelUint extends CelObject {
  readonly value: bigint;

  constructor(value: bigint) {
    super();
    this.value = value;
  }

  get type(): CelType {
    return UINT;
  }

  equals(other: CelValue): boolean {
    if (other instanceof CelUint) return other.value === this.value;
    if (typeof other === 'bigint') return other === this.value;
    return typeof other === 'number' && sameNumber(this.value, other);
  }

  toString(): string {
    return this.value.toString();
  }
}

/** Whether an integer and a double are the same number; exact at any size, where CEL's order (see `compare`) is not. */
export function sameNumber(a: bigint, b: number): boolean {
  return !(a < b) && !(a > b) && !Number.isNaN(b);
}

/** A value that may be missing (CEL's optional types). */
export class CelOptional extends CelObject {
  static readonly none = new CelOptional(undefined);
  /** Undefined: none. */
  readonly value: CelValue | undefined;

  private constructor(value: CelValue | undefined) {
    super();
    this.value = value;
  }

  static of(value: CelValue | undefined): CelOptional {
    return value === undefined ? CelOptional.none : new CelOptional(value);
  }

  get type(): CelType {
    return OPTIONAL;
  }

  equals(other: CelValue): boolean {
    if (!(other instanceof CelOptional)) return false;
    if (this.value === undefined || other.value === undefined) return this.value === other.value;
    return equals(this.value, other.value);
  }

  toString(): string {
    return this.value === undefined ? 'optional.none()' : `optional.of(${typeOf(this.value).name})`;
  }
}

/** A map, however it is held. A double or unsigned key finds the int entry of the same number. */
export abstract class CelMap {
  abstract readonly size: number;
  /** Undefined: no such key. */
  abstract get(key: CelValue): CelValue | undefined;
  abstract keys(): Iterable<CelValue>;

  has(key: CelValue): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): Iterable<[CelValue, CelValue]> {
    for (const key of this.keys()) {
      const value = this.get(key);
      // A view over live data may name a key it has no value for.
      if (value !== undefined) yield [key, value];
    }
  }
}

type PlainKey = string | boolean | bigint;

function plainKey(key: CelValue): PlainKey | undefined {
  if (typeof key === 'string' || typeof key === 'boolean' || typeof key === 'bigint') return key;
  if (typeof key === 'number') return Number.isInteger(key) ? BigInt(key) : undefined;
  return key instanceof CelUint ? key.value : undefined;
}

/** A map that an expression made. */
export class EntryMap extends CelMap {
  readonly #entries = new Map<PlainKey, readonly [CelValue, CelValue]>();

  static from(entries: Iterable<readonly [CelValue, CelValue]>): EntryMap {
    const map = new EntryMap();
    for (const [key, value] of entries) map.put(key, value);
    return map;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Puts an entry in while the map is being made. False where the key can't be one (a list, a double …). */
  put(key: CelValue, value: CelValue): boolean {
    const plain = typeof key === 'number' ? undefined : plainKey(key);
    if (plain === undefined) return false;
    this.#entries.set(plain, [key, value]);
    return true;
  }

  get(key: CelValue): CelValue | undefined {
    const plain = plainKey(key);
    return plain === undefined ? undefined : this.#entries.get(plain)?.[1];
  }

  *keys(): Iterable<CelValue> {
    for (const [key] of this.#entries.values()) yield key;
  }
}

export function typeOf(value: CelValue): CelType {
  switch (typeof value) {
    case 'string':
      return STRING;
    case 'boolean':
      return BOOL;
    case 'bigint':
      return INT;
    case 'number':
      return DOUBLE;
  }
  if (value === null) return NULL;
  if (Array.isArray(value)) return LIST;
  if (value instanceof CelMap) return MAP;
  return value instanceof CelObject ? value.type : BYTES;
}

/** CEL's `==`: numbers by their value whatever their type, lists and maps by their elements; of different types: false. */
export function equals(a: CelValue, b: CelValue): boolean {
  switch (typeof a) {
    case 'string':
    case 'boolean':
      return a === b;
    case 'bigint':
      return a === b || (typeof b === 'number' && sameNumber(a, b)) || (b instanceof CelUint && b.value === a);
    case 'number':
      return a === b || (typeof b === 'bigint' && sameNumber(b, a)) || (b instanceof CelUint && sameNumber(b.value, a));
  }
  if (a === null) return b === null;
  if (a instanceof CelObject) return a.equals(b);
  if (isList(a)) return isList(b) && a.length === b.length && a.every((item, i) => equals(item, at(b, i)));
  if (a instanceof CelMap) return b instanceof CelMap && sameEntries(a, b);
  return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
}

function sameEntries(a: CelMap, b: CelMap): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a.entries()) {
    const other = b.get(key);
    if (other === undefined || !equals(value, other)) return false;
  }
  return true;
}

export function isList(value: CelValue): value is CelList {
  return Array.isArray(value);
}

/** Element `i` of a list; throws where there is none. */
export function at(list: CelList, i: number): CelValue {
  const value = list[i];
  if (value === undefined) throw noSuchKey(`index ${i} of a list of ${list.length}`);
  return value;
}
