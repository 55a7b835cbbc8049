import { createServer } from 'node:net';
import { bindFailure, NO_IPV6 } from '../servers/bind-failure.ts';

/** An address that is to be listened on. */
export interface ProbedAddress {
  /** '' = all addresses. */
  readonly address: string;
  readonly port: number;
}

/** An address that can't be listened on, and why, in the words of a message. */
export interface PortFault {
  readonly port: number;
  /** errno name, e.g. EADDRINUSE. */
  readonly code: string;
  readonly message: string;
}

/**
 * Binds each address once without SO_REUSEPORT and closes it again. Workers listen with SO_REUSEPORT, so a second gateway
 * on the same port would share its connections unnoticed; a bind without it fails where anyone listens already, whether
 * they set the option or not. Port 0 is never in use.
 */
export async function probePorts(addresses: readonly ProbedAddress[], ipv6: boolean): Promise<PortFault[]> {
  const faults: PortFault[] = [];
  for (const { address, port } of addresses) {
    if (port === 0) continue;
    const fault = await probe(address, port, ipv6);
    if (fault !== null) faults.push(fault);
  }
  return faults;
}

async function probe(address: string, port: number, ipv6: boolean): Promise<PortFault | null> {
  if (address !== '') return bindOnce(address, port);
  if (!ipv6) return bindOnce('0.0.0.0', port);
  const fault = await bindOnce('::', port);
  return fault !== null && NO_IPV6.has(fault.code) ? bindOnce('0.0.0.0', port) : fault;
}

function bindOnce(host: string, port: number): Promise<PortFault | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve({ port, code: error.code ?? '', message: bindFailure(error, host, port) });
    });
    // exclusive: not handed to a cluster primary, but bound here.
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}
