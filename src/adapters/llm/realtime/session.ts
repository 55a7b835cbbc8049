import type { Duplex } from 'node:stream';
import { GatewayError } from '../../../errors/table.ts';
import type { EndCause, Exchange } from '../../../exchange.ts';
import type { LlmFacts } from '../../../facts/llm.ts';
import type { MessageHook, RealtimeSender } from '../../../facts/realtime.ts';
import type { UpgradedConnection } from '../../../facts/upgrade.ts';
import type { CounterSeries, GaugeSeries } from '../../../telemetry/families.ts';
import type { AdapterServices, RouteContext } from '../../adapter.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';
import { DriverSocket } from './driver-socket.ts';
import { CLOSE, type MessageSocket, type SocketOwner } from './message-socket.ts';
import { Passage } from './passage.ts';
import { StreamSocket } from './stream-socket.ts';
import { UsageReader } from './usage-reader.ts';

/** Milliseconds. */
export interface SessionTimes {
  /** How often both ends are looked at; one that was silent for so long is sent a ping. */
  readonly pingMs: number;
  /** Silence, pings unanswered, after which an end is given up; and how long it may go without taking a byte of what waits for it. */
  readonly deadMs: number;
  /** Without a message in either direction. */
  readonly idleMs: number;
  /** How long the provider may take to say what a response cost that its client has left. */
  readonly accountMs: number;
  /** How long the last words may take before connections are cut. */
  readonly goodbyeMs: number;
}

const TIMES: SessionTimes = {
  pingMs: 30_000,
  deadMs: 90_000,
  idleMs: 1_800_000,
  accountMs: 2_000,
  goodbyeMs: 250,
};

/** Bytes of answers that a client leaves untaken before it is sent away. */
const MAX_PENDING_ANSWERS = 1024 * 1024;

/** Close codes of a side that had nothing to complain about. */
const CONTENT: ReadonlySet<number> = new Set([CLOSE.normal, CLOSE.goingAway, CLOSE.none]);
const BROKE = 'The provider broke the WebSocket protocol or a limit';

/** What a session is made of, once both sides have switched. */
export interface SessionParts {
  readonly exchange: Exchange;
  readonly facts: LlmFacts;
  readonly context: RouteContext;
  readonly services: AdapterServices;
  readonly client: UpgradedConnection;
  readonly provider: Duplex;
  /** The adapter's own, before those of policies. */
  readonly hooks: readonly MessageHook[];
}

/**
 * A realtime session: messages pass between client and provider, each whole, with backpressure from the slow side to the fast one. Its
 * exchange ends once, with what all of its responses used. A close frame goes on to the other side; a side that is lost takes the other
 * along. Where a client leaves in the middle of a response, that response is cancelled and its count waited for a moment.
 */
export class RealtimeSession implements SocketOwner {
  readonly #parts: SessionParts;
  readonly #times: SessionTimes;
  readonly #client: MessageSocket;
  readonly #provider: MessageSocket;
  readonly #fromClient: Passage;
  readonly #fromProvider: Passage;
  readonly #usage: UsageReader;
  readonly #open: GaugeSeries;
  readonly #messages: Record<RealtimeSender, CounterSeries>;
  readonly #timer: NodeJS.Timeout;
  #accountTimer: NodeJS.Timeout | null = null;
  #messageAt = performance.now();
  readonly #progress = new Map<MessageSocket, { pending: number; since: number }>();
  #ended = false;

