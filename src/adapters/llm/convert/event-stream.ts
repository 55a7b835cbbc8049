import { crc32 } from 'node:zlib';
import { EventStreamCodec, type MessageHeaders } from '@smithy/eventstream-codec';
import type { Frame } from '../formats/codec.ts';
import { type FrameReader, FrameTooLarge, type FrameWriter } from './framing.ts';

/**
 * AWS's event stream (https://smithy.io/2.0/aws/amazon-eventstream.html), a message each event: its length, the length of its headers
 * and their checksum; the headers; the payload; and the checksum of it all.
 */
export const EVENT_STREAM_TYPE = 'application/vnd.amazon.eventstream';

const PRELUDE_BYTES = 12;
/** A message without headers and payload. */
const LEAST_BYTES = 16;

/** Bytes that are no event stream, or were damaged on the way. */
export class BadEventStream extends Error {}

const codec = new EventStreamCodec(
  (bytes) =>
    typeof bytes === 'string' ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/**
 * Cuts a byte stream into messages, which may be split anywhere. A message in one chunk is handed on as a view of it.
 */
export class MessageCutter {
  readonly #maxBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Length of the message that is held; 0 while its prelude is incomplete. */
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True where the bytes so far end with a message. */
  get whole(): boolean {
    return this.#heldBytes === 0;
  }

  /**
   * Throws `BadEventStream` where a prelude's checksum is wrong, `FrameTooLarge` for a message longer than may be held; nothing can be
   * cut after either.
   */
  write(chunk: Buffer, take: (message: Buffer) => void): void {
    let rest = chunk;
    while (rest.length > 0) {
      const wanted = (this.#length === 0 ? PRELUDE_BYTES : this.#length) - this.#heldBytes;
      if (rest.length < wanted) {
        this.#hold(rest);
        return;
      }
      if (this.#length === 0) {
        // The prelude may lie in what is held, in this chunk, or in both.
        const prelude = this.#heldBytes === 0 ? rest : Buffer.concat([...this.#held, rest.subarray(0, wanted)]);
        this.#length = this.#lengthOf(prelude);
        continue;
      }
      const end = rest.subarray(0, wanted);
      const message = this.#heldBytes === 0 ? end : Buffer.concat([...this.#held, end], this.#length);
      this.#held = [];
      this.#heldBytes = 0;
      this.#length = 0;
      rest = rest.subarray(wanted);
      take(message);
    }
  }

  #lengthOf(prelude: Buffer): number {
    const length = prelude.readUInt32BE(0);
    const checksum = prelude.readUInt32BE(8);
    if (crc32(prelude.subarray(0, 8)) !== checksum) throw new BadEventStream('The checksum of a prelude is wrong.');
    if (length < LEAST_BYTES) throw new BadEventStream('A message is shorter than its frame.');
    if (length > this.#maxBytes) throw new FrameTooLarge();
    return length;
  }

  #hold(rest: Buffer): void {
    // A copy where little of a chunk is left: a view would keep the whole chunk alive.
    this.#held.push(Buffer.from(rest));
    this.#heldBytes += rest.length;
  }
}

/** Reads events: `event` is the event's type or the exception's, `data` the payload. */
export class EventStreamReader implements FrameReader {
  readonly #cutter: MessageCutter;

  constructor(maxMessageBytes: number) {
    this.#cutter = new MessageCutter(maxMessageBytes);
  }

  /** Throws as `MessageCutter.write` does, and `Error` where a message's checksum is wrong. */
  write(chunk: Buffer, take: (frame: Frame) => void): void {
    this.#cutter.write(chunk, (message) => take(frameOf(message)));
  }

  /** Throws `BadEventStream` where the stream broke off in a message. */
  end(_take: (frame: Frame) => void): void {
    if (!this.#cutter.whole) throw new BadEventStream('The stream ended within a message.');
  }
}

function frameOf(message: Buffer): Frame {
  const { headers, body } = codec.decode(message);
  const data = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  const type = textOf(headers, ':message-type');
  if (type === 'exception') return { event: textOf(headers, ':exception-type'), data };
  if (type !== 'error') return { event: textOf(headers, ':event-type'), data };
  // An error that the service's model has no name for.
  const code = textOf(headers, ':error-code');
  const event = code.endsWith('Exception') ? code : `${code}Exception`;
  return { event, data: JSON.stringify({ message: textOf(headers, ':error-message') }) };
}

function textOf(headers: MessageHeaders, name: string): string {
  const header = headers[name];
  return header?.type === 'string' ? header.value : '';
}

/** One event as a message; one whose name says so as an exception. */
export function messageOf({ event, data }: Frame): Buffer {
  const exception = event.endsWith('Exception');
  const message = codec.encode({
    headers: {
      [exception ? ':exception-type' : ':event-type']: { type: 'string', value: event },
      ':content-type': { type: 'string', value: 'application/json' },
      ':message-type': { type: 'string', value: exception ? 'exception' : 'event' },
    },
    body: Buffer.from(data, 'utf8'),
  });
  return Buffer.from(message.buffer, message.byteOffset, message.byteLength);
}

export const eventStreamWriter: FrameWriter = {
  contentType: EVENT_STREAM_TYPE,
  frame: messageOf,
  end: () => '',
};

const EVENT_TYPE = Buffer.from(':event-type');
const STRING = 7;

/** The type of a message's event, without decoding the rest of it; '' where it has none. */
export function eventTypeOf(message: Buffer): string {
  const end = PRELUDE_BYTES + message.readUInt32BE(4);
  const name = message.indexOf(EVENT_TYPE, PRELUDE_BYTES);
  const at = name + EVENT_TYPE.length;
  if (name < 0 || at + 3 > end || end > message.length || message[at] !== STRING) return '';
  return message.toString('utf8', at + 3, Math.min(at + 3 + message.readUInt16BE(at + 1), end));
}

/** The payload of a message, as text. */
export function payloadOf(message: Buffer): string {
  return message.toString('utf8', PRELUDE_BYTES + message.readUInt32BE(4), message.length - 4);
}
