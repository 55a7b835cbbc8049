import type { ConnectionOptions } from 'node:tls';
import type { Logger } from '../../telemetry/log.ts';
import { StoreClient } from './client.ts';
import type { StoreStats } from './engine.ts';
import { LocalStore } from './local.ts';
import { MemoryEngine } from './memory-engine.ts';
import type { StoreHandle } from './protocol.ts';
import type { ChannelSource } from './redis-subscriber.ts';
import { DEFAULT_LIMITS, type Store, type StoreLimits } from './store.ts';

export type StoreOptions =
  /** In this thread alone. */
  | {
      readonly kind: 'memory';
      readonly maxBytes: number;
      readonly log: Logger;
      readonly limits?: StoreLimits;
      readonly onStats?: (stats: StoreStats) => void;
    }
  /** In the store thread; the handle is from StoreHost.connect (host.ts). */
  | { readonly kind: 'embedded'; readonly handle: StoreHandle; readonly log: Logger }
  /** In Redis, shared by instances; see RedisStoreOptions. */
  | {
      readonly kind: 'redis';
      readonly url: string;
      readonly log: Logger;
      readonly limits?: StoreLimits;
      readonly tls?: ConnectionOptions;
      readonly prefix?: string;
      readonly subscriber?: ChannelSource;
    };

/** Opens a store for this thread. Throws TypeError where the options can't be used; that nothing answers is said by the calls. */
export async function openStore(options: StoreOptions): Promise<Store> {
  switch (options.kind) {
    case 'memory': {
      const { maxBytes, limits = DEFAULT_LIMITS, log, onStats } = options;
      return new LocalStore({ engine: new MemoryEngine({ maxBytes }), limits, log, onStats });
    }
    case 'embedded':
      return new StoreClient(options.handle, options.log);
    case 'redis': {
      // Only those who use Redis load its client.
      const { RedisStore } = await import('./redis.ts');
      const { limits = DEFAULT_LIMITS, ...rest } = options;
      return new RedisStore({ ...rest, limits });
    }
  }
}
