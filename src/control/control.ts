import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { ConfigError } from '../config/fault.ts';
import { StoreError } from '../state/stores/store.ts';
import { errorText, type Logger } from '../telemetry/log.ts';
import type { Connection } from '../xds/server/connection.ts';
import { CODES, type NodeIdentity, StreamRefusal } from '../xds/server/node.ts';
import type { ResourceSet } from '../xds/server/resource-set.ts';
import { DeltaServer } from '../xds/server/server.ts';
import { Authentication, readCertificate, readTokens } from './authentication.ts';
import type { ConfigurationDirectory, DirectoryState } from './directory/directory.ts';
import { ControlMetrics, typeLabel } from './metrics.ts';
import { type NodeView, viewNode } from './nodes.ts';
import { gatewayName, type Revision, revisionOf, Sets } from './revision.ts';
import { Leader } from './rollout/leader.ts';
import { Observer, rolloutName } from './rollout/observer.ts';
import { type Action, act } from './rollout/operator.ts';
import { type FleetRecord, newGateway, withGateway } from './rollout/record.ts';
import type { ControlSettings } from './settings.ts';
import { Contents } from './state/contents.ts';
import { Lease, type LeaseTimes } from './state/lease.ts';
import { Ledger } from './state/ledger.ts';
import type { ControlState } from './state/open.ts';
import { Reports } from './state/reports.ts';
import { watchFiles } from './watch-files.ts';

export interface ControlOptions {
  readonly directory: ConfigurationDirectory;
  readonly settings: ControlSettings;
  readonly state: ControlState;
  readonly log: Logger;
  readonly times?: Partial<ControlTimes>;
}

/** All in ms. */
export interface ControlTimes {
  readonly lease: LeaseTimes;
  /** How often roll-outs are looked at. */
  readonly tickMs: number;
  /** How long nodes have to go elsewhere at the end. */
  readonly graceMs: number;
}

const TIMES: ControlTimes = { lease: { ttlMs: 10_000, renewMs: 3000 }, tickMs: 1000, graceMs: 5000 };
/** Replicas share the nodes anew this often, ms. */
const MAX_STREAM_AGE_MS = 30 * 60_000;
/** How exactly it is known when a node of a gateway was last seen, ms. */
const SEEN_MS = 3600_000;

/** What is to be said of a gateway's roll-out. */
export interface GatewayView {
  readonly gateway: string;
  readonly state: 'idle' | 'canary' | 'paused' | 'held';
  readonly reason: string;
  readonly stable: string;
  readonly candidate: string | null;
  readonly threshold: number | null;
  readonly directory: string | null;
  readonly rejected: { readonly revision: string; readonly at: string; readonly reason: string } | null;
  readonly history: readonly { readonly revision: string; readonly until: string }[];
}

/** `sluice control`: serves a directory of configurations to a fleet of gateways. */
export class Control {
  readonly metrics = new ControlMetrics();
  readonly #options: ControlOptions;
  readonly #times: ControlTimes;
  readonly #log: Logger;
  readonly #replica: string;
  readonly #authentication: Authentication;
  readonly #server: DeltaServer;
  readonly #ledger: Ledger;
  readonly #lease: Lease;
  readonly #reports: Reports;
  readonly #contents: Contents;
  readonly #leader: Leader;
  readonly #observer: Observer;
  readonly #sets = new Sets();
  #directory: DirectoryState | null = null;
  #revisions = new Map<string, Revision>();
  /** Names of the roll-outs under way. */
  #rollouts = '';
  readonly #introducing = new Set<string>();
  readonly #missing = new Set<string>();
  readonly #stops: (() => void)[] = [];
  #ticking: Promise<void> = Promise.resolve();
  #closing = false;

