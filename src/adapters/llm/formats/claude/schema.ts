import type { JsonObject } from '../../../../facts/conversation.ts';
import { isObject } from '../fields.ts';

/**
 * JSON schemas as structured outputs take them (https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs): objects are
 * closed, and what the grammar can't check is told to the model in the description.
 */

/** Deeper schemas are not looked through. */
const MAX_DEPTH = 64;

/** Keywords that structured outputs refuse. */
const UNCHECKED = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
]);
const FORMATS = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid']);

/** `schema` for `output_config.format`, or null where it allows objects with any names: that can't be said there. */
export function nativeSchema(schema: JsonObject): JsonObject | null {
  const native = convert(schema, 0);
  return native === null || !isObject(native) ? null : native;
}

function convert(schema: unknown, depth: number): unknown {
  if (!isObject(schema)) return schema;
  if (depth > MAX_DEPTH) return null;
  const native: JsonObject = {};
  const told: string[] = [];
  for (const [name, value] of Object.entries(schema)) {
    let kept: unknown = value;
    if (name === 'properties' || name === '$defs' || name === 'definitions') kept = convertEach(value, depth);
    else if (name === 'items') kept = convert(value, depth + 1);
    else if (name === 'anyOf' || name === 'oneOf' || name === 'allOf') kept = convertAll(value, depth);
    else if (isUnchecked(name, value)) {
      told.push(`${name}: ${JSON.stringify(value)}`);
      continue;
    }
    if (kept === null && value !== null) return null;
    native[name === 'oneOf' ? 'anyOf' : name] = kept;
  }
  if (isObjectSchema(schema)) {
    const open = schema.additionalProperties ?? schema.properties === undefined;
    if (isObject(open) || (open === true && Object.keys(asObject(schema.properties)).length === 0)) return null;
    native.additionalProperties = false;
  }
  if (told.length > 0) {
    const description = typeof native.description === 'string' ? `${native.description} ` : '';
    native.description = `${description}(${told.join(', ')})`;
  }
  return native;
}

function isUnchecked(name: string, value: unknown): boolean {
  if (name === 'minItems') return value !== 0 && value !== 1;
  if (name === 'format') return typeof value === 'string' && !FORMATS.has(value);
  return UNCHECKED.has(name);
}

function isObjectSchema({ type, properties }: JsonObject): boolean {
  return type === 'object' || (Array.isArray(type) && type.includes('object')) || isObject(properties);
}

function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function convertEach(schemas: unknown, depth: number): unknown {
  const native: [string, unknown][] = [];
  for (const [name, schema] of Object.entries(asObject(schemas))) {
    const found = convert(schema, depth + 1);
    if (found === null) return null;
    native.push([name, found]);
  }
  return Object.fromEntries(native);
}

function convertAll(schemas: unknown, depth: number): unknown {
  if (!Array.isArray(schemas)) return schemas;
  const native = schemas.map((schema) => convert(schema, depth + 1));
  return native.includes(null) ? null : native;
}
