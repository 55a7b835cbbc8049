import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import type { ValueFault } from '../resources/schema/validate.ts';
import { optionsOf } from '../resources/schema/walk.ts';
import type { Path } from './fault.ts';
import { fingerprint } from './watch.ts';

/** Larger files are refused: no certificate, key set or API document comes near it. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** Where in the configuration values may come from files, compiled once from the schema. */
interface FilePlan {
  /** `{file: path}` may stand here in place of text. */
  inline: boolean;
  /** Fields of this mapping that are themselves paths of PEM files. */
  pem: readonly string[];
  fields: Map<string, FilePlan>;
  /** Items of a list, entries of a map. */
  items: FilePlan | null;
}

/** A place that names a file. */
interface FileUse {
  holder: Record<string | number, unknown>;
  key: string | number;
  path: Path;
  file: string;
}

/**
 * Puts the texts of files in place of what names them: `{file: path}` wherever the schema takes text or a file, and the
 * `cert`, `key` and `root` fields of TLS settings. A relative path is looked for beside the configuration file, then in the
 * working directory, where agentgateway looks. One trailing line break is cut off, as secrets files tend to end in one.
 */
export class FileFields {
  readonly #plan: FilePlan | null;

  constructor(schema: z.ZodType) {
    this.#plan = compilePlan(schema, new Map(), 0);
  }

  /**
   * Replaces in place. Every file that was looked for is added to `files` with its fingerprint from before it was read; one that
   * was not found as well, so that its appearance is noticed.
   */
  async read(value: unknown, directory: string, files: Map<string, string>): Promise<ValueFault[]> {
    if (this.#plan === null) return [];
    const uses: FileUse[] = [];
    collectUses(this.#plan, value, [], uses);
    const faults: ValueFault[] = [];
    const texts = new Map<string, Promise<{ text: string } | { wrong: string }>>();
    for (const use of uses) {
      let pending = texts.get(use.file);
      if (pending === undefined) {
        pending = readText(use.file, directory, files);
        texts.set(use.file, pending);
      }
      const result = await pending;
      if ('text' in result) use.holder[use.key] = result.text;
      else {
        faults.push({ path: use.path, message: result.wrong });
        use.holder[use.key] = '';
      }
    }
    return faults;
  }
}

async function readText(
  file: string,
  directory: string,
  files: Map<string, string>,
): Promise<{ text: string } | { wrong: string }> {
  const candidates = isAbsolute(file) ? [file] : [...new Set([resolve(directory, file), resolve(file)])];
  let wrong = `cannot read the file "${file}"`;
  for (const [index, path] of candidates.entries()) {
    const before = await fingerprint(path);
    try {
      const { size } = await statFile(path);
      files.set(path, before);
      if (size > MAX_FILE_BYTES) return { wrong: `the file "${file}" is larger than ${MAX_FILE_BYTES} bytes` };
      const text = await readFile(path, 'utf8');
      return { text: text.replace(/\r?\n$/, '') };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (index === 0) {
        files.set(path, before);
        wrong = `cannot read the file "${file}": ${explain(code, error)}`;
      }
      if (code !== 'ENOENT') break;
    }
  }
  return { wrong };
}

async function statFile(path: string): Promise<{ size: number }> {
  const found = await stat(path);
  if (!found.isFile()) throw Object.assign(new Error('it is not a regular file'), { code: 'ENOTFILE' });
  return found;
}

function explain(code: string | undefined, error: unknown): string {
  switch (code) {
    case 'ENOENT':
      return 'there is none of that name';
    case 'EACCES':
      return 'permission denied';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

const PEM_FIELDS = ['cert', 'key', 'root'] as const;
const MAX_DEPTH = 64;

function compilePlan(schema: unknown, known: Map<z.ZodType, FilePlan | null>, depth: number): FilePlan | null {
  if (!(schema instanceof z.ZodType) || depth > MAX_DEPTH) return null;
  const before = known.get(schema);
  if (before !== undefined) return before;
  known.set(schema, null);

  const options = optionsOf(schema);
  const plan: FilePlan = { inline: isFileChoice(options), pem: [], fields: new Map(), items: null };
  for (const option of options) {
    if (option instanceof z.ZodObject) {
      const shape = option.shape as Record<string, unknown>;
      if (PEM_FIELDS.every((field) => field in shape)) plan.pem = PEM_FIELDS;
      for (const [key, field] of Object.entries(shape)) {
        const below = compilePlan(field, known, depth + 1);
        if (below !== null) plan.fields.set(key, merge(plan.fields.get(key), below));
      }
    } else if (option instanceof z.ZodArray || option instanceof z.ZodRecord) {
      const below = compilePlan(
        option instanceof z.ZodArray ? option.def.element : option.def.valueType,
        known,
        depth + 1,
      );
      if (below !== null) plan.items = merge(plan.items ?? undefined, below);
    }
  }
  const empty = !plan.inline && plan.pem.length === 0 && plan.fields.size === 0 && plan.items === null;
  known.set(schema, empty ? null : plan);
  return empty ? null : plan;
}

function merge(first: FilePlan | undefined, second: FilePlan): FilePlan {
  if (first === undefined || first === second) return second;
  const fields = new Map(first.fields);
  for (const [key, plan] of second.fields) fields.set(key, merge(fields.get(key), plan));
  const items =
    first.items === null ? second.items : second.items === null ? first.items : merge(first.items, second.items);
  return {
    inline: first.inline || second.inline,
    pem: first.pem.length > 0 ? first.pem : second.pem,
    fields,
    items,
  };
}

/** Text, or `{file}` alone: the schema's form for text that may come from a file. */
function isFileChoice(options: readonly z.ZodType[]): boolean {
  return (
    options.some((option) => option instanceof z.ZodString) &&
    options.some((option) => option instanceof z.ZodObject && Object.keys(option.shape).join() === 'file')
  );
}

function collectUses(plan: FilePlan, value: unknown, path: Path, uses: FileUse[]): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    if (plan.items === null) return;
    for (const [index, item] of value.entries())
      collectBelow(plan.items, value as never, index, item, [...path, index], uses);
    return;
  }
  const holder = value as Record<string, unknown>;
  for (const field of plan.pem) {
    const file = holder[field];
    if (typeof file === 'string' && file !== '' && !file.includes('-----BEGIN ')) {
      uses.push({ holder, key: field, path: [...path, field], file });
    }
  }
  if (plan.items !== null) {
    for (const [key, item] of Object.entries(holder)) collectBelow(plan.items, holder, key, item, [...path, key], uses);
  }
  for (const [key, below] of plan.fields) {
    if (Object.hasOwn(holder, key)) collectBelow(below, holder, key, holder[key], [...path, key], uses);
  }
}

function collectBelow(
  plan: FilePlan,
  holder: Record<string | number, unknown>,
  key: string | number,
  value: unknown,
  path: Path,
  uses: FileUse[],
): void {
  if (plan.inline && isFileReference(value)) uses.push({ holder, key, path: [...path, 'file'], file: value.file });
  else collectUses(plan, value, path, uses);
}

function isFileReference(value: unknown): value is { file: string } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { file } = value as { file?: unknown };
  return typeof file === 'string' && Object.keys(value).length === 1;
}
