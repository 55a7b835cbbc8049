import { BlockList, isIP } from 'node:net';

/**
 * Which addresses a URL that a client names may lead to: those of the public Internet, and of networks the operator adds. What is asked
 * is the address that is about to be connected to, after the name was resolved, so that no name can lead anywhere else.
 */
export type AddressGuard = (address: string) => boolean;

/** IPv4 for other than public hosts: https://www.iana.org/assignments/iana-ipv4-special-registry */
const NOT_PUBLIC_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Azure's own services for its machines stand at an address that looks public.
  '168.63.129.16/32',
];

/** All that is routed publicly; the rest is loopback, link-local, private, multicast, or holds an IPv4 address. */
const GLOBAL_V6 = '2000::/3';
/** Parts of it that are not for hosts, or tunnel to IPv4: https://www.iana.org/assignments/iana-ipv6-special-registry */
const NOT_PUBLIC_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const notPublic = networks([...NOT_PUBLIC_V4, ...NOT_PUBLIC_V6]);
const global = networks([GLOBAL_V6]);

/** True for an address of the public Internet. IPv6 addresses that hold an IPv4 one are none. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !notPublic.check(address, 'ipv4');
    case 6:
      return !address.includes('%') && global.check(address, 'ipv6') && !notPublic.check(address, 'ipv6');
    default:
      return false;
  }
}

/** Whether a text is a network as `addressGuard` takes it. */
export function isNetwork(text: string): boolean {
  try {
    networks([text]);
    return true;
  } catch {
    return false;
  }
}

/**
 * Public addresses, and those of `added` networks (`10.1.0.0/16`, `fd00::/8`, or one address).
 *
 * Throws a RangeError for what is no network.
 */
export function addressGuard(added: readonly string[]): AddressGuard {
  if (added.length === 0) return isPublicAddress;
  const more = networks(added);
  return (address) => isPublicAddress(address) || isIn(more, address);
}

function isIn(list: BlockList, address: string): boolean {
  const version = isIP(address);
  if (version === 0 || address.includes('%')) return false;
  return list.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

function networks(list: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const network of list) {
    const [address = '', prefix] = network.split('/');
    const version = isIP(address);
    const longest = version === 4 ? 32 : 128;
    const bits = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (version === 0 || !(bits <= longest)) throw new RangeError(`"${network}" is not a network`);
    blocks.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6');
  }
  return blocks;
}
