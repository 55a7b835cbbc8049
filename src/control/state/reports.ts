import { storeKey } from '../../state/stores/key.ts';
import type { Store } from '../../state/stores/store.ts';
import type { GatewayReport } from '../rollout/report.ts';

const REPORTS = storeKey('control', 'rollout', 'reports');
/** Reports that are kept, of all replicas. */
const MAX_LENGTH = 500;
const STREAM_TTL_MS = 60_000;
/** A replica that has not reported for this long is gone, and its nodes are elsewhere. */
const GONE_MS = 15_000;

/** What one replica has seen, by gateway. */
export interface ReplicaReport {
  readonly replica: string;
  readonly gateways: Readonly<Record<string, GatewayReport>>;
}

/** Reports of all replicas, each newest. */
export class Reports {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #latest = new Map<string, { readonly report: ReplicaReport; readonly at: number }>();
  #after: string | undefined;

  constructor(store: Store, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Throws StoreError. */
  async publish(report: ReplicaReport): Promise<void> {
    const value = Buffer.from(JSON.stringify(report));
    await this.#store.append(REPORTS, value, { maxLength: MAX_LENGTH, ttlMs: STREAM_TTL_MS });
  }

  /** Reports of one gateway, of replicas that are there. Throws StoreError. */
  async read(): Promise<(gateway: string) => GatewayReport[]> {
    for (let more = true; more; ) {
      const { events } = await this.#store.read(REPORTS, { after: this.#after, limit: 100 });
      for (const { id, value } of events) {
        this.#after = id;
        const report = JSON.parse(Buffer.from(value).toString()) as ReplicaReport;
        this.#latest.set(report.replica, { report, at: Number(id.split('-', 1)[0]) });
      }
      more = events.length > 0;
    }
    const newest = Math.max(this.#now() - GONE_MS, 0);
    const present = [...this.#latest.entries()].filter(
      ([replica, { at }]) => at >= newest || !this.#latest.delete(replica),
    );
    return (gateway) => present.map(([, { report }]) => report.gateways[gateway]).filter((one) => one !== undefined);
  }
}
