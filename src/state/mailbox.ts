/**
 * How one thread reaches what lives on another: an open stream, a pending request, a child process. Each of these has an
 * owner and an address (instance, thread, id); its owner registers the id with `receive`, anyone with the address can `send`.
 *
 *   worker 1                 primary                  worker 2
 *   ┌─────────┐  MessagePort ┌────────────┐ MessagePort┌─────────┐
 *   │ Mailbox ├──────────────┤ MailboxHub ├────────────┤ Mailbox │      mail goes right, its answer comes back left
 *   └─────────┘              └─────┬──────┘            └─────────┘
 *                              Mailbox of the primary (thread 0)
 *
 * Every piece of mail is answered, by the owner when its handler is done, else by whoever knows better: the hub when the
 * thread has ended, the owner's mailbox when it knows no such id. `send` and `request` therefore always settle: with the
 * answer, or with a MailboxError.
 *
 * Back-pressure is by credit: a mailbox has at most `window` unanswered pieces under way to a thread, the next wait in a
 * queue of its own, and past that queue's limits `send` fails with `full`. A handler that returns a promise holds its
 * sender's credit until it settles. What waits anywhere is so at most (threads × window) at a receiver and a queue a
 * destination at a sender. Mail from one mailbox to one thread is delivered in the order it was sent.
 */
import type { MessagePort } from 'node:worker_threads';

export interface MailAddress {
  /** The process, as WorkerBoot.instance says it. */
  readonly instance: string;
  /** `threadId` of node:worker_threads: unlike a worker's index never used twice, so mail for a dead worker doesn't reach its successor. */
  readonly thread: number;
  /** Chosen by the owner. */
  readonly id: string;
}

/**
 * gone: the thread has ended or knows no such id. full: too much is waiting for that thread. unreachable: another instance,
 * and no way there. timeout: no answer in time. failed: the owner's handler threw.
 */
export type MailboxErrorCode = 'gone' | 'full' | 'unreachable' | 'timeout' | 'failed';

const MESSAGES: Record<MailboxErrorCode, string> = {
  gone: 'its owner is gone',
  full: 'too much mail is waiting for its thread',
  unreachable: 'there is no way to that instance',
  timeout: 'its owner did not answer in time',
  failed: 'its owner failed to handle the mail',
};

export class MailboxError extends Error {
  override readonly name = 'MailboxError';
  readonly code: MailboxErrorCode;
  readonly address: MailAddress;

  constructor(code: MailboxErrorCode, address: MailAddress) {
    super(`mail to ${address.instance}/${address.thread}/${address.id}: ${MESSAGES[code]}`);
    this.code = code;
    this.address = address;
  }
}

/** Gets each piece of mail; what it returns (or resolves to) is the answer to a `request`. */
export type MailHandler = (bytes: Uint8Array) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

/** On the ports between mailboxes and hub. `seq` is the sender's own on each port. */
export type PortMessage =
  | { type: 'mail'; seq: number; thread: number; id: string; bytes: Uint8Array }
  | { type: 'answer'; seq: number; error: MailboxErrorCode | null; bytes: Uint8Array };

export interface MailboxOptions {
  readonly instance: string;
  /** This thread's `threadId`. */
  readonly thread: number;
  /** This thread's end, from MailboxHub.connect. */
  readonly port: MessagePort;
  /** Carries mail to other instances and resolves to the answer; without it they are `unreachable`. */
  readonly remote?: (address: MailAddress, bytes: Uint8Array, timeoutMs: number) => Promise<Uint8Array>;
  /** Told of a handler's exception; its sender only learns that it `failed`. */
  readonly onHandlerError?: (id: string, error: unknown) => void;
  /** Unanswered pieces under way to one thread. */
  readonly window?: number;
  /** Pieces and bytes waiting for one thread. */
  readonly maxQueued?: number;
  readonly maxQueuedBytes?: number;
  /** Until when a `send` must have been handled, milliseconds. */
  readonly sendTimeoutMs?: number;
}

const EMPTY = new Uint8Array(0);

/** Something sent and not answered yet. */
interface Pending {
  readonly address: MailAddress;
  readonly lane: Lane;
  readonly bytes: Uint8Array;
  readonly timer: NodeJS.Timeout;
  /** Null once the sender has been told (of a time-out); the credit comes back with the answer. */
  settle: ((error: MailboxErrorCode | null, bytes: Uint8Array) => void) | null;
}

/** What goes to one thread. */
interface Lane {
  readonly thread: number;
  underWay: number;
  readonly queue: Pending[];
  queuedBytes: number;
}

/** One thread's mailbox. */
export class Mailbox {
  readonly instance: string;
  readonly thread: number;
  readonly #options: MailboxOptions;
  readonly #port: MessagePort;
  readonly #handlers = new Map<string, MailHandler>();
  readonly #underWay = new Map<number, Pending>();
  readonly #lanes = new Map<number, Lane>();
  readonly #window: number;
  readonly #maxQueued: number;
  readonly #maxQueuedBytes: number;
  readonly #sendTimeoutMs: number;
  #seq = 0;
  #closed = false;

  constructor(options: MailboxOptions) {
    this.instance = options.instance;
    this.thread = options.thread;
    this.#options = options;
    this.#window = options.window ?? 64;
    this.#maxQueued = options.maxQueued ?? 1024;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? 16 * 1024 * 1024;
    this.#sendTimeoutMs = options.sendTimeoutMs ?? 30_000;
    this.#port = options.port;
    this.#port.on('message', (message: PortMessage) => this.#onMessage(message));
    this.#port.on('close', () => this.close());
    // Waiting for mail alone keeps no thread alive; waiting for an answer does.
    this.#port.unref();
  }

