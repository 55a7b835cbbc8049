/**
 * Reads the server name out of a TLS ClientHello (RFC 8446 §4.1.2, RFC 6066 §3) before the handshake begins, so that each
 * name can have its own certificate, client authentication and protocols.
 */
export type ClientHello =
  /** More bytes are needed. */
  | { state: 'partial' }
  /** Not a TLS handshake, or a broken one. */
  | { state: 'invalid' }
  /** `sni`: lower-case, without a trailing dot; '' where none was sent. */
  | { state: 'complete'; sni: string };

/** A ClientHello above this is refused; real ones, post-quantum key shares included, stay below 4 KiB. */
export const MAX_CLIENT_HELLO = 16 * 1024;

const PARTIAL: ClientHello = { state: 'partial' };
const INVALID: ClientHello = { state: 'invalid' };
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;

/** `bytes`: everything received so far. */
export function readClientHello(bytes: Buffer): ClientHello {
  // The handshake message may be cut into several records: join their payloads.
  const parts: Buffer[] = [];
  let joined = 0;
  let at = 0;
  let needed = 4;
  while (joined < needed) {
    if (at < bytes.length && bytes[at] !== HANDSHAKE_RECORD) return INVALID;
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return INVALID;
    if (at + 5 > bytes.length) return PARTIAL;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > MAX_CLIENT_HELLO) return INVALID;
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    joined += part.length;
    if (joined >= 4 && needed === 4) {
      const start = parts.length === 1 ? part : Buffer.concat(parts);
      if (start[0] !== CLIENT_HELLO) return INVALID;
      needed = 4 + start.readUIntBE(1, 3);
      if (needed > MAX_CLIENT_HELLO) return INVALID;
    }
    if (part.length < length && joined < needed) return PARTIAL;
    at += 5 + length;
  }
  const message = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  const sni = readServerName(message.subarray(4, needed));
  return sni === null ? INVALID : { state: 'complete', sni };
}

/** '' without the extension, null where the message is cut short in itself. */
function readServerName(hello: Buffer): string | null {
  // legacy_version, random
  let at = 2 + 32;
  if (at >= hello.length) return null;
  // session id
  at += 1 + (hello[at] as number);
  if (at + 2 > hello.length) return null;
  // cipher suites
  at += 2 + hello.readUInt16BE(at);
  if (at >= hello.length) return null;
  // compression methods
  at += 1 + (hello[at] as number);
  if (at === hello.length) return '';
  if (at + 2 > hello.length) return null;
  const end = at + 2 + hello.readUInt16BE(at);
  if (end > hello.length) return null;
  at += 2;
  while (at + 4 <= end) {
    const type = hello.readUInt16BE(at);
    const length = hello.readUInt16BE(at + 2);
    at += 4;
    if (at + length > end) return null;
    if (type === SERVER_NAME) return readHostName(hello.subarray(at, at + length));
    at += length;
  }
  return '';
}

function readHostName(extension: Buffer): string | null {
  if (extension.length < 5 || extension[2] !== HOST_NAME) return null;
  const length = extension.readUInt16BE(3);
  if (length === 0 || 5 + length > extension.length) return null;
  const name = extension.toString('latin1', 5, 5 + length).toLowerCase();
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
