/** Characters before the value of an object's only member; a longer beginning is something else. */
const MAX_HEAD = 256;
/** Characters at the end that are held because they may be the object's own. */
const MAX_HELD = 256;
const WHITESPACE = ' \t\n\r';

/**
 * Takes the value out of `{"name": value}` while the JSON text is still coming, so that it can be passed on at once. What isn't such an
 * object is passed on as it is.
 */
export class MemberReader {
  /** `text`: the value is a string and is unescaped; `json`: it is passed on as JSON. */
  readonly #as: 'text' | 'json';
  #state: 'head' | 'string' | 'json' | 'raw' | 'done' = 'head';
  /** The beginning, an unfinished escape, or braces of which the last may be the object's own. */
  #held = '';

  constructor(as: 'text' | 'json') {
    this.#as = as;
  }

  /** What is known of the value after one more piece of the object. */
  write(piece: string): string {
    const text = this.#held + piece;
    this.#held = '';
    switch (this.#state) {
      case 'head':
        return this.#head(text);
      case 'string':
        return this.#string(text);
      case 'json':
        return this.#json(text);
      case 'raw':
        return text;
      default:
        return '';
    }
  }

  /** The object is over: what was still held of the value. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    if (this.#state === 'head') return held;
    if (this.#state !== 'json') return '';
    const close = held.lastIndexOf('}');
    return (close < 0 ? held : held.slice(0, close)).trimEnd();
  }

  #head(text: string): string {
    let i = skipSpace(text, 0);
    if (i < text.length && text[i] !== '{') return this.#raw(text);
    i = skipSpace(text, i + 1);
    if (i < text.length && text[i] !== '"') return this.#raw(text);
    const quote = text.indexOf('"', i + 1);
    const colon = quote < 0 ? -1 : skipSpace(text, quote + 1);
    const value = colon < 0 ? text.length : skipSpace(text, colon + 1);
    if (value >= text.length) {
      if (text.length > MAX_HEAD) return this.#raw(text);
      this.#held = text;
      return '';
    }
    if (text[colon] !== ':') return this.#raw(text);
    if (this.#as === 'json') {
      this.#state = 'json';
      return this.#json(text.slice(value));
    }
    if (text[value] !== '"') return this.#raw(text);
    this.#state = 'string';
    return this.#string(text.slice(value + 1));
  }

  #raw(text: string): string {
    this.#state = 'raw';
    return text;
  }

  #string(text: string): string {
    let out = '';
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      if (text[i] === '"') {
        this.#state = 'done';
        return out + text.slice(from, i);
      }
      if (text[i] !== '\\') continue;
      out += text.slice(from, i);
      const length = text[i + 1] === 'u' ? 6 : 2;
      from = i + length;
      if (from > text.length) {
        this.#held = text.slice(i);
        return out;
      }
      out += unescaped(text.slice(i, from));
      i = from - 1;
    }
    return out + text.slice(from);
  }

  #json(text: string): string {
    let end = text.length;
    while (end > 0 && (text[end - 1] === '}' || WHITESPACE.includes(text[end - 1] as string))) end--;
    end = Math.max(end, text.length - MAX_HELD);
    this.#held = text.slice(end);
    return text.slice(0, end);
  }
}

function skipSpace(text: string, from: number): number {
  let i = from;
  while (i < text.length && WHITESPACE.includes(text[i] as string)) i++;
  return i;
}

function unescaped(sequence: string): string {
  try {
    return JSON.parse(`"${sequence}"`) as string;
  } catch {
    return sequence;
  }
}
