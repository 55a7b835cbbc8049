/**
 * Header fields between two hops (RFC 9110 §7.6.1): which end at this hop, and an upstream's raw head turned into the flat,
 * lower-case list the rest of the gateway speaks.
 *
 * Every response passes here, so names are not decoded: the usual ones are recognised by their bytes and give one shared
 * string each, and all values are cut from one decoded string of the whole head.
 */

/** Fields of one connection. `trailer` stays: it announces the trailers that are forwarded. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
] as const;

/** Usual names of response fields; any other is decoded and lower-cased. */
const KNOWN = [
  ...HOP_BY_HOP,
  'accept-ranges',
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'access-control-max-age',
  'age',
  'allow',
  'alt-svc',
  'anthropic-organization-id',
  'anthropic-ratelimit-input-tokens-limit',
  'anthropic-ratelimit-input-tokens-remaining',
  'anthropic-ratelimit-input-tokens-reset',
  'anthropic-ratelimit-output-tokens-limit',
  'anthropic-ratelimit-output-tokens-remaining',
  'anthropic-ratelimit-output-tokens-reset',
  'anthropic-ratelimit-requests-limit',
  'anthropic-ratelimit-requests-remaining',
  'anthropic-ratelimit-requests-reset',
  'cache-control',
  'cf-cache-status',
  'cf-ray',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-range',
  'content-security-policy',
  'content-type',
  'cross-origin-resource-policy',
  'date',
  'etag',
  'expires',
  'last-modified',
  'link',
  'location',
  'mcp-session-id',
  'openai-organization',
  'openai-processing-ms',
  'openai-version',
  'pragma',
  'referrer-policy',
  'request-id',
  'retry-after',
  'server',
  'server-timing',
  'set-cookie',
  'strict-transport-security',
  'trailer',
  'vary',
  'via',
  'www-authenticate',
  'x-content-type-options',
  'x-envoy-upstream-service-time',
  'x-frame-options',
  'x-powered-by',
  'x-ratelimit-limit-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-requests',
  'x-ratelimit-reset-tokens',
  'x-request-id',
  'x-xss-protection',
] as const;

const SLOTS = 4096;
interface KnownName {
  readonly name: string;
  readonly bytes: Buffer;
  readonly hopByHop: boolean;
}
/** Open addressing by length, first, middle and last letter; the list above leaves probe runs of one or two. */
const TABLE: (KnownName | undefined)[] = new Array<KnownName | undefined>(SLOTS).fill(undefined);
for (const name of KNOWN) {
  const bytes = Buffer.from(name, 'latin1');
  let slot = slotOf(bytes);
  while (TABLE[slot] !== undefined) slot = (slot + 1) & (SLOTS - 1);
  TABLE[slot] = { name, bytes, hopByHop: (HOP_BY_HOP as readonly string[]).includes(name) };
}

/** Letters of either case give the same slot: `| 0x20` folds A-Z and leaves the other characters of known names alone. */
function slotOf(name: Uint8Array): number {
  const length = name.length;
  const first = ((name[0] as number) | 0x20) * 131;
  const middle = ((name[length >> 1] as number) | 0x20) * 31;
  return (first + middle + ((name[length - 1] as number) | 0x20) + length * 577) & (SLOTS - 1);
}

function known(name: Uint8Array): KnownName | undefined {
  const length = name.length;
  if (length === 0) return undefined;
  let slot = slotOf(name);
  for (;;) {
    const entry = TABLE[slot];
    if (entry === undefined) return undefined;
    const bytes = entry.bytes;
    if (bytes.length === length) {
      let i = 0;
      while (i < length && ((name[i] as number) | 0x20) === bytes[i]) i++;
      if (i === length) return entry;
    }
    slot = (slot + 1) & (SLOTS - 1);
  }
}

/** An upstream's head or trailers that can't be trusted to mean what they seem to (RFC 9112 §6.1, §6.3). */
export class FramingError extends Error {
  override readonly name = 'FramingError';
}

