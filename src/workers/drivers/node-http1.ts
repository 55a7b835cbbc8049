import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { UpgradedConnection } from '../../facts/upgrade.ts';
import type { Connection, Peer, PortState } from './node-connection.ts';
import { Stall, unsentMark } from './node-connection.ts';
import type { Http1Downstream } from './node-http1-downstream.ts';
import type { GatewayRequest } from './node-request.ts';
import type { Refusal } from './refusals.ts';
import { REFUSALS, renderRefusal } from './refusals.ts';

/** Of a request body nobody wants any more, so much is still read before the connection is closed. */
const DISCARD_BYTES = 256 * 1024;
/** How long a connection is kept for its client to read the last reply and close (RFC 9112 §9.6). */
const LINGER_MS = 2000;

/** An HTTP/1 connection. Replies go out in the order of their requests: node:http queues those of pipelined ones. */
export class Http1Connection implements Connection {
  readonly socket: Socket;
  readonly peer: Peer;
  readonly port: PortState;
  /** Nothing more is served here: a request was refused, the reply under way is the last. */
  closing = false;
  #refused = false;
  /** Requests not yet answered in full, oldest first. */
  readonly #active: Http1Downstream[] = [];
  readonly #receiving = new Stall();
  readonly #sending = new Stall();
  #lingerUntil = 0;
  /** The request whose reply is complete while its body is not. */
  #leftover: GatewayRequest | null = null;
  #leftoverFrom = 0;
  /** The connection speaks another protocol now: only its end is the port's affair. */
  upgraded: UpgradedConnection | null = null;

  constructor(socket: Socket, peer: Peer, port: PortState) {
    this.socket = socket;
    this.peer = peer;
    this.port = port;
    // node:http closes a connection with destroySoon; with input left unread that makes a reset, which may cost the client
    // the reply it was just sent.
    const destroySoon = socket.destroySoon;
    socket.destroySoon = () => {
      if (this.#mustLinger()) this.#linger();
      else destroySoon.call(socket);
    };
  }

  get pendingBytes(): number {
    const first = this.#active[0];
    return first === undefined ? this.socket.writableLength : first.bufferedBytes;
  }

  get mustClose(): boolean {
    return this.closing || this.port.draining;
  }

  begin(downstream: Http1Downstream): void {
    this.#leftover = null;
    this.#active.push(downstream);
  }

  /** `downstream` needs no more attention: its reply was handed over whole, or broken off. */
  finished(downstream: Http1Downstream): void {
    const active = this.#active;
    if (active[0] === downstream) active.shift();
    else active.splice(active.indexOf(downstream) >>> 0, 1);
  }

  /** The reply is complete and the request is not: its rest is read for a while, then the connection goes. */
  leaveOver(request: GatewayRequest): void {
    this.#leftover = request;
    this.#leftoverFrom = this.socket.bytesRead;
    request.discard();
  }

  /** Refuses what the parser, or `checkHttp1Head`, could not accept. `response`: the refused request's place in the order. */
  refuse(refusal: Refusal, response: ServerResponse | null): void {
    if (this.#refused) return;
    this.#refused = true;
    this.closing = true;
    this.port.options.onRejected(refusal.status, refusal.reason);
    const current = this.#active[0];
    if (current === undefined) {
      this.#writeRefusal(refusal);
    } else if (response !== null) {
      // Behind others that are still to be answered: node:http keeps the order.
      response.shouldKeepAlive = false;
      response.writeHead(refusal.status, ['content-type', 'text/plain; charset=utf-8', 'connection', 'close']);
      response.end(`${refusal.message}\n`);
    } else if (this.#active[this.#active.length - 1]?.isReceiving === true) {
      // The newest request's own body is broken: what is under way can't be completed.
      const answerable = this.#active.length === 1 && !current.headSent;
      this.#abandonAll();
      if (answerable) this.#writeRefusal(refusal);
      else this.socket.destroy();
    }
    // Else the fault lies behind complete requests: those are answered, with `connection: close` on the last.
  }

  #writeRefusal(refusal: Refusal): void {
    if (!this.socket.writable) {
      this.socket.destroy();
      return;
    }
    this.socket.end(renderRefusal(refusal, STATUS_CODES[refusal.status] ?? ''), 'latin1');
    this.#linger();
  }

  #mustLinger(): boolean {
    return this.#lingerUntil === 0 && (this.#refused || (this.#leftover !== null && !this.#leftover.complete));
  }

  #linger(): void {
    this.closing = true;
    this.#lingerUntil = performance.now() + LINGER_MS;
    if (!this.socket.writableEnded) this.socket.end();
    this.socket.resume();
  }

  #abandonAll(): void {
    for (const downstream of this.#active.splice(0)) downstream.clientGone();
  }

  closed(): void {
    this.#abandonAll();
  }

  sweep(now: number): void {
    const socket = this.socket;
    const limits = this.port.options.limits;
    if (this.#lingerUntil !== 0) {
      if (now >= this.#lingerUntil && socket.writableLength === 0) socket.destroy();
      else if (now >= this.#lingerUntil + limits.sendIdleTimeoutMs) socket.destroy();
      return;
    }
    const leftover = this.#leftover;
    if (leftover !== null && !leftover.complete) {
      const read = socket.bytesRead - this.#leftoverFrom;
      if (read > DISCARD_BYTES || this.#receiving.forMs(read, now) > Math.min(limits.bodyIdleTimeoutMs, LINGER_MS))
        socket.destroy();
      return;
    }
    const newest = this.#active[this.#active.length - 1];
    if (newest === undefined || !newest.isReceiving || socket.isPaused()) this.#receiving.clear();
    else if (this.#receiving.forMs(socket.bytesRead, now) > limits.bodyIdleTimeoutMs)
      this.refuse(REFUSALS.bodyTimeout, null);
    if (socket.writableLength === 0) this.#sending.clear();
    else if (this.#sending.forMs(unsentMark(socket), now) > limits.sendIdleTimeoutMs) socket.destroy();
    if (this.mustClose) this.drain();
  }

  drain(): void {
    if (this.upgraded !== null) return;
    if (this.#active.length === 0 && this.socket.writableLength === 0 && this.#lingerUntil === 0)
      this.socket.destroySoon();
  }

  destroy(): void {
    const onClose = this.upgraded?.onClose;
    if (onClose) onClose();
    else this.socket.destroy();
  }

  /** Whether a request to switch protocols may be served: nothing before it waits for its reply. */
  get isFree(): boolean {
    return this.#active.length === 0 && !this.closing;
  }

  /** The connection's last reply was handed over: what the client still sends is read for a while, so that the reply is not lost. */
  endBehindReply(): void {
    if (this.#lingerUntil === 0 && !this.socket.destroyed) this.#linger();
  }
}
