/** Looks at server-sent events without decoding them. */

const D = 0x64;
const COLON = 0x3a;
const SPACE = 0x20;
const OPEN_BRACE = 0x7b;
const LF = 0x0a;
const CR = 0x0d;

/** True for an event whose first line is `data: {…`: neither `[DONE]` nor a comment. */
export function beginsWithJson(bytes: Buffer, start: number, end: number): boolean {
  let i = start;
  if (bytes[i] === 0xef) i += 3;
  while (i < end && (bytes[i] === LF || bytes[i] === CR)) i++;
  if (bytes[i] !== D || bytes[i + 4] !== COLON) return false;
  i += bytes[i + 5] === SPACE ? 6 : 5;
  return i < end && bytes[i] === OPEN_BRACE;
}

/** Longest event name looked at. */
const MAX_NAME = 96;
const EVENT = Buffer.from('event:');

/** The event's name where its first line gives one, else ''. */
export function eventName(bytes: Buffer, start: number, end: number): string {
  let i = start;
  if (bytes[i] === 0xef) i += 3;
  while (i < end && (bytes[i] === LF || bytes[i] === CR)) i++;
  for (let k = 0; k < EVENT.length; k++) if (bytes[i + k] !== EVENT[k]) return '';
  i += EVENT.length;
  if (bytes[i] === SPACE) i++;
  const until = Math.min(end, i + MAX_NAME);
  let stop = i;
  while (stop < until && bytes[stop] !== LF && bytes[stop] !== CR) stop++;
  return bytes.toString('latin1', i, stop);
}
