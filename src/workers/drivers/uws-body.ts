import type { Readable } from 'node:stream';
import type { BodySink } from '../../exchange.ts';
import { BodyReader, type BodySource } from './body-reader.ts';
import { REFUSALS, type Refusal } from './refusals.ts';
import type { CheckedHead } from './request-head.ts';
import type { Slabs } from './slabs.ts';
import type { UwsResponse } from './uws-binding.ts';

/** Bytes taken in beyond what the consumer took. */
const MAX_HELD_BYTES = 1024 * 1024;
/** Held bytes at which the client is asked to wait. */
const PAUSE_BYTES = 128 * 1024;
/** A body of a declared length up to this is handed to a sink in one piece. */
const WHOLE_BODY_BYTES = 256 * 1024;

/** The exchange a body belongs to. */
export interface BodyOwner {
  /** The response object may be touched. */
  readonly isOpen: boolean;
  /** Reply bytes wait: paused now, the binding would never say that they can go on. */
  readonly isBlocked: boolean;
  refuseBody(refusal: Refusal): void;
}

/**
 * A request body over uWebSockets.js. Its chunks are borrowed and copied into slabs; what nobody took yet is held, bounded: the
 * client is paused, and where it can't be, cut off past MAX_HELD_BYTES.
 */
export class UwsBody implements BodySource {
  received = 0;
  complete = false;
  readonly #owner: BodyOwner;
  readonly #response: UwsResponse;
  readonly #slabs: Slabs;
  readonly #contentLength: number;
  #sink: BodySink | null = null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** The sink gets the body in one piece, put together here. */
  #wantsWhole = false;
  #whole: Buffer | null = null;
  #paused = false;
  #wantsPause = false;
  #movedAt = 0;
  #movedTo = 0;

  constructor(owner: BodyOwner, response: UwsResponse, slabs: Slabs, head: CheckedHead) {
    this.#owner = owner;
    this.#response = response;
    this.#slabs = slabs;
    this.#contentLength = head.contentLength;
  }

  /** How much is still to come; Infinity where that is not declared. */
  get missing(): number {
    if (this.complete) return 0;
    return this.#contentLength === -1 ? Number.POSITIVE_INFINITY : this.#contentLength - this.received;
  }

  read(sink: BodySink): void {
    if (this.#sink !== null) return;
    this.#sink = sink;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const chunk of held) sink.onChunk(chunk);
    if (this.complete) {
      this.#sink = null;
      sink.onEnd([]);
      return;
    }
    this.#wantsWhole =
      this.received === 0 &&
      this.#contentLength > 0 &&
      this.#contentLength <= WHOLE_BODY_BYTES &&
      !(sink instanceof BodyReader);
    this.resumeBody();
  }

  stream(): Readable {
    const reader = new BodyReader(this);
    this.read(reader);
    return reader;
  }

  pauseBody(): void {
    this.#wantsPause = true;
    this.pauseAgain();
  }

  resumeBody(): void {
    this.#wantsPause = false;
    this.unpause();
  }

  /** The reply can go on: what still has to wait is paused again. */
  pauseAgain(): void {
    if (!this.#wantsPause || this.#paused || this.complete || this.#owner.isBlocked || !this.#owner.isOpen) return;
    this.#paused = true;
    this.#response.pause();
  }

  /** The connection has to be read from, whatever the consumer can take: the reply is blocked, or ends. */
  unpause(): void {
    if (!this.#paused || !this.#owner.isOpen) return;
    this.#paused = false;
    this.#response.resume();
  }

  /** `borrowed` is only valid during this call, and already counted in `received`. */
  take(borrowed: ArrayBuffer, last: boolean): void {
    if (borrowed.byteLength > 0) this.#takeBytes(new Uint8Array(borrowed), last);
    const sink = this.#sink;
    if (!last || sink === null) return;
    this.#sink = null;
    sink.onEnd([]);
  }

  #takeBytes(bytes: Uint8Array, last: boolean): void {
    const sink = this.#sink;
    if (sink !== null && this.#wantsWhole) {
      this.#takeWhole(bytes, last, sink);
      return;
    }
    const chunk = this.#slabs.copy(bytes);
    if (sink === null) {
      this.#held.push(chunk);
      this.#heldBytes += chunk.length;
      if (this.#heldBytes >= PAUSE_BYTES) this.pauseBody();
    } else {
      sink.onChunk(chunk);
    }
    const behind = sink instanceof BodyReader ? sink.readableLength : this.#heldBytes;
    if (behind > MAX_HELD_BYTES) this.#owner.refuseBody(REFUSALS.bodyTooLarge);
  }

  #takeWhole(bytes: Uint8Array, last: boolean, sink: BodySink): void {
    this.#whole ??= this.#slabs.take(this.#contentLength);
    const whole = this.#whole;
    whole.set(bytes, this.received - bytes.length);
    if (!last) return;
    this.#whole = null;
    sink.onChunk(whole);
  }

  /** Lets go of everything; the result is who was reading. */
  drop(): BodySink | null {
    const sink = this.#sink;
    this.#sink = null;
    this.#held = [];
    this.#heldBytes = 0;
    this.#whole = null;
    return sink;
  }

  /** Whether the client has sent nothing for longer than `limitMs` though it could. */
  isStalled(now: number, limitMs: number): boolean {
    if (this.complete || this.#paused || this.#movedTo !== this.received || this.#movedAt === 0) {
      this.#movedTo = this.received;
      this.#movedAt = now;
      return false;
    }
    return now - this.#movedAt > limitMs;
  }
}
