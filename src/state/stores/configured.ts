import type { Settings } from '../../resources/settings.ts';
import type { Logger } from '../../telemetry/log.ts';
import { openStore } from './open.ts';
import type { StoreHandle } from './protocol.ts';
import { DEFAULT_LIMITS, type Store, type StoreLimits } from './store.ts';

/** What a record takes besides the largest thing that is stored in it, bytes. */
const SLACK_BYTES = 64 * 1024;

/** The limits of the store that the settings ask for. */
export function storeLimits({ store, storedResponses }: Settings): StoreLimits {
  return {
    timeoutMs: store.timeoutMs,
    maxValueBytes: Math.max(DEFAULT_LIMITS.maxValueBytes, storedResponses.maxBytes + SLACK_BYTES),
  };
}

/** Opens the store that the settings ask for in this thread. `handle`: to the store thread, null where the store is Redis. */
export function openConfiguredStore(settings: Settings, handle: StoreHandle | null, log: Logger): Promise<Store> {
  if (handle !== null) return openStore({ kind: 'embedded', handle, log });
  const { store } = settings;
  if (store.kind !== 'redis') throw new TypeError('the embedded store is reached by a handle');
  return openStore({ kind: 'redis', url: store.url, prefix: store.prefix, limits: storeLimits(settings), log });
}
