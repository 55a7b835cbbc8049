import { z } from 'zod';
import { unwrapped } from './unwrap.ts';

/** Looking into zod schemas: which keys an object takes, what stands below a key, through unions and wrappers. */

/** Where a value stands inside a document: keys and indexes from the root. */
export type Path = readonly (string | number)[];

/** Wrappers inside wrappers; schemas that refer to themselves end here. */
const MAX_DEPTH = 24;

/** The concrete schemas that `schema` comes down to: wrappers taken off, unions taken apart. */
export function optionsOf(schema: unknown, depth = 0): z.ZodType[] {
  if (!(schema instanceof z.ZodType) || depth > MAX_DEPTH) return [];
  const inner = unwrapped(schema);
  if (inner !== undefined) return optionsOf(inner, depth + 1);
  if (schema instanceof z.ZodPipe) {
    const { in: input, out } = schema.def;
    return optionsOf(input instanceof z.ZodTransform ? out : input, depth + 1);
  }
  // Its getter may make a new schema each time; what it made first is kept.
  if (schema instanceof z.ZodLazy) return optionsOf(schema._zod.innerType, depth + 1);
  if (schema instanceof z.ZodUnion) return schema.def.options.flatMap((option) => optionsOf(option, depth + 1));
  if (schema instanceof z.ZodIntersection) {
    return [...optionsOf(schema.def.left, depth + 1), ...optionsOf(schema.def.right, depth + 1)];
  }
  return [schema];
}

/** Schemas of what stands at `key` (a field, a map's entry, a list's item) below any of `schemas`. */
export function childrenOf(schemas: readonly z.ZodType[], key: string | number): z.ZodType[] {
  return schemas.flatMap((schema) => {
    if (schema instanceof z.ZodObject) {
      const shape = schema.shape as Record<string, unknown>;
      return Object.hasOwn(shape, key) ? optionsOf(shape[key]) : optionsOf(schema.def.catchall);
    }
    if (schema instanceof z.ZodRecord) return optionsOf(schema.def.valueType);
    if (schema instanceof z.ZodArray) return optionsOf(schema.def.element);
    return [];
  });
}

/** Schemas at `path`, every one that unions along the way allow. */
export function schemasAt(root: z.ZodType, path: readonly PropertyKey[]): z.ZodType[] {
  let schemas = optionsOf(root);
  for (const part of path) {
    if (schemas.length === 0) break;
    schemas = childrenOf(schemas, typeof part === 'symbol' ? '' : part);
  }
  return schemas;
}

/** Names of the fields that any of `schemas` takes. */
export function fieldsOf(schemas: readonly z.ZodType[]): string[] {
  const fields = new Set<string>();
  for (const schema of schemas) {
    if (schema instanceof z.ZodObject) for (const key of Object.keys(schema.shape)) fields.add(key);
  }
  return [...fields];
}

/** Literal texts that any of `schemas` takes: enum values and string constants. */
export function literalsOf(schemas: readonly z.ZodType[]): string[] {
  const texts = new Set<string>();
  for (const schema of schemas) {
    const values: readonly unknown[] =
      schema instanceof z.ZodEnum ? schema.options : schema instanceof z.ZodLiteral ? [...schema.def.values] : [];
    for (const value of values) if (typeof value === 'string') texts.add(value);
  }
  return [...texts];
}

const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Joins a path as it is written in faults: `binds[0].gateways["my gateway"]`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!PLAIN_KEY.test(part)) text += `[${JSON.stringify(part)}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}
