import type { Catalogue } from '../resources/catalogue.ts';
import type { Settings, XdsSettings } from '../resources/settings.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ApplyChanges, CurrentResource } from '../xds/delta.ts';
import { XdsSource, type XdsStatus } from '../xds/source.ts';
import { Translator } from '../xds/translate/index.ts';
import type { Readiness } from './readiness.ts';
import type { Turns } from './turns.ts';

/** What readiness waits for. */
const PENDING = 'control plane';
/** After this time, ms, a gateway that has something to serve is ready without its control plane. */
const FIRST_SET_MS = 60_000;

export interface ControlPlaneOptions {
  readonly settings: Settings;
  readonly catalogue: Catalogue;
  readonly version: string;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly readiness: Readiness;
  readonly apply: ApplyChanges;
  readonly current: CurrentResource;
  readonly turns: Turns;
  /** Resolves once the workers serve all that was published. */
  served(): Promise<void>;
  /** Whether there is a port to serve. */
  serves(): boolean;
}

/**
 * The control plane, where one is configured. The gateway is ready once it has sent a first set, or once it has had its time: a process
 * that starts while its control plane is away serves what its file says, and one whose file says nothing waits on, since all it could
 * say is 404.
 */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #source: XdsSource;
  #waiting: NodeJS.Timeout | null = null;

  constructor(xds: XdsSettings, options: ControlPlaneOptions) {
    this.#options = options;
    const { settings, catalogue, version, metrics, log, apply, current, turns } = options;
    const { statsAddr } = settings;
    this.#source = new XdsSource({
      settings: xds,
      translator: new Translator(catalogue, settings.customFunctions),
      apply,
      current,
      begin: () => turns.begin(),
      version,
      statsAddress: statsAddr !== null && 'port' in statsAddr ? statsAddr : null,
      log,
      metrics,
    });
  }

  /** Begins to follow it. Throws XdsStartError where settings name files that can't be used. */
  async start(): Promise<void> {
    const { readiness } = this.#options;
    readiness.await(PENDING);
    void this.#source.synced.then(() => this.#options.served()).then(() => this.#ready());
    await this.#source.start();
    this.#waiting = setTimeout(() => this.#late(), FIRST_SET_MS);
    this.#waiting.unref();
  }

  status(): XdsStatus {
    return this.#source.status();
  }

  async close(): Promise<void> {
    if (this.#waiting !== null) clearTimeout(this.#waiting);
    await this.#source.close();
  }

  #ready(): void {
    if (this.#waiting !== null) clearTimeout(this.#waiting);
    this.#options.readiness.done(PENDING);
  }

  #late(): void {
    const { log, serves } = this.#options;
    const fields = { address: this.#source.status().address, seconds: FIRST_SET_MS / 1000 };
    if (!serves()) log.warn('the control plane has sent no complete first set yet; there is nothing to serve', fields);
    else {
      log.warn('the control plane has sent no complete first set yet; serving without it', fields);
      this.#ready();
    }
  }
}
