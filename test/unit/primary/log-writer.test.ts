import { describe, expect, it } from 'vitest';
import { type LogSink, LogWriter } from '../../../src/primary/log-writer.ts';

/** A stream whose reader takes what was written when it is told to. */
class ManualSink implements LogSink {
  readonly taken: string[] = [];
  #pending: { text: string; written: (error?: Error | null) => void } | null = null;

  write(text: string, written: (error?: Error | null) => void): void {
    expect(this.#pending).toBeNull();
    this.#pending = { text, written };
  }

  read(error: Error | null = null): boolean {
    const pending = this.#pending;
    if (pending === null) return false;
    this.#pending = null;
    if (error === null) this.taken.push(pending.text);
    pending.written(error);
    return true;
  }

  readAll(): void {
    while (this.read());
  }
}

describe('log writer', () => {
  it('writes batches in order, whole, one write at a time', () => {
    const sink = new ManualSink();
    const writer = new LogWriter(sink);
    const done: number[] = [];
    for (let i = 0; i < 100; i++) writer.write(`line ${i}\n`, 1, () => done.push(i));
    expect(done).toEqual([]);
    sink.readAll();
    expect(sink.taken.join('')).toBe(Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join(''));
    expect(sink.taken).toHaveLength(2);
    expect(done).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it('drops whole batches past its bound, counts their lines, and goes on when the reader does', () => {
    const sink = new ManualSink();
    let dropped = 0;
    let done = 0;
    const writer = new LogWriter(sink, { maxQueued: 1000, onDropped: (lines) => (dropped += lines) });
    const batch = `${'x'.repeat(49)}\n`.repeat(2);
    const taken = Array.from({ length: 20 }, () => writer.write(batch, 2, () => done++));
    expect(taken.filter(Boolean)).toHaveLength(10);
    expect(dropped).toBe(20);
    expect(done).toBe(10);
    sink.readAll();
    expect(done).toBe(20);
    expect(sink.taken.join('')).toBe(batch.repeat(10));
    expect(writer.write(batch, 2)).toBe(true);
  });

  it('counts what a failed write lost, and tries the next', () => {
    const sink = new ManualSink();
    let dropped = 0;
    const writer = new LogWriter(sink, { onDropped: (lines) => (dropped += lines) });
    writer.write('a\n', 1);
    sink.read(new Error('EPIPE'));
    expect(dropped).toBe(1);
    writer.write('b\n', 1);
    sink.readAll();
    expect(sink.taken).toEqual(['b\n']);
  });

  it('is flushed once everything is written, or when the reader has had its time', async () => {
    const sink = new ManualSink();
    const writer = new LogWriter(sink);
    await writer.flush(10_000);
    writer.write('a\n');
    const flushed = writer.flush(10_000);
    sink.readAll();
    await flushed;
    writer.write('never read\n');
    await writer.flush(1);
    expect(sink.taken).toEqual(['a\n']);
  });
});
