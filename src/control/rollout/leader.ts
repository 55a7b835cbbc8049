import { StoreError } from '../../state/stores/store.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { Revision } from '../revision.ts';
import type { RolloutSettings } from '../settings.ts';
import type { Contents } from '../state/contents.ts';
import type { Ledger } from '../state/ledger.ts';
import { judge } from './judge.ts';
import { rolloutName } from './observer.ts';
import { actedOn, isNews, propose } from './propose.ts';
import { contentsOf, type FleetRecord, type GatewayRecord, withGateway } from './record.ts';
import { type GatewayReport, mergeReports } from './report.ts';

export interface LeaderOptions {
  readonly ledger: Ledger;
  readonly contents: Contents;
  readonly settings: RolloutSettings;
  /** Other replicas may have another directory for a while: what this one says at start-up may be old. */
  readonly shared: boolean;
  readonly log: Logger;
  /** What the directory says of a gateway; null while that is not known. */
  wanted(gateway: string): Revision | null;
  onRollback?(): void;
  now?(): number;
}

/** Contents that are referred to are written anew this often, so that they don't expire. */
const KEEP_MS = 24 * 3600 * 1000;

/** Takes the steps of roll-outs: every replica has one, and that of the lease's holder is asked to. */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #now: () => number;
  /** What this replica's directory said of each gateway when it was last looked at. */
  readonly #said = new Map<string, string>();
  /** Gateways of which it has said something new that no replica has acted on yet. */
  readonly #pending = new Set<string>();
  #keptAt: number;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#keptAt = this.#now();
  }

  /**
   * Looks at what the directory says, and at what others have made of it. To be called on every replica, whenever directory or record
   * have changed, so that whoever leads next knows what is left to do.
   */
  look(): void {
    for (const [name, gateway] of Object.entries(this.#options.ledger.record?.gateways ?? {})) {
      const wanted = this.#options.wanted(name);
      if (wanted === null) continue;
      const before = this.#said.get(name);
      this.#said.set(name, wanted.id);
      const fresh = before === undefined && (!this.#options.shared || isNews(gateway, wanted));
      if (fresh || (before !== undefined && before !== wanted.id)) this.#pending.add(name);
      if (actedOn(gateway, wanted)) this.#pending.delete(name);
    }
  }

  /** Whether the directory says something of a gateway that waits for an operator: it was in force before. */
  holdsBack(name: string, gateway: GatewayRecord): boolean {
    const wanted = this.#options.wanted(name);
    return wanted !== null && !this.#pending.has(name) && !actedOn(gateway, wanted) && wanted.id !== gateway.stable.id;
  }

  /** Takes the steps that are due. Does not reject: what could not be written is tried again. */
  async lead(reportsOf: (gateway: string) => readonly GatewayReport[]): Promise<void> {
    const { ledger, contents, log } = this.#options;
    try {
      const proposals = new Map<string, Revision>();
      for (const name of this.#pending) {
        const wanted = this.#options.wanted(name);
        if (wanted === null || ledger.record?.gateways[name] === undefined) continue;
        // Before anybody is told to serve it.
        await contents.share(wanted.parts.map(({ content }) => content));
        proposals.set(name, wanted);
      }
      const before = ledger.record;
      const after = await ledger.update((record) => this.#step(record, proposals, reportsOf));
      for (const name of proposals.keys()) this.#pending.delete(name);
      if (before !== null) this.#say(before, after);
      if (this.#now() - this.#keptAt > KEEP_MS) {
        await contents.share([...contentsOf(after)], true);
        this.#keptAt = this.#now();
      }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      log.warn('a step of a roll-out could not be written down; it is tried again', { error });
    }
  }

  #step(
    record: FleetRecord,
    proposals: ReadonlyMap<string, Revision>,
    reportsOf: (gateway: string) => readonly GatewayReport[],
  ): FleetRecord {
    const { settings } = this.#options;
    const now = this.#now();
    let next = record;
    for (const [name, gateway] of Object.entries(record.gateways)) {
      const wanted = proposals.get(name);
      let changed = wanted === undefined ? gateway : propose(gateway, wanted, settings, now);
      if (changed === gateway && gateway.candidate !== null) {
        changed = judge(gateway, mergeReports(rolloutName(gateway.candidate), reportsOf(name)), settings, now);
      }
      if (changed !== gateway) next = withGateway(next, name, changed);
    }
    return next;
  }

  #say(before: FleetRecord, after: FleetRecord): void {
    const { log } = this.#options;
    for (const [gateway, now] of Object.entries(after.gateways)) {
      const then = before.gateways[gateway];
      if (then === undefined || then === now) continue;
      const candidate = now.candidate;
      if (now.stable.id !== then.stable.id) {
        log.info('a revision goes to all nodes', { gateway, revision: now.stable.id, before: then.stable.id });
      }
      if (now.rejected !== null && now.rejected.revision.id !== then.rejected?.revision.id) {
        this.#options.onRollback?.();
        const { revision, reason } = now.rejected;
        log.error('a revision is rolled back', { gateway, revision: revision.id, to: now.stable.id, reason });
      }
      if (candidate === null || candidate.state === then.candidate?.state) continue;
      const fields = { gateway, revision: candidate.revision.id, reason: candidate.reason };
      if (candidate.state === 'paused') log.warn('a roll-out is paused', fields);
      else log.info(then.candidate === null ? 'a roll-out begins' : 'a roll-out goes on', fields);
    }
  }
}
