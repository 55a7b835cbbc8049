import { ConfigError, formatFault } from '../config/fault.ts';
import type { Loaded } from '../config/source-file.ts';
import type { Settings } from '../resources/settings.ts';
import type { Bind } from '../resources/types.ts';
import { errorText, type Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type PortFault, probePorts } from './port-probe.ts';
import type { Publisher } from './publisher.ts';
import type { Source } from './source.ts';
import { StartError } from './supervisor.ts';

/** How often, ms, and how many times a port that was just given up is probed again. */
const PROBE_AGAIN_MS = 200;
const PROBE_AGAIN_TIMES = 10;

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
  /** Ports served now, and those that ever were: giving one up and taking it back must not look like another process's. */
  #ports: ReadonlySet<number> = new Set();
  readonly #ownPorts = new Set<number>();
  #unwatch: (() => void) | null = null;
  #changing: Promise<void> = Promise.resolve();

  constructor(loaded: Loaded, services: { source: Source; publisher: Publisher; metrics: Metrics; log: Logger }) {
    this.#loaded = loaded;
    this.settings = loaded.settings;
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
    const faults = await this.#probe(this.#loaded);
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

  async #change(loaded: Loaded): Promise<void> {
    if (this.#closed) return;
    const faults = await this.#probe(loaded);
    if (faults.length > 0) {
      this.#refuse(faults.map(({ message }) => message));
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
    this.#ports = new Set(bindsOf(loaded).map(({ port }) => port));
    for (const port of this.#ports) this.#ownPorts.add(port);
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

  /** Ports of `loaded` that are not served here yet and can't be listened on. */
  async #probe(loaded: Loaded): Promise<PortFault[]> {
    if (this.settings.allowPortSharing) return [];
    const fresh = bindsOf(loaded).filter(({ port }) => !this.#ports.has(port));
    let faults = await probePorts(fresh, this.settings.enableIpv6);
    // A port given up a moment ago may still be held by a worker that has not got to it.
    for (let again = 0; again < PROBE_AGAIN_TIMES && faults.some(({ port }) => this.#ownPorts.has(port)); again++) {
      await new Promise((resolve) => setTimeout(resolve, PROBE_AGAIN_MS));
      faults = await probePorts(fresh, this.settings.enableIpv6);
    }
    return faults;
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
