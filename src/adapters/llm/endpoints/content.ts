import type { JsonObject } from '../../../facts/conversation.ts';
import type { FormFile, MultipartForm } from '../multipart.ts';

/** What a request to make or read media says, whether it came as JSON or as a form. */
export interface EndpointContent {
  /** Members; of a form its text fields by their names without brackets, a list where there are several. */
  readonly json: JsonObject;
  readonly files: readonly FormFile[];
}

/** Fields that aren't texts, which forms have no other way to say. */
const NUMBERS: ReadonlySet<string> = new Set(['n', 'output_compression', 'partial_images', 'temperature']);
const BOOLEANS: ReadonlySet<string> = new Set(['stream']);

export function contentOfForm(form: MultipartForm): EndpointContent {
  const found = new Map<string, unknown>();
  for (const { name, text } of form.fields) {
    const base = withoutBrackets(name);
    const value = typedValue(base, text);
    const before = found.get(base);
    if (before === undefined) found.set(base, base === name ? value : [value]);
    else found.set(base, Array.isArray(before) ? [...before, value] : [before, value]);
  }
  const files = form.files.map((file) => ({ ...file, name: withoutBrackets(file.name) }));
  return { json: Object.fromEntries(found), files };
}

/** `image[]`, `image[0]` and `chunking_strategy[type]` are how forms say lists and objects. */
function withoutBrackets(name: string): string {
  return name.split('[', 1)[0] as string;
}

/** The text itself where it is none of what the field may hold: who reads it says so. */
function typedValue(name: string, text: string): unknown {
  if (BOOLEANS.has(name)) return text === 'true' ? true : text === 'false' ? false : text;
  if (!NUMBERS.has(name) || text.trim() === '') return text;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}
