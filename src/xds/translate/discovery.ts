import { ipBytes, ipText } from '../../resources/ip.ts';
import type { GatewayAddress } from '../../resources/types.ts';
import { WireError, type WireMessage } from '../../resources/wire.ts';
import { messageIn, messagesIn, numberIn, portIn, required, textIn } from './notes.ts';

/** What services and workloads have in common on the wire. All throw WireError. */

/** The field `ports`: service ports and their target ports, 0 where none is said. */
export function readPorts(message: WireMessage): { port: number; target: number }[] {
  return messagesIn(message, 'ports').map((port) => ({
    port: portIn(port, 'service_port'),
    target: numberIn(port, 'target_port') === 0 ? 0 : portIn(port, 'target_port'),
  }));
}

export function writePort(port: number, target: number): WireMessage {
  return { service_port: port, ...(target !== 0 && { target_port: target }) };
}

export function readIp(bytes: unknown): string {
  const text = bytes instanceof Uint8Array ? ipText(bytes) : null;
  if (text === null) throw new WireError('neither an IPv4 nor an IPv6 address');
  return text;
}

export function writeIp(text: string): Uint8Array {
  const bytes = ipBytes(text);
  if (bytes === null) throw new WireError(`"${text}" is not an IP address`);
  return bytes;
}

/** `network/ip`. */
export function readNetworkAddress(message: WireMessage): string {
  return `${textIn(message, 'network')}/${readIp(message.address)}`;
}

export function writeNetworkAddress(text: string): WireMessage {
  const slash = text.indexOf('/');
  return { ...(slash > 0 && { network: text.slice(0, slash) }), address: writeIp(text.slice(slash + 1)) };
}

export function readGatewayAddress(message: WireMessage): GatewayAddress;
export function readGatewayAddress(message: WireMessage | undefined): GatewayAddress | undefined;
export function readGatewayAddress(message: WireMessage | undefined): GatewayAddress | undefined {
  if (message === undefined) return undefined;
  const [hostname, address] = [messageIn(message, 'hostname'), messageIn(message, 'address')];
  if (hostname === undefined && address === undefined) throw new WireError('has no destination');
  const destination = address
    ? readNetworkAddress(address)
    : `${textIn(hostname, 'namespace')}/${required(hostname, 'hostname')}`;
  return { destination, hboneMtlsPort: numberIn(message, 'hbone_mtls_port') };
}

export function writeGatewayAddress({ destination, hboneMtlsPort }: GatewayAddress): WireMessage {
  const slash = destination.indexOf('/');
  const [before, after] = [destination.slice(0, slash), destination.slice(slash + 1)];
  const place =
    ipBytes(after) === null
      ? { hostname: { namespace: before, hostname: after } }
      : { address: writeNetworkAddress(destination) };
  return { ...place, ...(hboneMtlsPort !== 0 && { hbone_mtls_port: hboneMtlsPort }) };
}