  constructor(parts: SessionParts, times: SessionTimes = TIMES) {
    const { exchange, facts, context, services, client, provider, hooks } = parts;
    this.#parts = parts;
    this.#times = times;
    const limit = context.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES;
    this.#client =
      'stream' in client
        ? new StreamSocket(client.stream, 'server', limit, services.bodies, this)
        : new DriverSocket(client.webSocket, limit, services.bodies, this);
    this.#provider = new StreamSocket(provider, 'client', limit, services.bodies, this);
    this.#usage = new UsageReader(facts);
    const all = [this.#usage, ...hooks, ...exchange.messageHooks];
    this.#fromClient = this.#passage('client', this.#client, this.#provider, all);
    this.#fromProvider = this.#passage('provider', this.#provider, this.#client, all);
    const { bind, gateway, listener, route, routeRule } = exchange.routed;
    const labels = { gen_ai_system: facts.provider, bind, gateway, listener, route, route_rule: routeRule };
    this.#open = services.metrics.realtimeSessions.labels(labels);
    this.#messages = {
      client: services.metrics.realtimeMessages.labels({ from: 'client', ...labels }),
      provider: services.metrics.realtimeMessages.labels({ from: 'provider', ...labels }),
    };
    this.#open.inc();
    this.#timer = setInterval(() => this.#look(performance.now()), times.pingMs).unref();
    client.onClose = () => this.#shutDown();
    // The provider speaks first, and may have already.
    this.#client.begin();
    this.#provider.begin();
  }

  // SocketOwner

  onMessage(socket: MessageSocket, data: Buffer, binary: boolean): void {
    this.#messageAt = performance.now();
    const { exchange } = this.#parts;
    if (socket === this.#client) {
      this.#messages.client.inc();
      exchange.bytesReceived += data.length;
      this.#fromClient.take(data, binary);
    } else {
      this.#messages.provider.inc();
      this.#fromProvider.take(data, binary);
    }
  }

