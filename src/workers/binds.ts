import { LLM_MAX_BUFFER_BYTES } from '../adapters/llm/limits.ts';
import type { Exchange } from '../exchange.ts';
import { frontendHttpLimits } from '../policies/frontend-http.ts';
import { handshakeTimeoutMs } from '../policies/frontend-tls.ts';
import type { Bind, Frontend, Listener, PolicyMap, ServerTls } from '../resources/types.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Driver, DriverLimits, Listening, ListenOptions } from './drivers/driver.ts';
import { reusePortSupport } from './drivers/reuse-port.ts';
import { HostTable } from './hostnames.ts';
import type { Plan } from './plan.ts';

export interface BindsServices {
  readonly plan: Plan;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly ipv6: boolean;
  readonly workers: number;
  /** This worker's, from 0. Where the platform can't share a port, the first alone listens. */
  readonly index: number;
  /** `cleartext`: no listener of the bind has TLS. */
  chooseDriver(choice: Bind['driver'], cleartext: boolean): Driver;
  serve(exchange: Exchange, bindKey: string): void;
}

/** How a bind is served; where it differs, the socket is opened anew. */
interface Opened {
  readonly signature: string;
  readonly listening: Listening;
}

/** The ports this worker listens on, kept in step with the plan's binds. */
export class Binds {
  readonly #services: BindsServices;
  readonly #open = new Map<string, Opened>();
  /** Ports given up while requests of theirs are still under way. */
  readonly #draining = new Set<Listening>();
  #stopping = false;

  readonly #sharesPorts = reusePortSupport() !== null;

  constructor(services: BindsServices) {
    this.#services = services;
    if (!this.#sharesPorts && services.index === 0 && services.workers > 1) {
      services.log.warn('this platform has no SO_REUSEPORT: one worker alone listens', { workers: services.workers });
    }
  }

  get ports(): number[] {
    return [...this.#open.values()].map(({ listening }) => listening.port);
  }

  /** True where a native driver serves: its thread must not be terminated, and no exception may escape it. */
  get native(): boolean {
    return [...this.#open.values()].some(({ listening }) => listening.driver === 'uws');
  }

  /** Opens what is new, drains what is gone; returns what could not be opened, one line each. */
  async reconcile(): Promise<string[]> {
    const { plan, index } = this.#services;
    if (this.#stopping || (index > 0 && !this.#sharesPorts)) return [];
    const errors: string[] = [];
    const wanted = new Map(plan.binds().map((bind) => [bind.key, bind]));
    for (const [key, opened] of this.#open) {
      const bind = wanted.get(key);
      if (bind !== undefined && this.#signature(bind) === opened.signature) continue;
      this.#open.delete(key);
      this.#giveUp(opened.listening);
    }
    for (const bind of wanted.values()) {
      if (this.#open.has(bind.key)) continue;
      const signature = this.#signature(bind);
      try {
        const driver = this.#services.chooseDriver(bind.driver, !this.#isTls(bind));
        const listening = await driver.listen(this.#options(bind));
        this.#open.set(bind.key, { signature, listening });
      } catch (error) {
        errors.push(`port ${bind.port}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return errors;
  }

  /** Stops accepting everywhere; resolves when nothing is under way any more. */
  async drain(): Promise<void> {
    this.#stopping = true;
    const all = [...this.#open.values()].map(({ listening }) => listening);
    await Promise.all([...all, ...this.#draining].map((listening) => listening.drain()));
  }

  /** Closes everything now. */
  close(): void {
    for (const { listening } of this.#open.values()) listening.close();
    for (const listening of this.#draining) listening.close();
  }

  /** Sets the gauges that show this worker's connections. */
  collect(): void {
    for (const [key, { listening }] of this.#open) {
      const labels = { bind: key };
      this.#services.metrics.downstreamPending.labels(labels).set(listening.pendingBytes);
      this.#services.metrics.downstreamOpen.labels(labels).set(listening.openConnections);
    }
  }

  #giveUp(listening: Listening): void {
    this.#draining.add(listening);
    listening.drain().finally(() => this.#draining.delete(listening));
  }

  /** Certificates are looked up at each handshake, so a changed one needs no new socket. */
  #signature(bind: Bind): string {
    return JSON.stringify([bind.address, bind.port, bind.driver, this.#isTls(bind), this.#limits()]);
  }

  #isTls(bind: Bind): boolean {
    return this.#services.plan.listenersOf(bind.key).some(takesTls);
  }

  #options(bind: Bind): ListenOptions {
    const { ipv6, metrics } = this.#services;
    const connections = metrics.downstreamConnections.labels({ bind: bind.key });
    return {
      address: bind.address,
      port: bind.port,
      ipv6,
      reusePort: this.#sharesPorts,
      tls: this.#isTls(bind) ? (sni) => this.#certificate(bind, sni) : null,
      limits: this.#limits(),
      onExchange: (exchange) => this.#services.serve(exchange, bind.key),
      onRejected: (status, reason) =>
        metrics.downstreamRejected.labels({ bind: bind.key, status: String(status), reason }).inc(),
      onConnection: (delta) => {
        if (delta === 1) connections.inc();
      },
    };
  }

  #certificate(bind: Bind, sni: string): ServerTls | null {
    const hosts = new HostTable<{ readonly tls: ServerTls | null }>();
    for (const listener of this.#services.plan.listenersOf(bind.key)) {
      if (takesTls(listener)) hosts.getOrAdd(listener.hostname, () => listener);
    }
    return hosts.first(sni)?.value.tls ?? null;
  }

  #limits(): DriverLimits {
    const frontend = this.#services.plan.resource('frontend') as Frontend | undefined;
    return driverLimits(frontend?.policies ?? {});
  }
}

/** Limits from frontendPolicies; defaults are agentgateway's where it has the setting. */
function driverLimits(policies: PolicyMap): DriverLimits {
  const http = frontendHttpLimits(policies);
  return {
    headTimeoutMs: 30_000,
    bodyIdleTimeoutMs: 60_000,
    keepAliveTimeoutMs: http.idleTimeoutMs ?? 600_000,
    maxHeaderBytes: 64 * 1024,
    maxHeaderCount: http.maxHeaders ?? 100,
    handshakeTimeoutMs: handshakeTimeoutMs(policies) ?? 15_000,
    sendIdleTimeoutMs: 300_000,
    maxMessageBytes: http.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES,
  };
}

/** One whose certificate can't be had speaks TLS, too: handshakes for its names fail, and nothing is taken in the clear. */
function takesTls({ protocol, tls }: Listener): boolean {
  return tls !== null || protocol === 'HTTPS' || protocol === 'TLS';
}
