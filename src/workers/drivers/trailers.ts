/** Fields that must not come as trailers (RFC 9110 §6.5.1): framing, routing, authentication and what controls processing. */
const NOT_IN_TRAILERS = new Set([
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'max-forwards',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Trailers as the exchange sees them: lower-case names, none that must not be there. */
export function readTrailers(raw: readonly string[]): string[] {
  const trailers: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    if (!NOT_IN_TRAILERS.has(name) && name.charCodeAt(0) !== 0x3a) trailers.push(name, raw[i + 1] as string);
  }
  return trailers;
}
