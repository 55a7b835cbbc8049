import type { Settings } from '../resources/settings.ts';
import type { Bind } from '../resources/types.ts';
import { type PortFault, probePorts } from './port-probe.ts';

/** How often, ms, and how many times a port that was just given up is probed again. */
const PROBE_AGAIN_MS = 200;
const PROBE_AGAIN_TIMES = 10;

/** The ports this process serves, and those that it could. */
export class Ports {
  readonly #settings: Pick<Settings, 'allowPortSharing' | 'enableIpv6'>;
  /** Each served port's bind, by its key. */
  #served: ReadonlyMap<number, string> = new Map();
  /** Those that ever were: giving one up and taking it back must not look like another process's. */
  readonly #own = new Set<number>();

  constructor(settings: Pick<Settings, 'allowPortSharing' | 'enableIpv6'>) {
    this.#settings = settings;
  }

  /** `binds` are all that are served from now on. */
  serve(binds: Iterable<Bind>): void {
    this.#served = new Map([...binds].map(({ port, key }) => [port, key]));
    for (const port of this.#served.keys()) this.#own.add(port);
  }

  /** Which of `binds` are not served here yet and can't be listened on. */
  async faults(binds: readonly Bind[]): Promise<PortFault[]> {
    const { allowPortSharing, enableIpv6 } = this.#settings;
    if (allowPortSharing) return [];
    const fresh = binds.filter(({ port }) => !this.#served.has(port));
    if (fresh.length === 0) return [];
    let faults = await probePorts(fresh, enableIpv6);
    // A port given up a moment ago may still be held by a worker that has not got to it.
    for (let again = 0; again < PROBE_AGAIN_TIMES && faults.some(({ port }) => this.#own.has(port)); again++) {
      await new Promise((resolve) => setTimeout(resolve, PROBE_AGAIN_MS));
      faults = await probePorts(fresh, enableIpv6);
    }
    return faults;
  }
}
