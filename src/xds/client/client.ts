import { setTimeout } from 'node:timers/promises';
import type { XdsSettings } from '../../resources/settings.ts';
import type { Pause, WireDelta, WireIssue, XdsLog } from '../delta.ts';
import type { Node } from '../wire/discovery.ts';
import { BACKOFF, Backoff, type BackoffTimes, type StreamEnd } from './backoff.ts';
import { Credentials, XdsStartError } from './credentials.ts';
import type { XdsMetrics } from './metrics.ts';
import { Recorder } from './record.ts';
import { type Answered, Session } from './session.ts';
import { AdsStream, type ConnectionTimes, type End } from './stream.ts';

const TIMES: AdsTimes = { backoff: BACKOFF, connectMs: 20_000, keepaliveMs: 30_000, keepaliveTimeoutMs: 10_000 };
/** The shortest silence that servers in Go accept pings after where they are told nothing else, and a little more. Ms. */
const LONG_KEEPALIVE_MS = 310_000;
/** Issues of one response that are logged one by one. */
const MAX_LOGGED = 20;

export interface AdsTimes extends ConnectionTimes {
  readonly backoff: BackoffTimes;
}

export interface AdsClientOptions {
  readonly settings: XdsSettings;
  readonly node: Node;
  /** What is asked for, in this order. */
  readonly types: readonly string[];
  /** Puts what a response changes into force; called for one response at a time. */
  readonly handle: (delta: WireDelta) => Promise<readonly WireIssue[]>;
  /** What long work asks for pauses from where it begins; without it, it makes none. */
  readonly begin?: () => Pause;
  readonly log: XdsLog;
  readonly metrics: XdsMetrics;
  readonly times?: Partial<AdsTimes>;
}

/**
 * Keeps a Delta ADS stream to the control plane open and answers what it sends (agentgateway's client, `crates/xds`). What is
 * in force outlives every connection.
 */
export class AdsClient {
  /** Resolved once each type has had a response without errors. */
  readonly synced: Promise<void>;
  readonly session: Session;
  readonly #options: AdsClientOptions;
  readonly #credentials: Credentials;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  readonly #times: { -readonly [Name in keyof AdsTimes]: AdsTimes[Name] };
  #resolveSynced: () => void = () => undefined;
  #recorder: Recorder | null = null;
  #connected = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: AdsClientOptions) {
    this.#options = options;
    this.#credentials = new Credentials(options.settings, options.log);
    this.#times = { ...TIMES, ...options.times };
    this.#backoff = new Backoff(this.#times.backoff);
    this.session = new Session(options.node, options.types, options.handle, options.begin);
    this.synced = new Promise((resolve) => {
      this.#resolveSynced = resolve;
    });
  }

  /** Whether there is a connection. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Silence on a connection after which a ping is sent, ms: longer from when a server takes pings amiss. */
  get keepaliveMs(): number {
    return this.#times.keepaliveMs;
  }

  /** Checks the files that settings name and begins to connect. Throws XdsStartError where one can't be used. */
  async start(): Promise<void> {
    const { settings, log, metrics } = this.#options;
    await this.#credentials.check();
    if (settings.recordFile !== null) {
      try {
        this.#recorder = await Recorder.open(settings.recordFile, log);
      } catch (error) {
        throw new XdsStartError('SLUICE_XDS_RECORD: the file cannot be written', { cause: error });
      }
      log.warn('xDS messages are recorded, with the secrets in them', { file: settings.recordFile });
    }
    metrics.xdsConnected.set(0);
    this.#running = this.#run();
  }

  /** Ends the stream; resolves when what it was applying is applied. What is in force stays. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    await this.#recorder?.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const end = await this.#connection();
      if (signal.aborted) break;
      await setTimeout(this.#backoff.after(end), undefined, { signal }).catch(() => undefined);
    }
  }

  /** One connection and its stream, until it ends. */
  async #connection(): Promise<StreamEnd> {
    const { log, metrics, settings } = this.#options;
    const begin = performance.now();
    let heard = false;
    let end: End = { reason: 'Complete', message: 'the server ended it', tooManyPings: false };
    let token = '';
    let stream: AdsStream | null = null;
    const close = () => stream?.close();
    this.#closing.signal.addEventListener('abort', close);
    try {
      const presented = await this.#credentials.present();
      token = presented.token;
      stream = new AdsStream(settings.address, presented, this.#times, () => {
        this.#setConnected(true);
        log.info('connected to the control plane', { address: settings.address });
      });
      if (this.#closing.signal.aborted) stream.close();
      await this.#recorder?.write('stream');
      for (const message of this.session.open()) await this.#send(stream, message);
      for await (const bytes of stream.messages) {
        await this.#respond(stream, bytes);
        heard = true;
      }
    } catch (error) {
      end = stream?.endOf(error) ?? { reason: 'Error', message: String(error), tooManyPings: false };
    }
    this.#closing.signal.removeEventListener('abort', close);
    close();
    this.#setConnected(false);
    const livedMs = performance.now() - begin;
    if (this.#closing.signal.aborted) return { benign: true, heard, livedMs };
    metrics.xdsTerminations.inc({ reason: end.reason });
    const error = token === '' ? end.message : end.message.replaceAll(token, '[token]');
    const benign = end.reason === 'Reconnect' || end.reason === 'Complete';
    log[benign ? 'info' : 'warn']('the stream of the control plane ended; what is in force stays', {
      reason: end.reason,
      error,
    });
    if (end.tooManyPings) this.#times.keepaliveMs = Math.max(this.#times.keepaliveMs, LONG_KEEPALIVE_MS);
    return { benign: end.reason === 'Reconnect', heard, livedMs };
  }

  async #respond(stream: AdsStream, bytes: Buffer): Promise<void> {
    await this.#recorder?.write('response', bytes);
    const answered = await this.session.take(bytes);
    this.#count(answered);
    if (answered.answer !== null) await this.#send(stream, answered.answer);
    if (this.session.synced) this.#resolveSynced();
  }

  async #send(stream: AdsStream, message: Buffer): Promise<void> {
    await this.#recorder?.write('request', message);
    stream.send(message);
  }

  #count({ typeUrl, result, bytes, issues, applied, removed, answer }: Answered): void {
    const { metrics, log } = this.#options;
    // What a server calls its types is no label of ours.
    const url = result === 'unknown' ? 'unknown' : typeUrl;
    metrics.xdsMessages.inc({ url, result });
    metrics.xdsMessageBytes.inc({ url }, bytes);
    metrics.xdsLastMessage.set(Date.now() / 1000);
    for (const { typeUrl, known, refused } of this.session.subscriptions) {
      metrics.xdsResources.set({ url: typeUrl, state: 'in_force' }, known.size);
      metrics.xdsResources.set({ url: typeUrl, state: 'refused' }, refused.size);
    }
    log.debug('response of the control plane', { type: typeUrl, result, applied, removed, issues: issues.length });
    if (answer === null)
      log.warn('a response of the control plane has no nonce and can have no answer', { type: typeUrl });
    for (const { key, error, warn } of issues.slice(0, MAX_LOGGED)) {
      if (error !== undefined) log.error('a resource of the control plane is refused', { type: url, key, error });
      else log.warn('a resource of the control plane is in force in part', { type: url, key, warn });
    }
    if (issues.length > MAX_LOGGED) log.error('and more', { issues: issues.length - MAX_LOGGED });
  }

  #setConnected(connected: boolean): void {
    this.#connected = connected;
    this.#options.metrics.xdsConnected.set(connected ? 1 : 0);
  }
}
