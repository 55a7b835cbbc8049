import { type FunctionDefinition, globally, member } from '../definitions.ts';
import { invalidArgument } from '../errors.ts';
import { CelCidr, CelIp, parseCidr, parseIp } from '../values/network.ts';
import { noOverload } from '../values/order.ts';
import type { CelValue } from '../values/value.ts';

function ip(value: CelValue): CelIp {
  if (value instanceof CelIp) return value;
  if (typeof value !== 'string') throw noOverload('ip', value);
  const parsed = parseIp(value);
  if (parsed === undefined) throw invalidArgument('not an IP address');
  return parsed;
}

function cidr(value: CelValue): CelCidr {
  if (value instanceof CelCidr) return value;
  if (typeof value !== 'string') throw noOverload('cidr', value);
  const parsed = parseCidr(value);
  if (parsed === undefined) throw invalidArgument('not an address with a prefix length, such as 10.0.0.0/8');
  return parsed;
}

function text(value: CelValue, name: string): string {
  if (typeof value === 'string') return value;
  throw noOverload(name, value);
}

function onIp(name: string, call: (ip: CelIp) => CelValue): FunctionDefinition {
  return member(name, (value) => {
    if (value instanceof CelIp) return call(value);
    throw noOverload(name, value);
  });
}

function onCidr(name: string, call: (cidr: CelCidr, other: CelValue) => CelValue, others: 0 | 1): FunctionDefinition {
  return member(
    name,
    (value, other = null) => {
      if (value instanceof CelCidr) return call(value, other);
      throw noOverload(name, value);
    },
    { arity: [1 + others, 1 + others] },
  );
}

/** Whether an address is one of `networks`. */
function among(...networks: readonly string[]): (ip: CelIp) => boolean {
  const parsed = networks.map(cidr);
  return (address) => parsed.some((network) => network.contains(address));
}

const isUnspecified = among('0.0.0.0/32', '::/128');
const isLoopback = among('127.0.0.0/8', '::1/128');
const isLinkLocalMulticast = among('224.0.0.0/24', 'ff02::/16');
const isLinkLocalUnicast = among('169.254.0.0/16', 'fe80::/10');
/** As agentgateway judges it: private IPv4 networks are global unicast, unique local IPv6 ones are not. */
const isNotGlobal = among(
  ...['0.0.0.0/32', '::/128', '127.0.0.0/8', '::1/128', '224.0.0.0/4', 'ff00::/8'],
  ...['169.254.0.0/16', 'fe80::/10', '255.255.255.255/32', 'fc00::/7'],
);

/** Kubernetes' IP and CIDR libraries, as far as agentgateway has them, with `isCIDR` and `ip.isCanonical`. */
export const NETWORK: readonly FunctionDefinition[] = [
  globally('ip', ip),
  globally('cidr', cidr),
  globally('isIP', (value) => parseIp(text(value, 'isIP')) !== undefined),
  globally('isCIDR', (value) => parseCidr(text(value, 'isCIDR')) !== undefined),
  globally('ip.isCanonical', (value) => ip(text(value, 'ip.isCanonical')).toString() === value),
  onIp('family', ({ family }) => BigInt(family)),
  onIp('isUnspecified', isUnspecified),
  onIp('isLoopback', isLoopback),
  onIp('isLinkLocalMulticast', isLinkLocalMulticast),
  onIp('isLinkLocalUnicast', isLinkLocalUnicast),
  onIp('isGlobalUnicast', (address) => !isNotGlobal(address)),
  onCidr('containsIP', (network, other) => network.contains(ip(other)), 1),
  onCidr(
    'containsCIDR',
    (network, other) => {
      const inner = cidr(other);
      return inner.prefix >= network.prefix && network.contains(inner.ip);
    },
    1,
  ),
  onCidr('ip', (network) => network.ip, 0),
  onCidr('masked', (network) => network.masked(), 0),
  onCidr('prefixLength', (network) => BigInt(network.prefix), 0),
];