  onDrain(socket: MessageSocket): void {
    if (socket === this.#provider) this.#fromClient.drained();
    else this.#fromProvider.drained();
  }

  onClosed(socket: MessageSocket, code: number, reason: Buffer, broke: boolean): void {
    if (socket === this.#client) this.#clientLeft(code, reason, broke);
    else this.#providerLeft(code, reason, broke);
  }

  // Ends

  #clientLeft(code: number, reason: Buffer, broke: boolean): void {
    if (this.#ended) return;
    this.#fromClient.end();
    const gone = code === CLOSE.abnormal;
    const cause: EndCause = gone ? 'client_gone' : broke ? 'error' : 'complete';
    const leave = () => {
      this.#provider.close(gone || broke ? CLOSE.goingAway : code, gone || broke ? '' : reason);
      this.#finish(cause);
    };
    const { open } = this.#usage;
    if (open.length === 0) {
      leave();
      return;
    }
    for (const id of open) {
      const event = { type: 'response.cancel', ...(id === '' ? {} : { response_id: id }) };
      this.#provider.send(Buffer.from(JSON.stringify(event)), false);
    }
    this.#usage.onIdle = leave;
    this.#accountTimer = setTimeout(leave, this.#times.accountMs);
    // Held back for the client's sake no longer.
    this.#provider.resume();
  }

  #providerLeft(code: number, reason: Buffer, broke: boolean): void {
    if (this.#ended) return;
    this.#fromProvider.end();
    if (code === CLOSE.abnormal) this.#client.close(CLOSE.badGateway, 'the provider closed the connection');
    else if (broke) this.#client.close(CLOSE.badGateway, 'the provider sent what can not be passed on');
    else this.#client.close(code, reason);
    // What the client left behind was waited for in vain.
    if (this.#accountTimer !== null) this.#finish('client_gone');
    else if (broke) this.#fail(new GatewayError('upstream_protocol', `${BROKE} (${code}).`), 'upstream_gone');
    else if (CONTENT.has(code)) this.#finish('complete');
    else {
      const message =
        code === CLOSE.abnormal
          ? 'The provider closed the connection in the middle of the session.'
          : `The provider closed the session with code ${code}.`;
      this.#fail(new GatewayError('upstream_closed', message), 'upstream_gone');
    }
  }

  /** Tells both sides and ends. */
  #closeBoth(code: number, reason: string): void {
    this.#client.close(code, reason);
    this.#provider.close(code === CLOSE.internal ? CLOSE.goingAway : code, '');
  }

  #fail(error: GatewayError, cause: EndCause): void {
    if (!this.#ended) this.#parts.exchange.error = error;
    this.#finish(cause);
  }

  /** The gateway closes its connections. */
  #shutDown(): void {
    this.#closeBoth(CLOSE.goingAway, 'the gateway is shutting down');
    this.#fail(new GatewayError('draining'), 'error');
    setTimeout(() => {
      this.#client.destroy();
      this.#provider.destroy();
    }, this.#times.goodbyeMs);
  }

  #look(now: number): void {
    for (const socket of [this.#client, this.#provider]) {
      const lost = this.#isLost(socket, now);
      if (lost) {
        socket.destroy();
        this.#parts.exchange.error = new GatewayError(
          socket === this.#client ? 'request_timeout' : 'upstream_timeout',
          `The ${socket === this.#client ? 'client' : 'provider'} no longer answers.`,
        );
        if (socket === this.#provider) this.#client.close(CLOSE.badGateway, 'the provider no longer answers');
        else this.#provider.close(CLOSE.goingAway, '');
        this.#finish('timeout');
        return;
      }
    }
    if (now - this.#messageAt > this.#times.idleMs) {
      this.#closeBoth(CLOSE.goingAway, 'nothing was said for too long');
      this.#finish('timeout');
    }
  }

  /** Pings an end that is silent; true for one that has been so for too long, or takes nothing of what waits for it. */
  #isLost(socket: MessageSocket, now: number): boolean {
    const pending = socket.pendingBytes;
    const progress = this.#progress.get(socket);
    if (pending === 0 || progress === undefined || progress.pending !== pending)
      this.#progress.set(socket, { pending, since: now });
    else if (now - progress.since > this.#times.deadMs) return true;
    // One that is held back can't be heard.
    if (socket.paused) {
      socket.heardAt = now;
      return false;
    }
    const silentMs = now - socket.heardAt;
    if (silentMs >= this.#times.pingMs) socket.ping();
    return silentMs > this.#times.deadMs;
  }

  #finish(cause: EndCause): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    if (this.#accountTimer !== null) clearTimeout(this.#accountTimer);
    this.#fromClient.end();
    this.#fromProvider.end();
    this.#open.dec();
    const { exchange, facts, context } = this.#parts;
    this.#settle(facts);
    exchange.runOnUsage();
    context.reply.finish(exchange, cause);
  }

  #settle(facts: LlmFacts): void {
    const { usage, details, open } = this.#usage;
    facts.usage = usage;
    facts.usageDetails = details;
    // A response that was not heard to the end is not in the count.
    facts.usageEstimated = open.length > 0;
    facts.cost = this.#parts.services.prices.costOf(facts, this.#parts.exchange.startedAtUnixMs);
  }

  #passage(from: RealtimeSender, source: MessageSocket, sink: MessageSocket, hooks: readonly MessageHook[]): Passage {
    const { exchange, services } = this.#parts;
    return new Passage(from, exchange, hooks, {
      forward: (data, binary) => {
        if (from === 'provider') exchange.bytesSent += data.length;
        return sink.send(data, binary);
      },
      answer: (event) => {
        source.send(Buffer.from(JSON.stringify(event)), false);
        if (source.pendingBytes > MAX_PENDING_ANSWERS) {
          this.#closeBoth(CLOSE.policy, 'answers are not taken');
          this.#finish('error');
        }
      },
      hold: () => source.pause(),
      release: () => source.resume(),
      close: (code, reason) => {
        this.#closeBoth(code, reason);
        this.#finish('complete');
      },
      failed: (error) => {
        services.log.error('a hook failed on a realtime message', {
          route: exchange.routed.route,
          cause: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
        this.#closeBoth(CLOSE.internal, 'the gateway failed');
        this.#fail(new GatewayError('internal'), 'error');
      },
    });
  }
}
