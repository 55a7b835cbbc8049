/**
 * Writes values of log lines so that no request can break a line, forge a field or steer a terminal: control characters
 * (C0, DEL, C1), line separators and lone surrogates are escaped in both forms.
 */

/** What a JSON string can't hold as it is, or what a line or a terminal should not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const JSON_UNSAFE = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/;
/** What a text value can hold without quotes. */
const TEXT_BARE = /^[!#-<>-[\]-~]+$/;
/** What JSON.stringify leaves alone although a terminal or a line reader would act on it. */
const STRINGIFY_LEAVES = /[\u007f-\u009f\u2028\u2029]/g;
/** Longer values are cut: a log line is no place for a megabyte of path. UTF-16 units. */
const MAX_VALUE = 4096;

/** `value` as a JSON string, quotes included. */
export function jsonString(value: string): string {
  const text = value.length > MAX_VALUE ? cut(value) : value;
  return JSON_UNSAFE.test(text) ? escaped(text) : `"${text}"`;
}

/** `value` as the value of a `key=value` pair: bare where it can be, else in quotes with JSON's escapes. */
export function textValue(value: string): string {
  const text = value.length > MAX_VALUE ? cut(value) : value;
  if (TEXT_BARE.test(text)) return text;
  return JSON_UNSAFE.test(text) ? escaped(text) : `"${text}"`;
}

/** A value as JSON, safe to write to a line and a terminal. */
export function escaped(value: unknown): string {
  // JSON.stringify is well-formed: a lone surrogate comes out as its \u escape.
  return JSON.stringify(value).replace(
    STRINGIFY_LEAVES,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function cut(value: string): string {
  return `${value.slice(0, MAX_VALUE)}…`;
}

let second = -1;
let secondText = '';

/** `unixMs` as RFC 3339 in UTC with milliseconds; the part down to the second is kept for the next call. */
export function timestamp(unixMs: number): string {
  const whole = Math.floor(unixMs / 1000);
  if (whole !== second) {
    second = whole;
    secondText = new Date(whole * 1000).toISOString().slice(0, 20);
  }
  const milliseconds = Math.floor(unixMs - whole * 1000);
  return `${secondText}${milliseconds < 10 ? '00' : milliseconds < 100 ? '0' : ''}${milliseconds}Z`;
}
