/** The smallest values that JSON schemas accept, to ask a policy which of its parts are executed. */

/** A duration, a header name, a regular expression and an expression alike. */
const TEXT = '1s';
/** Texts of fields where only some are executed. */
const TEXTS = { alpn: 'http/1.1', version: 'HTTP/1.1' };

/** A value of `schema`, or null; the field at the path `wanted` is given, others only where they must be. */
export function sample(schema, defs, wanted = [], depth = 0, key = '') {
  if (depth > 12) return null;
  if (schema.$ref !== undefined)
    return sample(defs[schema.$ref.slice('#/$defs/'.length)], defs, wanted, depth + 1, key);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  const branches = schema.anyOf ?? (schema.properties === undefined ? schema.oneOf : undefined);
  if (branches !== undefined) {
    const fitting = branches.find((branch) => wanted.length > 0 && hasField(branch, wanted[0], defs));
    return sample(
      fitting ?? branches.find((branch) => branch.type !== 'null') ?? branches[0],
      defs,
      wanted,
      depth + 1,
      key,
    );
  }
  switch ([schema.type].flat()[0]) {
    case 'string':
      return TEXTS[key] ?? TEXT;
    case 'integer':
    case 'number':
      return Math.max(schema.minimum ?? 0, 1);
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return [sample(schema.items ?? {}, defs, wanted, depth + 1, key)];
    case 'object':
      return sampleObject(schema, defs, wanted, depth);
    default:
      return TEXT;
  }
}

function sampleObject(schema, defs, wanted, depth) {
  const names = new Set(schema.required ?? []);
  const [first, ...rest] = wanted;
  if (first !== undefined && schema.properties?.[first] !== undefined) names.add(first);
  // One of several: the wanted one, or the first.
  const choices = (schema.oneOf ?? []).map((choice) => choice.required?.[0]).filter((name) => name !== undefined);
  if (choices.length > 0 && !choices.some((name) => names.has(name))) names.add(choices[0]);
  const object = {};
  for (const name of names) {
    object[name] = sample(schema.properties[name], defs, name === first ? rest : [], depth + 1, name);
  }
  if (typeof schema.additionalProperties === 'object' && schema.properties === undefined) {
    object.entry = sample(schema.additionalProperties, defs, [], depth + 1);
  }
  return object;
}

function hasField(schema, name, defs) {
  if (schema.$ref !== undefined) return hasField(defs[schema.$ref.slice('#/$defs/'.length)], name, defs);
  if (schema.type === 'array' && schema.items !== undefined) return hasField(schema.items, name, defs);
  return schema.properties?.[name] !== undefined;
}
