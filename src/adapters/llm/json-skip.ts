/** Passing over the parts of a JSON text (RFC 8259) that nobody looks for, in chunks that may be split anywhere. */

/** Deepest nesting accepted; parsers differ in what they survive. */
export const MAX_DEPTH = 256;

export const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Bytes of a string looked at one by one before indexOf is asked: most strings are shorter than its price. */
const NEAR = 24;

const INVALID = 0;
export const SPACE = 1;
export const SCALAR = 2;
export const STRING = 3;
export const OPEN = 4;
const CLOSE = 5;
const SEPARATOR = 6;

/** What a byte outside of strings is. */
export const CLASS = new Uint8Array(256);
for (const c of ' \t\n\r') CLASS[c.charCodeAt(0)] = SPACE;
for (const c of '-+.0123456789eEtrufalsn') CLASS[c.charCodeAt(0)] = SCALAR;
CLASS[QUOTE] = STRING;
for (const c of '{[') CLASS[c.charCodeAt(0)] = OPEN;
for (const c of '}]') CLASS[c.charCodeAt(0)] = CLOSE;
for (const c of ':,') CLASS[c.charCodeAt(0)] = SEPARATOR;

/** The chunk has ended first: the same is to be asked for with the next. */
export const ENDED = -1;
/** This is no JSON, or it is nested too deep. */
export const BROKEN = -2;

/**
 * Strings are passed over by `Buffer.indexOf('"')`, so that a 100 KB prompt costs a few calls and not 100,000 steps; values in brackets by
 * counting those. They are not validated in full, but only bytes that JSON allows outside of strings are let through, so that a lenient
 * parser behind us (comments, single quotes) can't see other members than we do.
 */
export class JsonSkipper {
  /** An odd number of backslashes ended the last chunk, inside a string. */
  #escaped = false;
  /** Brackets that are open. */
  readonly #brackets: number[] = [];
  /** A string within brackets has begun. */
  #inString = false;

  /** From inside a string to behind its closing quote. */
  string(chunk: Buffer, from: number): number {
    const n = chunk.length;
    let i = from;
    if (this.#escaped) {
      this.#escaped = false;
      i++;
    }
    for (;;) {
      const near = Math.min(n, i + NEAR);
      for (; i < near; i++) {
        const byte = chunk[i];
        if (byte === QUOTE) return i + 1;
        if (byte === BACKSLASH) i++;
      }
      if (i >= n) {
        this.#escaped = i > n;
        return ENDED;
      }
      const quote = chunk.indexOf(QUOTE, i);
      const end = quote < 0 ? n : quote;
      let run = end;
      while (run > i && chunk[run - 1] === BACKSLASH) run--;
      const escaped = ((end - run) & 1) === 1;
      if (quote < 0) {
        this.#escaped = escaped;
        return ENDED;
      }
      if (!escaped) return quote + 1;
      i = quote + 1;
    }
  }

  /** Through a value in brackets, from the first of them or from where the last chunk ended to behind the last. `depth`: those it is in. */
  nested(chunk: Buffer, from: number, depth: number): number {
    const n = chunk.length;
    const brackets = this.#brackets;
    let i = from;
    if (this.#inString) {
      i = this.string(chunk, i);
      if (i < 0) return ENDED;
      this.#inString = false;
    }
    while (i < n) {
      const byte = chunk[i] as number;
      switch (CLASS[byte]) {
        case STRING:
          i = this.string(chunk, i + 1);
          if (i < 0) {
            this.#inString = true;
            return ENDED;
          }
          continue;
        case OPEN:
          if (brackets.length + depth >= MAX_DEPTH) return BROKEN;
          brackets.push(byte);
          break;
        case CLOSE:
          // In ASCII a closing bracket stands two behind its opening one.
          if ((brackets.pop() as number) + 2 !== byte) return BROKEN;
          if (brackets.length === 0) return i + 1;
          break;
        case INVALID:
          return BROKEN;
        default:
      }
      i++;
    }
    return ENDED;
  }
}
