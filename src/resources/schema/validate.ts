import type { z } from 'zod';
import { nearest } from '../did-you-mean.ts';
import { isObject } from '../json.ts';
import { childrenOf, fieldsOf, literalsOf, type Path, schemasAt } from './walk.ts';

/** What is wrong with a value, before it is known where in the file it stands. */
export interface ValueFault {
  path: Path;
  message: string;
  hint?: string;
}

type Issue = z.core.$ZodIssue;

/** Names listed in a hint; more are counted. */
const MAX_LISTED = 12;

/** Checks `value` against `schema`: the schema's output, or every fault, each said once and in one line. */
export function validate<Output>(
  schema: z.ZodType<Output>,
  value: unknown,
): { data: Output; faults: [] } | { data: null; faults: ValueFault[] } {
  const result = schema.safeParse(value);
  if (result.success) return { data: result.data, faults: [] };
  const describer = new Describer(schema, value);
  const faults = result.error.issues.flatMap((issue) => describer.faults(issue, []));
  return { data: null, faults: faults.filter((fault) => !isEchoOfMisspelling(fault, faults)) };
}

/** "give one of …" says nothing new where the one that was given is misspelt. */
function isEchoOfMisspelling(fault: ValueFault, all: readonly ValueFault[]): boolean {
  if (!fault.message.startsWith('give one of ')) return false;
  return all.some(
    ({ path, message }) =>
      message.startsWith('unknown field ') &&
      path.length === fault.path.length + 1 &&
      fault.path.every((part, index) => path[index] === part),
  );
}

class Describer {
  readonly #schema: z.ZodType;
  readonly #value: unknown;

  constructor(schema: z.ZodType, value: unknown) {
    this.#schema = schema;
    this.#value = value;
  }

