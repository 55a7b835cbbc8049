/**
 * Several sockets on one port: each worker listens by itself and the kernel spreads the connections (SO_REUSEPORT).
 *
 * Node knows the option from 22.12 on. Before, the socket is made here through the C library (Linux) and its descriptor is
 * handed to `listen`. Elsewhere there is neither: one worker alone listens, and says so.
 */
import { lookup } from 'node:dns/promises';
import { isIP, type Server } from 'node:net';
import { endianness } from 'node:os';
import { loadLibC } from '../../state/libc.ts';

export interface SocketOptions {
  /** IP address or name; '' = all addresses (dual stack where `ipv6`). */
  address: string;
  port: number;
  ipv6: boolean;
  reusePort: boolean;
}

const BACKLOG = 1024;

// Values of the Linux system interface (asm-generic; x64, arm64, arm, riscv64, ppc64 and s390x share them).
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const EAFNOSUPPORT = 97;
const EADDRNOTAVAIL = 99;

const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  13: 'EACCES',
  22: 'EINVAL',
  24: 'EMFILE',
  97: 'EAFNOSUPPORT',
  98: 'EADDRINUSE',
  99: 'EADDRNOTAVAIL',
};

interface Sockets {
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  listen(fd: number, backlog: number): number;
  close(fd: number): number;
  errno(): number;
}

let sockets: Sockets | null | undefined;

/** How several sockets can share a port here; null = not at all. */
export function reusePortSupport(): 'node' | 'ffi' | null {
  if (nodeHasReusePort()) return 'node';
  return loadSockets() === null ? null : 'ffi';
}

function nodeHasReusePort(): boolean {
  if (process.platform !== 'linux') return false;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

function loadSockets(): Sockets | null {
  if (sockets !== undefined) return sockets;
  sockets = null;
  try {
    const libC = loadLibC();
    sockets = libC && {
      socket: libC.func('int socket(int domain, int type, int protocol)'),
      setsockopt: libC.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
      bind: libC.func('int bind(int fd, const void *address, uint32_t length)'),
      listen: libC.func('int listen(int fd, int backlog)'),
      close: libC.func('int close(int fd)'),
      errno: () => libC.errno(),
    };
  } catch {
    // A C library without one of them.
  }
  return sockets;
}

/**
 * Makes `server` listen. Rejects with a system error (`code` EADDRINUSE, EACCES, …) naming address and port.
 * `reusePort` where `reusePortSupport()` is null is the same as without.
 */
export async function listenOn(server: Server, options: SocketOptions): Promise<void> {
  const support = options.reusePort ? reusePortSupport() : null;
  if (support === 'ffi') {
    const fd = await openSocket(options);
    await listening(server, () => server.listen({ fd, backlog: BACKLOG }));
    return;
  }
  const common = { port: options.port, backlog: BACKLOG, ...(support === 'node' ? { reusePort: true } : {}) };
  const host = options.address === '' ? (options.ipv6 ? '::' : '0.0.0.0') : options.address;
  try {
    await listening(server, () => server.listen({ ...common, host }));
  } catch (error) {
    if (options.address !== '' || !options.ipv6 || !isWithoutIpv6((error as NodeJS.ErrnoException).code)) throw error;
    await listening(server, () => server.listen({ ...common, host: '0.0.0.0' }));
  }
}

/** A kernel without IPv6 still serves IPv4. */
function isWithoutIpv6(code: string | undefined): boolean {
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL' || code === 'EINVAL';
}

function listening(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error): void => {
      server.off('error', done);
      server.off('listening', done);
      if (error instanceof Error) reject(error);
      else resolve();
    };
    server.once('error', done);
    server.once('listening', done);
    start();
  });
}