  /** The address of something this thread owns. */
  address(id: string): MailAddress {
    return { instance: this.instance, thread: this.thread, id };
  }

  /** Registers the owner of `id` and returns the way to undo it. Throws if the id is taken. */
  receive(id: string, handler: MailHandler): () => void {
    if (this.#handlers.has(id)) throw new Error(`mailbox id ${id} is taken`);
    this.#handlers.set(id, handler);
    return () => {
      if (this.#handlers.get(id) === handler) this.#handlers.delete(id);
    };
  }

  /**
   * Resolves when the owner has handled it; rejects with a MailboxError. `bytes` is the mailbox's from here on: where it
   * fills its ArrayBuffer it is transferred, otherwise copied.
   */
  async send(address: MailAddress, bytes: Uint8Array): Promise<void> {
    await this.request(address, bytes, this.#sendTimeoutMs);
  }

  /** As `send`, and resolves to what the owner's handler returned (empty where it returned nothing). */
  request(address: MailAddress, bytes: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (address.instance !== this.instance) {
      const { remote } = this.#options;
      if (remote === undefined) return Promise.reject(new MailboxError('unreachable', address));
      return remote(address, bytes, timeoutMs);
    }
    if (this.#closed) return Promise.reject(new MailboxError('gone', address));
    const lane = this.#lane(address.thread);
    const waits = lane.underWay >= this.#window;
    if (waits && (lane.queue.length >= this.#maxQueued || lane.queuedBytes + bytes.length > this.#maxQueuedBytes)) {
      return Promise.reject(new MailboxError('full', address));
    }
    return new Promise((resolve, reject) => {
      const pending: Pending = {
        address,
        lane,
        bytes,
        timer: setTimeout(() => this.#expire(pending), timeoutMs),
        settle: (error, answer) => {
          clearTimeout(pending.timer);
          pending.settle = null;
          if (error === null) resolve(answer);
          else reject(new MailboxError(error, address));
        },
      };
      if (waits) {
        lane.queue.push(pending);
        lane.queuedBytes += bytes.length;
      } else {
        this.#post(pending);
      }
    });
  }

  /** Everything still unanswered fails with `gone`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#port.close();
    for (const pending of this.#underWay.values()) pending.settle?.('gone', EMPTY);
    for (const lane of this.#lanes.values()) for (const pending of lane.queue) pending.settle?.('gone', EMPTY);
    this.#underWay.clear();
    this.#lanes.clear();
    this.#handlers.clear();
  }

  #lane(thread: number): Lane {
    let lane = this.#lanes.get(thread);
    if (lane === undefined) {
      lane = { thread, underWay: 0, queue: [], queuedBytes: 0 };
      this.#lanes.set(thread, lane);
    }
    return lane;
  }

  #post(pending: Pending): void {
    const seq = this.#seq++;
    pending.lane.underWay++;
    this.#underWay.set(seq, pending);
    if (this.#underWay.size === 1) this.#port.ref();
    const { thread, id } = pending.address;
    if (thread === this.thread)
      void this.#handle(id, pending.bytes).then((answer) => this.#onAnswer({ seq, ...answer }));
    else postBytes(this.#port, { type: 'mail', seq, thread, id, bytes: pending.bytes });
  }

  #onMessage(message: PortMessage): void {
    if (message.type === 'answer') {
      this.#onAnswer(message);
      return;
    }
    const { seq } = message;
    void this.#handle(message.id, message.bytes).then((answer) => {
      if (!this.#closed) postBytes(this.#port, { type: 'answer', seq, ...answer });
    });
  }

  /** Never rejects. */
  async #handle(id: string, bytes: Uint8Array): Promise<{ error: MailboxErrorCode | null; bytes: Uint8Array }> {
    const handler = this.#handlers.get(id);
    if (handler === undefined) return { error: 'gone', bytes: EMPTY };
    try {
      return { error: null, bytes: (await handler(bytes)) ?? EMPTY };
    } catch (error) {
      this.#options.onHandlerError?.(id, error);
      return { error: 'failed', bytes: EMPTY };
    }
  }

  #onAnswer(answer: { seq: number; error: MailboxErrorCode | null; bytes: Uint8Array }): void {
    const pending = this.#underWay.get(answer.seq);
    if (pending === undefined) return;
    this.#underWay.delete(answer.seq);
    const { lane } = pending;
    lane.underWay--;
    pending.settle?.(answer.error, answer.bytes);
    while (lane.underWay < this.#window) {
      const next = lane.queue.shift();
      if (next === undefined) break;
      lane.queuedBytes -= next.bytes.length;
      this.#post(next);
    }
    if (lane.underWay === 0) this.#lanes.delete(lane.thread);
    if (this.#underWay.size === 0 && !this.#closed) this.#port.unref();
  }

  #expire(pending: Pending): void {
    const { lane } = pending;
    const at = lane.queue.indexOf(pending);
    if (at !== -1) {
      lane.queue.splice(at, 1);
      lane.queuedBytes -= pending.bytes.length;
    }
    pending.settle?.('timeout', EMPTY);
  }
}

/** Posts a message with its bytes transferred; a view of a larger buffer is copied first, so that its neighbours stay. */
export function postBytes(port: MessagePort, message: PortMessage): void {
  const { bytes } = message;
  const { buffer } = bytes;
  const own = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length ? bytes : new Uint8Array(bytes);
  if (own.length === 0) port.postMessage({ ...message, bytes: EMPTY });
  else port.postMessage({ ...message, bytes: own }, [own.buffer as ArrayBuffer]);
}
