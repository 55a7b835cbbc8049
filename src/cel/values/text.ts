const SURROGATE = /[\ud800-\udfff]/;

/** Whether a string's code points are its UTF-16 units, so that it can be indexed as it is. */
export function isPlain(text: string): boolean {
  return !SURROGATE.test(text);
}

/** Code points in a string: what CEL counts. */
export function codePoints(text: string): number {
  return unitsToPoints(text, text.length);
}

/** How many code points begin before the UTF-16 unit `units`. */
export function unitsToPoints(text: string, units: number): number {
  if (isPlain(text)) return Math.min(units, text.length);
  let points = 0;
  for (let i = 0; i < units && i < text.length; i += (text.codePointAt(i) ?? 0) > 0xffff ? 2 : 1) points++;
  return points;
}

/** Where code point number `points` begins in UTF-16 units; -1 past the end (the end itself is a place). */
export function pointsToUnits(text: string, points: number): number {
  if (isPlain(text)) return points <= text.length ? points : -1;
  let units = 0;
  for (let i = 0; i < points; i++) {
    if (units >= text.length) return -1;
    units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
  }
  return units;
}
