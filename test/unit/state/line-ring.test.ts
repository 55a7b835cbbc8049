import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createLineRing, LineRingReader, LineRingWriter } from '../../../src/state/shared/line-ring.ts';
import { nextMessage, start } from './workers/run.ts';

/** The words in front of the bytes. */
const HEAD = 0;
const TAIL = 1;
const SKIP = 2;

/** Both ends of a ring of `size` bytes, empty, with head and tail at `position`. */
function ring(size: number, position = 0) {
  const buffer = createLineRing(size);
  const words = new Int32Array(buffer, 0, 4);
  words[HEAD] = words[TAIL] = position;
  // As it stands where a lap has just been begun.
  words[SKIP] = position & -size;
  return { buffer, words, writer: new LineRingWriter(buffer), reader: new LineRingReader(buffer) };
}

/** A line of `bytes` bytes, its \n included, made of `letter`. */
function line(letter: string, bytes: number): string {
  return `${letter.repeat((bytes - 1) / Buffer.byteLength(letter))}\n`;
}

/** Takes out everything, each piece as it was handed out; each must be of whole lines. */
function takePieces(reader: LineRingReader): string[] {
  const pieces: string[] = [];
  for (let piece = reader.peek(); piece !== null; piece = reader.peek()) {
    const text = piece.toString('utf8');
    expect(text.endsWith('\n')).toBe(true);
    pieces.push(text);
    reader.release(piece.length);
  }
  return pieces;
}

