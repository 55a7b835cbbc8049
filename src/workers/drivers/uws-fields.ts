import { STATUS_CODES } from 'node:http';
import { isSendable, sendableFields } from './reply-fields.ts';
import type { UwsResponse } from './uws-binding.ts';

const STATUS_LINES = new Map<number, string>();
for (const [code, phrase] of Object.entries(STATUS_CODES)) STATUS_LINES.set(Number(code), `${code} ${phrase}`);

/** Status and reason phrase, as the binding wants them. */
export function statusLine(status: number): string {
  return STATUS_LINES.get(status) ?? `${status} Unknown`;
}

/** What becomes of a content-length: written as it is, left to the binding (a whole body), or the length of a counted reply. */
export type LengthUse = 'write' | 'leave' | 'count';

/**
 * Writes status and fields. The binding checks nothing, so what could split the reply is left out here. Returns the declared
 * length of a counted reply, else -1.
 */
export function writeFields(
  response: UwsResponse,
  status: number,
  given: readonly string[],
  lengthUse: LengthUse,
): number {
  let fields = given;
  let total = -1;
  response.writeStatus(statusLine(status));
  for (let i = 0; i < fields.length; i += 2) {
    if (isSendable(fields[i] as string, fields[i + 1] as string)) continue;
    fields = sendableFields(fields);
    break;
  }
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    // The binding writes its own.
    if (name === 'date') continue;
    if (name === 'content-length') {
      if (lengthUse === 'write') response.writeHeader(name, value);
      else if (lengthUse === 'count') total = Number(value);
      continue;
    }
    response.writeHeader(name, ASCII.test(value) ? value : Buffer.from(value, 'latin1'));
  }
  return total;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the ASCII range is what is meant
const ASCII = /^[\x00-\x7f]*$/;

/** A declared length of nothing. */
export function announcesNothing(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === 'content-length') return fields[i + 1] === '0';
  return false;
}

/** An event stream into which a comment can be put. */
export function isPlainEventStream(fields: readonly string[]): boolean {
  let events = false;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === 'content-encoding') return false;
    if (fields[i] === 'content-type') events = (fields[i + 1] as string).startsWith('text/event-stream');
  }
  return events;
}
