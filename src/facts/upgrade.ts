import type { Duplex } from 'node:stream';

/**
 * A client's wish to go on in another protocol on its connection (RFC 9110 §7.8; over HTTP/2, RFC 8441). Who serves the exchange grants it
 * once whatever stands behind the gateway has agreed, or answers like any other request.
 */
export interface DownstreamUpgrade {
  /** Lower-case: `websocket`. */
  readonly protocol: string;
  /** True where the 101 answers a key of the client's (HTTP/1.1; over HTTP/2 there is none). */
  readonly keyed: boolean;
  /**
   * Sends the switch in place of a reply and hands the connection over; null where the client has gone. `headers`: flat, lower-case
   * names, without `connection` and `upgrade`. From here on `onAbort` is not called: the connection tells what happens.
   */
  accept(headers: readonly string[]): UpgradedConnection | null;
}

/** A client's connection after the switch: bytes, or messages where the driver speaks the new protocol itself. */
export type UpgradedConnection = UpgradedStream | UpgradedWebSocket;

interface Upgraded {
  /** The gateway closes its connections now: what there is to say to the client has to be said within a fraction of a second. */
  onClose: (() => void) | null;
}

export interface UpgradedStream extends Upgraded {
  /** The new protocol's bytes, those that came behind the request first. Ended or destroyed it ends the client's connection (its stream, over HTTP/2). */
  readonly stream: Duplex;
}

export interface UpgradedWebSocket extends Upgraded {
  readonly webSocket: DriverWebSocket;
}

/**
 * A WebSocket (RFC 6455) whose frames the driver reads and writes: fragments are joined, pings and close frames answered there. It can't
 * be held back.
 */
export interface DriverWebSocket {
  /** Hands over what the client sends, to be called in the turn of `accept`. */
  begin(receiver: WebSocketReceiver): void;
  /** Bytes accepted by `send` that the client's socket has not taken. */
  readonly pendingBytes: number;
  /** `data` may wait: it belongs to the driver. */
  send(data: Buffer, binary: boolean): void;
  ping(): void;
  /** Sends a close frame behind what waits, then ends the connection; its receiver is not called any more. `code` 1005: one without a code. */
  close(code: number, reason: Buffer | string): void;
  /** Ends the connection now, whatever waits; its receiver is not called any more. */
  destroy(): void;
}

export interface WebSocketReceiver {
  /** A whole message; `data` belongs to the receiver. */
  onMessage(data: Buffer, binary: boolean): void;
  /** A sign of life that is no message: a ping or a pong. */
  onHeard(): void;
  /** The client's socket has taken what waited. */
  onDrain(): void;
  /**
   * The connection has ended on the client's side. `code`: of its close frame; 1005 without one in it, 1006 where there was no frame.
   * `broke`: it was cut off for breaking the protocol or the driver's limit, for which the code stands.
   */
  onClosed(code: number, reason: Buffer, broke: boolean): void;
}
