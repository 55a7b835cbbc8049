import type { DriverWebSocket, UpgradedWebSocket, WebSocketReceiver } from '../../facts/upgrade.ts';
import { responseFields } from './reply-fields.ts';
import type { UwsContext, UwsResponse, UwsSocket, UwsSocketBehavior } from './uws-binding.ts';
import { writeFields } from './uws-fields.ts';

/** Bytes that the binding may hold of what waits; more is held here. Its pongs are dropped beyond. */
const NATIVE_BYTES = 64 * 1024;
/**
 * Seconds. Who serves a WebSocket looks after its silence; this is for what the binding still does behind a close frame, which it gives a
 * part of this time (16 s).
 */
const IDLE_S = 120;
const INT_MAX = 2 ** 31 - 1;

const CLOSE_NONE = 1005;
const CLOSE_ABNORMAL = 1006;
/** What the binding says where it cut a client off, and the code that stands for it. */
const CUT_OFF: readonly (readonly [text: string, code: number])[] = [
  ['too big message', 1009],
  ['invalid UTF-8', 1007],
];

/** What WebSockets share with their port. */
export interface UwsWebSocketPort {
  readonly webSockets: Set<UwsWebSocket>;
  /** One of them has ended. */
  webSocketEnded(): void;
  failed(): void;
}

interface Data {
  readonly owner: UwsWebSocket;
}

/**
 * A WebSocket of uWebSockets.js. Written to what 20.30 does, seen from outside:
 *  - Like a response it throws when it is touched after its end, and its end is told within the call that ends it.
 *  - It can't be paused: what comes is handed over.
 *  - Who breaks the protocol, or sends text that is no UTF-8 or a message that is too long, is cut off without a close frame; only for the
 *    last two it says why. It does not insist on masks.
 *  - What a client sends before the 101, which RFC 6455 forbids, is lost.
 */
export class UwsWebSocket implements DriverWebSocket, UpgradedWebSocket {
  onClose: (() => void) | null = null;
  readonly #port: UwsWebSocketPort;
  /** Null: not open any more. */
  #socket: UwsSocket | null = null;
  #receiver: WebSocketReceiver | null = null;
  /** What the binding was not given yet. */
  #queue: { readonly data: Buffer; readonly binary: boolean }[] = [];
  #queuedBytes = 0;
  /** The close frame behind it. */
  #goodbye: { readonly code: number; readonly reason: Buffer | string } | null = null;

