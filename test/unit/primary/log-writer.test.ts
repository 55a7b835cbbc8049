import { describe, expect, it } from 'vitest';
import { type LineSource, type LogSink, LogWriter } from '../../../src/primary/log-writer.ts';

/** A stream whose reader takes what was written when it is told to. */
class ManualSink implements LogSink {
  readonly taken: string[] = [];
  #pending: { text: string | Uint8Array; written: (error?: Error | null) => void } | null = null;

  write(text: string | Uint8Array, written: (error?: Error | null) => void): void {
    expect(this.#pending).toBeNull();
    this.#pending = { text, written };
  }

  read(error: Error | null = null): boolean {
    const pending = this.#pending;
    if (pending === null) return false;
    this.#pending = null;
    // Read only now: what was handed out must hold until it is written.
    if (error === null) this.taken.push(Buffer.from(pending.text).toString());
    pending.written(error);
    return true;
  }

  readAll(): void {
    while (this.read());
  }
}

/** Lines that wait, handed out some at a time; what was released is overwritten. */
class Waiting implements LineSource {
  readonly #pieces: Buffer[];
  released = 0;
  #isOut = false;

  constructor(...pieces: string[]) {
    this.#pieces = pieces.map((piece) => Buffer.from(piece));
  }

  add(piece: string): void {
    this.#pieces.push(Buffer.from(piece));
  }

  peek(): Uint8Array | null {
    expect(this.#isOut).toBe(false);
    this.#isOut = this.#pieces.length > 0;
    return this.#pieces[0] ?? null;
  }

  release(bytes: number): void {
    const piece = this.#pieces.shift();
    expect(bytes).toBe(piece?.length);
    piece?.fill('?');
    this.#isOut = false;
    this.released += bytes;
  }
}

describe('log writer', () => {
  it('writes text in order, whole, one write at a time', () => {
    const sink = new ManualSink();
    const writer = new LogWriter(sink);
    const texts = Array.from({ length: 100 }, (_, i) => `line ${i}\n`);
    expect(texts.map((text) => writer.write(text))).not.toContain(false);
    expect(sink.taken).toEqual([]);
    sink.readAll();
    expect(sink.taken).toEqual(texts);
  });

  it('drops text past its bound, counts its lines, and goes on when the reader does', () => {
    const sink = new ManualSink();
    let dropped = 0;
    const writer = new LogWriter(sink, { maxQueued: 1000, onDropped: (lines) => (dropped += lines) });
    const batch = `${'x'.repeat(49)}\n`.repeat(2);
    const taken = Array.from({ length: 20 }, () => writer.write(batch));
    expect(taken.filter(Boolean)).toHaveLength(10);
    expect(dropped).toBe(20);
    sink.readAll();
    expect(sink.taken.join('')).toBe(batch.repeat(10));
    expect(Array.from({ length: 11 }, () => writer.write(batch)).filter(Boolean)).toHaveLength(10);
    sink.readAll();
    expect(sink.taken.join('')).toBe(batch.repeat(20));
  });

  it('writes a source until it has none left, each piece released once it is written', () => {
    const sink = new ManualSink();
    const writer = new LogWriter(sink);
    const source = new Waiting('a\nb\n', 'c\n');
    writer.drain(source);
    expect(source.released).toBe(0);
    sink.read();
    expect([sink.taken, source.released]).toEqual([['a\nb\n'], 4]);
    // More of them come, and are announced, while it is being written.
    source.add('d\n');
    writer.drain(source);
    writer.drain(source);
    sink.readAll();
    expect([sink.taken, source.released]).toEqual([['a\nb\n', 'c\n', 'd\n'], 8]);
    source.add('e\n');
    expect(sink.read()).toBe(false);
    writer.drain(source);
    sink.readAll();
    expect(sink.taken.at(-1)).toBe('e\n');
  });

  it('has sources and text take turns, whoever has the most', () => {
    const sink = new ManualSink();
    const writer = new LogWriter(sink);
    const busy = new Waiting('a1\n', 'a2\n', 'a3\n', 'a4\n');
    writer.drain(busy);
    writer.drain(new Waiting('b1\n', 'b2\n'));
    writer.write('text\n');
    for (let n = 5; n < 8; n++) {
      sink.read();
      // It is never without lines, and says so again and again.
      busy.add(`a${n}\n`);
      writer.drain(busy);
    }
    sink.readAll();
    expect(sink.taken.join('')).toBe('a1\nb1\ntext\na2\nb2\na3\na4\na5\na6\na7\n');
  });

  it('writes nothing for a source that has none, and goes on', () => {
    const sink = new ManualSink();
    const writer = new LogWriter(sink);
    writer.drain(new Waiting());
    expect(sink.read()).toBe(false);
    writer.write('a\n');
    writer.drain(new Waiting());
    writer.drain(new Waiting('b\n'));
    sink.readAll();
    expect(sink.taken).toEqual(['a\n', 'b\n']);
  });

  it('counts what failed writes lost, and tries the next', () => {
    const sink = new ManualSink();
    let dropped = 0;
    const writer = new LogWriter(sink, { onDropped: (lines) => (dropped += lines) });
    writer.write('a\nb\n');
    sink.read(new Error('EPIPE'));
    expect(dropped).toBe(2);
    const source = new Waiting('c\nd\ne\n', 'f\n');
    writer.drain(source);
    sink.read(new Error('EPIPE'));
    expect([dropped, source.released]).toEqual([5, 6]);
    writer.write('g\n');
    sink.readAll();
    expect(sink.taken).toEqual(['f\n', 'g\n']);
    expect(dropped).toBe(5);
  });

  it('is flushed once everything is written, sources included, or when the reader has had its time', async () => {
    const sink = new ManualSink();
    const writer = new LogWriter(sink);
    await writer.flush(10_000);
    writer.write('a\n');
    writer.drain(new Waiting('b\n', 'c\n'));
    let isFlushed = false;
    const flushed = writer.flush(10_000).then(() => {
      isFlushed = true;
    });
    for (let n = 0; n < 2; n++) {
      sink.read();
      await new Promise((resolve) => setImmediate(resolve));
      expect(isFlushed).toBe(false);
    }
    sink.read();
    await flushed;
    expect(sink.taken).toEqual(['a\n', 'b\n', 'c\n']);
    writer.write('never read\n');
    await writer.flush(1);
    expect(sink.taken).toHaveLength(3);
  });
});
