import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { DownstreamUpgrade, UpgradedStream } from '../../facts/upgrade.ts';
import type { Http1Connection } from './node-http1.ts';
import { Http1Downstream } from './node-http1-downstream.ts';
import type { GatewayRequest } from './node-request.ts';
import { sendableFields } from './reply-fields.ts';
import type { CheckedHead } from './request-head.ts';

/**
 * The client's half of an exchange that may end in a switch of protocols. Until it is granted nothing of what the client sends behind its
 * request is looked at, and it can be answered like any other; that answer is the connection's last.
 */
export class Http1UpgradeDownstream extends Http1Downstream {
  override readonly upgrade: DownstreamUpgrade;

  constructor(connection: Http1Connection, request: GatewayRequest, head: CheckedHead, behind: Buffer) {
    // What node:http does with a response, but for its place among others: there are none.
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    super(connection, request, response, head);
    this.upgrade = new Http1Upgrade(this, connection, response, head.upgrade, behind);
  }
}

class Http1Upgrade implements DownstreamUpgrade {
  readonly protocol: string;
  readonly keyed = true;
  readonly #downstream: Http1Downstream;
  readonly #connection: Http1Connection;
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  readonly #onDrain = () => this.#response.emit('drain');
  /** Reads no further than the socket's own buffer, and so notices that the client has left. */
  readonly #onReadable = () => {
    if (this.#socket.readableLength === 0) this.#socket.read();
  };
  readonly #onEnd = () => this.#socket.destroy();

  constructor(
    downstream: Http1Downstream,
    connection: Http1Connection,
    response: ServerResponse,
    protocol: string,
    behind: Buffer,
  ) {
    const { socket } = connection;
    this.#downstream = downstream;
    this.#connection = connection;
    this.#response = response;
    this.#socket = socket;
    this.protocol = protocol;
    socket.setTimeout(0);
    if (behind.length > 0) socket.unshift(behind);
    response.assignSocket(socket);
    response.on('finish', () => {
      response.detachSocket(socket);
      this.#release();
      connection.endBehindReply();
    });
    socket.on('drain', this.#onDrain);
    socket.on('readable', this.#onReadable);
    socket.on('end', this.#onEnd);
  }

  accept(headers: readonly string[]): UpgradedStream | null {
    if (!this.#downstream.leave()) return null;
    const socket = this.#socket;
    this.#response.detachSocket(socket);
    this.#release();
    let head = `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${this.protocol}\r\n`;
    const fields = sendableFields(headers);
    for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
    socket.write(`${head}\r\n`, 'latin1');
    const connection: UpgradedStream = { stream: socket, onClose: null };
    this.#connection.upgraded = connection;
    return connection;
  }

  #release(): void {
    this.#socket.off('drain', this.#onDrain);
    this.#socket.off('readable', this.#onReadable);
    this.#socket.off('end', this.#onEnd);
  }
}
