/** Turns JSON schemas into Markdown tables of fields: one row a field, nested objects by their path. */

/** How `resources/schema/common.ts` writes durations; a text with this pattern is one. */
const DURATION_START = '^(?:0|(?:\\d+';

/**
 * @typedef {object} Links
 * @property {Record<string, any>} defs the definitions that `$ref`s name
 * @property {(id: string) => string | undefined} linkOf Markdown link of a definition that has a section; undefined = shown in place
 */

/** A table of the fields of `schema` (an object, or a choice of objects), or '' where it has none. */
export function fieldTable(schema, links, inactive = new Set()) {
  const rows = [];
  const objects = objectsOf(schema, links);
  addRows({ objects, optional: false }, '', { links, inactive, rows }, 0);
  if (rows.length === 0) return '';
  return [
    '| field | type | default | |',
    '|---|---|---|---|',
    ...rows.map((row) => `| \`${row.name}\` | ${cell(row.type)} | ${cell(row.default)} | ${cell(row.text)} |`),
    '',
  ].join('\n');
}

/** Paths of the fields of an object and of the objects in it; items of lists and values of maps are left out. */
export function fieldPaths(schema, links) {
  const rows = [];
  addRows({ objects: objectsOf(schema, links), optional: false }, '', { links, inactive: new Set(), rows }, 0);
  return rows.map((row) => row.name).filter((name) => !/\[\]|\*/.test(name));
}

/** Escapes what would end a table's cell. */
export function cell(text) {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** A short name of what a schema takes, with links where its definition has a section of its own. */
export function typeOf(schema, links, depth = 0) {
  if (schema.$ref !== undefined) {
    const id = schema.$ref.slice('#/$defs/'.length);
    return links.linkOf(id) ?? typeOf(links.defs[id], links, depth);
  }
  const branches = schema.anyOf ?? (schema.properties === undefined ? schema.oneOf : undefined);
  if (branches !== undefined) {
    const names = branches.filter((branch) => branch.type !== 'null').map((branch) => typeOf(branch, links, depth));
    return [...new Set(names.flatMap((name) => name.split(' or ')))].join(' or ') || 'nothing';
  }
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== 'null');
    return types.map((type) => typeOf({ ...schema, type }, links, depth)).join(' or ') || '`null`';
  }
  switch (schema.type) {
    case 'string':
      if (schema['x-cel'] === true) return 'CEL';
      return schema.pattern?.startsWith(DURATION_START) ? 'duration' : 'text';
    case 'integer':
    case 'number':
    case 'boolean':
      return schema.type;
    case 'null':
      return '`null`';
    case 'array':
      return `list of ${schema.items === undefined ? 'values' : typeOf(schema.items, links, depth + 1)}`;
    case 'object':
      if (typeof schema.additionalProperties === 'object' && Object.keys(schema.additionalProperties).length > 0) {
        return `map of ${typeOf(schema.additionalProperties, links, depth + 1)}`;
      }
      return schema.properties === undefined ? 'any fields' : 'object';
    default:
      return 'any value';
  }
}

/** Rows of the objects that may stand in one place; a field is required where every one of them requires it. */
function addRows({ objects, optional }, prefix, table, depth) {
  const names = new Set(objects.flatMap((object) => Object.keys(object.properties ?? {})));
  for (const name of names) {
    const path = `${prefix}${name}`;
    const fields = objects.flatMap((object) => object.properties?.[name] ?? []);
    const field = fields.length === 1 ? fields[0] : { ...fields[0], ...merged(fields) };
    const required = !optional && objects.every((object) => object.required?.includes(name));
    const notes = [];
    if (field['x-sluice'] === true) notes.push('**Ours.**');
    if (field['x-active'] === false || table.inactive.has(path)) notes.push('**Not executed yet.**');
    if (isSecret(field, table.links)) notes.push('Secret.');
    table.rows.push({
      name: path,
      type: typeOf(field, table.links),
      default: required ? 'required' : defaultOf(field),
      text: [field.description ?? '', ...notes].filter((part) => part !== '').join(' '),
    });
    if (depth > 6) continue;
    for (const [suffix, place] of nested(field, table.links)) addRows(place, `${path}${suffix}.`, table, depth + 1);
  }
}

/** One field of several alternatives: where they differ, each may stand there. */
function merged(fields) {
  const distinct = [...new Map(fields.map((field) => [JSON.stringify(field), field])).values()];
  return distinct.length === 1 ? {} : { anyOf: distinct, properties: undefined, const: undefined, enum: undefined };
}

/** Objects inside a field that have no section of their own, by where they stand: in it, in its items, in its values. */
function nested(field, links) {
  const places = new Map();
  const visit = (schema, suffix, depth) => {
    const found = alternatives(schema, links).filter((one) => one.type !== 'null');
    for (const one of found) {
      if (one.properties !== undefined) {
        const place = places.get(suffix) ?? { objects: [], optional: false };
        place.objects.push(one);
        place.optional ||= found.some((other) => other.properties === undefined);
        places.set(suffix, place);
      }
      if (depth > 6) continue;
      if (one.type === 'array' && one.items !== undefined) visit(one.items, `${suffix}[]`, depth + 1);
      if (typeof one.additionalProperties === 'object') visit(one.additionalProperties, `${suffix}.*`, depth + 1);
    }
  };
  visit(field, '', 0);
  return places;
}

/** What a schema comes down to; definitions with a section of their own are left to it. */
function alternatives(schema, links) {
  if (schema.$ref !== undefined) {
    const id = schema.$ref.slice('#/$defs/'.length);
    return links.linkOf(id) === undefined ? alternatives(links.defs[id], links) : [];
  }
  const branches = schema.anyOf ?? (schema.properties === undefined ? schema.oneOf : undefined);
  return branches === undefined ? [schema] : branches.flatMap((branch) => alternatives(branch, links));
}

/** The objects that `schema` itself is, through its own choices. */
export function objectsOf(schema, links) {
  if (schema.$ref !== undefined) return objectsOf(links.defs[schema.$ref.slice('#/$defs/'.length)], links);
  const branches = schema.anyOf ?? (schema.properties === undefined ? schema.oneOf : undefined);
  if (branches !== undefined) return branches.flatMap((branch) => objectsOf(branch, links));
  if (schema.type === 'array' && schema.items !== undefined) return objectsOf(schema.items, links);
  return schema.properties === undefined ? [] : [schema];
}

function isSecret(schema, links) {
  if (schema.writeOnly === true) return true;
  return (
    alternatives(schema, links).some(
      (branch) => branch.writeOnly === true || branch.additionalProperties?.writeOnly === true,
    ) || (schema.anyOf ?? []).some((branch) => branch.writeOnly === true)
  );
}

function defaultOf(schema) {
  const value = schema.default;
  if (value === undefined || value === '' || value === null) return '';
  if (typeof value === 'object' && Object.keys(value).length === 0) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}
