import { createHash } from 'node:crypto';
import type { EndpointRow, EndpointTable } from '../../state/shared/endpoint-table.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { hashText } from '../../upstream/affinity.ts';
import type { AttemptObserver } from '../../upstream/call.ts';
import { doubled } from '../../upstream/health.ts';
import { limitedForMs, limitedForMsInBody } from '../../upstream/rate-limit-reset.ts';

/** Rest after a 429 that doesn't say for how long: the first, and the longest of several in a row, ms. */
const LIMITED_MS = 1_000;
const MAX_LIMITED_MS = 60_000;
/** No 429 keeps an account at rest for longer: then it is asked again, ms. */
const MAX_ASKED_MS = 3_600_000;
/** Rest of a key that the provider refuses, ms. */
const REFUSED_MS = 5_000;
const MAX_REFUSED_MS = 300_000;
/** Models of an account whose limits are told apart; the one not asked for the longest is forgotten. */
const MAX_MODELS = 64;
/** Bytes of a 429's body that are looked into. */
const MAX_FAULT_BYTES = 16 * 1024;

/** What an account needs of its worker. */
export interface AccountServices {
  readonly endpoints: Pick<EndpointTable, 'endpoint'>;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** One of several keys of a provider. */
export interface AccountKey {
  /** Its place among the provider's keys. */
  readonly index: number;
  /** Names the key where it must not be shown. */
  readonly fingerprint: string;
}

/** What a provider knows a key's owner by: the first 8 hex digits of the key's SHA-256. */
export function fingerprintOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 8);
}

const released = new FinalizationRegistry<readonly EndpointRow[] | Map<string, EndpointRow>>((rows) => {
  for (const row of rows.values()) row.release();
});

/**
 * Who a provider takes its caller for: one of the keys configured for it, or whoever its one credential belongs to. What the provider
 * limits or refuses it limits or refuses to an account, so that an account has a health beside that of the provider's endpoints: a 429
 * lets it rest for the model asked for, as long as the provider says; a refused key rests altogether, longer each time. All workers
 * share it. An account at rest is asked where nobody else is left.
 */
export class Account {
  /** For affinity: stays with the key. */
  readonly id: number;
  readonly key: AccountKey | null;
  readonly #provider: string;
  readonly #scope: string;
  readonly #services: AccountServices;
  readonly #row: EndpointRow;
  /** By model, the one asked for last at the end. */
  readonly #limits = new Map<string, EndpointRow>();

  /** @param scope unique and stable name of the provider's place in the configuration */
  constructor(provider: string, scope: string, key: AccountKey | null, services: AccountServices) {
    this.key = key;
    this.#provider = provider;
    this.#scope = `account/${scope}/${key === null ? '' : key.fingerprint}`;
    this.id = hashText(this.#scope);
    this.#services = services;
    this.#row = services.endpoints.endpoint(this.#scope);
    released.register(this, [this.#row]);
    released.register(this, this.#limits);
  }

  /** Requests under way in all workers. */
  get inFlight(): number {
    return this.#row.inFlight;
  }

  /** Unix ms until which it should not be asked for a model; it may be past. */
  restsUntil(model: string): number {
    return Math.max(this.#row.evictedUntil, this.#limitOf(model).evictedUntil);
  }

  /** Follows one attempt. */
  observe(model: string): AttemptObserver {
    return new AccountAttempt(this, model);
  }

  begin(): void {
    this.#row.begin();
  }

  end(): void {
    this.#row.end();
  }

  answered(model: string, status: number, headers: readonly string[]): 'ok' | 'limited' | 'refused' | 'failed' {
    const outcome = this.#judge(model, status, headers);
    const key = this.key === null ? '' : this.key.fingerprint;
    this.#services.metrics.providerAttempts.inc({ provider: this.#provider, key, outcome });
    return outcome;
  }

  /** The provider says in its answer how long the limit lasts. */
  limitedFor(model: string, ms: number): void {
    rest(this.#limitOf(model), Math.min(ms, MAX_ASKED_MS));
  }

  #judge(model: string, status: number, headers: readonly string[]): 'ok' | 'limited' | 'refused' | 'failed' {
    if (status === 429) {
      const limit = this.#limitOf(model);
      const asked = limitedForMs(headers, Date.now());
      if (asked > 0) rest(limit, Math.min(asked, MAX_ASKED_MS));
      else restLonger(limit, LIMITED_MS, MAX_LIMITED_MS);
      return 'limited';
    }
    if (isRefusal(status)) {
      if (this.key === null) return 'refused';
      if (restLonger(this.#row, REFUSED_MS, MAX_REFUSED_MS)) this.#logRefusal(this.key, status);
      return 'refused';
    }
    if (status >= 500) return 'failed';
    this.#row.success();
    this.#limitOf(model).success();
    return 'ok';
  }

  #logRefusal({ fingerprint }: AccountKey, status: number): void {
    const { log } = this.#services;
    log.warn('a provider refused a key; it rests', { provider: this.#provider, key: fingerprint, status });
  }

  #limitOf(model: string): EndpointRow {
    let row = this.#limits.get(model);
    if (row === undefined) {
      row = this.#services.endpoints.endpoint(`${this.#scope}/${model}`);
      const [oldest] = this.#limits.size < MAX_MODELS ? [] : this.#limits.keys();
      if (oldest !== undefined) {
        this.#limits.get(oldest)?.release();
        this.#limits.delete(oldest);
      }
    } else this.#limits.delete(model);
    this.#limits.set(model, row);
    return row;
  }
}

/** The provider doesn't let the key's owner in, or has no money of theirs left. */
export function isRefusal(status: number): boolean {
  return status === 401 || status === 402 || status === 403;
}

/** Lets a row rest, never shorter than it would have. */
function rest(row: EndpointRow, ms: number): void {
  const until = Date.now() + ms;
  if (row.evictedUntil < until) row.evict(until);
}

/** Lets a row rest for longer than the last time; false where it is at rest: what was under way then fails too. */
function restLonger(row: EndpointRow, baseMs: number, maxMs: number): boolean {
  const now = Date.now();
  return row.evictedUntil <= now && row.evict(now + doubled(baseMs, row.evictions, maxMs));
}

class AccountAttempt implements AttemptObserver {
  readonly #account: Account;
  readonly #model: string;
  #body: Buffer[] | null = null;
  #bytes = 0;

  constructor(account: Account, model: string) {
    this.#account = account;
    this.#model = model;
  }

  begin(): void {
    this.#account.begin();
  }

  head(status: number, headers: readonly string[]): boolean {
    if (this.#account.answered(this.#model, status, headers) !== 'limited') return false;
    this.#body = [];
    return true;
  }

  data(chunk: Buffer): void {
    if (this.#body === null || this.#bytes > MAX_FAULT_BYTES) return;
    this.#bytes += chunk.length;
    this.#body.push(chunk);
  }

  end(): void {
    this.#account.end();
    if (this.#body === null || this.#bytes > MAX_FAULT_BYTES) return;
    const ms = limitedForMsInBody(Buffer.concat(this.#body).toString('utf8'));
    if (ms > 0) this.#account.limitedFor(this.#model, ms);
  }
}
