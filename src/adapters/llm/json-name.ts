import { sameBytes, sameLetters, type WantedLevel, type WantedName } from './json-wanted.ts';

const BACKSLASH = 0x5c;
/** A byte of a name may be written in six (a \u escape). */
const ESCAPE_FACTOR = 6;

/** Reads the names of members, which may be split over chunks, and looks them up among those that are wanted. */
export class NameReader {
  readonly #limit: number;
  #pieces: Buffer[] | null = null;
  #bytes = 0;
  /** A name differed from a wanted one by case alone. */
  ambiguous: string | null = null;

  /** `longest`: bytes of the longest wanted name. */
  constructor(longest: number) {
    this.#limit = longest * ESCAPE_FACTOR;
  }

  /** The chunk ends inside a name: what of it lies there is kept, unless it is too long for a wanted one. */
  keep(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#limit) return;
    this.#pieces ??= [];
    this.#pieces.push(Buffer.from(piece));
  }

  /** The name that ends at `end`, if it is wanted on this level, else null; undefined where it is no JSON string. */
  read(chunk: Buffer, start: number, end: number, level: WantedLevel): WantedName | null | undefined {
    const pieces = this.#pieces;
    const bytes = this.#bytes + end - start;
    this.#pieces = null;
    this.#bytes = 0;
    if (bytes > this.#limit) return null;
    if (pieces === null) return this.#match(chunk, start, end, level);
    const name = Buffer.concat([...pieces, chunk.subarray(start, end)]);
    return this.#match(name, 0, name.length, level);
  }

  #match(bytes: Buffer, start: number, end: number, level: WantedLevel): WantedName | null | undefined {
    const candidates = level.byLength[end - start];
    if (candidates !== undefined) {
      for (const candidate of candidates) {
        if (sameBytes(bytes, start, candidate.bytes)) return candidate;
        if (sameLetters(bytes, start, candidate.bytes)) this.ambiguous ??= candidate.text;
      }
    }
    for (let i = start; i < end; i++) if (bytes[i] === BACKSLASH) return this.#matchEscaped(bytes, start, end, level);
    return null;
  }

  /** A name written with escapes means the same as one without. */
  #matchEscaped(bytes: Buffer, start: number, end: number, level: WantedLevel): WantedName | null | undefined {
    let text: string;
    try {
      text = JSON.parse(`"${bytes.toString('utf8', start, end)}"`);
    } catch {
      return undefined;
    }
    for (const candidate of level.all) {
      if (candidate.text === text) return candidate;
      if (candidate.text.toLowerCase() === text.toLowerCase()) this.ambiguous ??= candidate.text;
    }
    return null;
  }
}
