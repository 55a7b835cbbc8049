import { RE2JS, RE2JSException, RE2JSSyntaxException } from 're2js';
import { type FunctionDefinition, globally, member } from '../definitions.ts';
import { invalidArgument } from '../errors.ts';
import { checkText } from '../values/arithmetic.ts';
import { noOverload } from '../values/order.ts';
import { CelOptional, type CelValue } from '../values/value.ts';

const MAX_PATTERN = 8192;
/** Instructions that a pattern may be compiled to: each may cost some 0.1 µs a character, and counted repetitions multiply them. */
const MAX_PROGRAM = 10_000;
const MAX_CACHED = 256;
const cache = new Map<string, RE2JS>();

/**
 * Compiles a regular expression of RE2 syntax, which matches in linear time. Patterns that are not written down in an expression
 * come here again and again: the last 256 are kept. Throws CelError.
 */
export function compileRegex(pattern: string): RE2JS {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  if (pattern.length > MAX_PATTERN)
    throw invalidArgument(`a regular expression is longer than ${MAX_PATTERN} characters`);
  let made: RE2JS;
  try {
    made = RE2JS.compile(pattern);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    // Its message would quote the pattern, which may come from a request.
    const what = error instanceof RE2JSSyntaxException ? error.getDescription() : 'not RE2 syntax';
    throw invalidArgument(`invalid regular expression: ${what}`);
  }
  if (made.programSize() > MAX_PROGRAM)
    throw invalidArgument('a regular expression is too large: its counted repetitions multiply');
  const oldest = cache.keys().next().value;
  if (cache.size >= MAX_CACHED && oldest !== undefined) cache.delete(oldest);
  cache.set(pattern, made);
  return made;
}

function text(value: CelValue, name: string): string {
  if (typeof value === 'string') return value;
  throw noOverload(name, value);
}

/** Replaces up to `limit` matches; `expand` gives what each becomes of its groups (0 = the match; null = not taken part). */
function replace(
  input: string,
  regex: RE2JS,
  limit: number,
  expand: (group: (n: number | string) => string | null) => string,
) {
  const matcher = regex.matcher(input);
  let out = '';
  let from = 0;
  for (let count = 0; count < limit && matcher.find(); count++) {
    out += input.slice(from, matcher.start()) + expand((n) => matcher.group(n));
    checkText(out.length);
    from = matcher.end();
  }
  return out + input.slice(from);
}

/** agentgateway's: the first match, with `$1`, `${1}`, `$name`, `${name}` for groups (none: '') and `$$` for a dollar. */
function regexReplace(input: CelValue, pattern: CelValue, replacement: CelValue): string {
  const regex = compileRegex(text(pattern, 'regexReplace'));
  const template = text(replacement, 'regexReplace');
  const names = regex.namedGroups();
  return replace(text(input, 'regexReplace'), regex, 1, (group) =>
    template.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (all: string, braced?: string, bare?: string) => {
      if (all === '$$') return '$';
      const name = braced ?? bare ?? '';
      if (/^\d+$/.test(name)) return Number(name) <= regex.groupCount() ? (group(Number(name)) ?? '') : '';
      return name in names ? (group(name) ?? '') : '';
    }),
  );
}

/** CEL's `regex.replace`: `\1` for groups, `\\` for a backslash; `count` below 0 is all. */
function regexReplaceCount(input: CelValue, pattern: CelValue, replacement: CelValue, count: CelValue = -1n): string {
  if (typeof count !== 'bigint') throw noOverload('regex.replace', input, pattern, replacement, count);
  const regex = compileRegex(text(pattern, 'regex.replace'));
  const template = text(replacement, 'regex.replace');
  const limit = count < 0n ? Number.POSITIVE_INFINITY : Number(count);
  return replace(text(input, 'regex.replace'), regex, limit, (group) =>
    template.replace(/\\(.?)/gs, (_, escaped: string) => {
      if (escaped === '\\') return '\\';
      if (!/^\d$/.test(escaped) || Number(escaped) > regex.groupCount())
        throw invalidArgument('invalid replacement: \\ is followed by the number of a group');
      return group(Number(escaped)) ?? '';
    }),
  );
}

/** `regex.extract` and `extractAll`: the one group, or the match where there is none. */
function* extractions(name: string, input: CelValue, pattern: CelValue): Generator<string> {
  const regex = compileRegex(text(pattern, name));
  if (regex.groupCount() > 1) throw invalidArgument(`${name}() takes an expression of at most one group`);
  const matcher = regex.matcher(text(input, name));
  while (matcher.find()) {
    const found = matcher.group(regex.groupCount());
    if (found !== null) yield found;
  }
}

/** Regular expressions beside `matches`: agentgateway's `regexReplace`, and CEL's regex extension. */
export const REGEX: readonly FunctionDefinition[] = [
  member('regexReplace', regexReplace, {
    prepare: ([, pattern]) => {
      if (typeof pattern === 'string') compileRegex(pattern);
      return undefined;
    },
  }),
  globally('regex.replace', regexReplaceCount, { arity: [3, 4] }),
  globally('regex.extract', (input, pattern) =>
    CelOptional.of(extractions('regex.extract', input, pattern).next().value ?? undefined),
  ),
  globally('regex.extractAll', (input, pattern) => [...extractions('regex.extractAll', input, pattern)]),
];
