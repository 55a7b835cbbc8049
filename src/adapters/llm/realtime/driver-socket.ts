import type { DriverWebSocket, WebSocketReceiver } from '../../../facts/upgrade.ts';
import type { MemoryBudget } from '../../../state/shared/memory-budget.ts';
import {
  CLOSE,
  CLOSING_MS,
  MAX_PENDING_FOR_PONG,
  type MessageSocket,
  SEND_HIGH_WATER,
  type SocketOwner,
} from './message-socket.ts';

const BUSY = 'the gateway is at its memory budget';
const NOT_TAKEN = 'what was sent is not taken on the other side';

/**
 * A client's end whose frames the driver reads. It can't be held back: what comes while it should be is held here, out of the process's
 * budget, and past the size of the largest message the client is sent away (1013).
 */
export class DriverSocket implements MessageSocket, WebSocketReceiver {
  readonly #socket: DriverWebSocket;
  readonly #maxMessageBytes: number;
  readonly #budget: MemoryBudget;
  readonly #owner: SocketOwner;
  heardAt = performance.now();
  #paused = false;
  #held: { readonly data: Buffer; readonly binary: boolean }[] = [];
  #heldBytes = 0;
  /** How the client ended, which its owner learns behind what is held. */
  #end: { readonly code: number; readonly reason: Buffer; readonly broke: boolean } | null = null;
  #concluded = false;
  #closeSent = false;
  #waiting = false;
  #endTimer: NodeJS.Timeout | null = null;

  constructor(socket: DriverWebSocket, maxMessageBytes: number, budget: MemoryBudget, owner: SocketOwner) {
    this.#socket = socket;
    this.#maxMessageBytes = maxMessageBytes;
    this.#budget = budget;
    this.#owner = owner;
  }

  begin(): void {
    this.#socket.begin(this);
  }

  get pendingBytes(): number {
    return this.#socket.pendingBytes;
  }

  get paused(): boolean {
    return this.#paused;
  }

  send(data: Buffer, binary: boolean): boolean {
    if (this.#closeSent) return true;
    this.#socket.send(data, binary);
    if (this.#socket.pendingBytes < SEND_HIGH_WATER) return true;
    this.#waiting = true;
    return false;
  }

  ping(): void {
    if (!this.#closeSent && this.#socket.pendingBytes < MAX_PENDING_FOR_PONG) this.#socket.ping();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused) {
      const message = this.#held.shift();
      if (message === undefined) break;
      this.#heldBytes -= message.data.length;
      this.#budget.give(message.data.length);
      this.#owner.onMessage(this, message.data, message.binary);
    }
    if (this.#held.length === 0 && this.#end !== null)
      this.#conclude(this.#end.code, this.#end.reason, this.#end.broke);
  }

  close(code: number, reason: Buffer | string): void {
    this.#drop();
    if (this.#closeSent) return;
    this.#closeSent = true;
    this.#socket.close(code, reason);
    // A client that takes nothing is not shown the close frame either.
    this.#endTimer = setTimeout(() => this.#socket.destroy(), CLOSING_MS).unref();
  }

  destroy(): void {
    this.#drop();
    this.#closeSent = true;
    if (this.#endTimer !== null) clearTimeout(this.#endTimer);
    this.#socket.destroy();
  }

  // WebSocketReceiver

  onMessage(data: Buffer, binary: boolean): void {
    this.heardAt = performance.now();
    if (this.#concluded) return;
    if (data.length > this.#maxMessageBytes) this.#sendAway(CLOSE.tooBig, '');
    else if (!this.#paused) this.#owner.onMessage(this, data, binary);
    else if (this.#heldBytes > 0 && this.#heldBytes + data.length > this.#maxMessageBytes)
      this.#sendAway(CLOSE.tryLater, NOT_TAKEN);
    else if (!this.#budget.take(data.length)) this.#sendAway(CLOSE.tryLater, BUSY);
    else {
      this.#held.push({ data, binary });
      this.#heldBytes += data.length;
    }
  }

  onHeard(): void {
    this.heardAt = performance.now();
  }

  onDrain(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#owner.onDrain(this);
  }

  onClosed(code: number, reason: Buffer, broke: boolean): void {
    this.#closeSent = true;
    if (this.#held.length === 0) this.#conclude(code, reason, broke);
    else this.#end = { code, reason, broke };
  }

  #sendAway(code: number, reason: string): void {
    this.#conclude(code, Buffer.from(reason), true);
    this.close(code, reason);
  }

  #conclude(code: number, reason: Buffer, broke: boolean): void {
    if (this.#concluded) return;
    this.#drop();
    this.#owner.onClosed(this, code, reason, broke);
  }

  /** Nothing of the client's is handed over any more. */
  #drop(): void {
    this.#concluded = true;
    this.#held = [];
    this.#end = null;
    this.#budget.give(this.#heldBytes);
    this.#heldBytes = 0;
  }
}
