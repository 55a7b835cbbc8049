import type { Exchange, LogEdits, LogValue } from '../exchange.ts';
import { escaped, jsonString, textValue } from './escape.ts';

/**
 * Fields of a line as the access log writes it: a name, and a value in quotes or without a space (text), or a comma (JSON). What is in
 * quotes can be told from what isn't by its first character, so that each is read in one pass.
 */
const TEXT_FIELD = / ([^ ="]+)=("(?:[^"\\]|\\.)*"|[^ \n]*)/g;
const JSON_FIELD = /,"([^"\\]+)":("(?:[^"\\]|\\.)*"|[^",}]*)/g;

/** What makes a JSON line a line of the log. */
const FIXED: ReadonlySet<string> = new Set(['time', 'scope']);

/** A standard line with what configuration adds to it and leaves out. Its time and its level stay. */
export function editedLine(line: string, exchange: Exchange, edits: LogEdits, json: boolean): string {
  const kept =
    edits.removed.size === 0
      ? line
      : line.replaceAll(json ? JSON_FIELD : TEXT_FIELD, (field, name: string) =>
          edits.removed.has(name) && !FIXED.has(name) ? '' : field,
        );
  const added = edits.added(exchange);
  if (added.length === 0) return kept;
  // Behind the last field stands the line's end, in JSON behind the object's.
  const end = json ? '}\n' : '\n';
  let text = kept.slice(0, -end.length);
  for (const [name, value] of added)
    text += json ? `,${jsonString(name)}:${jsonValue(value)}` : ` ${textName(name)}=${textOf(value)}`;
  return text + end;
}

function jsonValue(value: LogValue): string {
  if (typeof value === 'string') return jsonString(value);
  return typeof value === 'object' ? jsonText(value) : String(value);
}

/** An object is shown whole or, where it is too long for a line, as the beginning of its text. */
function jsonText(value: object): string {
  const text = escaped(value);
  return text.length > MAX_OBJECT ? jsonString(text) : text;
}

/** UTF-16 units. */
const MAX_OBJECT = 4096;

function textOf(value: LogValue): string {
  if (typeof value === 'string') return textValue(value);
  return typeof value === 'object' ? textValue(JSON.stringify(value)) : String(value);
}

/** A name with characters that would read as another field's is put in quotes. */
function textName(name: string): string {
  return /^[^\s="\\\p{C}]+$/u.test(name) ? name : jsonString(name);
}
