import { CelFlattened } from './special.ts';
import { CelDuration, CelTimestamp } from './time.ts';
import { CelMap, CelObject, CelOptional, CelUint, type CelValue, isList } from './value.ts';

/** A JSON object as a map, read in place: only what an expression reads of it is converted. */
export class JsonMap extends CelMap {
  readonly #object: Readonly<Record<string, unknown>>;
  /** Arrays and objects read before: an expression that comes back to one finds it converted. */
  #made: Map<string, CelValue> | null = null;

  constructor(object: object) {
    super();
    this.#object = object as Readonly<Record<string, unknown>>;
  }

  get size(): number {
    return Object.keys(this.#object).length;
  }

  get(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.#object, key)) return undefined;
    const value = this.#object[key];
    if (typeof value !== 'object' || value === null) return fromJs(value);
    const known = this.#made?.get(key);
    if (known !== undefined) return known;
    const made = fromJs(value);
    this.#made ??= new Map();
    this.#made.set(key, made);
    return made;
  }

  keys(): Iterable<string> {
    return Object.keys(this.#object);
  }
}

/**
 * The CEL value of a JavaScript one. A number without a fraction is an int where it is exact, else a double (JSON doesn't say
 * which it means); undefined is null; CEL values stay what they are.
 */
export function fromJs(value: unknown): CelValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return value;
    case 'number':
      return Number.isSafeInteger(value) ? BigInt(value) : value;
    case 'object':
      if (value === null || value instanceof CelMap || value instanceof CelObject || value instanceof Uint8Array)
        return value;
      return Array.isArray(value) ? value.map(fromJs) : new JsonMap(value);
  }
  return null;
}

/** A value that JSON can hold. */
export type Plain = null | boolean | number | string | Plain[] | { [name: string]: Plain };

/**
 * A CEL value as JSON holds it, by the rules of protocol buffers' JSON: integers past 2^53, NaN and infinities are strings, bytes
 * base64, timestamps RFC 3339, durations seconds; none is null; a secret is redacted.
 */
export function toJs(value: CelValue): Plain {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'bigint':
      return plainInteger(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
  }
  if (value === null) return null;
  if (isList(value)) return value.map(toJs);
  if (value instanceof CelMap) {
    // Through entries, so that a key `__proto__` is a key.
    const entries: [string, Plain][] = [];
    for (const [key, item] of value.entries()) entries.push([String(key), toJs(item)]);
    return Object.fromEntries(entries);
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof CelUint) return plainInteger(value.value);
  if (value instanceof CelFlattened) return toJs(value.value);
  if (value instanceof CelOptional) return value.value === undefined ? null : toJs(value.value);
  return value.toString();
}

function plainInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** What a header or a log field shows of a value: text as it is, bytes as UTF-8 text, all else as JSON. Null is ''. */
export function toText(value: CelValue): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (value instanceof CelDuration || value instanceof CelTimestamp) return value.toString();
  const plain = toJs(value);
  return typeof plain === 'string' ? plain : JSON.stringify(plain);
}

/** What a body shows of a value: text and bytes as they are, all else as JSON. */
export function toBytes(value: CelValue): Buffer {
  if (typeof value === 'string') return Buffer.from(value);
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return Buffer.from(JSON.stringify(toJs(value)));
}
