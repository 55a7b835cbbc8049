import type { Exchange } from '../../../exchange.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { MessageHook, MessageVerdict, RealtimeSender } from '../../../facts/realtime.ts';
import { Message } from './message.ts';

/** What a passage does with the two ends. */
export interface PassageEnds {
  /** To the other side; false: hold the sender back. */
  forward(data: Buffer, binary: boolean): boolean;
  /** Back to the sender, in place of what it sent. */
  answer(event: JsonObject): void;
  /** Holds the sender back until `release`; both may be called again and again. */
  hold(): void;
  release(): void;
  /** A hook ends the session, or failed. */
  close(code: number, reason: string): void;
  failed(error: unknown): void;
}

/**
 * The messages of one sender on their way to the other side: shown to the hooks, in order. While a hook thinks, what comes behind
 * waits; the sender is held back then, so that no more than what it had sent already does.
 */
export class Passage {
  readonly #from: RealtimeSender;
  readonly #exchange: Exchange;
  readonly #hooks: readonly MessageHook[];
  readonly #ends: PassageEnds;
  #waiting: Message[] = [];
  #thinking = false;
  /** The other side has to take what it was given first. */
  #blocked = false;
  #ended = false;
  messages = 0;

  constructor(from: RealtimeSender, exchange: Exchange, hooks: readonly MessageHook[], ends: PassageEnds) {
    this.#from = from;
    this.#exchange = exchange;
    this.#hooks = hooks.filter((hook) => hook.from === from);
    this.#ends = ends;
  }

  take(data: Buffer, binary: boolean): void {
    if (this.#ended) return;
    this.messages++;
    const message = new Message(this.#from, data, binary);
    if (this.#thinking) this.#waiting.push(message);
    else this.#pass(message, 0);
  }

  /** The other side takes messages again. */
  drained(): void {
    this.#blocked = false;
    if (!this.#thinking) this.#ends.release();
  }

  /** Nothing goes on from here any more. */
  end(): void {
    this.#ended = true;
    this.#waiting = [];
  }

  /** Shows a message to the hooks from `start` on. */
  #pass(given: Message, start: number): void {
    let message = given;
    for (let i = start; i < this.#hooks.length && !this.#ended; i++) {
      const hook = this.#hooks[i] as MessageHook;
      if (hook.types !== null && !hook.types.has(message.type)) continue;
      let verdict: MessageVerdict | Promise<MessageVerdict>;
      try {
        verdict = hook.onMessage(message, this.#exchange);
      } catch (error) {
        this.#ends.failed(error);
        return;
      }
      if (verdict instanceof Promise) {
        this.#think(verdict, message, i + 1);
        return;
      }
      const next = this.#judge(verdict, message);
      if (next === null) return;
      message = next;
    }
    if (!this.#ended && !this.#ends.forward(message.data, message.binary)) {
      this.#blocked = true;
      this.#ends.hold();
    }
  }

  /** The message as it goes on; null where it doesn't. */
  #judge(verdict: MessageVerdict, message: Message): Message | null {
    if (verdict === undefined) return message;
    if ('replace' in verdict) return new Message(this.#from, verdict.replace, message.binary);
    if ('answer' in verdict) for (const event of verdict.answer) this.#ends.answer(event);
    else this.#ends.close(verdict.close, verdict.reason);
    return null;
  }

  #think(pending: Promise<MessageVerdict>, message: Message, next: number): void {
    this.#thinking = true;
    this.#ends.hold();
    pending.then(
      (verdict) => {
        this.#thinking = false;
        if (this.#ended) return;
        const judged = this.#judge(verdict, message);
        if (judged !== null) this.#pass(judged, next);
        this.#catchUp();
      },
      (error: unknown) => {
        if (!this.#ended) this.#ends.failed(error);
      },
    );
  }

  /** What came while a hook thought. */
  #catchUp(): void {
    while (!this.#thinking && !this.#ended) {
      const message = this.#waiting.shift();
      if (message === undefined) {
        if (!this.#blocked) this.#ends.release();
        return;
      }
      this.#pass(message, 0);
    }
  }
}
