import type { Connection } from '../../xds/server/connection.ts';
import type { NodeIdentity } from '../../xds/server/node.ts';
import { gatewayName } from '../revision.ts';
import type { RolloutSettings } from '../settings.ts';
import { Measurement } from './measurement.ts';
import type { Candidate, FleetRecord } from './record.ts';
import { type GatewayReport, type GroupReport, MAX_REFUSALS, NO_NODES } from './report.ts';
import { type Measured, scrape, scrapeTarget } from './scrape.ts';

/** Nodes of each group whose metrics one replica reads. */
const MAX_CANARIES = 100;
const MAX_OTHERS = 20;
/** Metrics read at one time. */
const CONCURRENCY = 8;
/** Refusals are cut at this length, characters. */
const MAX_REFUSAL = 300;

export interface ObserverOptions {
  readonly settings: RolloutSettings;
  connections(): Iterable<Connection>;
  /** A node's place among all (see `placeOf`). */
  place(connection: Connection, node: NodeIdentity): number;
  /** Reads metrics; rejects with an Error that says why it could not. */
  scrape?(target: { host: string; port: number }): Promise<Measured>;
}

interface Watched {
  readonly connection: Connection;
  readonly node: NodeIdentity;
  readonly place: number;
}

/** What this replica sees of the nodes of gateways that have a candidate. */
export class Observer {
  readonly #options: ObserverOptions;
  /** Roll-out → node id → what it has answered since. */
  readonly #measurements = new Map<string, Map<string, Measurement>>();
  #scraping = false;

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** Reports of the gateways that have a candidate and a node here. */
  report(record: FleetRecord): Record<string, GatewayReport> {
    const reports: Record<string, GatewayReport> = {};
    for (const [gateway, nodes] of this.#byGateway(record)) {
      const candidate = record.gateways[gateway]?.candidate;
      const stable = record.gateways[gateway]?.stable.id ?? '';
      if (candidate == null) continue;
      const canaries = nodes.filter(({ place }) => place < candidate.threshold);
      const others = nodes.filter(({ place }) => place >= candidate.threshold);
      const rollout = rolloutName(candidate);
      reports[gateway] = {
        rollout,
        canary: this.#group(rollout, canaries, candidate.revision.id),
        rest: this.#group(rollout, others, stable),
        lowest: Math.min(1, ...nodes.map(({ place }) => place)),
        refusals: canaries.flatMap((one) => refusalsOf(one, candidate.revision.id)).slice(0, MAX_REFUSALS),
      };
    }
    return reports;
  }

  /** Reads metrics of nodes once. Does not reject; a call while another is under way does nothing. */
  async measure(record: FleetRecord): Promise<void> {
    if (this.#scraping) return;
    this.#scraping = true;
    try {
      const tasks = this.#tasks(record);
      const run = async () => {
        for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) await task();
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, run));
    } finally {
      this.#scraping = false;
    }
  }

  #tasks(record: FleetRecord): (() => Promise<void>)[] {
    const tasks: (() => Promise<void>)[] = [];
    const live = new Set<string>();
    for (const [gateway, nodes] of this.#byGateway(record)) {
      const candidate = record.gateways[gateway]?.candidate;
      if (candidate == null) continue;
      const rollout = rolloutName(candidate);
      live.add(rollout);
      const measurements = this.#measurements.get(rollout) ?? new Map<string, Measurement>();
      this.#measurements.set(rollout, measurements);
      const canaries = nodes.filter(({ place }) => place < candidate.threshold).slice(0, MAX_CANARIES);
      const others = nodes.filter(({ place }) => place >= candidate.threshold).slice(0, MAX_OTHERS);
      for (const { connection, node } of [...canaries, ...others]) {
        const measurement = measurements.get(node.id) ?? new Measurement();
        measurements.set(node.id, measurement);
        tasks.push(() => this.#read(connection, node, measurement));
      }
    }
    for (const rollout of this.#measurements.keys()) if (!live.has(rollout)) this.#measurements.delete(rollout);
    return tasks;
  }

  async #read(connection: Connection, node: NodeIdentity, measurement: Measurement): Promise<void> {
    try {
      const target = scrapeTarget(node.statsAddress, connection.client.address, this.#options.settings.scrapeNetworks);
      measurement.take(await (this.#options.scrape ?? scrape)(target));
    } catch (error) {
      measurement.fault = error instanceof Error ? error.message : String(error);
    }
  }

  #group(rollout: string, nodes: readonly Watched[], revision: string): GroupReport {
    const group = { ...NO_NODES };
    for (const watched of nodes) {
      const { connection, node } = watched;
      group.nodes++;
      if (connection.stream.acknowledged === revision) group.settled++;
      if (refusalsOf(watched, revision).length > 0) group.refused++;
      const measurement = this.#measurements.get(rollout)?.get(node.id);
      if (measurement === undefined) continue;
      if (measurement.fault !== '') group.unmeasured = measurement.fault;
      if (!measurement.measured) continue;
      group.measured++;
      group.requests += measurement.since.requests;
      group.errors += measurement.since.errors;
      group.requestsBefore += measurement.before.requests;
      group.errorsBefore += measurement.before.errors;
    }
    return group;
  }

  /** Nodes of gateways that have a candidate, by their places. */
  #byGateway(record: FleetRecord): Map<string, Watched[]> {
    const gateways = new Map<string, Watched[]>();
    for (const connection of this.#options.connections()) {
      const { node } = connection.stream;
      if (node === null) continue;
      const gateway = gatewayName(node);
      if (!Object.hasOwn(record.gateways, gateway) || record.gateways[gateway]?.candidate === null) continue;
      const nodes = gateways.get(gateway) ?? [];
      nodes.push({ connection, node, place: this.#options.place(connection, node) });
      gateways.set(gateway, nodes);
    }
    for (const nodes of gateways.values()) nodes.sort((a, b) => a.place - b.place);
    return gateways;
  }
}

/** Tells one roll-out of a revision from another. */
export function rolloutName({ revision, startedAt }: Candidate): string {
  return `${revision.id}@${startedAt}`;
}

/** What it refuses of a revision, if that is the one it is to have. */
function refusalsOf({ connection: { stream }, node }: Watched, revision: string): string[] {
  if (stream.set?.revision !== revision) return [];
  return stream.refusals.map(({ key, error }) => `${node.id}: ${key}: ${error}`.slice(0, MAX_REFUSAL));
}
