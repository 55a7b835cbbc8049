import type { Duplex, Writable } from 'node:stream';
import * as ws from 'ws';

/**
 * The two halves of `ws` that its WebSocket is made of, which the package exports and its types leave out: here the handshakes are the
 * gateway's own affair and the bytes come from whatever stream a driver or an upstream has. Neither is used with extensions, so that
 * both work at once, in the call that hands them bytes.
 */

/** Frames in, whole messages out. It is a Writable of one connection's bytes. */
export interface FrameReceiver extends Pick<Writable, 'write' | 'writableNeedDrain'> {
  on(event: 'message', listener: (data: Buffer, binary: boolean) => void): this;
  on(event: 'ping' | 'pong', listener: (data: Buffer) => void): this;
  /** A close frame: its code (1005: none) and reason. */
  on(event: 'conclude', listener: (code: number, reason: Buffer) => void): this;
  on(event: 'error', listener: (error: Error & { code?: string }) => void): this;
  on(event: 'drain', listener: () => void): this;
}

/** Messages in, frames out. `mask`: as clients have to. */
export interface FrameSender {
  send(
    data: Buffer,
    options: { binary: boolean; mask: boolean; fin: boolean; compress: boolean },
    callback?: () => void,
  ): void;
  ping(data: Buffer, mask: boolean): void;
  pong(data: Buffer, mask: boolean): void;
  /** Throws for a code that no close frame may have, or a reason above 123 bytes. */
  close(code: number | undefined, reason: Buffer | string, mask: boolean): void;
}

interface Halves {
  readonly Receiver: new (options: { isServer: boolean; maxPayload: number }) => FrameReceiver;
  readonly Sender: new (stream: Duplex) => FrameSender;
}

const { Receiver, Sender } = ws as unknown as Halves;

export function frameReceiver(isServer: boolean, maxMessageBytes: number): FrameReceiver {
  return new Receiver({ isServer, maxPayload: maxMessageBytes });
}

export function frameSender(stream: Duplex): FrameSender {
  return new Sender(stream);
}
