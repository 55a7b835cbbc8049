import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventData, type SseSink, SseSplitter } from '../../../src/adapters/llm/sse.ts';

interface Seen {
  events: string[];
  /** Data of events that have any and were ended by a blank line, or by the stream's end. */
  data: string[];
  bytes: string;
  long: number;
}

function split(chunks: readonly Buffer[], maxHeld?: number): Seen {
  const seen: Seen = { events: [], data: [], bytes: '', long: 0 };
  const splitter = new SseSplitter(maxHeld);
  const sink: SseSink = {
    onEvent(bytes, start, end) {
      const text = bytes.toString('latin1', start, end);
      seen.events.push(text);
      seen.bytes += text;
      const data = eventData(bytes, start, end);
      if (/^(?:\xef\xbb\xbf)?data(?::|$)/m.test(text)) seen.data.push(data.toString());
    },
    onLongPiece(bytes, start, end, last) {
      seen.bytes += bytes.toString('latin1', start, end);
      if (last) seen.long++;
    },
  };
  for (const chunk of chunks) splitter.write(chunk, sink);
  splitter.end(sink);
  expect(splitter.heldBytes).toBe(0);
  return seen;
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const sorted = [...cuts].sort((a, b) => a - b);
  return [...sorted, bytes.length].map((to, i) => bytes.subarray(i === 0 ? 0 : sorted[i - 1], to));
}

/** Data of each event by another implementation. It drops a last event without blank line, so one is put behind. */
function oracle(text: string): string[] {
  const data: string[] = [];
  const parser = createParser({ onEvent: (event) => data.push(event.data) });
  parser.feed(`${text}\n\n`);
  return data;
}

describe('SseSplitter', () => {
  const stream = Buffer.from(
    'data: {"a":"é😀"}\r\n\r\n: comment\n\nevent: x\ndata: 1\ndata:2\n\ndata\n\n\n\rdata: three\r\rid: 7\r\ndata: {"b":1}\n\ndata: [DONE]',
  );

  it('cuts at every byte alike', () => {
    const whole = split([stream]);
    expect(whole.data).toEqual(oracle(stream.toString()));
    for (let at = 0; at <= stream.length; at++) {
      const seen = split(cut(stream, [at]));
      expect(seen.data).toEqual(whole.data);
      expect(seen.bytes).toBe(stream.toString('latin1'));
    }
    const each = split(
      cut(
        stream,
        Array.from({ length: stream.length }, (_, i) => i),
      ),
    );
    expect(each.data).toEqual(whole.data);
    expect(each.bytes).toBe(stream.toString('latin1'));
  });

  it('agrees with a parser on any lines, line ends and cuts, and loses no byte', () => {
    const line = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => `data: ${text.replaceAll(/[\r\n]/g, '')}`),
      fc.constantFrom('data:x', 'data', ': c', 'event: a', 'id: 1', 'retry: 3', '', '', 'datax: no', ' data: no'),
    );
    const lines = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r')), { maxLength: 20 });
    fc.assert(
      fc.property(lines, fc.array(fc.nat(), { maxLength: 5 }), (pairs, seeds) => {
        const text = pairs.map(([content, end]) => content + end).join('');
        const bytes = Buffer.from(text);
        const seen = split(
          cut(
            bytes,
            seeds.map((seed) => seed % (bytes.length + 1)),
          ),
        );
        expect(seen.bytes).toBe(bytes.toString('latin1'));
        expect(seen.data).toEqual(oracle(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('hands an event on with the byte that completes it', () => {
    const splitter = new SseSplitter();
    const events: string[] = [];
    const sink: SseSink = {
      onEvent: (bytes, start, end) => events.push(bytes.toString('utf8', start, end)),
      onLongPiece: () => expect.unreachable(),
    };
    splitter.write(Buffer.from('data: a\n'), sink);
    expect(events).toEqual([]);
    splitter.write(Buffer.from('\ndata: b\r\n\r'), sink);
    expect(events).toEqual(['data: a\n\n', 'data: b\r\n\r']);
  });

  it('reads past a byte order mark', () => {
    const seen = split([Buffer.from('\ufeffdata: a\n\n')]);
    expect(seen.data).toEqual(['a']);
  });

  it('passes an event too long to hold in pieces, and the next one whole', () => {
    const long = Buffer.from(`data: ${'x'.repeat(500)}\n\ndata: y\n\n`);
    const seen = split(cut(long, [100, 200, 300, 400]), 150);
    expect(seen.long).toBe(1);
    expect(seen.data).toEqual(['y']);
    expect(seen.bytes).toBe(long.toString('latin1'));
  });

  it('holds no more than it may', () => {
    const splitter = new SseSplitter(1000);
    const sink: SseSink = { onEvent: () => {}, onLongPiece: () => {} };
    for (let i = 0; i < 1000; i++) {
      splitter.write(Buffer.alloc(100, 0x61), sink);
      expect(splitter.heldBytes).toBeLessThanOrEqual(1000);
    }
  });
});
