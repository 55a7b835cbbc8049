import type { Loaded, LoadFailure } from '../config/source-file.ts';

/** Where configuration comes from, as the primary sees it. */
export interface Source {
  /** Names the source in messages, e.g. the file's path. */
  readonly name: string;
  /** Reads all of it. Throws ConfigError. */
  load(): Promise<Loaded>;
  /** From now on each change is read and delivered, until the function returned is called. */
  watch(onChange: (result: Loaded | LoadFailure) => void): () => void;
}
