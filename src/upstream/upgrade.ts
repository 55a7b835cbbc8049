import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GatewayError } from '../errors/table.ts';
import type { CallUpgrade } from './call.ts';
import type { Pool, PoolHandler, SendOptions } from './pools.ts';

/** The events of a request to switch protocols: those of any other, or the switch. */
export interface UpgradeHandler extends PoolHandler {
  onUpgrade(raw: Buffer[], connection: Duplex): void;
}

/** A refusal's body may be silent this long in between, ms. */
const BODY_IDLE_TIMEOUT_MS = 30_000;

/**
 * Asks the upstream of `pool` to switch protocols, on a connection of its own that is opened as the pool opens its: to the same address,
 * under the same rules, with the same TLS. node:http's client does the asking, because undici takes a refusal for a broken connection
 * and does not show it; here it is an answer with status and body.
 */
export function sendUpgrade(pool: Pool, options: SendOptions, upgrade: CallUpgrade, handler: UpgradeHandler): void {
  pool.open((error, socket) => {
    if (socket === null) handler.onError(error);
    else new Handshake(options, pool.maxHeaderBytes, upgrade, handler).begin(socket);
  });
}

class Handshake {
  readonly #options: SendOptions;
  readonly #maxHeaderBytes: number;
  readonly #upgrade: CallUpgrade;
  readonly #handler: UpgradeHandler;
  #ended = false;

  constructor(options: SendOptions, maxHeaderBytes: number, upgrade: CallUpgrade, handler: UpgradeHandler) {
    this.#options = options;
    this.#maxHeaderBytes = maxHeaderBytes;
    this.#upgrade = upgrade;
    this.#handler = handler;
  }

  begin(socket: Socket): void {
    try {
      this.#handler.onConnect(() => {
        this.#ended = true;
        socket.destroy();
      });
    } catch {
      // Given up while the connection was being opened.
      socket.destroy();
      return;
    }
    let request: ClientRequest;
    try {
      request = httpRequest({
        method: this.#options.method,
        path: this.#options.path,
        headers: [...this.#options.headers, 'connection', 'Upgrade', 'upgrade', this.#upgrade.protocol],
        createConnection: () => socket,
        maxHeaderSize: this.#maxHeaderBytes,
      });
    } catch (cause) {
      socket.destroy();
      this.#fail(new GatewayError('bad_request', undefined, { cause }));
      return;
    }
    request.on('error', (error) => this.#fail(described(error)));
    request.on('upgrade', (response, _, behind) => this.#switched(response, socket, behind));
    request.on('response', (response) => this.#refused(response, socket));
    request.end();
  }

  #switched(response: IncomingMessage, socket: Socket, behind: Buffer): void {
    if (this.#ended) return;
    this.#ended = true;
    if (response.statusCode !== 101 || response.headers.upgrade?.toLowerCase() !== this.#upgrade.protocol) {
      socket.destroy();
      this.#handler.onError(new GatewayError('upstream_protocol'));
      return;
    }
    if (behind.length > 0) socket.unshift(behind);
    this.#upgrade.stream = socket;
    this.#handler.onUpgrade(rawOf(response), socket);
  }

  /** An answer like any other; its connection is not used again. */
  #refused(response: IncomingMessage, socket: Socket): void {
    if (this.#ended) return;
    const handler = this.#handler;
    socket.setTimeout(BODY_IDLE_TIMEOUT_MS, () => socket.destroy());
    response.on('error', (error) => this.#fail(described(error)));
    response.on('data', (chunk: Buffer) => {
      if (!this.#ended && !handler.onData(chunk)) response.pause();
    });
    response.on('end', () => {
      socket.destroy();
      if (this.#ended) return;
      this.#ended = true;
      handler.onComplete(response.rawTrailers);
    });
    handler.onHeaders(response.statusCode ?? 0, rawOf(response), () => response.resume());
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handler.onError(error);
  }
}

/** The fields as the parser cut them; node:http gives them as Latin-1 text. */
function rawOf(response: IncomingMessage): Buffer[] {
  return response.rawHeaders.map((text) => Buffer.from(text, 'latin1'));
}

/** The parser's complaints are told from a connection that broke. */
function described(error: Error): Error {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return code.startsWith('HPE_') ? new GatewayError('upstream_protocol', undefined, { cause: error }) : error;
}
