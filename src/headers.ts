/**
 * A list of HTTP fields as every room sees it: one flat array, name, value, name, value …
 *
 * Names are lower-case (both drivers and `upstream` hand them over so), order and repetition are kept as they were
 * received. A gateway reads a handful of names once each, so a linear scan over a flat array beats a map both to build
 * and to read, and the array is what node:http, undici and uWebSockets take without another copy.
 */
export class HeaderList {
  /** name, value, name, value …; owned by this list. */
  readonly raw: string[];

  constructor(raw: string[] = []) {
    this.raw = raw;
  }

  /** The first value of `name` (lower-case), or undefined. */
  get(name: string): string | undefined {
    const raw = this.raw;
    for (let i = 0; i < raw.length; i += 2) if (raw[i] === name) return raw[i + 1];
    return undefined;
  }

  /** All values of `name` joined with ", " as RFC 9110 §5.3 combines them, or undefined. */
  getJoined(name: string): string | undefined {
    let joined: string | undefined;
    const raw = this.raw;
    for (let i = 0; i < raw.length; i += 2) {
      if (raw[i] === name) joined = joined === undefined ? raw[i + 1] : `${joined}, ${raw[i + 1]}`;
    }
    return joined;
  }

  /** Every value of `name`, in order. */
  getAll(name: string): string[] {
    const values: string[] = [];
    const raw = this.raw;
    for (let i = 0; i < raw.length; i += 2) if (raw[i] === name) values.push(raw[i + 1] as string);
    return values;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Adds a field behind the others, keeping earlier ones of the same name. */
  add(name: string, value: string): void {
    this.raw.push(name, value);
  }

  /** Replaces every field of `name` by one, in the place of the first. */
  set(name: string, value: string): void {
    const raw = this.raw;
    for (let i = 0; i < raw.length; i += 2) {
      if (raw[i] !== name) continue;
      raw[i + 1] = value;
      this.#removeFrom(name, i + 2);
      return;
    }
    raw.push(name, value);
  }

  /** Removes every field of `name`; says whether there was one. */
  remove(name: string): boolean {
    return this.#removeFrom(name, 0);
  }

  #removeFrom(name: string, start: number): boolean {
    const raw = this.raw;
    let kept = start;
    for (let i = start; i < raw.length; i += 2) {
      if (raw[i] === name) continue;
      if (kept !== i) {
        raw[kept] = raw[i] as string;
        raw[kept + 1] = raw[i + 1] as string;
      }
      kept += 2;
    }
    if (kept === raw.length) return false;
    raw.length = kept;
    return true;
  }

  /** A copy that can be changed on its own. */
  clone(): HeaderList {
    return new HeaderList(this.raw.slice());
  }
}
