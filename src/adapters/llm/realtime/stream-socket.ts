import type { Duplex } from 'node:stream';
import type { MemoryBudget } from '../../../state/shared/memory-budget.ts';
import {
  CLOSE,
  CLOSING_MS,
  MAX_PENDING_FOR_PONG,
  type MessageSocket,
  SEND_HIGH_WATER,
  type SocketOwner,
} from './message-socket.ts';
import { type FrameReceiver, type FrameSender, frameReceiver, frameSender } from './ws-frames.ts';

/** Of an unfinished message, so many bytes are held without asking the budget. */
const FREE_BYTES = 64 * 1024;
/** Of a control frame (RFC 6455 §5.2, §5.5): its header, from servers and from clients. */
const CONTROL_HEADER_BYTES = 2;
const MASKED_CONTROL_HEADER_BYTES = 6;
const ERROR_CODES: Readonly<Record<string, number>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: CLOSE.tooBig,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: CLOSE.tooBig,
  WS_ERR_INVALID_UTF8: CLOSE.invalidText,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: CLOSE.policy,
};

/** One end of a WebSocket connection, over the bytes of any stream. Pings are answered here. */
export class StreamSocket implements MessageSocket {
  readonly #stream: Duplex;
  readonly #receiver: FrameReceiver;
  readonly #sender: FrameSender;
  readonly #owner: SocketOwner;
  readonly #budget: MemoryBudget;
  /** True towards servers: what we send is masked then. */
  readonly #mask: boolean;
  heardAt = performance.now();
  #closed = false;
  #closeSent = false;
  #paused = false;
  #waiting = false;
  /** Bytes of the message that has not ended, roughly, and how many of them were taken from the budget. */
  #unfinished = 0;
  #taken = 0;
  #endTimer: NodeJS.Timeout | null = null;

  /** @param role what this end is: a `server` towards clients, a `client` towards providers */
  constructor(
    stream: Duplex,
    role: 'server' | 'client',
    maxMessageBytes: number,
    budget: MemoryBudget,
    owner: SocketOwner,
  ) {
    this.#stream = stream;
    this.#mask = role === 'client';
    this.#owner = owner;
    this.#budget = budget;
    this.#sender = frameSender(stream);
    this.#receiver = frameReceiver(role === 'server', maxMessageBytes);
    this.#receiver.on('message', (data, binary) => this.#message(data, binary));
    this.#receiver.on('ping', (data) => {
      this.#discount(data);
      this.#pong(data);
    });
    this.#receiver.on('pong', (data) => this.#discount(data));
    this.#receiver.on('conclude', (code, reason) => this.#concluded(code, reason));
    this.#receiver.on('error', (error) => this.#broken(ERROR_CODES[error.code ?? ''] ?? CLOSE.protocol, ''));
    this.#receiver.on('drain', () => this.#flow());
    stream.on('error', () => stream.destroy());
    stream.on('close', () => this.#ended());
    stream.on('end', () => this.#ended());
    stream.on('drain', () => this.#drained());
  }

  begin(): void {
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
    if (this.#stream.destroyed) queueMicrotask(() => this.#ended());
  }

  get pendingBytes(): number {
    return this.#stream.writableLength;
  }

  get paused(): boolean {
    return this.#paused;
  }

  send(data: Buffer, binary: boolean): boolean {
    if (this.#closeSent || !this.#stream.writable) return true;
    this.#sender.send(data, { binary, mask: this.#mask, fin: true, compress: false });
    if (this.#stream.writableLength < SEND_HIGH_WATER) return true;
    this.#waiting = true;
    return false;
  }

  ping(): void {
    if (!this.#closeSent && this.#stream.writable && this.#stream.writableLength < MAX_PENDING_FOR_PONG)
      this.#sender.ping(Buffer.alloc(0), this.#mask);
  }

  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  close(code: number, reason: Buffer | string): void {
    if (!this.#closeSent && this.#stream.writable) {
      this.#closeSent = true;
      this.#sender.close(code === CLOSE.none ? undefined : code, code === CLOSE.none ? '' : reason, this.#mask);
    }
    this.#closeSent = true;
    // The other side's goodbye has to be read, whoever is held back.
    this.resume();
    // RFC 6455 §7.1.1: the server ends the connection first.
    if (this.#closed && !this.#mask) this.#stream.end();
    this.#endTimer ??= setTimeout(() => this.#stream.destroy(), CLOSING_MS).unref();
  }

  destroy(): void {
    this.#closeSent = true;
    this.#stream.destroy();
  }

  #read(chunk: Buffer): void {
    this.heardAt = performance.now();
    if (this.#closed) return;
    if (!this.#account(chunk.length)) {
      this.#broken(CLOSE.tryLater, 'the gateway is at its memory budget');
      return;
    }
    if (!this.#receiver.write(chunk)) this.#stream.pause();
  }

  /** What an unfinished message holds comes out of the process's budget. */
  #account(bytes: number): boolean {
    this.#unfinished += bytes;
    const wanted = this.#unfinished - FREE_BYTES - this.#taken;
    if (wanted <= 0) return true;
    if (!this.#budget.take(wanted)) return false;
    this.#taken += wanted;
    return true;
  }

  /** A control frame is no part of a message, though it may come amid one. */
  #discount(data: Buffer): void {
    this.#unfinished -= data.length + (this.#mask ? CONTROL_HEADER_BYTES : MASKED_CONTROL_HEADER_BYTES);
    if (this.#unfinished <= 0) this.#giveBack();
  }

  #giveBack(): void {
    this.#unfinished = 0;
    if (this.#taken > 0) this.#budget.give(this.#taken);
    this.#taken = 0;
  }

  #flow(): void {
    if (!this.#paused && !this.#receiver.writableNeedDrain && !this.#stream.destroyed) this.#stream.resume();
  }

  #message(data: Buffer, binary: boolean): void {
    this.#giveBack();
    if (!this.#closed) this.#owner.onMessage(this, data, binary);
  }

  #pong(data: Buffer): void {
    if (!this.#closeSent && this.#stream.writable && this.#stream.writableLength < MAX_PENDING_FOR_PONG)
      this.#sender.pong(data, this.#mask);
  }

  #drained(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#owner.onDrain(this);
  }

  #concluded(code: number, reason: Buffer): void {
    this.#conclude(code, reason);
    // Both have said goodbye: the answer is the same code (RFC 6455 §5.5.1).
    this.close(code, reason);
  }

  /** The other side can't be understood any more, or goes beyond a limit. */
  #broken(code: number, reason: string): void {
    this.#conclude(code, Buffer.from(reason), true);
    this.close(code, reason);
  }

  #ended(): void {
    if (this.#endTimer !== null) clearTimeout(this.#endTimer);
    this.#conclude(CLOSE.abnormal, Buffer.alloc(0));
    this.#stream.destroy();
  }

  #conclude(code: number, reason: Buffer, broke = false): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#giveBack();
    this.#owner.onClosed(this, code, reason, broke);
  }
}