describe('LineRing', () => {
  it('hands out what waits in one piece, and again until it is released', () => {
    const { writer, reader } = ring(64);
    expect(reader.peek()).toBeNull();
    expect([writer.write('one\n'), writer.write('two\n')]).toEqual([true, true]);
    expect(reader.peek()?.toString()).toBe('one\ntwo\n');
    expect(reader.peek()?.toString()).toBe('one\ntwo\n');
    reader.release(4);
    expect(writer.write('three\n')).toBe(true);
    expect(takePieces(reader)).toEqual(['two\nthree\n']);
    expect(reader.peek()).toBeNull();
  });

  it('goes round, lap after lap', () => {
    const { writer, reader } = ring(32);
    for (let n = 0; n < 1000; n++) {
      const text = line(String(n % 10), 2 + (n % 15));
      expect(writer.write(text)).toBe(true);
      expect(takePieces(reader)).toEqual([text]);
    }
  });

  it('puts a line that does not fit at the end of a lap whole at the beginning of the next', () => {
    const { writer, reader } = ring(32);
    writer.write(line('a', 10));
    writer.write(line('b', 14));
    reader.release(10);
    expect(writer.write(line('c', 9))).toBe(true);
    const first = reader.peek();
    expect(first?.toString()).toBe(line('b', 14));
    reader.release(14);
    const second = reader.peek();
    expect(second?.toString()).toBe(line('c', 9));
    expect((second?.byteOffset ?? 0) - (first?.byteOffset ?? 0)).toBe(-10);
    reader.release(9);
    expect(reader.peek()).toBeNull();
  });

  it('takes lines until it is exactly full, and again once one is released', () => {
    const { writer, reader } = ring(32);
    for (const letter of 'abcd') expect(writer.write(line(letter, 8))).toBe(true);
    expect(writer.write('\n')).toBe(false);
    expect(reader.peek()?.toString()).toBe([...'abcd'].map((letter) => line(letter, 8)).join(''));
    reader.release(8);
    expect(writer.write(line('e', 9))).toBe(false);
    expect(writer.write(line('f', 8))).toBe(true);
    expect(writer.write('\n')).toBe(false);
    expect(takePieces(reader)).toEqual([[...'bcd'].map((letter) => line(letter, 8)).join(''), line('f', 8)]);
  });

  it('fills a lap to its last byte, and goes on at the beginning', () => {
    const { writer, reader } = ring(32);
    writer.write(line('a', 16));
    reader.release(16);
    expect(writer.write(line('b', 16))).toBe(true);
    expect(writer.write(line('c', 16))).toBe(true);
    expect(takePieces(reader)).toEqual([line('b', 16), line('c', 16)]);
  });

  it('refuses a line for which the end of the lap and the beginning are each too small, and harms none by it', () => {
    const { writer, reader } = ring(32);
    writer.write(line('a', 8));
    writer.write(line('b', 16));
    reader.release(8);
    expect(writer.write(line('c', 9))).toBe(false);
    // What is shorter still finds its place at the lap's end.
    expect(writer.write(line('d', 8))).toBe(true);
    expect(writer.write(line('e', 8))).toBe(true);
    expect(takePieces(reader)).toEqual([line('b', 16) + line('d', 8), line('e', 8)]);
    expect(reader.takeDropped()).toBe(0);
  });

  it.each([
    ['longer than half of it', 17],
    ['longer than it', 33],
    ['far longer than it', 1000],
  ])('drops and counts a line that is %s, rather than have others wait behind it for ever', (_, bytes) => {
    const { writer, reader } = ring(32);
    writer.write(line('a', 8));
    writer.write(line('b', 8));
    reader.release(8);
    expect(writer.write(line('x', bytes))).toBe(true);
    expect(writer.write(line('c', 8))).toBe(true);
    expect(takePieces(reader)).toEqual([line('b', 8) + line('c', 8)]);
    expect(reader.takeDropped()).toBe(1);
  });

  it('has room for a line of half of it wherever the last one ended', () => {
    for (let place = 0; place < 32; place++) {
      const { writer, reader } = ring(32, place);
      expect(writer.write(line('a', 16))).toBe(true);
      expect(takePieces(reader)).toEqual([line('a', 16)]);
    }
  });

  it.each([
    ['two bytes', 'é', 'é'],
    ['three bytes', '€', '€'],
    ['four bytes', '𝄞', '𝄞'],
    ['half a pair', '\ud834', '\ufffd'],
  ])('takes characters of %s, down to the last byte of room', (_, letter, written) => {
    const bytes = Buffer.byteLength(letter);
    const text = `${letter.repeat(Math.floor(15 / bytes))}${'.'.repeat(15 % bytes)}\n`;
    const expected = text.replaceAll(letter, written);
    expect(Buffer.byteLength(text)).toBe(16);
    // The end of the lap and the line fit exactly.
    const end = ring(32, 16);
    expect(end.writer.write(text)).toBe(true);
    expect(takePieces(end.reader)).toEqual([expected]);
    // So do the room there is and the line.
    const room = ring(32);
    room.writer.write(line('a', 8));
    room.writer.write(line('b', 8));
    expect(room.writer.write(`.${text}`)).toBe(true);
    expect(room.reader.takeDropped()).toBe(1);
    expect(room.writer.write(text)).toBe(true);
    expect(room.writer.write('\n')).toBe(false);
    expect(takePieces(room.reader)).toEqual([line('a', 8) + line('b', 8) + expected]);
    // Where the lap ends one byte earlier for it, it goes to the beginning of the next.
    const earlier = ring(32, 16);
    earlier.writer.write('\n');
    expect(earlier.writer.write(text)).toBe(true);
    expect(takePieces(earlier.reader)).toEqual(['\n', expected]);
  });

  it.each([
    ['the end of a lap', 0],
    ['its middle', 12],
    ['its last byte', 31],
  ])('goes on past position 2^32, from %s', (_, before) => {
    const { words, writer, reader } = ring(32, 2 ** 32 - 64 - before);
    const written: string[] = [];
    for (let n = 0; n < 60; n++) {
      const text = line(String(n % 10), 3 + (n % 8));
      written.push(text);
      expect(writer.write(text)).toBe(true);
      if (n % 2 === 1) expect(takePieces(reader).join('')).toBe(written.splice(0).join(''));
    }
    expect((words[HEAD] as number) >>> 0).toBeLessThan(1024);
  });

  it('does not meet a skip again when positions have gone round', () => {
    const { buffer, words, writer, reader } = ring(32);
    // A skip at 24, and a lap without one after it.
    for (const bytes of [8, 16, 10, 11, 11, 8]) {
      expect(writer.write(line('a', bytes))).toBe(true);
      takePieces(reader);
    }
    expect(words[HEAD]).toBe(72);
    // 2^32 bytes later it comes to 24 again.
    words[HEAD] = words[TAIL] = 16;
    const later = new LineRingWriter(buffer);
    for (const letter of 'bc') expect(later.write(line(letter, 8))).toBe(true);
    expect(takePieces(reader)).toEqual([line('b', 8) + line('c', 8)]);
    expect(words[TAIL]).toBe(32);
  });

  it('counts what is dropped until it is asked', () => {
    const { writer, reader } = ring(32);
    expect(reader.takeDropped()).toBe(0);
    writer.drop(2);
    writer.drop(3);
    expect(reader.takeDropped()).toBe(5);
    expect(reader.takeDropped()).toBe(0);
  });

  it('goes on with another writer where the first one ended', () => {
    const { buffer, writer, reader } = ring(32);
    writer.write(line('a', 8));
    writer.drop(1);
    const next = new LineRingWriter(buffer);
    next.write(line('b', 8));
    next.drop(1);
    expect(takePieces(reader)).toEqual([line('a', 8) + line('b', 8)]);
    expect(reader.takeDropped()).toBe(2);
  });

  it('lets another writer use the end of a lap where the first one ended before it had skipped it', () => {
    const { buffer, words, reader, writer } = ring(32);
    writer.write(line('a', 12));
    writer.write(line('b', 12));
    reader.release(12);
    // A thread stores the skip, then writes the line's bytes and last the head: this one comes no further than the first.
    words[SKIP] = words[HEAD] as number;
    const next = new LineRingWriter(buffer);
    expect(next.write(line('c', 6))).toBe(true);
    expect(takePieces(reader)).toEqual([line('b', 12) + line('c', 6)]);
    expect(next.write(line('d', 12))).toBe(true);
    expect(takePieces(reader)).toEqual([line('d', 12)]);
  });

  it('is of a size that is a power of two', () => {
    for (const size of [0, -32, 33, 48]) expect(() => createLineRing(size)).toThrow(RangeError);
  });

  it('hands out what was written as a queue does, whatever is written, released and replaced', () => {
    const size = 128;
    const text = fc
      .oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ unit: 'grapheme-ascii', maxLength: 80 }))
      .map((value) => `${value.replaceAll('\n', ' ')}\n`);
    const step = fc.oneof(
      { weight: 6, arbitrary: text.map((value) => ({ do: 'write' as const, value })) },
      { weight: 3, arbitrary: fc.nat(5).map((lines) => ({ do: 'release' as const, lines })) },
      { weight: 1, arbitrary: fc.constant({ do: 'replace' as const }) },
    );
    const position = fc.oneof(fc.nat(size), fc.integer({ min: 2 ** 32 - 4 * size, max: 2 ** 32 - 1 }));
    fc.assert(
      fc.property(position, fc.array(step, { maxLength: 200 }), (from, steps) => {
        const { buffer, reader, writer: first } = ring(size, from);
        let writer = first;
        const queue: Buffer[] = [];
        const waiting = () => queue.reduce((sum, bytes) => sum + bytes.length, 0);
        for (const one of steps) {
          if (one.do === 'replace') {
            writer = new LineRingWriter(buffer);
          } else if (one.do === 'write') {
            const bytes = Buffer.from(one.value);
            const taken = writer.write(one.value);
            const lost = reader.takeDropped();
            if (lost > 0) expect([taken, bytes.length > size / 2]).toEqual([true, true]);
            else if (taken) queue.push(bytes);
            // Where nothing waits there is room.
            else expect(waiting()).toBeGreaterThan(0);
            expect(waiting()).toBeLessThanOrEqual(size);
          } else {
            const piece = reader.peek();
            if (piece === null) {
              expect(queue).toEqual([]);
              continue;
            }
            expect(piece.equals(Buffer.concat(queue).subarray(0, piece.length))).toBe(true);
            let released = 0;
            for (let n = 0; n <= one.lines && released < piece.length; n++) released += queue.shift()?.length ?? 0;
            expect(released).toBeLessThanOrEqual(piece.length);
            reader.release(released);
          }
        }
        expect(takePieces(reader).join('')).toBe(Buffer.concat(queue).toString());
        expect(reader.takeDropped()).toBe(0);
        expect(writer.write(line('z', size / 2))).toBe(true);
        expect(takePieces(reader)).toEqual([line('z', size / 2)]);
      }),
      { numRuns: 200 },
    );
  });
});

