import type { Frame } from '../formats/codec.ts';
import { type SseSink, SseSplitter } from '../sse.ts';

/** How a stream's events are cut out of bytes, and put into bytes. */

/** Cuts a provider's stream into events. */
export interface FrameReader {
  /** Throws `FrameTooLarge` where one event is longer than may be held. */
  write(chunk: Buffer, take: (frame: Frame) => void): void;
  /** The stream is over; an event that lacks its end is taken as it is. */
  end(take: (frame: Frame) => void): void;
}

/** Puts events for the client into bytes. */
export interface FrameWriter {
  readonly contentType: string;
  frame(frame: Frame): string | Buffer;
  /** What stands behind the last event; '' where nothing does. */
  end(): string | Buffer;
}

/** An event of a provider's stream is longer than may be held. */
export class FrameTooLarge extends Error {}

/** Server-sent events (WHATWG HTML §9.2). */
export class SseReader implements FrameReader, SseSink {
  readonly #splitter: SseSplitter;
  #take: (frame: Frame) => void = nobody;

  constructor(maxEventBytes: number) {
    this.#splitter = new SseSplitter(maxEventBytes);
  }

  write(chunk: Buffer, take: (frame: Frame) => void): void {
    this.#take = take;
    this.#splitter.write(chunk, this);
  }

  end(take: (frame: Frame) => void): void {
    this.#take = take;
    this.#splitter.end(this);
  }

  onEvent(bytes: Buffer, start: number, end: number): void {
    const frame = parseEvent(bytes.toString('utf8', start, end));
    if (frame !== null) this.#take(frame);
  }

  onLongPiece(): void {
    throw new FrameTooLarge();
  }
}

function nobody(): void {}

/** One event with its blank line; null for comments and whatever else has no data. */
export function parseEvent(text: string): Frame | null {
  let event = '';
  let data: string | null = null;
  for (const line of text.split(LINE_END)) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'data' || name === '\ufeffdata') data = data === null ? value : `${data}\n${value}`;
    else if (name === 'event' || name === '\ufeffevent') event = value;
  }
  return data === null ? null : { event, data };
}

const LINE_END = /\r\n|\n|\r/;

export const sseWriter: FrameWriter = {
  contentType: 'text/event-stream; charset=utf-8',
  frame: ({ event, data }) => (event === '' ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`),
  end: () => '',
};

/** Gemini's stream where the client did not ask for server-sent events: one JSON array, an element an event. */
export class JsonArrayWriter implements FrameWriter {
  readonly contentType = 'application/json; charset=utf-8';
  #begun = false;

  frame({ data }: Frame): string {
    const before = this.#begun ? ',\r\n' : '[';
    this.#begun = true;
    return before + data;
  }

  end(): string {
    return this.#begun ? ']' : '[]';
  }
}