  /** Switches; null where that failed. `headers`: flat, lower-case names. */
  static open(
    port: UwsWebSocketPort,
    response: UwsResponse,
    key: string,
    context: UwsContext,
    headers: readonly string[],
  ): UwsWebSocket | null {
    const owner = new UwsWebSocket(port);
    response.cork(() => {
      try {
        writeFields(response, 101, responseFields(101, withoutAccept(headers)), 'write');
        response.upgrade<Data>({ owner }, key, '', '', context);
      } catch {
        port.failed();
      }
    });
    if (owner.#socket !== null) return owner;
    try {
      response.close();
    } catch {
      // It is closed already.
    }
    return null;
  }

  private constructor(port: UwsWebSocketPort) {
    this.#port = port;
  }

  get webSocket(): this {
    return this;
  }

  // DriverWebSocket

  begin(receiver: WebSocketReceiver): void {
    this.#receiver = receiver;
  }

  get pendingBytes(): number {
    return this.#queuedBytes + (this.#socket?.getBufferedAmount() ?? 0);
  }

  send(data: Buffer, binary: boolean): void {
    const socket = this.#socket;
    if (socket === null || this.#goodbye !== null) return;
    if (this.#isFree(socket)) {
      socket.send(data, binary);
      return;
    }
    this.#queue.push({ data, binary });
    this.#queuedBytes += data.length;
  }

  ping(): void {
    this.#socket?.ping();
  }

  close(code: number, reason: Buffer | string): void {
    const socket = this.#socket;
    this.#receiver = null;
    if (socket === null || this.#goodbye !== null) return;
    this.#goodbye = { code, reason };
    if (this.#isFree(socket)) this.#end(socket);
  }

  destroy(): void {
    const socket = this.#socket;
    this.#receiver = null;
    if (socket === null) return;
    this.#leave();
    socket.close();
  }

  // From the binding

  opened(socket: UwsSocket): void {
    this.#socket = socket;
    this.#port.webSockets.add(this);
  }

  received(message: ArrayBuffer, binary: boolean): void {
    this.#receiver?.onMessage(Buffer.from(new Uint8Array(message)), binary);
  }

  heard(): void {
    this.#receiver?.onHeard();
  }

  drained(): void {
    const socket = this.#socket;
    if (socket === null) return;
    while (socket.getBufferedAmount() <= NATIVE_BYTES) {
      const message = this.#queue.shift();
      if (message === undefined) break;
      this.#queuedBytes -= message.data.length;
      socket.send(message.data, message.binary);
    }
    if (!this.#isFree(socket)) return;
    if (this.#goodbye !== null) this.#end(socket);
    else this.#receiver?.onDrain();
  }

  closed(code: number, reason: ArrayBuffer): void {
    // Else it is the answer to a call of ours.
    if (this.#socket === null) return;
    this.#leave();
    const text = Buffer.from(new Uint8Array(reason));
    const cutOff = code === CLOSE_ABNORMAL ? CUT_OFF.find(([said]) => text.includes(said)) : undefined;
    if (cutOff === undefined) this.#receiver?.onClosed(code, text, false);
    else this.#receiver?.onClosed(cutOff[1], Buffer.alloc(0), true);
  }

  /** Something threw: nothing may escape into native code. */
  failed(): void {
    this.#port.failed();
    const receiver = this.#receiver;
    try {
      this.destroy();
      receiver?.onClosed(CLOSE_ABNORMAL, Buffer.alloc(0), false);
    } catch {
      this.#port.failed();
    }
  }

  /** Whether the binding takes more now, and nothing of ours is before it. */
  #isFree(socket: UwsSocket): boolean {
    return this.#queue.length === 0 && socket.getBufferedAmount() <= NATIVE_BYTES;
  }

  #end(socket: UwsSocket): void {
    const { code, reason } = this.#goodbye ?? { code: CLOSE_NONE, reason: '' };
    this.#leave();
    socket.end(code, reason);
  }

  /** The socket may not be touched any more. */
  #leave(): void {
    this.#socket = null;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#port.webSockets.delete(this);
    this.#port.webSocketEnded();
  }
}

/** How the binding serves WebSockets: what comes goes to their owners. `accept` gets each handshake as a request. */
export function webSocketBehavior(
  maxMessageBytes: number,
  accept: UwsSocketBehavior<Data>['upgrade'],
): UwsSocketBehavior<Data> {
  return {
    compression: 0,
    // A message is measured by its receiver, who tells its client that it is too big; this is for what it can't wait for.
    maxPayloadLength: Math.min(INT_MAX, 2 * maxMessageBytes),
    maxBackpressure: NATIVE_BYTES,
    idleTimeout: IDLE_S,
    sendPingsAutomatically: false,
    upgrade: accept,
    open: (socket) => socket.owner.opened(socket),
    message: ({ owner }, message, binary) => guarded(owner, () => owner.received(message, binary)),
    drain: ({ owner }) => guarded(owner, () => owner.drained()),
    ping: ({ owner }) => guarded(owner, () => owner.heard()),
    pong: ({ owner }) => guarded(owner, () => owner.heard()),
    close: ({ owner }, code, reason) => guarded(owner, () => owner.closed(code, reason)),
  };
}

function guarded(owner: UwsWebSocket, act: () => void): void {
  try {
    act();
  } catch {
    owner.failed();
  }
}

/** The binding answers the key itself. */
function withoutAccept(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2)
    if (headers[i] !== 'sec-websocket-accept') kept.push(headers[i] as string, headers[i + 1] as string);
  return kept;
}
