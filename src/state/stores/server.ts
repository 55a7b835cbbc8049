import type { MessagePort } from 'node:worker_threads';
import type { Logger } from '../../telemetry/log.ts';
import { Mailbox, MailboxError } from '../mailbox.ts';
import type { StoreKey } from './key.ts';
import { type Answer, answerOf, CALLS, type Call, decode, encode, NEWS, type News } from './protocol.ts';
import { MAX_CHANNELS, type Store, StoreError, type Unsubscribe } from './store.ts';

/** Answers one client's calls with a store of this thread. It ends with the client's port. */
export class StoreServer {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #mailbox: Mailbox;
  readonly #listening = new Map<string, Promise<Unsubscribe>>();
  /** Channels with a message the client had no room for; it is told so once it has. */
  readonly #lost = new Set<string>();

  constructor(store: Store, port: MessagePort, log: Logger) {
    this.#store = store;
    this.#log = log;
    this.#mailbox = new Mailbox({ instance: CALLS.instance, thread: CALLS.thread, port });
    this.#mailbox.receive(CALLS.id, async (bytes) => encode(await this.#answer(decode<Call>(bytes))));
    port.on('close', () => this.close());
  }

  close(): void {
    this.#mailbox.close();
    for (const channel of [...this.#listening.keys()]) this.#unlisten(channel);
  }

  async #answer(call: Call): Promise<Answer> {
    try {
      if (call.name === 'listen') return { value: await this.#listen(call.channel) };
      if (call.name === 'unlisten') return { value: this.#unlisten(call.channel) };
      const method = this.#store[call.name] as (...args: readonly unknown[]) => Promise<unknown>;
      return { value: await method.apply(this.#store, [...call.args]) };
    } catch (error) {
      const known = error instanceof StoreError || error instanceof RangeError;
      if (!known) this.#log.error('a store call failed', { call: call.name, error });
      return answerOf(error);
    }
  }

  async #listen(channel: string): Promise<void> {
    if (this.#listening.has(channel)) return;
    if (this.#listening.size >= MAX_CHANNELS) {
      throw new StoreError('unavailable', 'too many channels are listened to');
    }
    const subscribed = this.#store.subscribe(channel as StoreKey, {
      message: (bytes) => this.#send({ type: 'message', channel, bytes }),
      lost: () => this.#send({ type: 'lost', channel }),
    });
    this.#listening.set(channel, subscribed);
    try {
      await subscribed;
    } catch (error) {
      this.#listening.delete(channel);
      throw error;
    }
  }

  #unlisten(channel: string): void {
    const subscribed = this.#listening.get(channel);
    this.#listening.delete(channel);
    this.#lost.delete(channel);
    subscribed?.then(
      (unsubscribe) => unsubscribe(),
      () => {},
    );
  }

  #send(news: News): void {
    this.#mailbox.send(NEWS, encode(news)).then(
      () => this.#sendLost(),
      (error: unknown) => {
        // `gone` is the client's own end: it knows.
        if (error instanceof MailboxError && error.code === 'gone') return;
        this.#lost.add(news.channel);
      },
    );
  }

  /** There is room again. */
  #sendLost(): void {
    const channels = [...this.#lost];
    this.#lost.clear();
    for (const channel of channels) if (this.#listening.has(channel)) this.#send({ type: 'lost', channel });
  }
}
