import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type SecureContextOptions, type Server as TlsServer } from 'node:tls';

/** What the TLS side is made of: PEM texts. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate of these authorities; '' = none is asked for. */
  readonly clientCa: string;
}

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Null: plaintext HTTP/2. */
  readonly certificate: ServerCertificate | null;
  readonly maxConnections: number;
}

const HANDSHAKE_MS = 10_000;

/**
 * Accepts connections for the gRPC server, which it is not left to do itself so that certificates can be exchanged while it
 * listens, connections be counted, and one be broken off whose client takes nothing any more.
 */
export class Listener {
  readonly #server: Server | TlsServer;
  readonly #tls: TlsServer | null;
  /** By `address:port` of the client. */
  readonly #sockets = new Map<string, Socket>();

  /** `accept` is handed each connection, decrypted. Throws where the certificate can't be used. */
  constructor(
    { certificate, maxConnections }: ListenerOptions,
    accept: (socket: Socket) => void,
    onHandshakeFailure: (error: Error, socket: Socket) => void,
  ) {
    const accepted = (socket: Socket) => {
      const peer = peerName(socket.remoteAddress, socket.remotePort);
      this.#sockets.set(peer, socket);
      socket.once('close', () => this.#sockets.delete(peer));
      socket.on('error', () => {});
      accept(socket);
    };
    if (certificate === null) {
      this.#tls = null;
      this.#server = createServer({ noDelay: true }, accepted);
    } else {
      this.#tls = createTlsServer(
        {
          ...contextOf(certificate),
          ALPNProtocols: ['h2'],
          minVersion: 'TLSv1.2',
          handshakeTimeout: HANDSHAKE_MS,
          requestCert: certificate.clientCa !== '',
          rejectUnauthorized: certificate.clientCa !== '',
          noDelay: true,
        },
        accepted,
      );
      this.#tls.on('tlsClientError', onHandshakeFailure);
      this.#server = this.#tls;
    }
    this.#server.maxConnections = maxConnections;
  }

  /** Resolves to the port. Throws the error of the listen (errno codes). */
  listen({ host, port }: ListenerOptions): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => {});
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  /** New connections are made with this certificate. Throws where it can't be used; the one before stays then. */
  exchange(certificate: ServerCertificate): void {
    this.#tls?.setSecureContext(contextOf(certificate));
  }

  /** Breaks off a client's connection. */
  breakOff(peer: string): void {
    this.#sockets.get(peer)?.destroy();
  }

  /** No more connections; those there are stay. Resolves when the last of them has gone. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  destroy(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
  }
}

/** As gRPC names the client of a call. */
export function peerName(address = '', port = 0): string {
  return `${address}:${port}`;
}

/** The address of a client named so, IPv4 ones as IPv4. */
export function addressOf(peer: string): string {
  const address = peer.slice(0, peer.lastIndexOf(':'));
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped !== undefined && isIPv6(address) ? mapped : address;
}

function contextOf({ cert, key, clientCa }: ServerCertificate): SecureContextOptions {
  return clientCa === '' ? { cert, key } : { cert, key, ca: clientCa };
}
