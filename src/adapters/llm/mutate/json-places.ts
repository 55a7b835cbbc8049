/** Places within a JSON text that is known to be well-formed, by offset. */

export interface Place {
  readonly start: number;
  /** Behind the last byte. */
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const SPACE = 0x20;

/** The elements of the array that stands at `array`. */
export function elementsAt(bytes: Buffer, array: Place): Place[] {
  const elements: Place[] = [];
  for (let at = skipSpace(bytes, array.start + 1); at < array.end - 1; at = skipSpace(bytes, at)) {
    const end = endOfValue(bytes, at);
    elements.push({ start: at, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at++;
  }
  return elements;
}

/** The value of a member of the object that stands at `object`; of a repeated name the last one; null without one. */
export function memberAt(bytes: Buffer, object: Place, name: string): Place | null {
  let found: Place | null = null;
  for (let at = skipSpace(bytes, object.start + 1); at < object.end - 1; at = skipSpace(bytes, at)) {
    const nameEnd = endOfValue(bytes, at);
    const isIt = JSON.parse(bytes.toString('utf8', at, nameEnd)) === name;
    at = skipSpace(bytes, nameEnd);
    if (bytes[at] === COLON) at = skipSpace(bytes, at + 1);
    const end = endOfValue(bytes, at);
    if (isIt) found = { start: at, end };
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at++;
  }
  return found;
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && (bytes[at] as number) <= SPACE) at++;
  return at;
}

/** Behind the value that begins at `from`. */
function endOfValue(bytes: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) at = endOfString(bytes, at);
    else if (isOpening(byte)) {
      depth++;
      at++;
    } else if (depth > 0) {
      if (isClosing(byte)) depth--;
      at++;
    } else if (byte === COMMA || byte === COLON || byte <= SPACE || isClosing(byte)) return at;
    else {
      at++;
      continue;
    }
    if (depth === 0) return at;
  }
  return at;
}

function endOfString(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(QUOTE, from + 1);
  while (at >= 0) {
    let run = at;
    while (bytes[run - 1] === BACKSLASH) run--;
    if (((at - run) & 1) === 0) return at + 1;
    at = bytes.indexOf(QUOTE, at + 1);
  }
  return bytes.length;
}

const isOpening = (byte: number) => byte === 0x7b || byte === 0x5b;
const isClosing = (byte: number) => byte === 0x7d || byte === 0x5d;
