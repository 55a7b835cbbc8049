import type { Logger } from '../../telemetry/log.ts';
import { Mailbox, MailboxError } from '../mailbox.ts';
import type { StoreKey } from './key.ts';
import {
  type Answer,
  CALLS,
  type Call,
  type CallArgs,
  type CallName,
  type CallResult,
  decode,
  encode,
  errorOf,
  NEWS,
  type News,
  type Relink,
  type StoreHandle,
} from './protocol.ts';
import {
  type AppendOptions,
  type ChannelListener,
  checkSize,
  type PutOptions,
  type ReadOptions,
  type Store,
  type StoredValue,
  StoreError,
  type StreamPage,
  type Unsubscribe,
} from './store.ts';
import { Subscriptions } from './subscriptions.ts';

/** How long after a failed attempt to listen again the next one follows, milliseconds. */
const LISTEN_AGAIN_MS = 1000;

/** The store thread's store, in any other thread. */
export class StoreClient implements Store {
  readonly #handle: StoreHandle;
  readonly #subscriptions: Subscriptions;
  #mailbox: Mailbox | null = null;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** Takes the handle over: it opens one client only. */
  constructor(handle: StoreHandle, log: Logger) {
    this.#handle = handle;
    this.#subscriptions = new Subscriptions({
      log,
      begin: (channel) => this.#listen(channel),
      end: (channel) => {
        // Where it fails there is no thread any more that could send.
        this.#ask({ name: 'unlisten', channel }).catch(() => {});
      },
    });
    if (handle.port !== null) this.#mailbox = this.#open(handle.port);
    handle.control.on('message', ({ port }: Relink) => this.#relink(port));
    handle.control.unref();
  }

  get(key: StoreKey): Promise<StoredValue | null> {
    return this.#call('get', key);
  }

  put(key: StoreKey, value: Uint8Array, options: PutOptions = {}): Promise<string> {
    return this.#call('put', key, value, options);
  }

  compareAndSet(key: StoreKey, expected: string | null, value: Uint8Array, options: PutOptions = {}): Promise<string> {
    return this.#call('compareAndSet', key, expected, value, options);
  }

  delete(key: StoreKey): Promise<boolean> {
    return this.#call('delete', key);
  }

  append(key: StoreKey, value: Uint8Array, options: AppendOptions): Promise<string> {
    return this.#call('append', key, value, options);
  }

  read(key: StoreKey, options: ReadOptions = {}): Promise<StreamPage> {
    return this.#call('read', key, options);
  }

  trim(key: StoreKey, maxLength: number): Promise<number> {
    return this.#call('trim', key, maxLength);
  }

  publish(key: StoreKey, message: Uint8Array): Promise<void> {
    return this.#call('publish', key, message);
  }

  subscribe(key: StoreKey, listener: ChannelListener): Promise<Unsubscribe> {
    return this.#subscriptions.add(key, listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#handle.control.close();
    this.#mailbox?.close();
    this.#subscriptions.clear();
  }

  async #call<K extends CallName>(name: K, ...args: CallArgs<K>): Promise<CallResult<K>> {
    // Before it is copied to another thread.
    for (const arg of args) if (arg instanceof Uint8Array) checkSize(arg, this.#handle.limits);
    return (await this.#ask({ name, args })) as CallResult<K>;
  }

  async #listen(channel: string): Promise<void> {
    await this.#ask({ name: 'listen', channel });
  }

  async #ask(call: Call): Promise<unknown> {
    if (this.#closed) throw new StoreError('unavailable', 'the store is closed');
    if (this.#mailbox === null) throw new StoreError('unavailable', 'the store thread is down');
    const { timeoutMs } = this.#handle.limits;
    let answer: Answer;
    try {
      answer = decode<Answer>(await this.#mailbox.request(CALLS, encode(call), timeoutMs));
    } catch (error) {
      throw storeError(error, timeoutMs);
    }
    if ('error' in answer) throw errorOf(answer);
    return answer.value;
  }

  #open(port: StoreHandle['control']): Mailbox {
    const mailbox = new Mailbox({ instance: NEWS.instance, thread: NEWS.thread, port });
    mailbox.receive(NEWS.id, (bytes) => {
      const news = decode<News>(bytes);
      if (news.type === 'lost') this.#subscriptions.lost(news.channel);
      else this.#subscriptions.deliver(news.channel, news.bytes);
      return undefined;
    });
    return mailbox;
  }

  #relink(port: StoreHandle['control']): void {
    this.#mailbox?.close();
    clearTimeout(this.#retry);
    this.#mailbox = this.#open(port);
    void this.#listenAgain(this.#subscriptions.channels, this.#mailbox);
  }

  /** Listens to these channels in a new thread; what was said meanwhile is lost. */
  async #listenAgain(channels: readonly string[], mailbox: Mailbox): Promise<void> {
    const outcomes = await Promise.allSettled(channels.map((channel) => this.#listen(channel)));
    if (this.#mailbox !== mailbox || this.#closed) return;
    const failed: string[] = [];
    channels.forEach((channel, at) => {
      if (outcomes[at]?.status === 'rejected') failed.push(channel);
      else this.#subscriptions.lost(channel);
    });
    if (failed.length === 0) return;
    this.#retry = setTimeout(() => void this.#listenAgain(failed, mailbox), LISTEN_AGAIN_MS);
    this.#retry.unref();
  }
}

function storeError(error: unknown, timeoutMs: number): unknown {
  if (!(error instanceof MailboxError)) return error;
  switch (error.code) {
    case 'timeout':
      return new StoreError('timeout', `the store thread did not answer within ${timeoutMs} ms`);
    case 'full':
      return new StoreError('unavailable', 'too many calls are waiting for the store thread');
    default:
      return new StoreError('unavailable', 'the store thread has ended');
  }
}
