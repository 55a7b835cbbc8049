import { RedisConnection, type RedisConnectionOptions } from './redis-connection.ts';
import type { ChannelListener, Unsubscribe } from './store.ts';
import { Subscriptions } from './subscriptions.ts';

/** Where a RedisStore's channels are heard: a RedisSubscriber, or whatever carries its messages to another thread. */
export interface ChannelSource {
  /** Resolves once everything published from then on is heard. */
  subscribe(channel: string, listener: ChannelListener): Promise<Unsubscribe>;
}

/** How often a connection that only listens is asked whether it still lives, milliseconds. */
const PING_MS = 10_000;
/** Channels asked for at once when a connection is new. */
const BATCH = 1000;

/** The connection that listens: Redis wants one of its own for it. */
export class RedisSubscriber implements ChannelSource {
  readonly #connection: RedisConnection;
  readonly #subscriptions: Subscriptions;
  readonly #pings: NodeJS.Timeout;

  constructor(options: Omit<RedisConnectionOptions, 'onReconnected'>, pingMs = PING_MS) {
    this.#connection = new RedisConnection({ ...options, onReconnected: () => void this.#listenAgain() });
    this.#connection.onMessage((channel, message) => this.#subscriptions.deliver(channel, message));
    this.#subscriptions = new Subscriptions({
      log: options.log,
      begin: async (channel) => {
        await this.#connection.call((redis) => redis.subscribe(channel));
      },
      end: (channel) => {
        // Where it fails the connection is lost, and the channel is not asked for in the next.
        this.#connection.call((redis) => redis.unsubscribe(channel)).catch(() => {});
      },
    });
    this.#pings = setInterval(() => this.#ping(), pingMs);
    this.#pings.unref();
  }

  subscribe(channel: string, listener: ChannelListener): Promise<Unsubscribe> {
    return this.#subscriptions.add(channel, listener);
  }

  close(): void {
    clearInterval(this.#pings);
    this.#subscriptions.clear();
    this.#connection.close();
  }

  async #listenAgain(): Promise<void> {
    const { channels } = this.#subscriptions;
    try {
      for (let at = 0; at < channels.length; at += BATCH) {
        const batch = channels.slice(at, at + BATCH);
        await this.#connection.call((redis) => redis.subscribe(...batch));
      }
    } catch {
      // Listening to only some of them would be silence for the others.
      this.#connection.reset();
      return;
    }
    for (const channel of channels) this.#subscriptions.lost(channel);
  }

  #ping(): void {
    if (this.#subscriptions.channels.length === 0) return;
    this.#connection.call((redis) => redis.ping()).catch(() => this.#connection.reset());
  }
}
