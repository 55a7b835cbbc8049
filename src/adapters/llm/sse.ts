/**
 * Cuts a byte stream of server-sent events (WHATWG HTML §9.2) into events without changing a byte: the pieces handed on, put
 * together, are the stream. An event ends with its blank line; lines end with LF, CRLF or CR. Where an event lies in one chunk it is
 * handed on as a range of that chunk.
 */

export interface SseSink {
  /** `bytes[start, end)` is one event with its blank line (the stream's last may lack it). It may be empty but for line ends. */
  onEvent(bytes: Buffer, start: number, end: number): void;
  /** A piece of an event too long to be held; `last`: its end. */
  onLongPiece(bytes: Buffer, start: number, end: number, last: boolean): void;
}

const LF = 0x0a;
const CR = 0x0d;

/** Bytes of an unfinished event held at a chunk's end. */
export const MAX_HELD_EVENT_BYTES = 64 * 1024;

export class SseSplitter {
  readonly #maxHeld: number;
  /** The unfinished event, where it began in earlier chunks. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** The unfinished event is too long: its pieces go on as they come. */
  #long = false;
  /** The last byte ended a line, so that another line end is a blank line. At the start of an event it counts as one too. */
  #lineStart = true;
  /** The last byte was a CR, so that a LF now belongs to it. */
  #afterCr = false;

  constructor(maxHeld = MAX_HELD_EVENT_BYTES) {
    this.#maxHeld = maxHeld;
  }

  /** Bytes of an unfinished event that are held. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  write(chunk: Buffer, sink: SseSink): void {
    const n = chunk.length;
    if (n === 0) return;
    // JSON has no raw CR, so almost no stream has one, and then one native search finds each line's end.
    const hasCr = this.#afterCr || chunk.indexOf(CR) >= 0;
    let start = 0;
    let i = 0;
    while (i < n) {
      if (this.#afterCr) {
        this.#afterCr = false;
        if (chunk[i] === LF) {
          i++;
          continue;
        }
      }
      const byte = chunk[i];
      if (byte !== LF && byte !== CR) {
        this.#lineStart = false;
        i = lineEnd(chunk, i + 1, hasCr);
        if (i < 0) break;
      }
      const blank = this.#lineStart;
      this.#lineStart = true;
      this.#afterCr = chunk[i] === CR;
      i++;
      if (!blank) continue;
      // The LF of a CRLF belongs to the event that its CR ended, where it is here already.
      if (this.#afterCr && chunk[i] === LF) {
        this.#afterCr = false;
        i++;
      }
      this.#emit(chunk, start, i, sink);
      start = i;
    }
    if (start < n) this.#hold(chunk, start, sink);
  }

  /** The stream is over: an event without its blank line is handed on as it is. */
  end(sink: SseSink): void {
    if (this.#long) sink.onLongPiece(EMPTY, 0, 0, true);
    else if (this.#heldBytes > 0) {
      const held = Buffer.concat(this.#held, this.#heldBytes);
      sink.onEvent(held, 0, held.length);
    }
    this.#release();
  }

  #emit(chunk: Buffer, start: number, end: number, sink: SseSink): void {
    if (this.#long) sink.onLongPiece(chunk, start, end, true);
    else if (this.#heldBytes === 0) return sink.onEvent(chunk, start, end);
    else {
      this.#held.push(chunk.subarray(start, end));
      const event = Buffer.concat(this.#held, this.#heldBytes + end - start);
      sink.onEvent(event, 0, event.length);
    }
    this.#release();
  }

  #hold(chunk: Buffer, start: number, sink: SseSink): void {
    if (this.#long) return sink.onLongPiece(chunk, start, chunk.length, false);
    // A copy where little of a chunk is left: a view would keep the whole chunk alive.
    const rest = chunk.subarray(start);
    this.#held.push(rest.length * 4 < chunk.length ? Buffer.from(rest) : rest);
    this.#heldBytes += rest.length;
    if (this.#heldBytes <= this.#maxHeld) return;
    const pieces = this.#held;
    this.#release();
    this.#long = true;
    for (const piece of pieces) sink.onLongPiece(piece, 0, piece.length, false);
  }

  #release(): void {
    if (this.#heldBytes > 0) this.#held = [];
    this.#heldBytes = 0;
    this.#long = false;
  }
}

const EMPTY = Buffer.alloc(0);

/** Offset of the next line end at or behind `from`, or -1. */
function lineEnd(chunk: Buffer, from: number, hasCr: boolean): number {
  if (!hasCr) return chunk.indexOf(LF, from);
  for (let i = from; i < chunk.length; i++) if (chunk[i] === LF || chunk[i] === CR) return i;
  return -1;
}

/**
 * The data of one event: its `data:` lines joined by LF. The usual event has one, and then this is a view of it.
 */
export function eventData(bytes: Buffer, start: number, end: number): Buffer {
  let only: Buffer | null = null;
  let several: Buffer[] | null = null;
  let i = start;
  if (bytes[i] === 0xef && bytes[i + 1] === 0xbb && bytes[i + 2] === 0xbf) i += 3;
  while (i < end) {
    let stop = i;
    while (stop < end && bytes[stop] !== LF && bytes[stop] !== CR) stop++;
    const from = dataStart(bytes, i, stop);
    if (from >= 0) {
      const line = bytes.subarray(from, stop);
      if (only === null) only = line;
      else {
        several ??= [only];
        several.push(NEWLINE, line);
      }
    }
    i = stop + 1;
  }
  if (several !== null) return Buffer.concat(several);
  return only ?? EMPTY;
}

const NEWLINE = Buffer.from('\n');

/** Where the value of a `data` line begins; -1 for any other line. */
export function dataStart(bytes: Buffer, start: number, end: number): number {
  if (end - start < 4) return -1;
  if (bytes[start] !== 0x64 || bytes[start + 1] !== 0x61 || bytes[start + 2] !== 0x74 || bytes[start + 3] !== 0x61)
    return -1;
  if (end - start === 4) return end;
  if (bytes[start + 4] !== 0x3a) return -1;
  return bytes[start + 5] === 0x20 && start + 5 < end ? start + 6 : start + 5;
}
