/** Close codes of RFC 6455 §7.4.1 and its registry. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocol: 1002,
  /** In no frame: a close frame without a code; a connection that ended without one. */
  none: 1005,
  abnormal: 1006,
  invalidText: 1007,
  policy: 1008,
  tooBig: 1009,
  internal: 1011,
  tryLater: 1013,
  badGateway: 1014,
} as const;

/** Bytes waiting to be sent above which `send` asks to wait. */
export const SEND_HIGH_WATER = 256 * 1024;
/** Pongs are left out while more than this waits to be sent: RFC 6455 §5.5.3 wants only the last ping answered. */
export const MAX_PENDING_FOR_PONG = 16 * 1024;
/** How long the other side may take to end the connection once both have said goodbye, ms. */
export const CLOSING_MS = 2_000;

export interface SocketOwner {
  /** A whole message, fragments joined. */
  onMessage(socket: MessageSocket, data: Buffer, binary: boolean): void;
  /** `send` may go on. */
  onDrain(socket: MessageSocket): void;
  /**
   * No message follows. `code`: of its close frame; 1005 without one in it, 1006 where the connection ended without a frame. `broke`: it
   * broke the protocol or a limit, and was told this code. Called once.
   */
  onClosed(socket: MessageSocket, code: number, reason: Buffer, broke: boolean): void;
}

/** One end of a WebSocket connection. Pings are answered here. */
export interface MessageSocket {
  /** Begins to read: not before the owner is ready, since what came behind the handshake is there at once. */
  begin(): void;
  /** performance.now() when something was last received. */
  heardAt: number;
  readonly pendingBytes: number;
  readonly paused: boolean;
  /** True: go on. False: taken, but wait for `onDrain` before the next. */
  send(data: Buffer, binary: boolean): boolean;
  ping(): void;
  /** Holds the other side back; of what it has sent already, some may still be handed over. */
  pause(): void;
  resume(): void;
  /** Says goodbye and, once the other side has as well or after a moment, ends the connection. `code` 1005: a close frame without one. */
  close(code: number, reason: Buffer | string): void;
  destroy(): void;
}
