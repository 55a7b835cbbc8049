import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Catalogue } from '../resources/catalogue.ts';
import { ExpressionFinder } from '../resources/schema/expressions.ts';
import { buildConfigSchema, type ConfigSchema } from '../resources/schema/index.ts';
import { type ValueFault, validate, valueAt } from '../resources/schema/validate.ts';
import type { Settings } from '../resources/settings.ts';
import type { Resource } from '../resources/types.ts';
import { ConfigDocument } from './document.ts';
import { expressionFaults } from './expressions.ts';
import { ConfigError, type Fault, formatPath, type Notice, type Path } from './fault.ts';
import { FileFields } from './files.ts';
import { Lines } from './lines.ts';
import { normalize } from './normalize/index.ts';
import type { Position } from './positions.ts';
import { type Environment, substitute } from './substitute.ts';
import { FileWatch, fingerprint } from './watch.ts';

/** A configuration that can be published. */
export interface Loaded {
  resources: Resource[];
  settings: Settings;
  /** What is accepted but not executed, in the order of the file. */
  notices: Notice[];
  /** The configuration file and every file it refers to, absolute. */
  files: string[];
}

/** A change that is refused; what was loaded before stays as it is. */
export interface LoadFailure {
  error: ConfigError;
}

/** Takes what a file says that is no part of the configuration out of its value; returns what is wrong with it. */
export type ReadHeader = (value: Record<string, unknown>) => readonly ValueFault[];

/** The operator's configuration file: agentgateway's local YAML (or JSON), turned into resources and settings. */
export class ConfigSource {
  readonly path: string;
  readonly #shown: string;
  readonly #catalogue: Catalogue;
  readonly #env: Environment;
  readonly #schema: ConfigSchema;
  readonly #fileFields: FileFields;
  readonly #expressions: ExpressionFinder;
  /** `config.customFunctions` of the first configuration that was loaded. */
  #functions: string | null = null;
  /** The configuration itself, where it is not in a file. */
  readonly #inline: string | null;
  readonly #header: ReadHeader | null;
  /** Files of the last load, each with its fingerprint from before it was read. */
  #files: ReadonlyMap<string, string> = new Map();

  /**
   * `path` is shown in faults as it is given here. With `text`, that is the configuration, `path` only its name, and files it
   * refers to are looked for in the working directory.
   */
  constructor(
    path: string,
    catalogue: Catalogue,
    options: { env?: Environment; text?: string; header?: ReadHeader } = {},
  ) {
    this.#inline = options.text ?? null;
    this.#header = options.header ?? null;
    this.#shown = path;
    this.path = resolve(path);
    this.#catalogue = catalogue;
    this.#env = options.env ?? process.env;
    this.#schema = buildConfigSchema(catalogue);
    this.#fileFields = new FileFields(this.#schema);
    this.#expressions = new ExpressionFinder(this.#schema);
  }

  /** Files of the last load, absolute, each with what told its state from others before it was read (see `fingerprint`). */
  get files(): ReadonlyMap<string, string> {
    return this.#files;
  }

  /**
   * Reads the file and all it refers to.
   * @throws ConfigError with every fault found
   */
  async load(): Promise<Loaded> {
    const files = new Map<string, string>();
    try {
      return await this.#read(files);
    } finally {
      this.#files = files;
    }
  }

  /**
   * Loads again whenever the file, or one that it refers to, is other than `load` last saw it, and delivers what came of it.
   * Loads do not overlap. Returns a function that stops.
   */
  watch(onChange: (result: Loaded | LoadFailure) => void): () => void {
    let stopped = false;
    const files = new FileWatch(() => {
      void this.#outcome().then((outcome) => {
        if (stopped) return;
        onChange(outcome);
        files.set(this.#files);
      });
    });
    files.set(this.#files.size > 0 ? this.#files : new Map([[this.path, '']]));
    return () => {
      stopped = true;
      files.close();
    };
  }

