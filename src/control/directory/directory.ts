import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigError, type Fault } from '../../config/fault.ts';
import { FileWatch, fingerprint } from '../../config/watch.ts';
import type { Catalogue } from '../../resources/catalogue.ts';
import { clashFault, findClashes } from './clashes.ts';
import { type Configuration, ConfigurationFile, faultOf, type ToWire } from './configuration-file.ts';

/** Control's own settings, where they stand in the directory. */
export const SETTINGS_NAME = 'control.yaml';

const MAX_FILES = 1000;

/** What the directory comes to. */
export interface DirectoryState {
  /** What is to be served, in the order of the files' names: of a file that is refused, what it was before. */
  readonly configurations: readonly Configuration[];
  /** What is wrong with files as they are now. */
  readonly faults: readonly Fault[];
}

interface Entry {
  readonly file: ConfigurationFile;
  /** What was served of it last; null while nothing could be. */
  good: Configuration | null;
  /** As it is now; null where it can't be loaded. */
  latest: Configuration | null;
  faults: readonly Fault[];
}

/**
 * A directory of configurations: each `*.yaml` and `*.yml` in it (not in directories below) but control.yaml and those whose names
 * begin with a dot. A file that is refused keeps being served as it was; the others change without it.
 */
export class ConfigurationDirectory {
  readonly path: string;
  readonly #catalogue: Catalogue;
  readonly #toWire: ToWire;
  readonly #entries = new Map<string, Entry>();
  #directoryFault: Fault | null = null;
  /** Everything that was read, with its state from before. */
  #seen = new Map<string, string>();
  /** What the last load came to, as a text to compare. */
  #said = '';
  #watch: FileWatch | null = null;
  #loading: Promise<unknown> = Promise.resolve();

  constructor(path: string, catalogue: Catalogue, toWire: ToWire) {
    this.path = resolve(path);
    this.#catalogue = catalogue;
    this.#toWire = toWire;
  }

  /** Loads what has changed since the last load. Does not reject. */
  load(): Promise<DirectoryState> {
    const loading = this.#loading.then(() => this.#load());
    this.#loading = loading;
    return loading;
  }

  /** Loads again whenever something changes, and delivers what differs from before, until the function returned is called. */
  watch(onChange: (state: DirectoryState) => void): () => void {
    let before = this.#said;
    const watch = new FileWatch(() => {
      void this.load().then((state) => {
        if (this.#watch !== watch) return;
        if (this.#said !== before) onChange(state);
        before = this.#said;
        watch.set(this.#seen);
      });
    });
    this.#watch = watch;
    watch.set(this.#seen);
    return () => {
      this.#watch = null;
      watch.close();
    };
  }

  async #load(): Promise<DirectoryState> {
    const before = this.#seen;
    const seen = new Map([[this.path, await fingerprint(this.path)]]);
    const names = await this.#names();
    // A directory that can't be read says nothing about what was in it.
    if (names !== null) {
      for (const name of this.#entries.keys()) if (!names.includes(name)) this.#entries.delete(name);
      for (const name of names) await this.#refresh(name, before);
      this.#settle();
    }
    for (const { file } of this.#entries.values()) for (const [path, state] of file.files) seen.set(path, state);
    this.#seen = seen;
    const entries = [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
    const faults = entries.flatMap((entry) => entry.faults);
    const state = {
      configurations: entries.map(({ good }) => good).filter((good) => good !== null),
      faults: this.#directoryFault === null ? faults : [this.#directoryFault, ...faults],
    };
    const told = state.configurations.map(({ name, selector, content }) => [name, selector, content.hash]);
    this.#said = JSON.stringify([told, state.faults]);
    return state;
  }

  /** Null where the directory can't be read. */
  async #names(): Promise<string[] | null> {
    this.#directoryFault = null;
    let names: string[];
    try {
      names = (await readdir(this.path))
        .filter((name) => /^[^.].*\.ya?ml$/.test(name) && name !== SETTINGS_NAME)
        .sort();
    } catch (error) {
      const message = `the directory can't be read: ${error instanceof Error ? error.message : String(error)}`;
      this.#directoryFault = faultOf(this.path, message);
      return null;
    }
    if (names.length <= MAX_FILES) return names;
    this.#directoryFault = faultOf(this.path, `more than ${MAX_FILES} configurations; the directory stays as it was`);
    return null;
  }

  async #refresh(name: string, before: ReadonlyMap<string, string>): Promise<void> {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      const file = new ConfigurationFile(join(this.path, name), this.#catalogue, this.#toWire);
      entry = { file, good: null, latest: null, faults: [] };
      this.#entries.set(name, entry);
    } else if (await unchanged(entry.file.files, before)) return;
    try {
      entry.latest = await entry.file.load();
      entry.faults = [];
    } catch (error) {
      entry.latest = null;
      entry.faults = error instanceof ConfigError ? error.faults : [faultOf(entry.file.path, String(error))];
    }
  }

  /** What is served: the newest of each file, but for those that clash with others. */
  #settle(): void {
    const refused = new Set<Entry>();
    const chosen = (entry: Entry) => (refused.has(entry) ? entry.good : (entry.latest ?? entry.good));
    const entries = [...this.#entries.values()];
    // What a file's newest state clashes with may itself be refused for another clash: until none is left.
    for (let again = true; again; ) {
      again = false;
      const served = new Map<Configuration, Entry>();
      for (const entry of entries) {
        const configuration = chosen(entry);
        if (configuration !== null) served.set(configuration, entry);
      }
      for (const clash of findClashes([...served.keys()])) {
        for (const configuration of clash.files) {
          const entry = served.get(configuration);
          if (entry === undefined || configuration === entry.good || refused.has(entry)) continue;
          refused.add(entry);
          entry.faults = [clashFault(configuration, clash)];
          again = true;
        }
      }
    }
    for (const entry of entries) {
      const configuration = chosen(entry);
      // Without its clash it would be served as it is now.
      if (!refused.has(entry) && entry.latest !== null) entry.faults = [];
      entry.good = configuration;
    }
  }
}

async function unchanged(files: ReadonlyMap<string, string>, before: ReadonlyMap<string, string>): Promise<boolean> {
  for (const [path, state] of files) {
    if (before.get(path) !== state || (await fingerprint(path)) !== state) return false;
  }
  return files.size > 0;
}
