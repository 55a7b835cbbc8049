import type { JsonSchema } from '../../../src/resources/schema/json-schema.ts';

/** Below this depth only what must be there is made, so that schemas that refer to themselves end. */
const MAX_DEPTH = 9;

/** One text that is a duration, a header name, a regular expression and an expression alike. */
const TEXT = '1s';
/** Texts with a syntax of their own. */
const TEXTS: Readonly<Record<string, string>> = { keyHash: `sha256:${'0a'.repeat(32)}` };

/** Makes random values that a JSON schema accepts; the same seed makes the same value. */
export class InstanceMaker {
  readonly #root: JsonSchema;
  #state: number;

  constructor(root: JsonSchema, seed: number) {
    this.#root = root;
    this.#state = seed;
  }

  make(): unknown {
    return this.#value(this.#root, '', 0);
  }

  /** Makes values of one definition of the schema. */
  makeOf(definition: string): unknown {
    return this.#value({ $ref: `#/$defs/${definition}` }, '', 0);
  }

  #value(schema: JsonSchema, key: string, depth: number): unknown {
    if (schema.$ref !== undefined) {
      const target = this.#root.$defs?.[schema.$ref.slice('#/$defs/'.length)];
      if (target === undefined) throw new Error(`no definition ${schema.$ref}`);
      return this.#value(target, key, depth);
    }
    if (schema.const !== undefined) return schema.const;
    if (schema.enum !== undefined) return this.#pick(schema.enum);
    const branches = [schema.anyOf, schema.oneOf].find((list) => list !== undefined);
    if (branches !== undefined && schema.properties === undefined) {
      const end = depth > MAX_DEPTH ? branches.find((branch) => branch.type === 'null') : undefined;
      return this.#value(end ?? this.#pick(branches), key, depth);
    }
    // Fields beside a choice: the choice adds its own.
    const objects = (branches ?? []).filter((branch) => branch.type === 'object' || branch.properties !== undefined);
    if (objects.length > 0) {
      return { ...this.#object(schema, depth), ...(this.#value(this.#pick(objects), key, depth) as object) };
    }
    const types = [schema.type ?? 'any'].flat();
    switch (depth > MAX_DEPTH && types.includes('null') ? 'null' : this.#pick(types)) {
      case 'null':
        return null;
      case 'boolean':
        return this.#chance(0.5);
      case 'number':
        return this.#pick([0, 0.5, 1]);
      case 'integer':
        return this.#number(schema as JsonSchema & { minimum?: number; maximum?: number });
      case 'string':
        return TEXTS[key] ?? TEXT;
      case 'array':
        return this.#array(schema as JsonSchema & { minItems?: number }, key, depth);
      case 'object':
        return this.#object(schema, depth);
      default:
        return { any: [1, TEXT, null] };
    }
  }

  #object(schema: JsonSchema, depth: number): Record<string, unknown> {
    const required = new Set(schema.required ?? []);
    const object: Record<string, unknown> = {};
    const share = depth > MAX_DEPTH ? 0 : depth < 2 ? 0.5 : 0.3;
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      // A conditional entry without a condition may only be the last; with one it may be anywhere.
      const condition = name === 'condition' && 'default' in field;
      if (condition) object[name] = TEXT;
      else if (required.has(name) || this.#chance(share)) object[name] = this.#value(field, name, depth + 1);
    }
    if (typeof schema.additionalProperties === 'object' && depth <= MAX_DEPTH) {
      object.entry = this.#value(schema.additionalProperties, 'entry', depth + 1);
    }
    // `not: {required: [a, b]}`: two names of one field.
    for (const rule of (schema.allOf ?? []) as { not?: { required?: string[] } }[]) {
      const both = rule.not?.required ?? [];
      if (both.length > 0 && both.every((name) => name in object)) delete object[both[0] as string];
    }
    return object;
  }

  #array(schema: JsonSchema & { minItems?: number }, key: string, depth: number): unknown[] {
    // The conditional form and lists of issuers make no sense empty.
    const least = key === 'conditional' || key === 'providers' ? 1 : (schema.minItems ?? 0);
    const length = depth > MAX_DEPTH ? least : Math.max(least, Math.floor(this.#random() * 3));
    return Array.from({ length }, () => this.#value(schema.items ?? {}, key, depth + 1));
  }

  #number(schema: { minimum?: number; maximum?: number }): number {
    const wanted = this.#pick([0, 1, 8080, 200]);
    return Math.min(Math.max(wanted, schema.minimum ?? 0), schema.maximum ?? 65535);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)] as Item;
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  /** mulberry32. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}
