import type { HeadFlusher, HeldHead } from './head-flusher.ts';
import { isBodyless, responseFields } from './reply-fields.ts';
import type { UwsResponse } from './uws-binding.ts';
import type { UwsBody } from './uws-body.ts';
import { announcesNothing, isPlainEventStream, writeFields } from './uws-fields.ts';

/** Collected reply bytes that are sent at once instead of at the end of the turn. */
const COLLECT_BYTES = 64 * 1024;
/** Of an unread request body so much is let by on a connection that is kept. */
export const DISCARD_BYTES = 256 * 1024;
/** An event stream's head that had no event to go with is sent after so long. */
const HELD_HEAD_MS = 500;
const EMPTY_COMMENT = Buffer.from(':\n\n');

/** What a reply needs of its port. */
export interface UwsReplyPort {
  readonly draining: boolean;
  readonly heads: HeadFlusher;
}

/** Small pieces are joined here before they are handed over: one native call instead of several. */
const joint = Buffer.allocUnsafeSlow(COLLECT_BYTES);

/** The reply whose writes are sent, for the one function every cork calls. */
let corking: UwsReply | null = null;
let failedInCork = false;
const sendCorked = (): void => {
  try {
    corking?.sendNow();
  } catch {
    failedInCork = true;
  }
};

/**
 * The reply of an exchange over uWebSockets.js. Written to what 20.30 does, seen from outside:
 *  - A call on a response that is complete or aborted throws, so `open` guards every one.
 *  - Writes outside a request's own handler are one system call each unless corked: they are collected and sent in one cork,
 *    at the reply's end or at the end of the turn.
 *  - `write` frames by chunks; a reply with a content-length goes through `tryEnd`, which leaves what it could not take here.
 *  - A head can't be sent alone: it waits for the first piece of body. An event stream that stays silent gets a comment.
 *  - `end(…, true)` behind a `write` puts a header into the body, and `endWithoutBody(n)` never completes: neither is used.
 *    A streamed reply can therefore only ask its client to close.
 *  - pause() also stops the reply: the request is never paused while reply bytes wait (uws-body.ts bounds what comes then).
 */
export abstract class UwsReply implements HeldHead {
  onDrain: (() => void) | null = null;
  protected readonly response: UwsResponse;
  protected body: UwsBody | null = null;
  /** The response object may be touched. */
  protected open = true;
  /** The exchange's side has ended or broken off. */
  protected done = false;
  /** The connection closes behind the reply. */
  protected close: boolean;
  protected headSent = false;
  /** Nothing of the reply may go out. */
  protected unsettled = false;
  readonly #port: UwsReplyPort;
  readonly #isHead: boolean;
  readonly #closeAsked: boolean;
  #status = 0;
  #fields: readonly string[] = [];
  #headHeld = false;
  #heldSince = 0;
  #enlisted = false;
  #ending = false;
  #bodyless = false;
  /** The reply does not match what its head announced. */
  #broken = false;
  #collected: Buffer[] = [];
  #collectedBytes = 0;
  /** Declared length of the reply, or -1: chunked. */
  #total = -1;
  /** Of a reply with a declared length: pieces the socket did not take yet. */
  #unsent: Buffer[] = [];
  /** Bytes that wait, here or in native memory; an upper bound. */
  #waitingBytes = 0;
  #blocked = false;
  #blockedSince = 0;
  #watching = false;
  #wantsDrain = false;

  /** `closeAsked`: by the client. `close`: whoever wants it. */
  constructor(port: UwsReplyPort, response: UwsResponse, isHead: boolean, closeAsked: boolean, close: boolean) {
    this.#port = port;
    this.response = response;
    this.#isHead = isHead;
    this.#closeAsked = closeAsked;
    this.close = close;
  }

  /** Closes the connection; the exchange hears of it unless it has ended. */
  protected abstract abandon(): void;
  /** The response is complete as far as its connection is concerned. */
  protected abstract closed(): void;
  /** Something threw: nothing may escape into native code, which would end the process. */
  abstract fail(): void;

