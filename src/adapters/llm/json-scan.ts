/**
 * Finds members of a JSON object by name while its bytes pass, without parsing the rest (RFC 8259).
 *
 * What is looked for is a small tree of names (`usage`, `response.usage`). Everything else is only passed over (json-skip.ts).
 *
 * One scanner, one document; chunks may be split anywhere.
 */
import { NameReader } from './json-name.ts';
import { BROKEN, CLASS, JsonSkipper, MAX_DEPTH, OPEN, QUOTE, SCALAR, SPACE, STRING } from './json-skip.ts';
import type { Wanted, WantedLevel, WantedName } from './json-wanted.ts';

/** A wanted member that was found: offsets in the document. Of a repeated name the last one counts, as JSON.parse has it. */
export interface Found {
  /** How often the name occurred. */
  count: number;
  start: number;
  /** -1 while the value has not ended. */
  end: number;
  /** The value's raw JSON; null where it was longer than the limit and split over chunks. */
  value: Buffer | null;
  /** Members of the top level only: the opening quote of the name, the commas before and behind (-1 = none), the place in the order. */
  nameStart: number;
  commaBefore: number;
  commaAfter: number;
  ordinal: number;
}

/** Bytes of a wanted value that are kept where it does not lie in one chunk. */
const DEFAULT_CAPTURE_LIMIT = 64 * 1024;

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const COLON = 0x3a;
const COMMA = 0x2c;

type State =
  | 'start'
  | 'name-or-end'
  | 'name'
  | 'in-name'
  | 'colon'
  | 'value'
  | 'in-string'
  | 'in-scalar'
  | 'nested'
  | 'after'
  | 'done'
  | 'failed';

export class JsonScanner {
  readonly #wanted: Wanted;
  readonly #captureLimit: number;
  readonly #names: NameReader;
  #state: State = 'start';
  /** Offset in the document of the current chunk's first byte. */
  #base = 0;
  readonly #skip = new JsonSkipper();

  /** Objects whose names are compared, the innermost last. */
  readonly #levels: WantedLevel[] = [];

  #nameStart = 0;
  #current: WantedName | null = null;
  #valueStart = 0;
  #valuePieces: Buffer[] | null = null;
  #valueBytes = 0;
  #lastComma = -1;
  /** The top-level member that ended last, whose following comma isn't known yet. */
  #ended: Found | null = null;
  #members = 0;
  readonly #found: (Found | null)[];

  /** Offset of the document's closing brace; -1 until it was seen. */
  closeOffset = -1;

  constructor(wanted: Wanted, captureLimit = DEFAULT_CAPTURE_LIMIT) {
    this.#wanted = wanted;
    this.#captureLimit = captureLimit;
    this.#names = new NameReader(wanted.longestName);
    this.#found = new Array(wanted.paths.length).fill(null);
  }

  /** True once the bytes can't be a JSON object any more (or are nested too deep). */
  get failed(): boolean {
    return this.#state === 'failed';
  }

  /** True where the bytes so far are one whole object. */
  get complete(): boolean {
    return this.#state === 'done';
  }

  /** A name differs from a wanted one by case alone: parsers disagree whose it is. */
  get ambiguous(): string | null {
    return this.#names.ambiguous;
  }

  /** Members of the top-level object. */
  get members(): number {
    return this.#members;
  }

  /** The member of a slot, or null. */
  found(slot: number): Found | null {
    return this.#found[slot] ?? null;
  }

  /** The raw JSON of a slot's value; null where there is none, or it was longer than the limit and split over chunks. */
  value(slot: number): Buffer | null {
    return this.#found[slot]?.value ?? null;
  }

  /** Reads on. Once `failed` or after the object's end only white space is looked for. */
  write(chunk: Buffer): void {
    let i = 0;
    const n = chunk.length;
    while (i < n) {
      switch (this.#state) {
        case 'in-string':
          i = this.#skip.string(chunk, i);
          if (i < 0) return this.#leave(chunk);
          this.#endValue(chunk, i);
          break;
        case 'nested':
          i = this.#skip.nested(chunk, i, this.#levels.length);
          if (i === BROKEN) this.#fail();
          if (i < 0) return this.#leave(chunk);
          this.#endValue(chunk, i);
          break;
        case 'in-scalar':
          while (i < n && CLASS[chunk[i] as number] === SCALAR) i++;
          if (i === n) return this.#leave(chunk);
          this.#endValue(chunk, i);
          break;
        case 'in-name':
          i = this.#readName(chunk, i);
          if (i < 0) return this.#leave(chunk);
          break;
        case 'failed':
          return;
        default:
          i = this.#step(chunk, i);
      }
    }
    this.#leave(chunk);
  }

