import type { WireFormat } from '../../../facts/conversation.ts';
import { type FrameReader, type FrameWriter, JsonArrayWriter, SseReader, sseWriter } from './framing.ts';

/** How the streams of each format are framed. Gemini is always asked for server-sent events. */

export function frameReader(_format: WireFormat, maxEventBytes: number): FrameReader {
  return new SseReader(maxEventBytes);
}

/** `jsonArray`: a Gemini client did not ask for server-sent events. */
export function frameWriter(_format: WireFormat, jsonArray: boolean): FrameWriter {
  return jsonArray ? new JsonArrayWriter() : sseWriter;
}
