import type { Encoding } from './encodings.ts';

/**
 * Longest piece encoded at one time, characters. The time to encode a word grows with the square of its length, so that a prompt of one
 * letter could take minutes; text is cut before a space, where no token spans it, and words longer than this anywhere.
 */
const MAX_PIECE = 2048;

/** Names such as `<|endoftext|>` in a prompt are text like any other. */
const PLAIN = { disallowedSpecial: new Set<string>() };

type CountTokens = (text: string, options: typeof PLAIN) => number;

/** Encodings take some 60 MB each: loaded when first asked for, in the pool's threads alone. */
const loaded = new Map<Encoding, Promise<CountTokens>>();

function load(encoding: Encoding): Promise<CountTokens> {
  let module = loaded.get(encoding);
  if (module === undefined) {
    const imported =
      encoding === 'o200k_base'
        ? import('gpt-tokenizer/encoding/o200k_base')
        : import('gpt-tokenizer/encoding/cl100k_base');
    module = imported.then(({ countTokens }) => countTokens);
    loaded.set(encoding, module);
  }
  return module;
}

/** Tokens of `text`. */
export async function countTokens(text: string, encoding: Encoding): Promise<number> {
  const count = await load(encoding);
  let tokens = 0;
  for (let start = 0; start < text.length; ) {
    const end = cutAt(text, start);
    tokens += count(text.slice(start, end), PLAIN);
    start = end;
  }
  return tokens;
}

/** Where a piece that begins at `start` ends: before the last single space in reach, else at the limit, outside of surrogate pairs. */
function cutAt(text: string, start: number): number {
  const limit = start + MAX_PIECE;
  if (limit >= text.length) return text.length;
  for (let at = limit; at > start; at--) {
    if (text.charCodeAt(at) === SPACE && !isSpace(text.charCodeAt(at - 1)) && !isSpace(text.charCodeAt(at + 1)))
      return at;
  }
  return isHighSurrogate(text.charCodeAt(limit - 1)) ? limit - 1 : limit;
}

const SPACE = 0x20;
const isSpace = (code: number) => code === SPACE || (code >= 0x09 && code <= 0x0d) || code === 0xa0;
const isHighSurrogate = (code: number) => code >= 0xd800 && code <= 0xdbff;
