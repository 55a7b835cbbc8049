import { isIP, SocketAddress } from 'node:net';

/** IP addresses as the 4 or 16 bytes that messages carry. */

/** The address's text, IPv6 in its shortest form (RFC 5952); null where the bytes are no address. */
export function ipText(bytes: Uint8Array): string | null {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return null;
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** The address's bytes; null where the text is no address, or one with a zone. */
export function ipBytes(text: string): Uint8Array | null {
  const version = text.includes('%') ? 0 : isIP(text);
  if (version === 0) return null;
  if (version === 4) return Uint8Array.from(text.split('.'), Number);
  // A last part in IPv4's notation stands for two groups.
  const plain = text.replace(/[^:]*\.[^:]*$/, (v4) => {
    const [a = 0, b = 0, c = 0, d = 0] = v4.split('.').map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const zeros = new Array<string>(8 - first.length - last.length).fill('0');
  return Uint8Array.from(
    [...first, ...zeros, ...last].flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

/** The one text of an address, however it was written; null where it is none. */
export function canonicalIp(text: string): string | null {
  const bytes = ipBytes(text);
  return bytes === null ? null : ipText(bytes);
}