async function openSocket(options: SocketOptions): Promise<number> {
  let address = options.address;
  if (address === '') address = options.ipv6 ? '::' : '0.0.0.0';
  else if (isIP(address) === 0) address = (await lookup(address, options.ipv6 ? {} : { family: 4 })).address;
  try {
    return bindSocket(address, options.port, options.address === '');
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).errno;
    if (options.address !== '' || !options.ipv6 || (errno !== EAFNOSUPPORT && errno !== EADDRNOTAVAIL)) throw error;
    return bindSocket('0.0.0.0', options.port, false);
  }
}

function bindSocket(address: string, port: number, dualStack: boolean): number {
  const c = loadSockets() as Sockets;
  const six = isIP(address) === 6;
  const fail = (call: string): never => {
    const errno = c.errno();
    const code = ERRNO_NAMES[errno] ?? `E${errno}`;
    const error: NodeJS.ErrnoException = new Error(`${call} ${code} ${address}:${port}`);
    throw Object.assign(error, { code, errno, syscall: call, address, port });
  };
  const fd = c.socket(six ? AF_INET6 : AF_INET, SOCK_STREAM_CLOEXEC, 0);
  if (fd < 0) return fail('socket');
  try {
    const set = (level: number, name: number, value: number): void => {
      if (c.setsockopt(fd, level, name, int32(value), 4) < 0) fail('setsockopt');
    };
    set(SOL_SOCKET, SO_REUSEADDR, 1);
    set(SOL_SOCKET, SO_REUSEPORT, 1);
    if (six) set(IPPROTO_IPV6, IPV6_V6ONLY, dualStack ? 0 : 1);
    const sockaddr = six ? socketAddress6(address, port) : socketAddress4(address, port);
    if (c.bind(fd, sockaddr, sockaddr.length) < 0) fail('bind');
    if (c.listen(fd, BACKLOG) < 0) fail('listen');
    return fd;
  } catch (error) {
    c.close(fd);
    throw error;
  }
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  if (endianness() === 'LE') buffer.writeInt32LE(value);
  else buffer.writeInt32BE(value);
  return buffer;
}

/** struct sockaddr_in: family (host order), port (network order), address, 8 bytes of padding. */
function socketAddress4(address: string, port: number): Buffer {
  const buffer = Buffer.alloc(16);
  writeFamily(buffer, AF_INET);
  buffer.writeUInt16BE(port, 2);
  address.split('.').forEach((part, i) => {
    buffer[4 + i] = Number(part);
  });
  return buffer;
}

/** struct sockaddr_in6: family, port, flow info, 16 bytes of address, scope. */
function socketAddress6(address: string, port: number): Buffer {
  const buffer = Buffer.alloc(28);
  writeFamily(buffer, AF_INET6);
  buffer.writeUInt16BE(port, 2);
  parseIpv6(address).copy(buffer, 8);
  return buffer;
}

function writeFamily(buffer: Buffer, family: number): void {
  if (endianness() === 'LE') buffer.writeUInt16LE(family, 0);
  else buffer.writeUInt16BE(family, 0);
}

/** The 16 bytes of an address that `isIP` calls IPv6 (RFC 4291 §2.2), its zone left out. */
export function parseIpv6(address: string): Buffer {
  const text = address.replace(/%.*$/, '');
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const hex = dotted === null ? text : `${dotted[1]}${pair(dotted[2], dotted[3])}:${pair(dotted[4], dotted[5])}`;
  const [left = '', right] = hex.split('::');
  const front = left === '' ? [] : left.split(':');
  const back = right === undefined || right === '' ? [] : right.split(':');
  const groups =
    right === undefined ? front : [...front, ...new Array(8 - front.length - back.length).fill('0'), ...back];
  const buffer = Buffer.alloc(16);
  groups.forEach((group, i) => {
    buffer.writeUInt16BE(Number.parseInt(group, 16), i * 2);
  });
  return buffer;
}

function pair(high: string | undefined, low: string | undefined): string {
  return (Number(high) * 256 + Number(low)).toString(16);
}
