import { parseDuration } from '../resources/schema/common.ts';
import { retryAfterMs } from './retry-after.ts';

/**
 * How long a server that answered 429 asks to be left alone. Beside Retry-After (RFC 9110 §10.2.3) providers have fields of their own:
 * OpenAI and Azure `retry-after-ms` and, for each window, `x-ratelimit-remaining-tokens` and `x-ratelimit-reset-tokens` (a duration such as
 * `6m0s`; https://platform.openai.com/docs/guides/rate-limits); Anthropic `anthropic-ratelimit-tokens-remaining` and `…-reset` (RFC 3339;
 * https://docs.anthropic.com/en/api/rate-limits); others `x-ratelimit-reset` in seconds or as a Unix time.
 */

const RESET = /^(?:x-)?ratelimit-reset(?:-(.+))?$|^anthropic-ratelimit-(.+)-reset$/;
const REMAINING = /^(?:x-)?ratelimit-remaining(?:-(.+))?$|^anthropic-ratelimit-(.+)-remaining$/;
/** Plain numbers from here on are Unix times, in seconds or milliseconds. */
const UNIX_SECONDS = 1e9;
const UNIX_MS = 1e12;

/**
 * @param headers flat, lower-case names
 * @param now unix ms
 * @returns milliseconds from now; 0 where the fields don't say
 */
export function limitedForMs(headers: readonly string[], now: number): number {
  const asked = retryAfterMsField(headers) || retryAfterMs(headers);
  if (asked > 0) return asked;
  const used = new Set<string>();
  for (const [window, value] of windows(headers, REMAINING)) if (Number(value) <= 0) used.add(window);
  let shortest = 0;
  let longestUsed = 0;
  for (const [window, value] of windows(headers, RESET)) {
    const ms = untilReset(value, now);
    if (ms <= 0) continue;
    if (used.has(window)) longestUsed = Math.max(longestUsed, ms);
    shortest = shortest === 0 ? ms : Math.min(shortest, ms);
  }
  // Something is left in every window, only too little for this request: the first to be refilled may do.
  return longestUsed > 0 ? longestUsed : shortest;
}

/** Google's way to say it: a RetryInfo among the details of the error (https://cloud.google.com/apis/design/errors); 0 where there is none. */
export function limitedForMsInBody(text: string): number {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return 0;
  }
  const error = field(Array.isArray(body) ? body[0] : body, 'error');
  const details = field(error, 'details');
  if (!Array.isArray(details)) return 0;
  for (const detail of details) {
    const delay = field(detail, 'retryDelay');
    if (typeof delay === 'string') return durationMs(delay);
  }
  return 0;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function retryAfterMsField(headers: readonly string[]): number {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'retry-after-ms') continue;
    const ms = Number(headers[i + 1]);
    return Number.isFinite(ms) && ms > 0 ? ms : 0;
  }
  return 0;
}

function* windows(headers: readonly string[], pattern: RegExp): Generator<[window: string, value: string]> {
  for (let i = 0; i < headers.length; i += 2) {
    const matched = pattern.exec(headers[i] as string);
    if (matched !== null) yield [matched[1] ?? matched[2] ?? '', (headers[i + 1] as string).trim()];
  }
}

function untilReset(value: string, now: number): number {
  const number = Number(value);
  if (value !== '' && Number.isFinite(number)) {
    if (number >= UNIX_MS) return number - now;
    return number >= UNIX_SECONDS ? number * 1000 - now : number * 1000;
  }
  return durationMs(value) || Date.parse(value) - now || 0;
}

/** 0 for what is no duration. */
function durationMs(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    return 0;
  }
}
