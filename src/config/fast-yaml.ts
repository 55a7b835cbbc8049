import { parse } from 'yaml';

/**
 * A reader for the plain block style that large, generated configurations are written in: mappings and lists by indentation,
 * scalars and flow collections on one line. It answers null for anything else (anchors, tags, block scalars, text over several
 * lines, tabs, duplicate keys, and whatever is not valid), which the full parser then reads: it can be slow or fast to say
 * no, but what it reads, it reads as the full parser does. It keeps no nodes and no positions, and so takes a tenth of the
 * time and memory.
 */
export function parseFast(text: string): Record<string, unknown> | null {
  if (UNUSUAL.test(text)) return null;
  try {
    const reader = new Reader(text);
    const value = reader.document();
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch (error) {
    if (error instanceof NotPlain) return null;
    throw error;
  }
}

/** Tabs, carriage returns, control and other line-breaking characters, byte order marks, document marks, directives. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const UNUSUAL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff\ud800-\udfff]|^(?:---|\.\.\.|%)/m;

class NotPlain extends Error {}

/** The rest of a line from its first letter on is `key: …`; quoted keys and odd ones are left to the full parser. */
const KEY = /[A-Za-z_][\w./-]*(?=:(?: |\n|$))/y;
/** What a plain scalar may begin with that no other rule of YAML applies to. */
const PLAIN_START = /^(?:[\w/.$(^=+;~\\]|-[\w.])/;
/** A comment after a value. */
const TRAILING_COMMENT = /^ +#/;
const NUMBER_START = /^[-+.\d]/;
const MAX_DEPTH = 64;

class Reader {
  readonly #text: string;
  /** Start of the line to be read next, past blank lines and comments; its indentation; where its content ends. */
  #start = 0;
  #indent = 0;
  #end = 0;
  #next = 0;
  #done = false;
  readonly #resolved = new Map<string, unknown>();

  constructor(text: string) {
    this.#text = text;
    this.#advance();
  }

  document(): unknown {
    if (this.#done || this.#indent !== 0) throw new NotPlain();
    const value = this.#block(0, 0);
    if (!this.#done) throw new NotPlain();
    return value;
  }

  /** Moves to the next line that holds something. `#start` is its first character that is not a space. */
  #advance(): void {
    const text = this.#text;
    for (;;) {
      if (this.#next >= text.length) {
        this.#done = true;
        this.#indent = -1;
        return;
      }
      const line = this.#next;
      let end = text.indexOf('\n', line);
      if (end === -1) end = text.length;
      this.#next = end + 1;
      let start = line;
      while (text.charCodeAt(start) === SPACE) start++;
      if (start >= end || text.charCodeAt(start) === HASH) continue;
      while (text.charCodeAt(end - 1) === SPACE) end--;
      this.#start = start;
      this.#indent = start - line;
      this.#end = end;
      return;
    }
  }

  /** The mapping or list whose lines begin at column `indent`; the current line is its first. */
  #block(indent: number, depth: number): unknown {
    if (depth > MAX_DEPTH) throw new NotPlain();
    return this.#atItem() ? this.#list(indent, depth) : this.#mapping(indent, depth);
  }

  #atItem(): boolean {
    const { length } = this.#text;
    if (this.#text.charCodeAt(this.#start) !== DASH) return false;
    const after = this.#start + 1;
    return after >= Math.min(this.#end, length) || this.#text.charCodeAt(after) === SPACE;
  }

  #list(indent: number, depth: number): unknown[] {
    const items: unknown[] = [];
    while (!this.#done && this.#indent === indent && this.#atItem()) {
      let start = this.#start + 1;
      while (start < this.#end && this.#text.charCodeAt(start) === SPACE) start++;
      if (start >= this.#end || this.#text.charCodeAt(start) === HASH) {
        this.#advance();
        items.push(!this.#done && this.#indent > indent ? this.#block(this.#indent, depth + 1) : null);
        continue;
      }
      // What follows the dash stands as if on a line of its own, indented to where it begins.
      this.#indent = indent + (start - this.#start);
      this.#start = start;
      if (this.#atItem() || this.#keyEnd() !== -1) items.push(this.#block(this.#indent, depth + 1));
      else {
        items.push(this.#scalar(start, this.#end));
        this.#advance();
        if (!this.#done && this.#indent > indent) throw new NotPlain();
      }
    }
    if (!this.#done && this.#indent > indent) throw new NotPlain();
    return items;
  }

  #mapping(indent: number, depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    while (!this.#done && this.#indent === indent) {
      const end = this.#keyEnd();
      if (end === -1) throw new NotPlain();
      const key = this.#text.slice(this.#start, end);
      if (key in map || !isText(key)) throw new NotPlain();
      let start = end + 1;
      while (start < this.#end && this.#text.charCodeAt(start) === SPACE) start++;
      if (start < this.#end && this.#text.charCodeAt(start) !== HASH) {
        map[key] = this.#scalar(start, this.#end);
        this.#advance();
        if (!this.#done && this.#indent > indent) throw new NotPlain();
        continue;
      }
      this.#advance();
      if (this.#done || this.#indent < indent) map[key] = null;
      else if (this.#indent > indent) map[key] = this.#block(this.#indent, depth + 1);
      else map[key] = this.#atItem() ? this.#list(indent, depth + 1) : null;
    }
    if (!this.#done && this.#indent > indent) throw new NotPlain();
    return map;
  }

  /** Where the key ends that the current line begins with; -1 = it begins with none. */
  #keyEnd(): number {
    KEY.lastIndex = this.#start;
    if (!KEY.test(this.#text)) return -1;
    return KEY.lastIndex <= this.#end ? KEY.lastIndex : -1;
  }

  /** A scalar, or a flow collection, that the line from `start` to `end` is made of; a comment may follow. */
  #scalar(start: number, end: number): unknown {
    const source = this.#text.slice(start, end);
    const first = source.charCodeAt(0);
    if (first === DOUBLE || first === SINGLE) return quoted(source);
    if (first === BRACE || first === BRACKET) return this.#flow(source);
    const comment = source.indexOf(' #');
    const plain = comment === -1 ? source : source.slice(0, comment).trimEnd();
    if (!PLAIN_START.test(plain) || plain.includes(': ') || plain.endsWith(':')) throw new NotPlain();
    return this.#resolve(plain);
  }

  /** Small on one line, and rare enough: the full parser reads it. */
  #flow(source: string): unknown {
    if (source === '{}') return {};
    if (source === '[]') return [];
    const closed = source.endsWith(source.startsWith('{') ? '}' : ']');
    if (!closed || /[&*!#|>]/.test(source) || source.includes('<<')) throw new NotPlain();
    return fullParse(source);
  }

  /** Null, booleans and numbers of YAML's core schema; everything else is text. */
  #resolve(source: string): unknown {
    if (isText(source)) return source;
    if (/^(?:0|[1-9]\d{0,14})$/.test(source)) return Number(source);
    const known = this.#resolved.get(source);
    if (known !== undefined || this.#resolved.has(source)) return known;
    const value = fullParse(source);
    if (typeof value === 'object' && value !== null) throw new NotPlain();
    if (this.#resolved.size < 1000) this.#resolved.set(source, value);
    return value;
  }
}

const SPACE = 0x20;
const HASH = 0x23;
const DASH = 0x2d;
const DOUBLE = 0x22;
const SINGLE = 0x27;
const BRACE = 0x7b;
const BRACKET = 0x5b;

/** Text in quotes without escapes. */
function quoted(source: string): string {
  const close = source.indexOf(source[0] as string, 1);
  if (close === -1) throw new NotPlain();
  const inner = source.slice(1, close);
  const rest = source.slice(close + 1);
  if (inner.includes('\\') || (rest !== '' && !TRAILING_COMMENT.test(rest))) throw new NotPlain();
  return inner;
}

/** Reads a value as what stands after a key. */
function fullParse(source: string): unknown {
  try {
    return (parse(`k: ${source}`, { logLevel: 'error' }) as { k: unknown }).k;
  } catch {
    throw new NotPlain();
  }
}

/** True where a plain scalar cannot be anything but text. */
function isText(source: string): boolean {
  return !NUMBER_START.test(source) && !/^(?:~|null|Null|NULL|true|True|TRUE|false|False|FALSE)$/.test(source);
}