  get bufferedBytes(): number {
    return this.#collectedBytes + this.#waitingBytes;
  }

  get isBlocked(): boolean {
    return this.#blocked;
  }

  protected get headWritten(): boolean {
    return this.#status !== 0;
  }

  writeHead(status: number, headers: readonly string[]): void {
    if (this.done || this.#status !== 0) return;
    this.#status = status;
    this.#fields = responseFields(status, headers);
    this.#bodyless = isBodyless(this.#isHead ? 'HEAD' : '', status) || announcesNothing(this.#fields);
    this.#headHeld = true;
    this.#enlist();
  }

  write(chunk: Buffer): boolean {
    if (this.done || chunk.length === 0 || this.#bodyless) return true;
    this.#collected.push(chunk);
    this.#collectedBytes += chunk.length;
    if (this.#collectedBytes >= COLLECT_BYTES) this.#send();
    else this.#enlist();
    if (!this.#blocked) return true;
    this.#wantsDrain = true;
    return false;
  }

  end(chunk?: Buffer | string): void {
    if (this.done) return;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    if (bytes !== undefined && bytes.length > 0 && !this.#bodyless) {
      this.#collected.push(bytes);
      this.#collectedBytes += bytes.length;
    }
    this.done = true;
    this.#ending = true;
    this.body?.drop();
    this.body?.unpause();
    this.#send();
  }

  /** Lets go of what was not sent. */
  protected dropReply(): void {
    this.#collected = [];
    this.#unsent = [];
    this.#collectedBytes = 0;
    this.#waitingBytes = 0;
  }

  /** What had to wait may go out. */
  protected settle(): void {
    this.unsettled = false;
    if (this.#ending || this.#collectedBytes > 0) this.#send();
  }

  #enlist(): void {
    if (this.#enlisted) return;
    this.#enlisted = true;
    this.#port.heads.add(this);
  }

  /**
   * The turn is over: what was collected goes out. A head alone stays: the binding can't send one without a first piece of
   * body (`sweep` finds one for event streams).
   */
  flushHead(): void {
    this.#enlisted = false;
    if (this.#collectedBytes > 0) this.#send();
  }

  #send(): void {
    if (!this.open || this.unsettled) return;
    corking = this;
    failedInCork = false;
    try {
      this.response.cork(sendCorked);
    } catch {
      failedInCork = true;
    }
    corking = null;
    // Not inside the cork: it ends with a write to the connection.
    if (failedInCork) this.fail();
    else if (this.#broken) this.abandon();
  }

  /** Runs inside a cork. */
  sendNow(): void {
    const response = this.response;
    const bodyless = this.#bodyless;
    if (this.#headHeld) {
      this.#headHeld = false;
      this.headSent = true;
      const whole = this.#ending && !bodyless;
      this.#writeFields(whole, bodyless);
      if (whole) {
        // The only way to a reply that closes its connection, and the cheapest for one that doesn't.
        const body = this.#joinCollected();
        this.#finish();
        response.end(body, this.#mustClose());
        return;
      }
    }
    if (bodyless) {
      if (!this.#ending) return;
      this.#finish();
      response.endWithoutBody();
      return;
    }
    if (this.#total === -1) this.#sendChunked();
    else this.#sendCounted();
  }

  /** Whether the connection has to close behind a reply that is complete now. */
  #mustClose(): boolean {
    if (this.close || this.#port.draining) return true;
    return this.body !== null && this.body.missing > DISCARD_BYTES;
  }

  #writeFields(whole: boolean, bodyless: boolean): void {
    const lengthUse = bodyless ? 'write' : whole ? 'leave' : 'count';
    this.#total = writeFields(this.response, this.#status, this.#fields, lengthUse);
    // Where the client asked for it the binding closes without saying so; else `end` says it.
    if (whole ? this.#closeAsked : this.#mustClose()) {
      this.close = true;
      this.response.writeHeader('connection', 'close');
    }
    this.#fields = [];
  }

  #joinCollected(): Buffer | string {
    const collected = this.#collected;
    const bytes = this.#collectedBytes;
    this.#collected = [];
    this.#collectedBytes = 0;
    if (collected.length === 0) return '';
    if (collected.length === 1) return collected[0] as Buffer;
    if (bytes > joint.length) return Buffer.concat(collected, bytes);
    let at = 0;
    for (const piece of collected) at += piece.copy(joint, at);
    return joint.subarray(0, bytes);
  }

  #sendChunked(): void {
    const bytes = this.#collectedBytes;
    if (bytes > 0 && !this.response.write(this.#joinCollected())) this.#block(bytes);
    if (!this.#ending) return;
    this.#finish();
    this.response.end();
  }

  #sendCounted(): void {
    if (this.#collectedBytes > 0) {
      for (const piece of this.#collected) this.#unsent.push(piece);
      this.#waitingBytes += this.#collectedBytes;
      this.#collected = [];
      this.#collectedBytes = 0;
    }
    if (this.#blocked) return;
    const response = this.response;
    const unsent = this.#unsent;
    while (unsent.length > 0) {
      const piece = unsent[0] as Buffer;
      const before = response.getWriteOffset();
      if (before + piece.length > this.#total) {
        // More than was announced: the client would take the rest for another reply.
        this.#broken = true;
        return;
      }
      // Complete, the response can't be touched any more.
      if (before + piece.length === this.#total) this.body?.unpause();
      const [taken, complete] = response.tryEnd(piece, this.#total);
      if (complete) {
        this.#waitingBytes = 0;
        this.#unsent = [];
        // The binding has completed the reply, whether or not `end` was called yet.
        this.#finish();
        return;
      }
      const sent = response.getWriteOffset() - before;
      this.#waitingBytes -= sent;
      if (!taken) {
        unsent[0] = piece.subarray(sent);
        this.#block(0);
        return;
      }
      unsent.shift();
    }
    // Ended short of what was announced.
    if (this.#ending) this.#broken = true;
  }

  #finish(): void {
    this.open = false;
    this.closed();
  }

  #block(bytes: number): void {
    this.#waitingBytes += bytes;
    this.#blocked = true;
    this.#blockedSince = performance.now();
    // Paused, the binding would never say that the socket is writable again.
    this.body?.unpause();
    if (this.#watching) return;
    this.#watching = true;
    this.response.onWritable(() => {
      try {
        this.#onWritable();
      } catch {
        this.fail();
      }
      return true;
    });
  }

  #onWritable(): void {
    if (!this.open) return;
    this.#blocked = false;
    if (this.#total === -1) this.#waitingBytes = 0;
    else this.#sendCounted();
    if (this.#broken) {
      this.abandon();
      return;
    }
    if (this.#blocked) return;
    this.body?.pauseAgain();
    // Also when the last announced byte is out: the other side has still to say that this was the end.
    if (this.#wantsDrain && !this.done) {
      this.#wantsDrain = false;
      this.onDrain?.();
    }
  }

  /** Enforces what has no event of its own. True: the client has taken nothing of the reply for longer than `limitMs`. */
  protected sweepReply(now: number, limitMs: number): boolean {
    if (this.#headHeld) this.#sweepHead(now);
    return this.#blocked && now - this.#blockedSince > limitMs;
  }

  /** An event stream that has nothing to tell yet begins with a comment, so that its client sees the head. */
  #sweepHead(now: number): void {
    if (this.#heldSince === 0) this.#heldSince = now;
    if (now - this.#heldSince < HELD_HEAD_MS || this.#bodyless || !isPlainEventStream(this.#fields)) return;
    this.#collected.push(EMPTY_COMMENT);
    this.#collectedBytes += EMPTY_COMMENT.length;
    this.#send();
  }
}