/**
 * The raw fields of a response head (name, value, name, value … as the parser cut them) as a flat list with lower-case names,
 * without hop-by-hop fields and those `connection` lists. Values are read as Latin-1, so their bytes survive.
 *
 * @throws FramingError where the body would be framed by a transfer coding other than `chunked`, or content-length and
 *   transfer-encoding contradict each other
 */
export function responseHeaders(raw: readonly Buffer[]): string[] {
  const count = raw.length;
  const headers: string[] = [];
  if (count === 0) return headers;
  // The parser's pieces are views of one read chunk, unless the head came in several.
  const first = raw[0] as Buffer;
  const last = raw[count - 1] as Buffer;
  const base = first.byteOffset;
  const size = last.byteOffset + last.length - base;
  const memory = first.buffer;
  let head: string | null = null;
  if (memory === last.buffer && size > 0 && size < MAX_HEAD_TEXT)
    head = Buffer.from(memory, base, size).toString('latin1');

  let connection: string | null = null;
  let chunked = false;
  let lengths = 0;
  for (let i = 0; i < count; i += 2) {
    const nameBytes = raw[i] as Buffer;
    const valueBytes = raw[i + 1] as Buffer;
    let value: string;
    if (head !== null && valueBytes.buffer === memory) {
      const start = valueBytes.byteOffset - base;
      value = head.substring(start, start + valueBytes.length);
    } else value = valueBytes.toString('latin1');
    const entry = known(nameBytes);
    if (entry === undefined) {
      headers.push(nameBytes.toString('latin1').toLowerCase(), value);
      continue;
    }
    if (!entry.hopByHop) {
      if (entry.name === 'content-length') lengths++;
      headers.push(entry.name, value);
      continue;
    }
    if (entry.name === 'transfer-encoding') {
      if (chunked || value.trim().toLowerCase() !== 'chunked')
        throw new FramingError(`transfer-encoding "${value.slice(0, 40)}"`);
      chunked = true;
    } else if (entry.name === 'connection') connection = connection === null ? value : `${connection},${value}`;
  }
  if (lengths > 1 || (lengths === 1 && chunked)) throw new FramingError('contradictory content-length');
  if (connection !== null && connection !== 'keep-alive' && connection !== 'close') dropListed(headers, connection);
  return headers;
}

/** Longer heads are decoded field by field, so that a kept value does not keep a large string alive. */
const MAX_HEAD_TEXT = 16 * 1024;

/** Fields a `connection` option must not take away: they say what the message is. */
const END_TO_END: ReadonlySet<string> = new Set(['content-length', 'content-type', 'content-encoding', 'set-cookie']);

function dropListed(headers: string[], connection: string): void {
  for (const option of connection.toLowerCase().split(',')) {
    const name = option.trim();
    if (name === '' || name === 'keep-alive' || name === 'close' || END_TO_END.has(name)) continue;
    let kept = 0;
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] === name) continue;
      headers[kept] = headers[i] as string;
      headers[kept + 1] = headers[i + 1] as string;
      kept += 2;
    }
    headers.length = kept;
  }
}

/** Trailers must not carry framing, routing or authentication (RFC 9110 §6.5.1). */
const NOT_A_TRAILER: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'host',
  'set-cookie',
  'trailer',
]);

const NO_TRAILERS: string[] = [];

/** Trailers as a flat list with lower-case names, without those that no trailer may be. */
export function responseTrailers(raw: readonly (Buffer | string)[] | null): string[] {
  if (raw === null || raw.length === 0) return NO_TRAILERS;
  const trailers: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = text(raw[i] as Buffer | string).toLowerCase();
    if (!NOT_A_TRAILER.has(name)) trailers.push(name, text(raw[i + 1] as Buffer | string));
  }
  return trailers;
}

function text(value: Buffer | string): string {
  return typeof value === 'string' ? value : value.toString('latin1');
}
