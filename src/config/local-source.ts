import type { Catalogue } from '../resources/catalogue.ts';
import type { Notice } from './fault.ts';
import { ConfigSource, type Loaded, type LoadFailure } from './source-file.ts';
import type { Environment } from './substitute.ts';

/** Of the settings, the one that names another file. */
const SETTING = 'config.localXdsPath';

/**
 * The configuration of the command line. Where `config.localXdsPath` (`LOCAL_XDS_PATH`) names another file, as in agentgateway,
 * the settings are this one's and the resources are that one's. Which file it is holds for the life of the process, as settings
 * do.
 */
export class LocalSource {
  readonly #catalogue: Catalogue;
  readonly #env: Environment;
  readonly #settings: ConfigSource;
  /** The file of the resources where it is another one. */
  #resources: ConfigSource | null = null;
  #path = '';
  /** What was read of either file last. */
  #last: Record<'settings' | 'resources', Loaded | LoadFailure | null> = { settings: null, resources: null };

  /** As a ConfigSource's. */
  constructor(path: string, catalogue: Catalogue, options: { env?: Environment; text?: string } = {}) {
    this.#catalogue = catalogue;
    this.#env = options.env ?? process.env;
    this.#settings = new ConfigSource(path, catalogue, options);
  }

  /** Reads all of it. Throws ConfigError with every fault found. */
  async load(): Promise<Loaded> {
    const settings = await this.#settings.load();
    const path = settings.settings.localXdsPath;
    if (this.#resources === null) {
      if (path === null) return settings;
      const { LOCAL_XDS_PATH: _, ...env } = this.#env;
      this.#resources = new ConfigSource(path, this.#catalogue, { env });
      this.#path = path;
    }
    const resources = await this.#resources.load();
    this.#last = { settings, resources };
    return combined(settings, resources, this.#path);
  }

  /** Loads again with each change of a file, as a ConfigSource does. Returns a function that stops. */
  watch(onChange: (result: Loaded | LoadFailure) => void): () => void {
    if (this.#resources === null) return this.#settings.watch(onChange);
    const follow = (source: ConfigSource, part: 'settings' | 'resources') =>
      source.watch((result) => {
        this.#last[part] = result;
        const { settings, resources } = this.#last;
        if (settings === null || resources === null) return;
        if ('error' in settings) onChange(settings);
        else if ('error' in resources) onChange(resources);
        else onChange(combined(settings, resources, this.#path));
      });
    const stops = [follow(this.#settings, 'settings'), follow(this.#resources, 'resources')];
    return () => {
      for (const stop of stops) stop();
    };
  }
}

function combined(settings: Loaded, resources: Loaded, path: string): Loaded {
  const isSetting = ({ path }: Notice) => path.startsWith('config.');
  const notices = settings.notices.filter(isSetting);
  if (settings.resources.some(({ kind }) => kind !== 'modelPrices')) {
    const message = `the resources of this file are not used, but those of ${path}`;
    notices.push({ path: SETTING, line: 1, column: 1, message, protects: false });
  }
  for (const notice of resources.notices) {
    if (!isSetting(notice)) notices.push({ ...notice, file: path });
  }
  return {
    settings: settings.settings,
    resources: resources.resources,
    notices,
    files: [...new Set([...settings.files, ...resources.files])],
  };
}
