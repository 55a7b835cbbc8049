import { StoreError } from '../state/stores/store.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Connection } from '../xds/server/connection.ts';
import type { NodeIdentity } from '../xds/server/node.ts';
import type { ResourceSet } from '../xds/server/resource-set.ts';
import type { DirectoryState } from './directory/directory.ts';
import { gatewayName, type Revision, revisionOf, Sets } from './revision.ts';
import { placeOf } from './rollout/place.ts';
import { newGateway, withGateway } from './rollout/record.ts';
import type { Contents } from './state/contents.ts';
import type { Ledger } from './state/ledger.ts';

/** Revisions that can't be served, as far as they are remembered to have been named in the log. */
const MAX_SAID = 1000;

export interface AssignmentOptions {
  readonly ledger: Ledger;
  readonly contents: Contents;
  readonly log: Logger;
}

/** Which node is to have what: the record's word, made up of contents. */
export class Assignment {
  readonly #options: AssignmentOptions;
  readonly #sets = new Sets();
  readonly #places = new WeakMap<Connection, number>();
  #directory: DirectoryState | null = null;
  /** What the directory says, by gateway. */
  #wanted = new Map<string, Revision>();
  #unserved = false;
  readonly #introducing = new Set<string>();
  readonly #said = new Set<string>();

  constructor(options: AssignmentOptions) {
    this.#options = options;
  }

  /** Null until it was loaded. */
  get directory(): DirectoryState | null {
    return this.#directory;
  }

  take(state: DirectoryState): void {
    this.#directory = state;
    this.#wanted = new Map();
    this.#options.contents.own = state.configurations.map(({ content }) => content);
  }

  /** What the directory says of a gateway; null where it has not been loaded. */
  wanted(gateway: string): Revision | null {
    if (this.#directory === null) return null;
    let revision = this.#wanted.get(gateway);
    if (revision === undefined) {
      revision = revisionOf(this.#directory.configurations, gateway);
      this.#wanted.set(gateway, revision);
    }
    return revision;
  }

  /** A node's place among all (see `placeOf`). */
  place(connection: Connection, node: NodeIdentity): number {
    let place = this.#places.get(connection);
    if (place === undefined) {
      place = placeOf(node.id);
      this.#places.set(connection, place);
    }
    return place;
  }

  /** Whether a node has the candidate of its gateway. */
  isCanary(connection: Connection, node: NodeIdentity): boolean {
    const candidate = this.#options.ledger.record?.gateways[gatewayName(node)]?.candidate ?? null;
    return candidate !== null && this.place(connection, node) < candidate.threshold;
  }

  /** Whether there was a node, since this was last asked, that there was no set for. */
  takeUnserved(): boolean {
    const unserved = this.#unserved;
    this.#unserved = false;
    return unserved;
  }

  /** Null while it is not known, or a content is not at hand. */
  setFor(connection: Connection, node: NodeIdentity): ResourceSet | null {
    const set = this.#find(connection, node);
    if (set === null) this.#unserved = true;
    return set;
  }

  #find(connection: Connection, node: NodeIdentity): ResourceSet | null {
    const { ledger, contents, log } = this.#options;
    if (ledger.record === null) return null;
    const name = gatewayName(node);
    const gateway = Object.hasOwn(ledger.record.gateways, name) ? ledger.record.gateways[name] : undefined;
    if (gateway === undefined) {
      this.#introduce(name).catch((error: unknown) => {
        if (!(error instanceof StoreError)) log.error('a gateway could not be introduced', { gateway: name, error });
        else log.warn('a gateway could not be written down; it is tried again', { gateway: name, error });
      });
      return null;
    }
    const { candidate } = gateway;
    const revision = candidate !== null && this.isCanary(connection, node) ? candidate.revision : gateway.stable;
    const set = this.#sets.of(revision, node.labels, (hash) => contents.get(hash));
    if (set === null) this.#sayMissing(name, revision);
    else this.#said.delete(revision.id);
    return set;
  }

  /** A gateway that no replica has seen before has, from its first node on, what this directory says. */
  async #introduce(name: string): Promise<void> {
    const { ledger, contents, log } = this.#options;
    const wanted = this.wanted(name);
    if (wanted === null || this.#introducing.has(name)) return;
    this.#introducing.add(name);
    try {
      await contents.share(wanted.parts.map(({ content }) => content));
      await ledger.update((record) =>
        Object.hasOwn(record.gateways, name) ? record : withGateway(record, name, newGateway(wanted, Date.now())),
      );
      if (wanted.parts.length > 0) return;
      log.warn('no configuration in the directory is for this gateway', { gateway: name });
    } finally {
      this.#introducing.delete(name);
    }
  }

  #sayMissing(gateway: string, revision: Revision): void {
    const { contents, log } = this.#options;
    const reason = revision.parts.map(({ content }) => contents.failure(content)).find((one) => one !== null);
    if (reason === undefined || this.#said.has(revision.id) || this.#said.size >= MAX_SAID) return;
    this.#said.add(revision.id);
    log.error('a revision can not be served; nodes keep what they have', { gateway, revision: revision.id, reason });
  }
}
