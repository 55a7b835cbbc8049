import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { XdsSettings } from '../../resources/settings.ts';
import type { WireDelta, WireIssue, XdsLog } from '../delta.ts';
import { DELTA_METHOD, type Node } from '../wire/discovery.ts';
import { Backoff, type BackoffTimes, type StreamEnd } from './backoff.ts';
import { Credentials, XdsStartError } from './credentials.ts';
import type { XdsMetrics } from './metrics.ts';
import { Recorder } from './record.ts';
import { type Answered, Session } from './session.ts';

/** Largest message, both ways. Bytes. */
const MAX_MESSAGE = 200 * 1024 * 1024;
/** How long a connection may take to be there, and how long silence must last for a ping, and how long that may take. Ms. */
const CONNECT_MS = 20_000;
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** The shortest silence that servers in Go accept pings after where they are told nothing else, and a little more. Ms. */
const LONG_KEEPALIVE_MS = 310_000;
/** Answers that wait for the server to read them. */
const MAX_UNREAD_ANSWERS = 1024;
/** How grpc-js says ENHANCE_YOUR_CALM, with which servers refuse connections that ping too often. */
const TOO_MANY_PINGS = 'Bandwidth exhausted or memory limit exceeded';

type Call = ClientDuplexStream<Buffer, Buffer>;

export interface AdsTimes {
  readonly backoff: BackoffTimes;
  readonly connectMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

export interface AdsClientOptions {
  readonly settings: XdsSettings;
  readonly node: Node;
  /** What is asked for, in this order. */
  readonly types: readonly string[];
  /** Puts what a response changes into force; called for one response at a time. */
  readonly handle: (delta: WireDelta) => Promise<readonly WireIssue[]>;
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
  #keepaliveMs: number;
  #resolveSynced: () => void = () => undefined;
  #recorder: Recorder | null = null;
  #connected = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: AdsClientOptions) {
    this.#options = options;
    this.#credentials = new Credentials(options.settings, options.log);
    this.#backoff = new Backoff(options.times?.backoff);
    this.#keepaliveMs = options.times?.keepaliveMs ?? KEEPALIVE_MS;
    this.session = new Session(options.node, options.types, options.handle);
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
    return this.#keepaliveMs;
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
      const end = await this.#stream();
      if (signal.aborted) break;
      await sleep(this.#backoff.after(end), signal);
    }
  }

  /** One connection and its stream, until it ends. */
  async #stream(): Promise<StreamEnd> {
    const begin = performance.now();
    const { metrics, log, settings } = this.#options;
    let heard = false;
    let opened = false;
    let late = false;
    let token = '';
    let client: Client | null = null;
    const ended = (reason: 'ConnectionError' | 'Error' | 'Reconnect' | 'Complete', message: string): StreamEnd => {
      const livedMs = performance.now() - begin;
      metrics.xdsTerminations.inc({ reason });
      const level = reason === 'Reconnect' || reason === 'Complete' ? 'info' : 'warn';
      const why = token === '' ? message : message.replaceAll(token, '[token]');
      log[level]('the stream of the control plane ended; what is in force stays', { reason, error: why });
      return { benign: reason === 'Reconnect', heard, livedMs };
    };
    try {
      const presented = await this.#credentials.present();
      token = presented.token;
      client = new Client(targetOf(settings.address), presented.channel, this.#channelOptions());
      const call = openCall(client, presented.metadata);
      const stop = () => call.cancel();
      this.#closing.signal.addEventListener('abort', stop);
      try {
        if (this.#closing.signal.aborted) call.cancel();
        client.waitForReady(Date.now() + (this.#options.times?.connectMs ?? CONNECT_MS), (error) => {
          if (error !== undefined) {
            late = true;
            call.cancel();
            return;
          }
          opened = true;
          this.#setConnected(true);
          log.info('connected to the control plane', { address: settings.address });
        });
        await this.#recorder?.write('stream');
        for (const message of this.session.open()) await this.#send(call, message);
        for await (const bytes of call as AsyncIterable<Buffer>) {
          await this.#respond(call, bytes);
          heard = true;
        }
      } finally {
        this.#closing.signal.removeEventListener('abort', stop);
        call.cancel();
      }
      return ended('Complete', 'the server ended it');
    } catch (error) {
      if (late) return ended('ConnectionError', 'there was no connection in time');
      return ended(this.#reasonOf(error, opened), error instanceof Error ? error.message : String(error));
    } finally {
      this.#setConnected(false);
      client?.close();
    }
  }

  async #respond(call: Call, bytes: Buffer): Promise<void> {
    await this.#recorder?.write('response', bytes);
    const answered = await this.session.take(bytes);
    this.#count(answered);
    if (answered.answer !== null) await this.#send(call, answered.answer);
    if (this.session.synced) this.#resolveSynced();
  }

  async #send(call: Call, message: Buffer): Promise<void> {
    await this.#recorder?.write('request', message);
    if (call.writableLength > MAX_UNREAD_ANSWERS) throw new Error('the server reads no answers');
    call.write(message);
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

  #reasonOf(error: unknown, opened: boolean): 'ConnectionError' | 'Error' | 'Reconnect' {
    const { code, details = '' } = error as Partial<ServiceError>;
    if (details === TOO_MANY_PINGS) {
      this.#keepaliveMs = Math.max(this.#keepaliveMs, LONG_KEEPALIVE_MS);
      return 'Reconnect';
    }
    if (code === status.CANCELLED || code === status.DEADLINE_EXCEEDED) return 'Reconnect';
    if (code === status.UNAVAILABLE && /transport is closing|received prior goaway/i.test(details)) return 'Reconnect';
    return opened || error instanceof XdsStartError ? 'Error' : 'ConnectionError';
  }

  #channelOptions(): ChannelOptions {
    return {
      'grpc.max_receive_message_length': MAX_MESSAGE,
      'grpc.max_send_message_length': MAX_MESSAGE,
      'grpc.keepalive_time_ms': this.#keepaliveMs,
      'grpc.keepalive_timeout_ms': this.#options.times?.keepaliveTimeoutMs ?? KEEPALIVE_TIMEOUT_MS,
      // Each connection is a channel of its own, and when the next one is tried is decided here.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      // A fleet spreads over the servers behind one name.
      'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ pick_first: { shuffleAddressList: true } }] }),
    };
  }
}

/** Issues of one response that are logged one by one. */
const MAX_LOGGED = 20;

function openCall(client: Client, metadata: Metadata): Call {
  const same = (message: Buffer): Buffer => message;
  const call = client.makeBidiStreamRequest<Buffer, Buffer>(DELTA_METHOD, same, same, metadata);
  // Errors are what reading it ends with; one that comes when nobody reads any more is none.
  call.on('error', () => undefined);
  return call;
}

/** `http://host:port` → the name grpc resolves. */
function targetOf(address: string): string {
  return `dns:${address.slice(address.indexOf('//') + 2)}`;
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
