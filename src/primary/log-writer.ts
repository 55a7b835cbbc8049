/** The little of a stream that the writer needs; `process.stdout` is one. */
export interface LogSink {
  write(text: string | Uint8Array, written: (error?: Error | null) => void): unknown;
}

/** Whole lines that wait elsewhere, and are written from where they lie. */
export interface LineSource {
  /** Some of them, in one piece; null where there are none. They hold until `release` is called with their length. */
  peek(): Uint8Array | null;
  release(bytes: number): void;
}

/** Text waiting, in UTF-16 units, past which more is dropped. */
const MAX_QUEUED = 8 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * The one writer of a log stream: what is written and what lies in the sources takes its turn, one write at a time. While the
 * stream's reader is slow all of it waits: text here, up to a bound past which it is dropped and counted, lines in their sources. So
 * a reader that stops reading costs log lines and neither memory nor the event loop.
 */
export class LogWriter {
  readonly #sink: LogSink;
  readonly #maxQueued: number;
  readonly #onDropped: (lines: number) => void;
  /** What takes its turn, the next first; a source is in it at most once. */
  readonly #queue: (string | LineSource)[] = [];
  #queuedUnits = 0;
  #isWriting = false;
  #idle: (() => void)[] = [];

  constructor(sink: LogSink, options: { maxQueued?: number; onDropped?: (lines: number) => void } = {}) {
    this.#sink = sink;
    this.#maxQueued = options.maxQueued ?? MAX_QUEUED;
    this.#onDropped = options.onDropped ?? (() => {});
  }

  /** Queues one whole line, or several. Says whether they were taken. */
  write(text: string): boolean {
    if (this.#queuedUnits + text.length > this.#maxQueued) {
      this.#onDropped(linesIn(text));
      return false;
    }
    this.#queue.push(text);
    this.#queuedUnits += text.length;
    if (!this.#isWriting) this.#next();
    return true;
  }

  /** Lines may wait in `source`: they are written until it has none left. */
  drain(source: LineSource): void {
    if (this.#queue.includes(source)) return;
    this.#queue.push(source);
    if (!this.#isWriting) this.#next();
  }

  /** Resolves once all that was queued is written or dropped, or after `timeoutMs` (the reader may have stopped reading). */
  async flush(timeoutMs: number): Promise<void> {
    if (!this.#isWriting) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      new Promise<void>((resolve) => this.#idle.push(resolve)),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs);
      }),
    ]);
    clearTimeout(timer);
  }

  #next(): void {
    this.#isWriting = true;
    for (;;) {
      const turn = this.#queue.shift();
      if (turn === undefined) break;
      const piece = typeof turn === 'string' ? turn : turn.peek();
      if (piece === null) continue;
      this.#sink.write(piece, (error) => {
        // A stream that failed (its reader is gone, the disk is full) has lost these lines; later ones may get through.
        if (error) this.#onDropped(linesIn(piece));
        if (typeof turn === 'string') this.#queuedUnits -= turn.length;
        else {
          turn.release(piece.length);
          this.drain(turn);
        }
        this.#next();
      });
      return;
    }
    this.#isWriting = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function linesIn(piece: string | Uint8Array): number {
  if (typeof piece === 'string') return piece.split('\n').length - 1;
  let count = 0;
  for (const byte of piece) if (byte === NEWLINE) count++;
  return count;
}
