import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import { isObject } from '../../../resources/json.ts';

/**
 * One JSON object on its way into the hub. A client's request is read strictly: a member of the wrong type is a 400 that says where. A
 * provider's answer is read leniently: what isn't as it should be counts as absent.
 */
export class Fields {
  readonly value: JsonObject;
  /** Where it stands: `messages[2].content[0]`; '' at the top. */
  readonly at: string;
  readonly #strict: boolean;

  private constructor(value: JsonObject, at: string, strict: boolean) {
    this.value = value;
    this.at = at;
    this.#strict = strict;
  }

  /** Throws `invalid_request_body` where `value` isn't an object. */
  static ofRequest(value: unknown): Fields {
    if (!isObject(value)) throw new GatewayError('invalid_request_body');
    return new Fields(value, '', true);
  }

  static ofAnswer(value: unknown): Fields {
    return new Fields(isObject(value) ? value : {}, '', false);
  }

  has(name: string): boolean {
    return this.value[name] !== undefined && this.value[name] !== null;
  }

  string(name: string): string | undefined {
    const value = this.value[name];
    return typeof value === 'string' ? value : this.#absent(name, value, 'a string');
  }

  /** As `string`; where it must be there, its absence is a fault too. */
  requiredString(name: string): string {
    const value = this.string(name);
    if (value === undefined && this.#strict) throw this.fault(name, 'is missing');
    return value ?? '';
  }

  number(name: string): number | undefined {
    const value = this.value[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : this.#absent(name, value, 'a number');
  }

  boolean(name: string): boolean | undefined {
    const value = this.value[name];
    return typeof value === 'boolean' ? value : this.#absent(name, value, 'true or false');
  }

  /** A member that is an object, as it stands. */
  json(name: string): JsonObject | undefined {
    const value = this.value[name];
    return isObject(value) ? value : this.#absent(name, value, 'an object');
  }

  object(name: string): Fields | undefined {
    const value = this.json(name);
    return value === undefined ? undefined : new Fields(value, this.path(name), this.#strict);
  }

  /** As `object`; where it must be there, its absence is a fault too, and in an answer an empty one stands for it. */
  requiredObject(name: string): Fields {
    const found = this.object(name);
    if (found === undefined && this.#strict) throw this.fault(name, 'is missing');
    return found ?? new Fields({}, this.path(name), this.#strict);
  }

  /** The objects of an array; [] without one. */
  objects(name: string): Fields[] {
    const found: Fields[] = [];
    for (const [i, item] of this.array(name).entries()) {
      if (isObject(item)) found.push(new Fields(item, `${this.path(name)}[${i}]`, this.#strict));
      else if (this.#strict) throw this.fault(`${name}[${i}]`, 'must be an object');
    }
    return found;
  }

  strings(name: string): string[] | undefined {
    if (!this.has(name)) return undefined;
    const found: string[] = [];
    for (const [i, item] of this.array(name).entries()) {
      if (typeof item === 'string') found.push(item);
      else if (this.#strict) throw this.fault(`${name}[${i}]`, 'must be a string');
    }
    return found;
  }

  /** A member that is an array, as it stands; [] without one. */
  array(name: string): readonly unknown[] {
    const value = this.value[name];
    return Array.isArray(value) ? value : (this.#absent(name, value, 'an array') ?? []);
  }

  /** The members that are not `known`; undefined where there are none. */
  rest(known: ReadonlySet<string>): JsonObject | undefined {
    return rest(this.value, known);
  }

  path(name: string): string {
    return this.at === '' ? name : `${this.at}.${name}`;
  }

  /** What is wrong with a member, as the client is told. */
  fault(name: string, what: string): GatewayError {
    return new GatewayError('invalid_request_body', `"${name === '' ? this.at : this.path(name)}" ${what}.`);
  }

  #absent(name: string, value: unknown, wanted: string): undefined {
    if (value !== undefined && value !== null && this.#strict) throw this.fault(name, `must be ${wanted}`);
    return undefined;
  }
}

/** The members of `object` that are not `known`, those that are null left out; undefined where there are none. */
export function rest(object: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  let rest: JsonObject | undefined;
  for (const name in object) {
    const value = object[name];
    if (value === undefined || value === null || known.has(name)) continue;
    rest ??= {};
    rest[name] = value;
  }
  return rest;
}

export { isObject };

/** `text` parsed where it is a JSON object, else null. */
export function parseObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** `object` without its undefined members, so that a body says only what there is to say. */
export function compact<T extends JsonObject>(object: T): T {
  for (const name in object) if (object[name] === undefined) delete object[name];
  return object;
}

/** `{ [name]: value }`, or nothing where there is no value. */
export function optional<K extends string, V>(name: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [name]: value } as Partial<Record<K, V>>);
}
