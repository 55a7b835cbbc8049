import { CelSyntaxError } from '../errors.ts';

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
};

/**
 * Reads a string or byte literal that begins at `start` with `prefix` (of r and b, lower case) and a quote. Raw literals take
 * backslashes as they are, before a quote too; in bytes, `\x` and octal escapes are bytes, in strings code points (CEL, "String and Bytes Values").
 */
export function readString(source: string, start: number, prefix: string): { value: string | Uint8Array; end: number } {
  const raw = prefix.includes('r');
  const bytes = prefix.includes('b');
  let at = start + prefix.length;
  const quote = source.charAt(at);
  const closing = source.startsWith(quote.repeat(3), at) ? quote.repeat(3) : quote;
  at += closing.length;
  const out = new Pieces(bytes);
  for (;;) {
    if (at >= source.length) throw new CelSyntaxError('string is not closed', source, start);
    if (source.startsWith(closing, at)) return { value: out.finish(), end: at + closing.length };
    const char = source.charAt(at);
    if (char === '\\' && !raw) {
      at = readEscape(source, at, bytes, out);
      continue;
    }
    if (closing.length === 1 && (char === '\n' || char === '\r'))
      throw new CelSyntaxError(
        'string is not closed on its line; write """ around a text of several lines',
        source,
        start,
      );
    out.text(char);
    at++;
  }
}

/** What a literal amounts to so far: text, or the bytes of it in UTF-8. */
class Pieces {
  readonly #bytes: boolean;
  readonly #parts: Buffer[] = [];
  #text = '';

  constructor(bytes: boolean) {
    this.#bytes = bytes;
  }

  text(text: string): void {
    this.#text += text;
  }

  byte(value: number): void {
    this.#parts.push(Buffer.from(this.#text, 'utf8'), Buffer.of(value));
    this.#text = '';
  }

  finish(): string | Uint8Array {
    if (!this.#bytes) return this.#text;
    return Buffer.concat([...this.#parts, Buffer.from(this.#text, 'utf8')]);
  }
}

/** Reads the escape at `at`, a backslash; returns where it ends. */
function readEscape(source: string, at: number, bytes: boolean, out: Pieces): number {
  const letter = source.charAt(at + 1);
  const simple = SIMPLE[letter];
  if (simple !== undefined) {
    out.text(simple);
    return at + 2;
  }
  const octal = /[0-7]/.test(letter);
  const length = octal ? 3 : ({ x: 2, X: 2, u: 4, U: 8 }[letter] ?? 0);
  const from = octal ? at + 1 : at + 2;
  const digits = source.slice(from, from + length);
  const valid = length > 0 && digits.length === length && (octal ? /^[0-3][0-7]+$/ : /^[0-9a-fA-F]+$/).test(digits);
  if (!valid) throw new CelSyntaxError(`invalid escape '\\${letter}${octal ? '' : digits}'`, source, at);
  const code = Number.parseInt(digits, octal ? 8 : 16);
  if (bytes && length <= 3) out.byte(code);
  else if (bytes) throw new CelSyntaxError(`'\\${letter}' is for strings; bytes take '\\x'`, source, at);
  else if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    throw new CelSyntaxError(`'\\${letter}${digits}' is no Unicode character`, source, at);
  else out.text(String.fromCodePoint(code));
  return from + length;
}
