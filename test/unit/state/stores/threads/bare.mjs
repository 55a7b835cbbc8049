// A store thread on a system for which libsql has no binding.

import { StoreError } from '../../../../../dist/state/stores/store.js';
import { runStoreThread } from '../../../../../dist/state/stores/thread.js';

runStoreThread(() => {
  throw new StoreError('unavailable', 'libsql, which holds the embedded database, does not load here: no binding');
});
