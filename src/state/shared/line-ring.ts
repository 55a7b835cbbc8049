/**
 * Log lines on their way from one worker to the primary, the one writer of the log: a ring of bytes in shared memory.
 *
 *   SharedArrayBuffer
 *   ┌────────┬────────┬────────┬───────────┬───────────────────────────────────────────────────────────┐
 *   │ head   │ tail   │ skip   │ dropped   │ bytes (a power of two): whole lines, each ended by \n     │
 *   │ i32    │ i32    │ i32    │ i32       │      tail ▸▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒◂ head                         │
 *   └────────┴────────┴────────┴───────────┴───────────────────────────────────────────────────────────┘
 *
 *   head     position behind the last whole line; only the worker writes it, after the line's bytes
 *   tail     position of the first line not released; only the primary writes it, once the lines before it are written out
 *   skip     a position from which on the lap holds no lines: what followed stands at the beginning of the next lap
 *   dropped  lines there was no room for; the worker adds, the primary takes
 *
 * Positions count on through all laps, modulo 2^32; the place of a position is its remainder by the ring's size. A line lies in one
 * piece, so that it may be written out from where it stands. There is at most one skip between tail and head: the next one lies a whole
 * lap further. What stands before `head` outlives its worker, and a line whose worker ended within it is never seen.
 */
const HEAD = 0;
const TAIL = 1;
const SKIP = 2;
const DROPPED = 3;
const WORDS = 4;
const BYTES_BYTE = WORDS * 4;

/** UTF-8 takes at most so many bytes a UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;

class Ring {
  readonly words: Int32Array;
  readonly bytes: Buffer;
  readonly size: number;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, WORDS);
    this.bytes = Buffer.from(buffer, BYTES_BYTE);
    this.size = this.bytes.length;
  }

  load(word: number): number {
    return Atomics.load(this.words, word) >>> 0;
  }
}

/** Makes a ring of `bytes`, a power of two; it is at once ready for one LineRingWriter and one LineRingReader. */
export function createLineRing(bytes: number): SharedArrayBuffer {
  if (bytes <= 0 || (bytes & (bytes - 1)) !== 0) throw new RangeError(`not a power of two: ${bytes}`);
  return new SharedArrayBuffer(BYTES_BYTE + bytes);
}

/** The worker's end. A worker's replacement goes on where it ended. */
export class LineRingWriter {
  readonly #ring: Ring;
  #head: number;

  constructor(buffer: SharedArrayBuffer) {
    const ring = new Ring(buffer);
    const head = ring.load(HEAD);
    // A thread that ended within a line may have left a skip at its head. This one may write a line there.
    const lap = head & -ring.size;
    if (ring.load(SKIP) === head) Atomics.store(ring.words, SKIP, lap);
    this.#ring = ring;
    this.#head = head;
  }

  /**
   * Writes a line, its \n included, as UTF-8; false where there is no room for it now. A line longer than half of the ring is dropped
   * and counted instead: there might never be room for it, and others wait behind it.
   */
  write(line: string): boolean {
    const ring = this.#ring;
    const { size } = ring;
    const tail = ring.load(TAIL);
    let head = this.#head;
    let place = head & (size - 1);
    let most = line.length * MAX_BYTES_PER_UNIT;
    const room = size - ((head - tail) >>> 0);
    if (most > size - place || most > room) {
      most = Buffer.byteLength(line);
      if (most > size / 2) {
        this.drop(1);
        return true;
      }
      if (most > size - place) {
        const rest = size - place;
        if (rest + most > room) return false;
        Atomics.store(ring.words, SKIP, head | 0);
        head = (head + rest) >>> 0;
        place = 0;
      } else if (most > room) return false;
    }
    head = (head + ring.bytes.write(line, place, most)) >>> 0;
    // An old skip must not be met again when positions have gone round.
    if ((head & (size - 1)) === 0) Atomics.store(ring.words, SKIP, head | 0);
    Atomics.store(ring.words, HEAD, head | 0);
    this.#head = head;
    return true;
  }

  /** Counts lines that were not written. */
  drop(lines: number): void {
    Atomics.add(this.#ring.words, DROPPED, lines);
  }
}

/** The primary's end. */
export class LineRingReader {
  readonly #ring: Ring;

  constructor(buffer: SharedArrayBuffer) {
    this.#ring = new Ring(buffer);
  }

  /**
   * Whole lines that wait, as many as lie in one piece, without taking them out; null where there are none. The bytes are the
   * ring's own and hold until they are released.
   */
  peek(): Buffer | null {
    const { size, bytes, words } = this.#ring;
    const head = this.#ring.load(HEAD);
    const tail = this.#ring.load(TAIL);
    const waiting = (head - tail) >>> 0;
    if (waiting === 0) return null;
    const place = tail & (size - 1);
    const toSkip = (this.#ring.load(SKIP) - tail) >>> 0;
    if (toSkip === 0 && place !== 0) {
      Atomics.store(words, TAIL, (tail + size - place) | 0);
      return this.peek();
    }
    return bytes.subarray(place, place + Math.min(waiting, toSkip === 0 ? size : toSkip, size - place));
  }

  /** Gives the room of `bytes` at the front back to the writer. */
  release(bytes: number): void {
    Atomics.store(this.#ring.words, TAIL, (this.#ring.load(TAIL) + bytes) | 0);
  }

  /** Lines dropped since the last time. */
  takeDropped(): number {
    return Atomics.exchange(this.#ring.words, DROPPED, 0);
  }
}
