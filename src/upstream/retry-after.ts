/**
 * Reads a Retry-After field (RFC 9110 §10.2.3): seconds, or a date.
 *
 * @param headers flat, lower-case names
 * @returns milliseconds from now; 0 where there is none, it makes no sense, or it has passed
 */
export function retryAfterMs(headers: readonly string[]): number {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'retry-after') continue;
    const value = (headers[i + 1] as string).trim();
    if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
    const at = Date.parse(value);
    return Number.isNaN(at) ? 0 : Math.max(0, at - Date.now());
  }
  return 0;
}
