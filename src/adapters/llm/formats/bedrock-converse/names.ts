import { createHash } from 'node:crypto';

/** Names that only Bedrock has rules for; those of tools are in `../names.ts` and `../claude/names.ts`. */

const SHORT_ID = /^[a-zA-Z0-9]{9}$/;

/** A tool call's id for a model of Mistral's. */
export function shortId(id: string): string {
  return SHORT_ID.test(id) ? id : createHash('sha256').update(id).digest('hex').slice(0, 9);
}

const MAX_NAME = 200;

/**
 * Names of one request's documents: letters, digits, single spaces, hyphens, parentheses and brackets, none of them twice
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html).
 */
export class DocumentNames {
  readonly #taken = new Set<string>();

  /** `wanted` undefined or '': a name is made up. */
  next(wanted: string | undefined): string {
    const clean = cleaned(wanted ?? '');
    const base = clean === '' ? `document-${this.#taken.size + 1}` : clean;
    let name = base;
    for (let n = 2; this.#taken.has(name); n++) name = `${base.slice(0, MAX_NAME - 12)} (${n})`;
    this.#taken.add(name);
    return name;
  }
}

function cleaned(name: string): string {
  return name
    .slice(0, 4 * MAX_NAME)
    .replace(/\.[a-zA-Z0-9]{1,5}$/, '')
    .replace(/[^a-zA-Z0-9\s()[\]-]/g, '-')
    .replace(/\s+/g, ' ')
    .slice(0, MAX_NAME)
    .trim();
}