const LETTERS = ['a', 'é', '€', '𝄞'];

/** As the writing thread makes it. */
function numbered(n: number): string {
  return `${n} ${(LETTERS[n % 4] as string).repeat((n * 7919) % 23)} ${n}\n`;
}

/** Checks that lines 0, 1, 2 … come, each whole. */
class Follower {
  readonly reader: LineRingReader;
  lines = 0;
  /** The first piece that is not what was to come. */
  fault: { expected: string; got: string } | null = null;

  constructor(buffer: SharedArrayBuffer) {
    this.reader = new LineRingReader(buffer);
  }

  /** Reads what there is at the moment; says whether there was any. */
  read(): boolean {
    const piece = this.reader.peek();
    if (piece === null) return false;
    // Copied only here, so that a writer that does not wait for the release is seen.
    const text = piece.toString('utf8');
    for (let at = 0; at < text.length && this.fault === null; ) {
      const expected = numbered(this.lines);
      const got = text.slice(at, at + expected.length);
      if (got !== expected) this.fault = { expected, got };
      at += expected.length;
      this.lines++;
    }
    this.reader.release(piece.length);
    return true;
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('LineRing between threads', () => {
  const started: ReturnType<typeof start>[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((worker) => worker.terminate()));
  });

  it.each([
    ['is met at each line', 256, 60_000],
    ['runs ahead', 64 * 1024, 60_000],
  ])('each line arrives once, in order and whole, where the writer %s', async (_, size, lines) => {
    const buffer = createLineRing(size);
    const thread = start('lines.mjs', { buffer, lines });
    started.push(thread);
    await nextMessage(thread);
    const done = nextMessage<{ refused: number }>(thread);
    const follower = new Follower(buffer);
    while (follower.lines < lines && follower.fault === null) {
      // Without a pause, so that a line is met while it is written; now and then the test's own clock gets its turn.
      for (let n = 0; n < 10_000 && follower.fault === null; n++) follower.read();
      await turn();
    }
    expect(follower.fault).toBeNull();
    expect((await done).refused).toBeGreaterThan(0);
    expect([follower.lines, follower.read()]).toEqual([lines, false]);
  });

  it('of a thread that is ended within a line the whole lines before it arrive; another one goes on', async () => {
    const buffer = createLineRing(512);
    for (let life = 0; life < 6; life++) {
      const thread = start('lines.mjs', { buffer, lines: Number.POSITIVE_INFINITY });
      started.push(thread);
      await nextMessage(thread);
      const follower = new Follower(buffer);
      while (follower.lines < 1000 && follower.fault === null) {
        for (let n = 0; n < 1000; n++) follower.read();
        await turn();
      }
      // Room is made all the time, so that it ends while it writes.
      let ended = false;
      void thread.terminate().then(() => {
        ended = true;
      });
      while (!ended) {
        for (let n = 0; n < 1000; n++) follower.read();
        await turn();
      }
      while (follower.read());
      expect(follower.fault).toBeNull();
      expect(follower.lines).toBeGreaterThanOrEqual(1000);
    }
  });
});
