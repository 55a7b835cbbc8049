import { isIPv4, isIPv6 } from 'node:net';
import { CelObject, CelType, type CelValue } from './value.ts';

export const IP = new CelType('net.IP');
export const CIDR = new CelType('net.CIDR');

/** An IP address: 32 or 128 bits. */
export class CelIp extends CelObject {
  readonly family: 4 | 6;
  readonly bits: bigint;

  constructor(family: 4 | 6, bits: bigint) {
    super();
    this.family = family;
    this.bits = bits;
  }

  get type(): CelType {
    return IP;
  }

  equals(other: CelValue): boolean {
    return other instanceof CelIp && other.family === this.family && other.bits === this.bits;
  }

  /** Dotted, or as RFC 5952 writes IPv6. */
  toString(): string {
    if (this.family === 4) return [24n, 16n, 8n, 0n].map((shift) => (this.bits >> shift) & 0xffn).join('.');
    const groups = Array.from({ length: 8 }, (_, i) => ((this.bits >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
    // The longest run of zeros, of two at least, the first where several are.
    const runs = [
      ...groups
        .map((group) => (group === '0' ? '0' : 'x'))
        .join('')
        .matchAll(/00+/g),
    ];
    const longest = runs.sort((a, b) => b[0].length - a[0].length || a.index - b.index)[0];
    if (longest === undefined) return groups.join(':');
    const after = longest.index + longest[0].length;
    return `${groups.slice(0, longest.index).join(':')}::${groups.slice(after).join(':')}`;
  }
}

/** An address and how many of its first bits name the network. */
export class CelCidr extends CelObject {
  readonly ip: CelIp;
  readonly prefix: number;

  constructor(ip: CelIp, prefix: number) {
    super();
    this.ip = ip;
    this.prefix = prefix;
  }

  get type(): CelType {
    return CIDR;
  }

  equals(other: CelValue): boolean {
    return other instanceof CelCidr && other.prefix === this.prefix && this.ip.equals(other.ip);
  }

  toString(): string {
    return `${this.ip}/${this.prefix}`;
  }

  /** Whether an address is in the network. */
  contains(ip: CelIp): boolean {
    return ip.family === this.ip.family && this.#network(ip.bits) === this.#network(this.ip.bits);
  }

  /** The network with the bits of the host 0. */
  masked(): CelCidr {
    const host = this.#hostBits();
    return new CelCidr(new CelIp(this.ip.family, (this.ip.bits >> host) << host), this.prefix);
  }

  #network(bits: bigint): bigint {
    return bits >> this.#hostBits();
  }

  #hostBits(): bigint {
    return BigInt((this.ip.family === 4 ? 32 : 128) - this.prefix);
  }
}

/** Undefined where `text` is no address; a zone (`%eth0`) is no part of one. */
export function parseIp(text: string): CelIp | undefined {
  if (isIPv4(text))
    return new CelIp(
      4,
      text.split('.').reduce((bits, part) => (bits << 8n) | BigInt(part), 0n),
    );
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [head = '', tail] = text.split('::');
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const middle = new Array<bigint>(8 - before.length - after.length).fill(0n);
  return new CelIp(
    6,
    [...before, ...middle, ...after].reduce((bits, group) => (bits << 16n) | group, 0n),
  );
}

/** 16-bit groups; the last two may be written as IPv4. */
function groupsOf(text: string): bigint[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const bits = parseIp(group)?.bits ?? 0n;
    return [bits >> 16n, bits & 0xffffn];
  });
}

export function parseCidr(text: string): CelCidr | undefined {
  const [address = '', prefix = '', more] = text.split('/');
  const ip = parseIp(address);
  if (ip === undefined || more !== undefined || !/^(?:0|[1-9]\d{0,2})$/.test(prefix)) return undefined;
  const bits = Number(prefix);
  return bits <= (ip.family === 4 ? 32 : 128) ? new CelCidr(ip, bits) : undefined;
}
