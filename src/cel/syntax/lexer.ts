import { CelSyntaxError } from '../errors.ts';
import { readString } from './strings.ts';

/** Tokens of CEL's lexis (language definition, "Syntax"). `text` of a name is the name; of a symbol, the symbol. */
export type Token =
  | { readonly kind: 'name'; readonly text: string; readonly start: number; readonly end: number }
  /** A name in backticks: a field whose name is no identifier. */
  | { readonly kind: 'quoted'; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: 'number'; readonly text: string; readonly start: number; readonly end: number }
  | {
      readonly kind: 'string';
      readonly text: string;
      readonly value: string | Uint8Array;
      readonly start: number;
      readonly end: number;
    }
  | { readonly kind: 'symbol'; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: 'end'; readonly text: ''; readonly start: number; readonly end: number };

const TWO = new Set(['&&', '||', '==', '!=', '<=', '>=', '.?', '[?']);
const ONE = new Set('()[]{}.,:?!-+*/%<>=');
const SPACE = /[ \t\n\f\r]/;
const NAME = /[A-Za-z0-9_]*/y;
/** Hexadecimal, or decimal with an optional fraction and exponent, `u` behind integers. Sticky and without ambiguity: linear. */
const NUMBER = /0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[uU]?/y;
const QUOTED = /`([A-Za-z0-9_.\-/ ]+)`/y;
const STRING = /(?:[rR][bB]?|[bB][rR]?)?["']/y;

/** Splits an expression into tokens. Throws CelSyntaxError. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const char = source.charAt(at);
    if (SPACE.test(char)) {
      at++;
      continue;
    }
    if (char === '/' && source.charAt(at + 1) === '/') {
      const line = source.indexOf('\n', at);
      at = line < 0 ? source.length : line;
      continue;
    }
    const token = nextToken(source, at, char);
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ kind: 'end', text: '', start: source.length, end: source.length });
  return tokens;
}

function nextToken(source: string, at: number, char: string): Token {
  const opening = match(STRING, source, at);
  if (opening !== null) {
    const { value, end } = readString(source, at, opening.slice(0, -1).toLowerCase());
    return { kind: 'string', text: source.slice(at, end), value, start: at, end };
  }
  if (/[A-Za-z_]/.test(char)) {
    const text = match(NAME, source, at) ?? '';
    return { kind: 'name', text, start: at, end: at + text.length };
  }
  const number = match(NUMBER, source, at);
  if (number !== null) {
    const end = at + number.length;
    if (/[A-Za-z0-9_]/.test(source.charAt(end)))
      throw new CelSyntaxError(`malformed number '${number}${source.charAt(end)}'`, source, at);
    return { kind: 'number', text: number, start: at, end };
  }
  if (char === '`') {
    const quoted = match(QUOTED, source, at);
    if (quoted === null) throw new CelSyntaxError('malformed quoted name', source, at);
    return { kind: 'quoted', text: quoted.slice(1, -1), start: at, end: at + quoted.length };
  }
  const pair = source.slice(at, at + 2);
  if (TWO.has(pair)) return { kind: 'symbol', text: pair, start: at, end: at + 2 };
  if (ONE.has(char) && char !== '=') return { kind: 'symbol', text: char, start: at, end: at + 1 };
  if (char === '=') throw new CelSyntaxError("unexpected '='; to compare, write '=='", source, at);
  if (char === '&' || char === '|')
    throw new CelSyntaxError(`unexpected '${char}'; write '${char}${char}'`, source, at);
  throw new CelSyntaxError(`unexpected character ${JSON.stringify(char)}`, source, at);
}

function match(pattern: RegExp, source: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? null;
}
