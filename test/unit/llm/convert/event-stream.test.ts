import { EventStreamCodec } from '@smithy/eventstream-codec';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BadEventStream,
  EventStreamReader,
  eventStreamWriter,
  eventTypeOf,
  MessageCutter,
  messageOf,
  payloadOf,
} from '../../../../src/adapters/llm/convert/event-stream.ts';
import { FrameTooLarge } from '../../../../src/adapters/llm/convert/framing.ts';
import { frameReader, frameWriter } from '../../../../src/adapters/llm/convert/wires.ts';
import type { Frame } from '../../../../src/adapters/llm/formats/codec.ts';

const anyFrame: fc.Arbitrary<Frame> = fc.record({
  event: fc.constantFrom('messageStart', 'contentBlockDelta', 'metadata', 'throttlingException'),
  data: fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => JSON.stringify({ text })),
});

function read(chunks: Iterable<Buffer>, maxBytes = 100_000): Frame[] {
  const reader = new EventStreamReader(maxBytes);
  const frames: Frame[] = [];
  for (const chunk of chunks) reader.write(chunk, (frame) => frames.push(frame));
  reader.end((frame) => frames.push(frame));
  return frames;
}

describe('the event stream of AWS', () => {
  it('is what wires are framed in for converse alone', () => {
    expect(frameWriter('converse', false)).toBe(eventStreamWriter);
    expect(eventStreamWriter).toMatchObject({ contentType: 'application/vnd.amazon.eventstream' });
    expect(eventStreamWriter.end()).toBe('');
    expect(frameReader('converse', 10)).toBeInstanceOf(EventStreamReader);
    expect(frameReader('messages', 10)).not.toBeInstanceOf(EventStreamReader);
  });

  it('is read wherever it is cut', () => {
    const frames: Frame[] = [
      { event: 'messageStart', data: '{"role":"assistant"}' },
      { event: 'contentBlockDelta', data: '{"delta":{"text":"wörld 😀"}}' },
      { event: 'validationException', data: '{"message":"no"}' },
      { event: 'metadata', data: '{}' },
    ];
    const bytes = Buffer.concat(frames.map(messageOf));
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(read([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(frames);
    }
    expect(read([...bytes].map((byte) => Buffer.of(byte)))).toEqual(frames);
  });

  it('is read in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 5 }), fc.array(fc.nat(600), { maxLength: 8 }), (frames, places) => {
        const bytes = Buffer.concat(frames.map(messageOf));
        const ends = [...new Set([...places.filter((place) => place < bytes.length), bytes.length])].sort(
          (a, b) => a - b,
        );
        expect(read(ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)))).toEqual(frames);
      }),
    );
  });

  it('may have headers of all kinds, and errors without a name in the model', () => {
    const codec = new EventStreamCodec(
      (bytes) => Buffer.from(bytes as Uint8Array).toString(),
      (text) => Buffer.from(text),
    );
    const body = Buffer.from('{"a":1}');
    const event = codec.encode({
      headers: {
        'x-flag': { type: 'boolean', value: true },
        'x-count': { type: 'integer', value: 7 },
        ':event-type': { type: 'string', value: 'metadata' },
        ':message-type': { type: 'string', value: 'event' },
      },
      body,
    });
    const error = codec.encode({
      headers: {
        ':message-type': { type: 'string', value: 'error' },
        ':error-code': { type: 'string', value: 'InternalError' },
        ':error-message': { type: 'string', value: 'An "internal" error.' },
      },
      body: new Uint8Array(),
    });
    expect(read([Buffer.from(event), Buffer.from(error)])).toEqual([
      { event: 'metadata', data: '{"a":1}' },
      { event: 'InternalErrorException', data: '{"message":"An \\"internal\\" error."}' },
    ]);
    expect(eventTypeOf(Buffer.from(event))).toBe('metadata');
    expect(payloadOf(Buffer.from(event))).toBe('{"a":1}');
    expect(eventTypeOf(Buffer.from(error))).toBe('');
  });

  it('is never taken damaged', () => {
    const message = messageOf({ event: 'metadata', data: '{"usage":{}}' });
    for (let at = 0; at < message.length; at++) {
      const damaged = Buffer.from(message);
      damaged[at] = (damaged[at] as number) ^ 0x41;
      expect(() => read([damaged]), `byte ${at}`).toThrow();
    }
    expect(() => read([Buffer.from('HTTP/1.1 502 Bad Gateway\r\n')])).toThrow(BadEventStream);
  });

  it('may not break off within a message', () => {
    const message = messageOf({ event: 'metadata', data: '{}' });
    for (let length = 1; length < message.length; length++) {
      expect(() => read([message.subarray(0, length)]), `${length} bytes`).toThrow(BadEventStream);
    }
  });

  it('is held no further than allowed: a long message is refused by its length, before it has come', () => {
    const message = messageOf({ event: 'contentBlockDelta', data: JSON.stringify({ text: 'x'.repeat(1000) }) });
    expect(read([message], message.length)).toHaveLength(1);
    expect(() => read([message.subarray(0, 12)], message.length - 1)).toThrow(FrameTooLarge);
  });

  it('hands on a message in one chunk without a copy', () => {
    const message = messageOf({ event: 'metadata', data: '{}' });
    const cutter = new MessageCutter(1000);
    const found: Buffer[] = [];
    cutter.write(Buffer.concat([message, message]), (one) => found.push(one));
    expect(found[0]?.buffer).toBe(found[1]?.buffer);
    expect(found.map((one) => Buffer.compare(one, message))).toEqual([0, 0]);
    expect(cutter.whole).toBe(true);
  });
});
