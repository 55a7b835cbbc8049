/** Entry file of the store thread. */
import { runStoreThread } from './thread.ts';

runStoreThread();
