import type { JsonObject } from '../../../../facts/conversation.ts';
import { isObject } from '../fields.ts';

/**
 * Two languages for schemas: Google's `Schema` (OpenAPI 3.0 with upper-case types, https://ai.google.dev/api/caching#Schema), which older
 * clients write, and JSON Schema, which the hub has and Gemini takes a part of (`responseJsonSchema`, `parametersJsonSchema`:
 * https://ai.google.dev/api/generate-content#FIELDS.response_json_schema).
 */

/** Members that proto JSON may write as strings of digits. */
const INTEGERS = new Set(['minItems', 'maxItems', 'minProperties', 'maxProperties', 'minLength', 'maxLength']);

/** A `Schema` as JSON Schema. `propertyOrdering` becomes the order of the properties. */
export function fromGoogleSchema(schema: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [name, value] of Object.entries(schema)) {
    if (name === 'nullable' || name === 'propertyOrdering') continue;
    if (name === 'type') result.type = jsonType(value);
    else if (name === 'properties' && isObject(value)) result.properties = ordered(value, schema.propertyOrdering);
    else if ((name === 'items' || name === 'additionalProperties') && isObject(value))
      result[name] = fromGoogleSchema(value);
    else if ((name === 'anyOf' || name === 'prefixItems') && Array.isArray(value))
      result[name] = value.map((item) => (isObject(item) ? fromGoogleSchema(item) : item));
    else if (name === 'defs' && isObject(value)) result.$defs = mapped(value, fromGoogleSchema);
    else if (name === 'ref') result.$ref = value;
    else if (name === 'example') result.examples = [value];
    else if (INTEGERS.has(name) && typeof value === 'string') result[name] = Number(value);
    else result[name] = value;
  }
  if (schema.nullable === true) makeNullable(result);
  return result;
}

function jsonType(type: unknown): unknown {
  return typeof type === 'string' ? type.toLowerCase() : type;
}

function makeNullable(schema: JsonObject): void {
  if (typeof schema.type === 'string') schema.type = [schema.type, 'null'];
  else if (Array.isArray(schema.anyOf)) schema.anyOf = [...schema.anyOf, { type: 'null' }];
  if (Array.isArray(schema.enum) && !schema.enum.includes(null)) schema.enum = [...schema.enum, null];
}

function ordered(properties: JsonObject, ordering: unknown): JsonObject {
  const names = Object.keys(properties);
  const first = Array.isArray(ordering) ? ordering.filter((name) => names.includes(name)) : [];
  const result: JsonObject = {};
  for (const name of new Set<string>([...first, ...names])) {
    const value = properties[name];
    result[name] = isObject(value) ? fromGoogleSchema(value) : value;
  }
  return result;
}

function mapped(schemas: JsonObject, change: (schema: JsonObject) => JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, value]) => [name, isObject(value) ? change(value) : value]),
  );
}

const MAPS = new Set(['properties', '$defs', 'patternProperties']);
const LISTS = new Set(['anyOf', 'oneOf', 'prefixItems']);
const SCHEMAS = new Set(['items', 'additionalProperties']);

/**
 * A JSON schema as Gemini takes it. Keywords it doesn't know it ignores; what it would refuse, or misread, is said otherwise: `const` as an
 * enumeration, `definitions` as `$defs`, what stands beside a `$ref` around it, `allOf` merged where it can be.
 */
export function toGeminiSchema(schema: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [name, value] of Object.entries(merged(schema))) {
    if (name === '$schema') continue;
    if (name === 'const') result.enum = [value];
    else if (name === 'definitions' && isObject(value))
      result.$defs = { ...(isObject(result.$defs) ? result.$defs : {}), ...mapped(value, toGeminiSchema) };
    else if (name === '$ref' && typeof value === 'string') result.$ref = geminiRef(value);
    else if (MAPS.has(name) && isObject(value)) {
      const before = name === '$defs' && isObject(result.$defs) ? result.$defs : {};
      result[name] = { ...before, ...mapped(value, toGeminiSchema) };
    } else if (LISTS.has(name) && Array.isArray(value))
      result[name] = value.map((item) => (isObject(item) ? toGeminiSchema(item) : item));
    else if (SCHEMAS.has(name) && isObject(value)) result[name] = toGeminiSchema(value);
    else result[name] = value;
  }
  return aroundRef(result);
}

const DEFINITIONS = '#/definitions/';

function geminiRef(ref: string): string {
  return ref.startsWith(DEFINITIONS) ? `#/$defs/${ref.slice(DEFINITIONS.length)}` : ref;
}

/** Beside a `$ref` nothing else may stand but `$…`. */
function aroundRef(schema: JsonObject): JsonObject {
  if (schema.$ref === undefined || Object.keys(schema).every((name) => name.startsWith('$'))) return schema;
  const { $ref, ...beside } = schema;
  return { ...beside, anyOf: [{ $ref }] };
}

/** The schema with its `allOf` taken in, where no two of them say different things of one keyword. */
function merged(schema: JsonObject): JsonObject {
  if (!Array.isArray(schema.allOf)) return schema;
  const { allOf, ...result } = schema;
  for (const part of schema.allOf) {
    if (!isObject(part)) return schema;
    for (const [name, value] of Object.entries(merged(part))) {
      const before = result[name];
      if (before === undefined) result[name] = value;
      else if (name === 'properties' && isObject(before) && isObject(value)) result[name] = { ...before, ...value };
      else if (name === 'required' && Array.isArray(before) && Array.isArray(value))
        result[name] = [...new Set([...before, ...value])];
      else if (JSON.stringify(before) !== JSON.stringify(value)) return schema;
    }
  }
  return result;
}
