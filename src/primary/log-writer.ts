/** The little of a stream that the writer needs; `process.stdout` is one. */
export interface LogSink {
  write(text: string, written: (error?: Error | null) => void): unknown;
}

/** Lines waiting, in UTF-16 units, past which new ones are dropped. */
const MAX_QUEUED = 8 * 1024 * 1024;
/** Units handed to the stream at a time. */
const MAX_WRITE = 256 * 1024;

interface Batch {
  readonly text: string;
  readonly lines: number;
  readonly done: (() => void) | null;
}

/**
 * The one writer of a log stream. Takes batches of whole lines and writes them in the order they came, one write at a time:
 * while the stream's reader is slow they wait here, up to a bound, and past it whole batches are dropped and counted. So a
 * reader that stops reading costs log lines and neither memory nor the event loop.
 */
export class LogWriter {
  readonly #sink: LogSink;
  readonly #maxQueued: number;
  readonly #onDropped: (lines: number) => void;
  readonly #onWritten = (error?: Error | null) => this.#written(error ?? null);
  #queue: Batch[] = [];
  #queuedUnits = 0;
  /** The batches of the write under way; null while there is none. */
  #writing: Batch[] | null = null;
  #idle: (() => void)[] = [];

  constructor(sink: LogSink, options: { maxQueued?: number; onDropped?: (lines: number) => void } = {}) {
    this.#sink = sink;
    this.#maxQueued = options.maxQueued ?? MAX_QUEUED;
    this.#onDropped = options.onDropped ?? (() => {});
  }

  /**
   * Queues `text`, which is `lines` whole lines. `done` is called once the batch is written or dropped. Says whether it
   * was taken.
   */
  write(text: string, lines = 1, done: (() => void) | null = null): boolean {
    if (this.#queuedUnits + text.length > this.#maxQueued) {
      this.#onDropped(lines);
      done?.();
      return false;
    }
    this.#queue.push({ text, lines, done });
    this.#queuedUnits += text.length;
    if (this.#writing === null) this.#next();
    return true;
  }

  /** Resolves once all that was queued is written or dropped, or after `timeoutMs` (the reader may have stopped reading). */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#writing === null) return;
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
    if (this.#queue.length === 0) {
      this.#writing = null;
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
      return;
    }
    let units = 0;
    let taken = 0;
    let text = '';
    for (const batch of this.#queue) {
      if (taken > 0 && units + batch.text.length > MAX_WRITE) break;
      units += batch.text.length;
      text += batch.text;
      taken++;
    }
    this.#writing = this.#queue.splice(0, taken);
    this.#sink.write(text, this.#onWritten);
  }

  #written(error: Error | null): void {
    const batches = this.#writing ?? [];
    for (const batch of batches) {
      this.#queuedUnits -= batch.text.length;
      // A stream that failed (its reader is gone, the disk is full) has lost these lines; later ones may get through.
      if (error !== null) this.#onDropped(batch.lines);
      batch.done?.();
    }
    this.#next();
  }
}
