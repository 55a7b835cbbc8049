import { basename } from 'node:path';
import { ConfigError, type Fault, type Notice } from '../../config/fault.ts';
import { ConfigSource } from '../../config/source-file.ts';
import type { Catalogue } from '../../resources/catalogue.ts';
import { isObject } from '../../resources/json.ts';
import type { Resource } from '../../resources/types.ts';
import { type Content, contentOf, type ServedResource } from './content.ts';
import { EVERY_NODE, type Selector, takeHeader } from './selector.ts';

/** Resources as they stand in the messages of Delta ADS. */
export type ToWire = (
  resources: readonly Resource[],
  catalogue: Catalogue,
  customFunctions: string,
) => readonly ServedResource[];

/** One configuration that can be served. */
export interface Configuration {
  /** The file's name within the directory. */
  readonly name: string;
  readonly path: string;
  readonly selector: Selector;
  readonly content: Content;
  readonly notices: readonly Notice[];
  /** Fields of its `config:` section, which is not served. */
  readonly ownSettings: readonly string[];
}

/** Fields of `config:` that come to resources, and so are served. */
const SERVED_SETTINGS = new Set(['modelCatalog']);

/** What these variables say is said to this process, not to its nodes. */
const OWN_VARIABLES = ['GATEWAY', 'NAMESPACE', 'XDS_ADDRESS', 'LOCAL_XDS_PATH'];
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.includes(name)));

/** A configuration in the directory, loaded whenever it has changed. */
export class ConfigurationFile {
  readonly path: string;
  readonly #source: ConfigSource;
  readonly #catalogue: Catalogue;
  readonly #toWire: ToWire;
  /** Of the load under way. */
  #selector: Selector = EVERY_NODE;
  #ownSettings: string[] = [];

  constructor(path: string, catalogue: Catalogue, toWire: ToWire) {
    this.path = path;
    this.#catalogue = catalogue;
    this.#toWire = toWire;
    this.#source = new ConfigSource(path, catalogue, {
      env: ENVIRONMENT,
      header: (value) => {
        const { selector, faults } = takeHeader(value);
        this.#selector = selector;
        const { config } = value;
        this.#ownSettings = isObject(config) ? Object.keys(config).filter((name) => !SERVED_SETTINGS.has(name)) : [];
        return faults;
      },
    });
  }

  /** Each file that the last load read, with what told its state from others. */
  get files(): ReadonlyMap<string, string> {
    return this.#source.files;
  }

  /** Throws ConfigError. */
  async load(): Promise<Configuration> {
    const { resources, notices, settings } = await this.#source.load();
    const { customFunctions } = settings;
    let content: Content;
    try {
      content = contentOf(this.#toWire(resources, this.#catalogue, customFunctions));
    } catch (error) {
      const message = `can't be said to nodes: ${error instanceof Error ? error.message : String(error)}`;
      throw new ConfigError([faultOf(this.path, message)], [...this.files.keys()]);
    }
    return {
      name: basename(this.path),
      path: this.path,
      selector: this.#selector,
      content,
      notices,
      ownSettings: this.#ownSettings,
    };
  }
}

export function faultOf(file: string, message: string, hint?: string): Fault {
  const fault: Fault = { file, line: 1, column: 1, path: '', message };
  return hint === undefined ? fault : { ...fault, hint };
}
