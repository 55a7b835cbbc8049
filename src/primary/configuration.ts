import { ConfigError, formatFault } from '../config/fault.ts';
import type { Loaded } from '../config/source-file.ts';
import { decodeResource } from '../resources/encoding.ts';
import type { Settings } from '../resources/settings.ts';
import type { Bind } from '../resources/types.ts';
import { errorText, type Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { EncodedChanges, EncodedResource, ResourceFaults } from '../xds/delta.ts';
import type { PortFault } from './port-probe.ts';
import { Ports } from './ports.ts';
import type { Publisher } from './publisher.ts';
import type { Source } from './source.ts';
import { StartError } from './supervisor.ts';

/**
 * What is in force, and how it changes: a change of the source is published if it can be, else refused with its reasons
 * and what was in force stays.
 */
export class Configuration {
  /** Those the process was started with; they hold for its life. */
  readonly settings: Settings;
  readonly #source: Source;
  readonly #publisher: Publisher;
  readonly #metrics: Metrics;
  readonly #log: Logger;
  #loaded: Loaded;
  #closed = false;
  /** Settings as they were last said to differ from those in force. */
  #saidSettings: string;
  readonly #ports: Ports;
  /** Those that a control plane gave, by key. */
  readonly #givenBinds = new Map<string, Bind>();
  #unwatch: (() => void) | null = null;
  #changing: Promise<void> = Promise.resolve();

  constructor(loaded: Loaded, services: { source: Source; publisher: Publisher; metrics: Metrics; log: Logger }) {
    this.#loaded = loaded;
    this.settings = loaded.settings;
    this.#ports = new Ports(loaded.settings);
    this.#saidSettings = JSON.stringify(loaded.settings);
    this.#source = services.source;
    this.#publisher = services.publisher;
    this.#metrics = services.metrics;
    this.#log = services.log;
  }

  /** What is in force. */
  get loaded(): Loaded {
    return this.#loaded;
  }

  /** Throws StartError where a port of the configuration is in use. */
  async checkPorts(): Promise<void> {
    const faults = await this.#ports.faults(bindsOf(this.#loaded));
    if (faults.length > 0) throw new StartError(describeFaults(faults, this.#source.name));
  }

  /** Publishes what was loaded at start-up. Throws StartError where it doesn't fit. */
  publishFirst(): void {
    try {
      this.#publisher.publish(this.#loaded.resources);
    } catch (error) {
      throw new StartError(errorText(error), { cause: error });
    }
    this.#inForce(this.#loaded);
  }

  /** Follows the source from now on. */
  follow(): void {
    this.#unwatch = this.#source.watch((result) => {
      if ('error' in result) this.#enqueue(async () => this.#refuse(refusalLines(result.error)));
      else this.#enqueue(() => this.#change(result));
    });
  }

  /** Reads the source again although nothing seems to have changed. */
  reload(): void {
    this.#enqueue(async () => {
      if (this.#closed || this.#unwatch === null) return;
      try {
        await this.#change(await this.#source.load());
      } catch (error) {
        this.#refuse(refusalLines(error));
      }
    });
  }

  /**
   * Puts what a control plane changes into force, beside what the file says, in turn with the file's own changes. A bind whose port is
   * somebody else's is refused alone, and so is what the file has under the same key.
   */
  apply(changes: EncodedChanges): Promise<ResourceFaults> {
    return new Promise((resolve, reject) => {
      this.#enqueue(() => this.#apply(changes).then(resolve, reject));
    });
  }

  /** What is in force stays in force. */
  close(): void {
    this.#closed = true;
    this.#unwatch?.();
  }

  /** Changes are taken one after the other, in the order they came. */
  #enqueue(step: () => Promise<void>): void {
    this.#changing = this.#changing.then(step).catch((error: unknown) => {
      this.#refuse([errorText(error)]);
    });
  }

  async #apply({ changed, removed }: EncodedChanges): Promise<ResourceFaults> {
    if (this.#closed) return new Map();
    const binds = changed.filter(({ kind }) => kind === 'bind').map(bindOf);
    const faults = await this.#bindFaults(binds, removed);
    const accepted = changed.filter(({ key }) => !faults.has(key));
    for (const [key, fault] of await this.#publisher.apply({ changed: accepted, removed })) faults.set(key, fault);
    for (const key of removed) this.#givenBinds.delete(key);
    for (const bind of binds) if (!faults.has(bind.key)) this.#givenBinds.set(bind.key, bind);
    this.#ports.serve([...bindsOf(this.#loaded), ...this.#givenBinds.values()]);
    return faults;
  }

  /** What is wrong with the control plane's binds, by key: each port can have one. */
  async #bindFaults(binds: readonly Bind[], removed: readonly string[]): Promise<Map<string, string>> {
    const faults = new Map<string, string>();
    if (binds.length === 0) return faults;
    const after = new Map(this.#givenBinds);
    for (const key of removed) after.delete(key);
    for (const bind of binds) {
      const taken = holderOf(bind, [...bindsOf(this.#loaded), ...after.values()]);
      if (taken === undefined) after.set(bind.key, bind);
      else faults.set(bind.key, taken);
    }
    const free = binds.filter(({ key }) => !faults.has(key));
    const unusable = new Map((await this.#ports.faults(free)).map(({ port, message }) => [port, message]));
    for (const { key, port } of free) {
      const fault = unusable.get(port);
      if (fault !== undefined) faults.set(key, fault);
    }
    return faults;
  }

  async #change(loaded: Loaded): Promise<void> {
    if (this.#closed) return;
    const faults = await this.#ports.faults(bindsOf(loaded));
    const taken = bindsOf(loaded).flatMap((bind) => holderOf(bind, this.#givenBinds.values()) ?? []);
    if (faults.length + taken.length > 0) {
      this.#refuse([...faults.map(({ message }) => message), ...taken]);
      return;
    }
    const changed = this.#publisher.publish(loaded.resources);
    this.#loaded = loaded;
    this.#inForce(loaded);
    this.#saySettings(loaded.settings);
    this.#log.info('configuration applied', { changed, version: this.#publisher.version });
  }

  #inForce(loaded: Loaded): void {
    this.#metrics.configSynchronized.set(1);
    this.#ports.serve([...bindsOf(loaded), ...this.#givenBinds.values()]);
  }

  #refuse(reasons: readonly string[]): void {
    this.#metrics.configSynchronized.set(0);
    for (const reason of reasons) this.#log.error(reason);
    this.#log.error('the change of the configuration is refused; what was in force stays in force', {
      faults: reasons.length,
    });
  }

  /** Says once for each way the settings come to differ that they are read at start-up only. */
  #saySettings(settings: Settings): void {
    const text = JSON.stringify(settings);
    if (text === this.#saidSettings) return;
    this.#saidSettings = text;
    const names = (Object.keys(settings) as (keyof Settings)[]).filter(
      (name) => JSON.stringify(settings[name]) !== JSON.stringify(this.settings[name]),
    );
    if (names.length === 0) return;
    this.#log.warn('the config: section is read at start-up only; restart to apply its change', {
      settings: names.join(', '),
    });
  }
}

function bindsOf(loaded: Loaded): Bind[] {
  return loaded.resources.filter((resource) => resource.kind === 'bind');
}

function describeFaults(faults: readonly PortFault[], source: string): string {
  return faults
    .map(({ message, code }) => {
      const hint = code === 'EADDRINUSE' ? '; stop what serves it, or set config.allowPortSharing for a hand-over' : '';
      return `${source}: ${message}${hint}`;
    })
    .join('\n');
}

/** Why a change is refused, one line a reason. */
export function refusalLines(error: unknown): string[] {
  return error instanceof ConfigError ? error.faults.map(formatFault) : [errorText(error)];
}

function bindOf({ json }: EncodedResource): Bind {
  return decodeResource(json) as Bind;
}

/** Says which of `others` has the bind's port already. */
function holderOf(bind: Bind, others: Iterable<Bind>): string | undefined {
  for (const { key, port } of others) {
    if (port === bind.port && key !== bind.key) return `port ${port} is served by ${key} already`;
  }
  return undefined;
}
