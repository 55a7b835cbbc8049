import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { DownstreamTls } from '../../exchange.ts';
import type { ServerTls } from '../../resources/types.ts';

const DEFAULT_ALPN = ['h2', 'http/1.1'];
/** Fatal alert `unrecognized_name` (RFC 6066 §3, RFC 8446 §6). */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112]);
/** Fatal alert `handshake_failure`: the certificate configured for this name can't be used. */
const HANDSHAKE_FAILURE = Buffer.from([21, 3, 3, 0, 2, 2, 40]);

/**
 * One TLS server object a certificate, none of them listening: the port reads the name out of the ClientHello and hands the
 * connection to the server of its certificate, which so has its own client authentication, protocols and ticket keys.
 */
export class TlsServers {
  readonly #servers = new WeakMap<ServerTls, Server | Error>();
  readonly #handshakeTimeoutMs: number;
  readonly #onSecure: (socket: TLSSocket) => void;
  readonly #onFailure: (reason: string) => void;

  constructor(handshakeTimeoutMs: number, onSecure: (socket: TLSSocket) => void, onFailure: (reason: string) => void) {
    this.#handshakeTimeoutMs = handshakeTimeoutMs;
    this.#onSecure = onSecure;
    this.#onFailure = onFailure;
  }

  /** Begins the handshake on `socket`, whose first bytes have been put back. `tls` null: no certificate for this name. */
  accept(socket: Socket, tls: ServerTls | null): void {
    if (tls === null) {
      this.#onFailure('tls_unknown_name');
      refuse(socket, UNRECOGNIZED_NAME);
      return;
    }
    const server = this.#serverOf(tls);
    if (server instanceof Error) {
      this.#onFailure('tls_certificate');
      refuse(socket, HANDSHAKE_FAILURE);
      return;
    }
    server.emit('connection', socket);
  }

  #serverOf(tls: ServerTls): Server | Error {
    let server = this.#servers.get(tls);
    if (server === undefined) {
      try {
        server = this.#create(tls);
      } catch (error) {
        server = error as Error;
      }
      this.#servers.set(tls, server);
    }
    return server;
  }

  #create(tls: ServerTls): Server {
    const mutual = tls.root !== '';
    const server = createServer({
      cert: tls.cert,
      key: tls.key,
      ...(mutual ? { ca: tls.root } : {}),
      requestCert: mutual,
      rejectUnauthorized: mutual,
      minVersion: tls.minVersion,
      maxVersion: tls.maxVersion,
      ...(tls.cipherSuites.length > 0 ? { ciphers: tls.cipherSuites.join(':') } : {}),
      ALPNProtocols: tls.alpn.length > 0 ? tls.alpn : DEFAULT_ALPN,
      handshakeTimeout: this.#handshakeTimeoutMs,
    });
    server.on('secureConnection', this.#onSecure);
    server.on('tlsClientError', () => this.#onFailure('tls_handshake'));
    return server;
  }
}

/** Reads on, so that the peer's closing is seen. */
function refuse(socket: Socket, alert: Buffer): void {
  socket.end(alert);
  socket.resume();
}

/** What a finished handshake tells about its client. */
export function readTlsFacts(socket: TLSSocket): DownstreamTls {
  const sni = (socket as { servername?: string | false }).servername;
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return {
    sni: typeof sni === 'string' ? sni.toLowerCase() : '',
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
    clientSans: parseSans(certificate?.subjectAltName ?? ''),
    ...(certificate !== undefined && { clientCertificate: certificate }),
  };
}

/** Splits node's text of subject alternative names; a name with a comma in it comes as a JSON string. */
export function parseSans(text: string): string[] {
  const sans: string[] = [];
  for (const [entry] of text.matchAll(/[^,:]+:(?:"(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const colon = entry.indexOf(':');
    const type = entry.slice(0, colon).trim();
    const value = entry.slice(colon + 1);
    sans.push(`${type}:${value.startsWith('"') ? (JSON.parse(value) as string) : value}`);
  }
  return sans;
}