  faults(issue: Issue, base: Path): ValueFault[] {
    const path = [...base, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
    switch (issue.code) {
      case 'unrecognized_keys':
        return issue.keys.map((key) => this.#unknownField(path, key));
      case 'invalid_union':
        return this.#union(issue, path);
      case 'invalid_type':
        return [this.#wrongType(path, [issue.expected])];
      case 'invalid_value':
        return [this.#wrongValue(path, issue.values.map(String))];
      case 'invalid_key':
        return issue.issues.map((inner) => ({ path, message: `not a valid name here: ${inner.message}` }));
      case 'invalid_element':
        return issue.issues.flatMap((inner) => this.faults(inner, path));
      case 'too_small':
        return [{ path, message: bound(issue.origin, 'least', Number(issue.minimum), issue.inclusive !== false) }];
      case 'too_big':
        return [{ path, message: bound(issue.origin, 'most', Number(issue.maximum), issue.inclusive !== false) }];
      default:
        return [{ path, message: lowerFirst(issue.message) }];
    }
  }

  #unknownField(path: Path, key: string): ValueFault {
    const schemas = schemasAt(this.#schema, path);
    const fields = fieldsOf(schemas);
    const message = `unknown field "${key}"`;
    const full = [...path, key];
    const elsewhere = this.#elsewhere(path, key, schemas);
    if (elsewhere !== undefined) return { path: full, message, hint: elsewhere };
    const near = nearest(key, fields);
    if (near !== undefined) return { path: full, message, hint: `did you mean "${near}"?` };
    return fields.length === 0 ? { path: full, message } : { path: full, message, hint: `known here: ${list(fields)}` };
  }

  /** The same name one level down, or one or two up, is the likelier slip than a similar one. */
  #elsewhere(path: Path, key: string, schemas: readonly z.ZodType[]): string | undefined {
    for (const field of fieldsOf(schemas)) {
      if (fieldsOf(childrenOf(schemas, field)).includes(key)) return `it belongs under "${field}"`;
    }
    let up = path;
    for (let level = 0; level < 4 && up.length > 0; level++) {
      const owner = up.at(-1);
      up = up.slice(0, -1);
      if (typeof owner === 'number') continue;
      if (fieldsOf(schemasAt(this.#schema, up)).includes(key)) return `it belongs beside "${owner}", not below it`;
    }
    return undefined;
  }

  /** One clear line for a union that nothing fits: the branch the operator most likely meant speaks, or all as one. */
  #union(issue: Extract<Issue, { code: 'invalid_union' }>, path: Path): ValueFault[] {
    const value = valueAt(this.#value, path);
    const schemas = schemasAt(this.#schema, path);
    const branches = issue.errors.filter((errors) => errors.length > 0);
    const fitting = branches.filter((errors) => !errors.some(isKindMismatch));
    if (fitting.length === 0) {
      const values = literalsOf(schemas);
      if (typeof value === 'string' && values.length > 0) return [this.#wrongValue(path, values, fieldsOf(schemas))];
      const expected = new Set<string>();
      for (const errors of branches) for (const error of errors) if (isKindMismatch(error)) expected.add(kindOf(error));
      if (expected.size === 0) return [{ path, message: lowerFirst(issue.message) }];
      return [this.#wrongType(path, [...expected])];
    }
    if (isObject(value)) {
      const fields = fieldsOf(schemas);
      const unknown = Object.keys(value).filter((key) => !fields.includes(key));
      const closed = fitting.every((errors) =>
        errors.some((error) => error.code === 'unrecognized_keys' && error.path.length === 0),
      );
      if (closed && unknown.length > 0) return unknown.map((key) => this.#unknownField(path, key));
      if (Object.keys(value).length === 0 && fields.length > 0)
        return [{ path, message: `give one of ${list(fields)}` }];
    }
    const ranked = fitting.map((errors) => ({ errors, misfit: misfit(errors) })).sort((a, b) => a.misfit - b.misfit);
    const best = ranked[0];
    if (best === undefined) return [{ path, message: lowerFirst(issue.message) }];
    return best.errors.flatMap((error) => this.faults(error, path));
  }

  #wrongType(path: Path, expected: readonly string[]): ValueFault {
    const value = valueAt(this.#value, path);
    const kinds = expected.map((kind) => KINDS[kind] ?? kind);
    const wanted = kinds.length === 1 ? kinds[0] : `${kinds.slice(0, -1).join(', ')} or ${kinds.at(-1)}`;
    if (value === undefined) return { path, message: `missing: ${wanted} is required here` };
    const message = `expected ${wanted}, found ${describeKind(value)}`;
    if (expected.includes('string') && (typeof value === 'number' || typeof value === 'boolean')) {
      return { path, message, hint: 'put it in quotes' };
    }
    if (value !== null && typeof value !== 'object' && expected.every((kind) => kind === 'object')) {
      const fields = fieldsOf(schemasAt(this.#schema, path));
      if (fields.length > 0) return { path, message, hint: `known here: ${list(fields)}` };
    }
    return { path, message };
  }

  /** `fields`: what a mapping may hold where one may stand in place of the values. */
  #wrongValue(path: Path, values: readonly string[], fields: readonly string[] = []): ValueFault {
    const value = valueAt(this.#value, path);
    const known = `one of ${list(values)}${fields.length === 0 ? '' : ` or a mapping with ${list(fields)}`}`;
    if (value === undefined) return { path, message: `missing: ${known} is required here` };
    if (typeof value !== 'string') return { path, message: `expected ${known}, found ${describeKind(value)}` };
    const near = nearest(value, [...values, ...fields]);
    const message = `"${clip(value)}" is not ${known}`;
    return near === undefined ? { path, message } : { path, message, hint: `did you mean "${near}"?` };
  }
}

/** True where an issue says that the value is of another kind altogether (text where a mapping stands …). */
function isKindMismatch(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function kindOf(issue: Issue): string {
  return issue.code === 'invalid_type' ? issue.expected : issue.code === 'invalid_value' ? issue.values.join(', ') : '';
}

/** How far a branch is from what was written: unknown and missing keys at its root weigh most. */
function misfit(errors: readonly Issue[]): number {
  let sum = 0;
  for (const error of errors) {
    if (error.code === 'unrecognized_keys' && error.path.length === 0) sum += 100 * error.keys.length;
    else if (error.path.length <= 1) sum += 10;
    else sum += 1;
  }
  return sum;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
  null: 'nothing',
};

function describeKind(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return 'text';
  return `the ${typeof value} ${String(value)}`;
}

function bound(origin: string, side: 'least' | 'most', limit: number, inclusive: boolean): string {
  const edge = inclusive ? `at ${side} ${limit}` : `${side === 'least' ? 'more' : 'less'} than ${limit}`;
  if (origin === 'string') return `must have ${edge} characters`;
  if (origin === 'array' || origin === 'set') return `must have ${edge} entries`;
  return `must be ${edge}`;
}

/** What stands at `path` below `root`; undefined where nothing does. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_LISTED).join(', ');
  return names.length > MAX_LISTED ? `${shown} and ${names.length - MAX_LISTED} more` : shown;
}

function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
