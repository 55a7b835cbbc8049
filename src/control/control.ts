import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { ConfigError } from '../config/fault.ts';
import { StoreError } from '../state/stores/store.ts';
import type { Logger } from '../telemetry/log.ts';
import type { ServerCertificate } from '../xds/server/listener.ts';
import { DeltaServer } from '../xds/server/server.ts';
import { Assignment } from './assignment.ts';
import { Authentication, readCertificate, readTokens } from './authentication.ts';
import { watchCredentials } from './credentials.ts';
import type { ConfigurationDirectory, DirectoryState } from './directory/directory.ts';
import { type GatewayView, viewGateway } from './gateways.ts';
import { ControlMetrics } from './metrics.ts';
import { type NodeView, viewNode } from './nodes.ts';
import { gatewayName } from './revision.ts';
import { Leader } from './rollout/leader.ts';
import { Observer, rolloutName } from './rollout/observer.ts';
import { type Action, act } from './rollout/operator.ts';
import { type FleetRecord, withGateway } from './rollout/record.ts';
import type { ControlSettings } from './settings.ts';
import { Contents } from './state/contents.ts';
import { LEASE_TIMES, Lease, type LeaseTimes } from './state/lease.ts';
import { Ledger } from './state/ledger.ts';
import type { ControlState } from './state/open.ts';
import { Reports } from './state/reports.ts';
import { streamEvents } from './stream-events.ts';

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

const TIMES: ControlTimes = { lease: LEASE_TIMES, tickMs: 1000, graceMs: 5000 };
/** Replicas share the nodes anew this often, ms. */
const MAX_STREAM_AGE_MS = 30 * 60_000;
/** How exactly it is known when a node of a gateway was last seen, ms. */
const SEEN_MS = 3600_000;

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
  readonly #assignment: Assignment;
  /** Names of the roll-outs under way. */
  #rollouts = '';
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

  private constructor(options: ControlOptions, authentication: Authentication, certificate: ServerCertificate | null) {
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
    this.#assignment = new Assignment({ ledger: this.#ledger, contents: this.#contents, log });
    this.#leader = new Leader({
      ledger: this.#ledger,
      contents: this.#contents,
      settings: settings.rollout,
      shared: state.shared,
      log,
      wanted: (gateway) => this.#assignment.wanted(gateway),
      onRollback: () => this.metrics.rolledBack.inc(),
    });
    this.#server = new DeltaServer({
      listen: { ...settings.listen, certificate, maxConnections: 2 * settings.maxNodes },
      log,
      limits: { maxStreams: settings.maxNodes, maxStreamAgeMs: state.shared ? MAX_STREAM_AGE_MS : 0 },
      authenticate: (peer) => this.#authentication.open(peer),
      setFor: (connection, node) => this.#assignment.setFor(connection, node),
      events: streamEvents(this.metrics, log),
    });
    this.#observer = new Observer({
      settings: settings.rollout,
      connections: () => this.#server.connections,
      place: (connection, node) => this.#assignment.place(connection, node),
    });
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
    return this.#assignment.directory;
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
    this.#stops.push(watchCredentials(settings, this.#authentication, this.#server, this.#log));
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
      const view = node === null ? null : viewNode(connection, this.#assignment.isCanary(connection, node));
      if (view !== null) views.push(view);
    }
    return views.sort((a, b) => (a.gateway + a.id < b.gateway + b.id ? -1 : 1));
  }

  gateways(): GatewayView[] {
    return Object.entries(this.#ledger.record?.gateways ?? {})
      .map(([name, record]) =>
        viewGateway(name, record, this.#assignment.wanted(name), this.#leader.holdsBack(name, record)),
      )
      .sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
  }

  /** Does what an operator asks for, for one gateway or for all it can be done for. Returns what became of it, a line each. Throws StoreError. */
  async act(action: Action, only: string | null): Promise<{ done: string[]; refused: string[] }> {
    const { rollout } = this.#options.settings;
    for (const gateway of only === null ? Object.keys(this.#ledger.record?.gateways ?? {}) : [only]) {
      const wanted = this.#assignment.wanted(gateway);
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
        const acted = act(gateway, action, this.#assignment.wanted(name), rollout, Date.now());
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
    metrics.directoryFaults.set(this.directory?.faults.length ?? 0);
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
    this.#assignment.take(state);
    this.#leader.look();
  }

  #changed(state: DirectoryState): void {
    const before = new Set(this.directory?.faults.map((fault) => JSON.stringify(fault)));
    for (const fault of state.faults) {
      if (!before.has(JSON.stringify(fault))) this.#log.error(new ConfigError([fault]).message);
    }
    // What could not be loaded at start-up is not to be taken as gone.
    if (this.directory === null && state.faults.length > 0) return;
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

  async #tick(): Promise<void> {
    if (this.#closing) return;
    await this.#ledger.refresh();
    const { record } = this.#ledger;
    if (record === null) return;
    if (this.#assignment.takeUnserved()) this.#server.refresh();
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

  #fault(error: unknown): void {
    this.#log.error('control failed at something; it goes on', { error });
  }
}