  /** What stands between names and values: one byte. */
  #step(chunk: Buffer, i: number): number {
    const byte = chunk[i] as number;
    if (CLASS[byte] === SPACE) return i + 1;
    switch (this.#state) {
      case 'start':
        if (byte !== OPEN_BRACE) return this.#fail();
        this.#levels.push(this.#wanted.root);
        this.#state = 'name-or-end';
        return i + 1;
      case 'name-or-end':
        if (byte === CLOSE_BRACE) return this.#closeLevel(i);
        return this.#beginName(byte, i);
      case 'name':
        return this.#beginName(byte, i);
      case 'colon':
        if (byte !== COLON) return this.#fail();
        this.#state = 'value';
        return i + 1;
      case 'value':
        return this.#beginValue(byte, i);
      case 'after':
        if (byte === CLOSE_BRACE) return this.#closeLevel(i);
        if (byte !== COMMA) return this.#fail();
        if (this.#levels.length === 1) {
          this.#lastComma = this.#base + i;
          if (this.#ended !== null) this.#ended.commaAfter = this.#lastComma;
          this.#ended = null;
        }
        this.#state = 'name';
        return i + 1;
      default:
        return this.#fail();
    }
  }

  #beginName(byte: number, i: number): number {
    if (byte !== QUOTE) return this.#fail();
    this.#nameStart = this.#base + i;
    this.#state = 'in-name';
    return i + 1;
  }

  /** Reads a name to its closing quote; -1 where the chunk ends first. */
  #readName(chunk: Buffer, from: number): number {
    const end = this.#skip.string(chunk, from);
    if (end < 0) {
      this.#names.keep(chunk.subarray(from));
      return -1;
    }
    const level = this.#levels[this.#levels.length - 1] as WantedLevel;
    const name = this.#names.read(chunk, from, end - 1, level);
    if (name === undefined) return this.#fail();
    this.#current = name;
    if (this.#levels.length === 1) this.#members++;
    this.#state = 'colon';
    return end;
  }

  #beginValue(byte: number, i: number): number {
    const name = this.#current;
    if (name !== null && name.slot >= 0) this.#beginFound(name.slot, i);
    switch (CLASS[byte]) {
      case STRING:
        this.#state = 'in-string';
        return i + 1;
      case SCALAR:
        this.#state = 'in-scalar';
        return i + 1;
      case OPEN:
        if (name !== null && name.below !== null && byte === OPEN_BRACE) {
          if (this.#levels.length >= MAX_DEPTH) return this.#fail();
          this.#levels.push(name.below);
          this.#state = 'name-or-end';
          return i + 1;
        }
        this.#state = 'nested';
        return i;
      default:
        return this.#fail();
    }
  }

  #beginFound(slot: number, i: number): void {
    const before = this.#found[slot];
    this.#valueStart = i;
    this.#found[slot] = {
      count: (before?.count ?? 0) + 1,
      start: this.#base + i,
      end: -1,
      value: null,
      nameStart: this.#nameStart,
      commaBefore: this.#lastComma,
      commaAfter: -1,
      ordinal: this.#members - 1,
    };
  }

  #endValue(chunk: Buffer, end: number): void {
    const name = this.#current;
    this.#current = null;
    this.#state = 'after';
    if (name === null || name.slot < 0) return;
    const found = this.#found[name.slot];
    if (found === null || found === undefined) return;
    found.end = this.#base + end;
    found.value = this.#takeValue(chunk.subarray(this.#valueStart, end));
    if (this.#levels.length === 1) this.#ended = found;
  }

  #takeValue(last: Buffer): Buffer | null {
    const pieces = this.#valuePieces;
    if (pieces === null) return last;
    const bytes = this.#valueBytes + last.length;
    this.#valuePieces = null;
    this.#valueBytes = 0;
    if (bytes > this.#captureLimit) return null;
    pieces.push(last);
    return Buffer.concat(pieces, bytes);
  }

  #closeLevel(i: number): number {
    this.#levels.pop();
    this.#current = null;
    if (this.#levels.length === 0) {
      this.closeOffset = this.#base + i;
      this.#state = 'done';
    } else {
      this.#state = 'after';
    }
    return i + 1;
  }

  /** The chunk is used up: what of a wanted value lies in it is kept. */
  #leave(chunk: Buffer): void {
    this.#base += chunk.length;
    const state = this.#state;
    const inValue = state === 'in-string' || state === 'in-scalar' || state === 'nested';
    if (!inValue || this.#current === null || this.#current.slot < 0) return;
    const piece = chunk.subarray(this.#valueStart);
    this.#valueStart = 0;
    this.#valueBytes += piece.length;
    this.#valuePieces ??= [];
    if (this.#valueBytes <= this.#captureLimit) this.#valuePieces.push(piece);
    else this.#valuePieces.length = 0;
  }

  /** Nothing of the rest matters any more. */
  #fail(): number {
    this.#state = 'failed';
    return Number.MAX_SAFE_INTEGER;
  }
}
