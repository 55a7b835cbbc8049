/** Values found by a scan, from their raw JSON. */

const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;

/** The string that a value's raw JSON says, or null where it isn't one. */
export function jsonString(raw: Buffer | null): string | null {
  if (raw === null || raw.length < 2 || raw[0] !== QUOTE) return null;
  const text = raw.toString('utf8', 1, raw.length - 1);
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`);
  } catch {
    return null;
  }
}

/** A value's raw JSON, parsed; undefined where it isn't any. */
export function jsonValue(raw: Buffer | null): unknown {
  if (raw === null) return undefined;
  try {
    return JSON.parse(raw.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** True where a value's raw JSON is an empty array. */
export function isEmptyArray(raw: Buffer | null): boolean {
  if (raw === null || raw[0] !== OPEN_BRACKET) return false;
  for (let i = 1; i < raw.length - 1; i++) if ((raw[i] as number) > 0x20) return false;
  return true;
}
