import type { Logger } from '../../telemetry/log.ts';
import { type ChannelListener, MAX_CHANNELS, StoreError, type Unsubscribe } from './store.ts';

interface Channel {
  readonly listeners: Set<ChannelListener>;
  /** Settles with what `begin` said. */
  readonly begun: Promise<void>;
}

export interface SubscriptionsOptions {
  readonly log: Logger;
  /** Has the channel's messages come; called for its first listener. */
  begin(channel: string): Promise<void>;
  /** Nobody listens to it any more, or it could not be begun. */
  end(channel: string): void;
}

/** Who listens to what in this thread: each channel is asked for once, however many listeners it has. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #channels = new Map<string, Channel>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  get channels(): string[] {
    return [...this.#channels.keys()];
  }

  /** Rejects with what `begin` rejects with, or with a StoreError where there are too many channels. */
  async add(name: string, listener: ChannelListener): Promise<Unsubscribe> {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      if (this.#channels.size >= MAX_CHANNELS) throw new StoreError('unavailable', 'too many channels are listened to');
      channel = { listeners: new Set(), begun: this.#options.begin(name) };
      this.#channels.set(name, channel);
    }
    const joined = channel;
    // The same listener may be added twice.
    const own: ChannelListener = { message: (bytes) => listener.message(bytes), lost: () => listener.lost() };
    joined.listeners.add(own);
    try {
      await joined.begun;
    } catch (error) {
      if (this.#channels.get(name) === joined) {
        this.#channels.delete(name);
        // It may have begun all the same: the answer was late.
        this.#options.end(name);
      }
      throw error;
    }
    return () => this.#remove(name, joined, own);
  }

  deliver(name: string, message: Uint8Array): void {
    this.#tell(this.#channels.get(name), (listener) => listener.message(message));
  }

  /** Tells all listeners, or those of one channel, that messages may be missing. */
  lost(name?: string): void {
    const channels = name === undefined ? [...this.#channels.values()] : [this.#channels.get(name)];
    for (const channel of channels) this.#tell(channel, (listener) => listener.lost());
  }

  clear(): void {
    this.#channels.clear();
  }

  #remove(name: string, channel: Channel, listener: ChannelListener): void {
    if (!channel.listeners.delete(listener) || channel.listeners.size > 0) return;
    if (this.#channels.get(name) !== channel) return;
    this.#channels.delete(name);
    this.#options.end(name);
  }

  #tell(channel: Channel | undefined, tell: (listener: ChannelListener) => void): void {
    for (const listener of [...(channel?.listeners ?? [])]) {
      try {
        tell(listener);
      } catch (error) {
        this.#options.log.error('a listener of a store channel failed', { error });
      }
    }
  }
}
