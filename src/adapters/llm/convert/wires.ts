import type { ClientFormat, WireFormat } from '../../../facts/conversation.ts';
import { EventStreamReader, eventStreamWriter } from './event-stream.ts';
import { type FrameReader, type FrameWriter, JsonArrayWriter, SseReader, sseWriter } from './framing.ts';

/** How the streams of each format are framed. Gemini is always asked for server-sent events. */

export function frameReader(format: WireFormat, maxEventBytes: number): FrameReader {
  return format === 'converse' ? new EventStreamReader(maxEventBytes) : new SseReader(maxEventBytes);
}

/** `jsonArray`: a Gemini client did not ask for server-sent events. */
export function frameWriter(format: ClientFormat, jsonArray: boolean): FrameWriter {
  if (format === 'converse' || format === 'invoke') return eventStreamWriter;
  return jsonArray ? new JsonArrayWriter() : sseWriter;
}
