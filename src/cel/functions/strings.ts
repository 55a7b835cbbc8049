import { type FunctionDefinition, globally, member } from '../definitions.ts';
import { invalidArgument } from '../errors.ts';
import { checkSize } from '../values/arithmetic.ts';
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

function replace(text: string, old: string, by: string, limit: bigint): string {
  // An empty `old` stands before each character and at the end.
  const parts = old === '' ? ['', ...text, ''] : text.split(old);
  const replaced = limit < 0n ? parts.length - 1 : Math.min(Number(limit), parts.length - 1);
  if (old === '' && limit !== 0n) {
    const points = [...text];
    const count = limit < 0n ? points.length + 1 : Math.min(Number(limit), points.length + 1);
    checkSize(text.length + count * by.length);
    return points.map((point, i) => (i < count ? by : '') + point).join('') + (count > points.length ? by : '');
  }
  checkSize(text.length + replaced * by.length);
  return (
    parts.slice(0, replaced + 1).join(by) +
    parts
      .slice(replaced + 1)
      .map((part) => old + part)
      .join('')
  );
}

function split(text: string, separator: string, limit: bigint): string[] {
  if (limit === 0n) return [];
  const parts = separator === '' ? [...text] : text.split(separator);
  if (limit < 0n || BigInt(parts.length) <= limit) return parts;
  const last = Number(limit) - 1;
  return [...parts.slice(0, last), parts.slice(last).join(separator)];
}

function join(list: CelValue, separator: CelValue = ''): string {
  if (!isList(list) || typeof separator !== 'string') throw noOverload('join', list, separator);
  let size = 0;
  for (const item of list) {
    if (typeof item !== 'string') throw noOverload('join', list, item);
    size += item.length + separator.length;
  }
  checkSize(size);
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
  checkSize(text.length * 2);
  return `"${[...text].map((char) => QUOTED[char] ?? (LONE.test(char) ? '\ufffd' : char)).join('')}"`;
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
  onString('reverse', '', (text) => [...text].reverse().join('')),
  onString('stripPrefix', 's', (text, prefix: string) => (text.startsWith(prefix) ? text.slice(prefix.length) : text)),
  onString('stripSuffix', 's', (text, suffix: string) =>
    suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text,
  ),
  member('join', join, { arity: [1, 2], accepts: isList }),
  member('format', format),
  globally('strings.quote', quote),
];
