import type { JsonSchema } from '../../../src/resources/schema/json-schema.ts';

/**
 * Compares two JSON schemas place by place: property names, kinds of value, literals, and what is required. `$ref`, `anyOf`,
 * `oneOf` and `allOf` are seen through, so that two schemas that say the same in different ways compare equal.
 */
export interface Difference {
  path: string;
  what: string;
}

interface Root {
  readonly schema: JsonSchema;
}

export function compareSchemas(reference: JsonSchema, own: JsonSchema): Difference[] {
  const differences: Difference[] = [];
  const seen = new Set<string>();
  const ids = new Map<JsonSchema, number>();
  const idOf = (node: JsonSchema): number => {
    const known = ids.get(node);
    if (known !== undefined) return known;
    ids.set(node, ids.size);
    return ids.size - 1;
  };
  const visit = (left: JsonSchema[], right: JsonSchema[], path: string): void => {
    const key = `${left.map(idOf).sort().join(',')}|${right.map(idOf).sort().join(',')}`;
    if (seen.has(key)) return;
    seen.add(key);
    if (left.length === 0 || right.length === 0 || left.some(isAny) || right.some(isAny)) {
      if (left.some(isAny) !== right.some(isAny)) differences.push({ path, what: 'one side accepts anything' });
      return;
    }
    report(kindsOf(left), kindsOf(right), 'kind', path);
    report(literalsOf(left), literalsOf(right), 'literal', path);
    const leftFields = fieldsOf(left);
    const rightFields = fieldsOf(right);
    report(new Set(leftFields.keys()), new Set(rightFields.keys()), 'field', path);
    const [leftObject, leftMore] = left.filter((node) => node.properties !== undefined);
    const [rightObject, rightMore] = right.filter((node) => node.properties !== undefined);
    if (leftObject && rightObject && !leftMore && !rightMore) {
      report(new Set(leftObject.required ?? []), new Set(rightObject.required ?? []), 'required field', path);
    }
    for (const [name, nodes] of leftFields) {
      const others = rightFields.get(name);
      if (others) visit(expand(nodes, { schema: reference }), expand(others, { schema: own }), `${path}.${name}`);
    }
    visit(expand(valuesOf(left), { schema: reference }), expand(valuesOf(right), { schema: own }), `${path}.*`);
    visit(
      expand(
        left.flatMap((node) => node.items ?? []),
        { schema: reference },
      ),
      expand(
        right.flatMap((node) => node.items ?? []),
        { schema: own },
      ),
      `${path}[]`,
    );
  };
  const report = (left: ReadonlySet<string>, right: ReadonlySet<string>, what: string, path: string): void => {
    for (const one of left) if (!right.has(one)) differences.push({ path, what: `lacks the ${what} ${one}` });
    for (const one of right) if (!left.has(one)) differences.push({ path, what: `has the ${what} ${one} of its own` });
  };
  visit(expand([reference], { schema: reference }), expand([own], { schema: own }), '$');
  return differences;
}

/** The schemas that `nodes` come down to, own fields left out. */
function expand(nodes: readonly JsonSchema[], root: Root, found: JsonSchema[] = []): JsonSchema[] {
  for (const node of nodes) {
    if (found.includes(node) || node['x-sluice'] === true) continue;
    if (node.$ref !== undefined) {
      const target = root.schema.$defs?.[node.$ref.slice('#/$defs/'.length)];
      if (target === undefined) throw new Error(`no definition ${node.$ref}`);
      expand([target], root, found);
      continue;
    }
    const branches = [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])].filter(isBranch);
    if (branches.length === 0 || node.properties !== undefined) found.push(node);
    expand(branches, root, found);
  }
  return found;
}

/** A branch that describes values, not one that only says which fields go together. */
function isBranch(node: JsonSchema): boolean {
  return Object.keys(node).some((key) => key !== 'required' && key !== 'not');
}

function isAny(node: JsonSchema): boolean {
  const annotations = ['description', 'title', 'default', 'x-cel', 'x-sluice', 'writeOnly'];
  return Object.keys(node).every((key) => annotations.includes(key));
}

function kindsOf(nodes: readonly JsonSchema[]): Set<string> {
  const kinds = new Set<string>();
  for (const node of nodes) {
    const types = node.type === undefined ? [typeof (node.const ?? node.enum?.[0])] : [node.type].flat();
    for (const type of types) kinds.add(type === 'integer' ? 'number' : type);
  }
  kinds.delete('undefined');
  return kinds;
}

function literalsOf(nodes: readonly JsonSchema[]): Set<string> {
  return new Set(
    nodes.flatMap((node) => [...(node.const === undefined ? [] : [node.const]), ...(node.enum ?? [])]).map(String),
  );
}

function fieldsOf(nodes: readonly JsonSchema[]): Map<string, JsonSchema[]> {
  const fields = new Map<string, JsonSchema[]>();
  for (const node of nodes) {
    for (const [name, field] of Object.entries(node.properties ?? {})) {
      if (field['x-sluice'] !== true) fields.set(name, [...(fields.get(name) ?? []), field]);
    }
  }
  return fields;
}

function valuesOf(nodes: readonly JsonSchema[]): JsonSchema[] {
  return nodes.flatMap((node) => {
    if (node.additionalProperties === true) return [{}];
    return typeof node.additionalProperties === 'object' ? [node.additionalProperties] : [];
  });
}