  /** Reads tokens and certificate. Throws ConfigError, StateError, and what reading and TLS throw. */
  static async open(options: ControlOptions): Promise<Control> {
    const { settings } = options;
    const tokens = settings.tokens === null ? null : await readTokens(settings.tokens);
    const certificate = settings.tls === null ? null : await readCertificate(settings.tls);
    return new Control(options, new Authentication(settings, tokens), certificate);
  }

  private constructor(
    options: ControlOptions,
    authentication: Authentication,
    certificate: Awaited<ReturnType<typeof readCertificate>> | null,
  ) {
    const { settings, state, log } = options;
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
    this.#log = log;
    this.#authentication = authentication;
    // Alone with its state, a process goes on with the lease of the one before it.
    this.#replica = state.shared ? `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}` : 'this process';
    this.#ledger = new Ledger(state.store, log, () => this.#recordChanged());
    this.#lease = new Lease(state.store, this.#replica, log, this.#times.lease);
    this.#reports = new Reports(state.store);
    this.#contents = new Contents(state.store, () => this.#server.refresh());
    this.#leader = new Leader({
      ledger: this.#ledger,
      contents: this.#contents,
      settings: settings.rollout,
      shared: state.shared,
      log,
      wanted: (gateway) => this.#wanted(gateway),
      onRollback: () => this.metrics.rolledBack.inc(),
    });
    this.#server = new DeltaServer({
      listen: { ...settings.listen, certificate, maxConnections: 2 * settings.maxNodes },
      log,
      limits: { maxStreams: settings.maxNodes, maxStreamAgeMs: state.shared ? MAX_STREAM_AGE_MS : 0 },
      authenticate: (peer) => this.#authentication.open(peer),
      setFor: (connection, node) => this.#setFor(connection, node),
      events: {
        opened: ({ client, stream: { node } }) => {
          if (node === null) return;
          this.metrics.nodes.inc({ gateway: gatewayName(node) });
          log.info('a node is connected', { node: node.id, gateway: gatewayName(node), address: client.address });
        },
        closed: ({ stream: { node } }, reason) => {
          if (node === null) return;
          this.metrics.nodes.dec({ gateway: gatewayName(node) });
          if (reason !== null) this.metrics.refused.inc({ code: reason.code });
          log.info('a node has left', { node: node.id, ...(reason === null ? {} : { reason: reason.message }) });
        },
        pushed: (_, typeUrl, bytes) => {
          this.metrics.pushes.inc({ type: typeLabel(typeUrl) });
          this.metrics.pushedBytes.inc({ type: typeLabel(typeUrl) }, bytes);
        },
        answered: ({ stream: { node } }, { typeUrl, issues }) => {
          const type = typeLabel(typeUrl);
          const errors = issues.filter(({ error }) => error !== undefined);
          if (errors.length > 0) this.metrics.nacks.inc({ type });
          else this.metrics.acks.inc({ type });
          if (issues.length > errors.length) this.metrics.warnings.inc({ type });
          for (const { key, error } of errors.slice(0, 3)) {
            log.warn('a node refuses a resource', { node: node?.id, resource: key, reason: error, of: errors.length });
          }
        },
        settled: (_, ms) => this.metrics.lag.observe({}, ms / 1000),
        refused: (peer, { code, message }) => {
          this.metrics.refused.inc({ code });
          log.warn('a stream is refused', { peer, reason: message });
        },
      },
    });
    this.#observer = new Observer({ settings: settings.rollout, connections: () => this.#server.connections });
  }

  get ready(): boolean {
    return this.#ledger.record !== null && !this.#closing;
  }

  get leading(): boolean {
    return this.#lease.held;
  }

  get leader(): string {
    return this.#lease.holder;
  }

  get record(): FleetRecord | null {
    return this.#ledger.record;
  }

  get directory(): DirectoryState | null {
    return this.#directory;
  }

  /**
   * Begins to serve; resolves to the port. With `first` the directory is served as it stands, with null (it has faults) what was served
   * last, until it has none. Rejects with the listen's error.
   */
  async start(first: DirectoryState | null): Promise<number> {
    if (first !== null) this.#take(first);
    await this.#ledger.open();
    await this.#lease.renew();
    const port = await this.#server.listen();
    const { settings, directory, state } = this.#options;
    this.#stops.push(directory.watch((next) => this.#changed(next)));
    this.#stops.push(this.#watchCredentials());
    const every = (ms: number, step: () => void) => {
      const timer = setInterval(step, ms);
      this.#stops.push(() => clearInterval(timer));
    };
    every(this.#times.lease.renewMs, () => void this.#lease.renew().catch((error: unknown) => this.#fault(error)));
    every(this.#times.tickMs, () => this.tick());
    every(settings.rollout.scrapeIntervalMs, () => this.#measure());
    this.#log.info('serving', {
      listen: `${settings.listen.host}:${port}`,
      directory: directory.path,
      state: state.name,
    });
    return port;
  }

  /** Nodes connected to this replica. */
  nodes(): NodeView[] {
    const views: NodeView[] = [];
    for (const connection of this.#server.connections) {
      const { node } = connection.stream;
      const view = node === null ? null : viewNode(connection, this.#isCanary(connection, node));
      if (view !== null) views.push(view);
    }
    return views.sort((a, b) => (a.gateway + a.id < b.gateway + b.id ? -1 : 1));
  }

  gateways(): GatewayView[] {
    return Object.entries(this.#ledger.record?.gateways ?? {})
      .map(([gateway, one]): GatewayView => {
        const { candidate, rejected, stable, history } = one;
        const held = candidate === null && this.#leader.holdsBack(gateway, one);
        return {
          gateway,
          state: candidate?.state ?? (held ? 'held' : 'idle'),
          reason: candidate?.reason ?? (held ? HELD : ''),
          stable: stable.id,
          candidate: candidate?.revision.id ?? null,
          threshold: candidate?.threshold ?? null,
          directory: this.#wanted(gateway)?.id ?? null,
          rejected:
            rejected === null
              ? null
              : { revision: rejected.revision.id, at: new Date(rejected.at).toISOString(), reason: rejected.reason },
          history: history.map(({ revision, until }) => ({
            revision: revision.id,
            until: new Date(until).toISOString(),
          })),
        };
      })
      .sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
  }

  /** Does what an operator asks for, for one gateway or for all it can be done for. Returns what became of it, a line each. Throws StoreError. */
  async act(action: Action, only: string | null): Promise<{ done: string[]; refused: string[] }> {
    const { rollout } = this.#options.settings;
    for (const gateway of only === null ? Object.keys(this.#ledger.record?.gateways ?? {}) : [only]) {
      const wanted = this.#wanted(gateway);
      if (wanted !== null) await this.#contents.share(wanted.parts.map(({ content }) => content));
    }
    let done: string[] = [];
    let refused: string[] = [];
    await this.#ledger.update((record) => {
      done = [];
      refused = only === null || Object.hasOwn(record.gateways, only) ? [] : [`${only}: no node of it was ever seen`];
      let next = record;
      for (const [name, gateway] of Object.entries(record.gateways)) {
        if (only !== null && name !== only) continue;
        const acted = act(gateway, action, this.#wanted(name), rollout, Date.now());
        if (typeof acted === 'string') refused.push(`${name}: ${acted}`);
        else {
          next = withGateway(next, name, acted);
          done.push(name);
        }
      }
      return next;
    });
    for (const gateway of done) this.#log.info(`${action} by hand`, { gateway });
    return { done, refused };
  }

  /** Brings gauges up to date. */
  collect(): void {
    const { metrics } = this;
    metrics.leader.set(this.leading ? 1 : 0);
    metrics.stateReachable.set(this.#ledger.reachable ? 1 : 0);
    metrics.directoryFaults.set(this.#directory?.faults.length ?? 0);
    const gateways = Object.values(this.#ledger.record?.gateways ?? {});
    for (const state of ['idle', 'canary', 'paused'] as const) {
      metrics.rollouts.set({ state }, gateways.filter((one) => (one.candidate?.state ?? 'idle') === state).length);
    }
  }

  /** Looks at roll-outs once, after what is under way. */
  tick(): Promise<void> {
    this.#ticking = this.#ticking.then(() => this.#tick()).catch((error: unknown) => this.#fault(error));
    return this.#ticking;
  }

  /** Ends streams so that nodes go elsewhere, and gives up the lease. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const stop of this.#stops) stop();
    await this.#ticking;
    await this.#server.close(this.#times.graceMs);
    await this.#lease.release();
    this.#ledger.close();
    await this.#options.state.close();
  }

  #take(state: DirectoryState): void {
    this.#directory = state;
    this.#revisions = new Map();
    this.#contents.own = state.configurations.map(({ content }) => content);
    this.#leader.look();
  }

  #changed(state: DirectoryState): void {
    const before = new Set(this.#directory?.faults.map((fault) => JSON.stringify(fault)));
    for (const fault of state.faults) {
      if (!before.has(JSON.stringify(fault))) this.#log.error(new ConfigError([fault]).message);
    }
    // What could not be loaded at start-up is not to be taken as gone.
    if (this.#directory === null && state.faults.length > 0) return;
    this.#log.info('the directory has changed', {
      configurations: state.configurations.length,
      ...(state.faults.length > 0 ? { refused: new Set(state.faults.map(({ file }) => file)).size } : {}),
    });
    this.#take(state);
    void this.tick();
  }

  #recordChanged(): void {
    this.#leader.look();
    // What nodes answered before is read while they have not got anything new.
    const candidates = Object.values(this.#ledger.record?.gateways ?? {}).map(({ candidate }) => candidate);
    const rollouts = candidates.map((candidate) => (candidate === null ? '' : rolloutName(candidate))).join();
    if (rollouts !== this.#rollouts) this.#measure();
    this.#rollouts = rollouts;
    this.#server.refresh();
  }

  /** What the directory says of a gateway; null where it has not been loaded. */
  #wanted(gateway: string): Revision | null {
    if (this.#directory === null) return null;
    let revision = this.#revisions.get(gateway);
    if (revision === undefined) {
      revision = revisionOf(this.#directory.configurations, gateway);
      this.#revisions.set(gateway, revision);
    }
    return revision;
  }

  #isCanary(connection: Connection, node: NodeIdentity): boolean {
    const candidate = this.#ledger.record?.gateways[gatewayName(node)]?.candidate ?? null;
    return candidate !== null && this.#observer.place(connection, node) < candidate.threshold;
  }

  #setFor(connection: Connection, node: NodeIdentity): ResourceSet | null {
    const { record } = this.#ledger;
    if (record === null) return null;
    const name = gatewayName(node);
    const gateway = Object.hasOwn(record.gateways, name) ? record.gateways[name] : undefined;
    if (gateway === undefined) {
      void this.#introduce(name).catch((error: unknown) => this.#fault(error));
      return null;
    }
    const { candidate } = gateway;
    const revision = candidate !== null && this.#isCanary(connection, node) ? candidate.revision : gateway.stable;
    const set = this.#sets.of(revision, node.labels, (hash) => this.#contents.get(hash));
    if (set === null) this.#sayMissing(name, revision);
    else this.#missing.delete(revision.id);
    return set;
  }

  /** A gateway that no replica has seen before has, from the first node on, what this directory says. */
  async #introduce(name: string): Promise<void> {
    const wanted = this.#wanted(name);
    if (wanted === null || this.#introducing.has(name)) return;
    this.#introducing.add(name);
    try {
      await this.#contents.share(wanted.parts.map(({ content }) => content));
      await this.#ledger.update((record) =>
        Object.hasOwn(record.gateways, name) ? record : withGateway(record, name, newGateway(wanted, Date.now())),
      );
      if (wanted.parts.length === 0)
        this.#log.warn('no configuration in the directory is for this gateway', { gateway: name });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#log.warn('a gateway could not be written down; it is tried again', { gateway: name, error });
    } finally {
      this.#introducing.delete(name);
    }
  }

  #sayMissing(gateway: string, revision: Revision): void {
    const failure = revision.parts
      .map(({ content }) => this.#contents.failure(content))
      .find((reason) => reason !== null);
    if (failure === undefined || this.#missing.has(revision.id)) return;
    if (this.#missing.size < 1000) this.#missing.add(revision.id);
    this.#log.error('a revision can not be served; nodes keep what they have', {
      gateway,
      revision: revision.id,
      reason: failure,
    });
  }

  async #tick(): Promise<void> {
    if (this.#closing) return;
    await this.#ledger.refresh();
    const { record } = this.#ledger;
    if (record === null) return;
    // Streams that could not be served, for want of a record or a content.
    for (const { stream } of this.#server.connections) {
      if (stream.set !== null) continue;
      this.#server.refresh();
      break;
    }
    try {
      await this.#noteSeen(record);
      const gateways = this.#observer.report(record);
      if (Object.keys(gateways).length > 0) await this.#reports.publish({ replica: this.#replica, gateways });
      if (this.#lease.held) await this.#leader.lead(await this.#reports.read());
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#log.debug('roll-outs could not be looked at', { error });
    }
  }

  async #noteSeen(record: FleetRecord): Promise<void> {
    const now = Date.now();
    const stale = new Set<string>();
    for (const { stream } of this.#server.connections) {
      const name = stream.node === null ? '' : gatewayName(stream.node);
      if (Object.hasOwn(record.gateways, name) && now - (record.gateways[name]?.seenAt ?? now) > SEEN_MS)
        stale.add(name);
    }
    if (stale.size === 0) return;
    await this.#ledger.update((current) => {
      let next = current;
      for (const name of stale) {
        const gateway = current.gateways[name];
        if (gateway !== undefined) next = withGateway(next, name, { ...gateway, seenAt: now });
      }
      return next;
    });
  }

  #measure(): void {
    const { record } = this.#ledger;
    if (record !== null) void this.#observer.measure(record).catch((error: unknown) => this.#fault(error));
  }

  /** Reads tokens and certificates again when they change. */
  #watchCredentials(): () => void {
    const { tls, tokens } = this.#options.settings;
    const stops: (() => void)[] = [];
    if (tokens !== null) {
      const again = async () => {
        this.#authentication.tokens = await readTokens(tokens);
        this.#log.info('tokens are read again');
        const reason = new StreamRefusal(CODES.permissionDenied, 'the token is no longer one of the gateway');
        this.#server.endWhere(
          reason,
          ({ client, stream: { node } }) => node !== null && !this.#authentication.admits(client, node),
        );
      };
      stops.push(watchFiles([tokens], () => again().catch((error: unknown) => this.#keepCredentials('tokens', error))));
    }
    if (tls !== null) {
      const again = async () => {
        this.#server.exchangeCertificate(await readCertificate(tls));
        this.#log.info('the certificate is read again');
      };
      const files = [tls.cert, tls.key, ...(tls.clientCa === null ? [] : [tls.clientCa])];
      stops.push(
        watchFiles(files, () => again().catch((error: unknown) => this.#keepCredentials('certificate', error))),
      );
    }
    return () => {
      for (const stop of stops) stop();
    };
  }

  #keepCredentials(what: string, error: unknown): void {
    this.#log.error(`the ${what} can not be read again; what was read before holds`, { error: errorText(error) });
  }

  #fault(error: unknown): void {
    this.#log.error('control failed at something; it goes on', { error });
  }
}

const HELD =
  'the directory of this replica has a former revision: a change of it, or promote or resume by hand, brings it to the nodes';
