import { type FunctionDefinition, globally, member } from '../definitions.ts';
import { invalidArgument } from '../errors.ts';
import { MAX_LIST } from '../limits.ts';
import { checkList, checkText } from '../values/arithmetic.ts';
import { noOverload } from '../values/order.ts';
import { codePoints, pointsToUnits, unitsToPoints } from '../values/text.ts';
import { type CelValue, isList } from '../values/value.ts';
import { format } from './format.ts';

/** A string function: refuses other receivers, and arguments of other types than `types` says (s: string, i: int). */
function onString(name: string, types: string, call: (text: string, ...args: never[]) => CelValue): FunctionDefinition {
  const check = (args: readonly CelValue[]) =>
    typeof args[0] === 'string' &&
    args.slice(1).every((arg, i) => typeof arg === (types.charAt(i) === 's' ? 'string' : 'bigint'));
  return member(
    name,
    (...args) => {
      if (!check(args)) throw noOverload(name, ...args);
      const [text, ...rest] = args;
      return call(text as string, ...(rest as never[]));
    },
    { arity: [types.length + 1, types.length + 1], accepts: (first) => typeof first === 'string' },
  );
}

/** UTF-16 place of a code point's number; throws where there is none. The end is one. */
function place(text: string, index: bigint): number {
  const units = index < 0n ? -1 : pointsToUnits(text, Number(index));
  if (units < 0) throw invalidArgument(`index out of range: ${index}`);
  return units;
}

function charAt(text: string, index: bigint): string {
  const point = text.codePointAt(place(text, index));
  return point === undefined ? '' : String.fromCodePoint(point);
}

function found(text: string, units: number): bigint {
  return units < 0 ? -1n : BigInt(unitsToPoints(text, units));
}

function substring(text: string, start: bigint, end: bigint): string {
  const from = place(text, start);
  const to = place(text, end);
  if (start > end) throw invalidArgument(`invalid substring range. start: ${start}, end: ${end}`);
  return text.slice(from, to);
}

/** Replaces the first `limit` of `old`, all where that is below 0. An empty `old` stands before each character and at the end. */
function replace(text: string, old: string, by: string, limit: bigint): string {
  let left = limit < 0n ? Number.POSITIVE_INFINITY : Number(limit);
  let out = '';
  let from = 0;
  for (let at = text.indexOf(old); at >= 0 && left > 0; at = text.indexOf(old, from + (old === '' ? 1 : 0))) {
    // Never between the halves of a surrogate pair.
    if (old === '' && at > from) at = Math.max(at, from + String.fromCodePoint(text.codePointAt(from) ?? 0).length);
    out += text.slice(from, at) + by;
    checkText(out.length);
    from = at + old.length;
    left--;
    if (old === '' && at === text.length) break;
  }
  return out + text.slice(from);
}

function split(text: string, separator: string, limit: bigint): string[] {
  if (limit === 0n) return [];
  const parts = separator === '' ? characters(text) : text.split(separator, MAX_LIST + 1);
  checkList(parts.length);
  if (limit < 0n || BigInt(parts.length) <= limit) return parts;
  const last = Number(limit) - 1;
  return [...parts.slice(0, last), parts.slice(last).join(separator)];
}

function characters(text: string): string[] {
  checkList(text.length);
  return [...text];
}

function join(list: CelValue, separator: CelValue = ''): string {
  if (!isList(list) || typeof separator !== 'string') throw noOverload('join', list, separator);
  let size = 0;
  for (const item of list) {
    if (typeof item !== 'string') throw noOverload('join', list, item);
    size += item.length + separator.length;
  }
  checkText(size);
  return list.join(separator);
}

/** Unicode's White_Space, which is not what JavaScript trims. */
const SPACES = new Set(
  '\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000',
);

function trim(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && SPACES.has(text.charAt(from))) from++;
  while (to > from && SPACES.has(text.charAt(to - 1))) to--;
  return text.slice(from, to);
}

const QUOTED: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** Half of a surrogate pair on its own. */
const LONE = /^[\ud800-\udfff]$/;

function quote(text: CelValue): string {
  if (typeof text !== 'string') throw noOverload('strings.quote', text);
  checkText(text.length * 2);
  let out = '';
  for (const char of text) out += QUOTED[char] ?? (LONE.test(char) ? '\ufffd' : char);
  return `"${out}"`;
}

/** CEL's strings extension, in its newest version; and agentgateway's `stripPrefix` and `stripSuffix`. */
export const STRINGS: readonly FunctionDefinition[] = [
  onString('charAt', 'i', charAt),
  onString('indexOf', 's', (text, part: string) => found(text, text.indexOf(part))),
  onString('indexOf', 'si', (text, part: string, from: bigint) => found(text, text.indexOf(part, place(text, from)))),
  onString('lastIndexOf', 's', (text, part: string) => found(text, text.lastIndexOf(part))),
  onString('lastIndexOf', 'si', (text, part: string, from: bigint) =>
    found(text, text.lastIndexOf(part, place(text, from))),
  ),
  onString('lowerAscii', '', (text) => text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase())),
  onString('upperAscii', '', (text) => text.replace(/[a-z]+/g, (lower) => lower.toUpperCase())),
  onString('replace', 'ss', (text, old: string, by: string) => replace(text, old, by, -1n)),
  onString('replace', 'ssi', replace),
  onString('split', 's', (text, separator: string) => split(text, separator, -1n)),
  onString('split', 'si', split),
  onString('substring', 'i', (text, start: bigint) => substring(text, start, BigInt(codePoints(text)))),
  onString('substring', 'ii', substring),
  onString('trim', '', trim),
  onString('reverse', '', (text) => characters(text).reverse().join('')),
  onString('stripPrefix', 's', (text, prefix: string) => (text.startsWith(prefix) ? text.slice(prefix.length) : text)),
  onString('stripSuffix', 's', (text, suffix: string) =>
    suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text,
  ),
  member('join', join, { arity: [1, 2], accepts: isList }),
  member('format', format),
  globally('strings.quote', quote),
];