  async #outcome(): Promise<Loaded | LoadFailure> {
    try {
      return await this.load();
    } catch (error) {
      if (error instanceof ConfigError) return { error };
      const fault = { file: this.#shown, line: 1, column: 1, path: '', message: `cannot be loaded: ${String(error)}` };
      return { error: new ConfigError([fault], [...this.#files.keys()]) };
    }
  }

  async #read(files: Map<string, string>): Promise<Loaded> {
    const text = await this.#text(files);
    const { result: expanded, faults: unset } = substitute(text, this.#env);
    const lines = new Lines(text);
    const refuse = (faults: Fault[]): never => {
      throw new ConfigError(faults.sort(byPlace), [...files.keys()]);
    };
    if (unset.length > 0) {
      refuse(unset.map(({ offset, message, hint }) => this.#fault(lines.at(offset), [], message, hint)));
    }
    const document = new ConfigDocument(expanded, lines);
    if (document.faults.length > 0) {
      refuse(document.faults.map((fault) => this.#fault(fault, [], fault.message, fault.hint)));
    }
    const { value } = document;
    const place = ({ path, message, hint }: ValueFault) => this.#fault(document.at(path), path, message, hint);
    const misled = this.#header?.(value) ?? [];
    const missing = await this.#fileFields.read(value, dirname(this.path), files);
    const { data, faults: wrong } = validate(this.#schema, value);
    if (data === null || misled.length + missing.length > 0)
      return refuse([...misled, ...missing, ...wrong].map(place));

    const written = (path: Path): boolean => valueAt(value, path) !== undefined;
    const unreadable = this.#expressionFaults(value, document);
    const { resources, settings, faults, notes } = normalize(data, this.#catalogue, this.#env, written);
    if (faults.length + unreadable.length > 0) refuse([...unreadable, ...faults.map(place)]);
    this.#functions ??= customFunctionsOf(value);
    const notices = notes.map(({ path, message, protects }): Notice => {
      return { path: formatPath(path), ...document.at(path), message, protects };
    });
    return { resources, settings, notices: notices.sort(byPlace), files: [...files.keys()] };
  }

  /** Every expression there is, compiled, whether what it belongs to is executed or not. */
  #expressionFaults(value: Record<string, unknown>, document: ConfigDocument): Fault[] {
    const open = this.#catalogue.expressions;
    if (open === undefined) return [];
    const written = customFunctionsOf(value);
    let checker = open(written);
    let hint: string | undefined;
    // Functions are read at start-up: expressions go on with those of then.
    if (checker.functionsFault === null && this.#functions !== null && written !== this.#functions) {
      checker = open(this.#functions);
      hint = 'config.customFunctions has changed since the start: restart to use its change';
    }
    return expressionFaults(this.#expressions.find(value), written, checker).map(({ path, text, offset, message }) => {
      const place = document.inText(path, offset);
      if (place !== null) return this.#fault(place, path, message, hint);
      const { line, column } = new Lines(text).at(offset);
      const inside = `${message} (line ${line}, column ${column} of the text)`;
      return this.#fault(document.at(path), path, inside, hint);
    });
  }

  async #text(files: Map<string, string>): Promise<string> {
    let text: string;
    try {
      if (this.#inline === null) files.set(this.path, await fingerprint(this.path));
      text = this.#inline ?? (await readFile(this.path, 'utf8'));
    } catch (error) {
      const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      throw new ConfigError([this.#fault({ line: 1, column: 1 }, [], message)], [this.path]);
    }
    if (text.trim() === '') {
      const fault = this.#fault({ line: 1, column: 1 }, [], 'the file is empty', 'a configuration of nothing is {}');
      throw new ConfigError([fault], [this.path]);
    }
    return text;
  }

  #fault(position: Position, path: Path, message: string, hint?: string): Fault {
    const { line, column } = position;
    const fault: Fault = { file: this.#shown, line, column, path: formatPath(path), message };
    return hint === undefined ? fault : { ...fault, hint };
  }
}

function customFunctionsOf(value: Record<string, unknown>): string {
  const written = valueAt(value, ['config', 'customFunctions']);
  return typeof written === 'string' ? written : '';
}

function byPlace(a: Position, b: Position): number {
  return a.line - b.line || a.column - b.column;
}
