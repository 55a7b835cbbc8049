import { activationOf, type Expression, type Expressions } from '../cel/index.ts';
import type { Exchange } from '../exchange.ts';
import { HeaderList } from '../headers.ts';
import { parseDuration } from '../resources/schema/common.ts';
import type { PolicyMap } from '../resources/types.ts';
import type { Endpoint } from './endpoint.ts';

/** What an attempt came to, as far as an endpoint's health is concerned. */
export type Outcome = 'ok' | 'server_error' | 'connect_failure' | 'connect_timeout' | 'no_response';

/** Consecutive evictions are doubled in length up to this, ms, or to the configured duration where that is longer. */
const MAX_EVICTION_MS = 300_000;
/** Connection failures in a row after which an endpoint that has alternatives is left alone for a while. */
const CONNECT_FAILURES = 3;
const BACKOFF_BASE_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;
/** Eviction without a configured duration, ms. */
const DEFAULT_EVICTION_MS = 30_000;
/** A Retry-After may prolong an eviction up to this, ms. */
const MAX_RETRY_AFTER_MS = 300_000;

/** The `health` policy, as far as it is executed here. */
interface EvictionRules {
  readonly durationMs: number;
  readonly restoreHealth: number;
  /** 0 = not a criterion. */
  readonly consecutiveFailures: number;
  /** 0 = not a criterion. */
  readonly healthThreshold: number;
}

/**
 * Outlier detection of one cluster. Without a `health` policy only connections that can't be opened count: three in a row (one, if it
 * timed out) evict an endpoint that has alternatives, for 1 s, doubling to 60 s while it goes on, with jitter. With the policy any 5xx
 * (or what its expression says) or connection failure is unhealthy, and `eviction` says when that evicts and for how long, doubling to 5 minutes while no answer
 * between is healthy; a criterion that isn't configured does not hold anything back, so that `eviction: {}` evicts on the first.
 * All workers count the same failures and evictions.
 */
export class Health {
  readonly #rules: EvictionRules | null;
  readonly #onEvicted: () => void;
  /** `unhealthyExpression`; null = by the status. */
  readonly #unhealthy: Expression | null;

  /** `cel`: needed where the policy has an expression. */
  constructor(policies: PolicyMap, onEvicted: () => void, cel?: Expressions) {
    this.#rules = evictionRules(policies.health);
    this.#onEvicted = onEvicted;
    const text = (policies.health as { unhealthyExpression?: string | null } | undefined)?.unhealthyExpression;
    this.#unhealthy = text ? (cel?.compile(text, 'health') ?? null) : null;
  }

  /** Whether a response counts as a failure. */
  isFailure(exchange: Exchange, status: number, headers: readonly string[]): boolean {
    if (this.#unhealthy === null) return status >= 500;
    const response = { status, headers: new HeaderList([...headers]) };
    return this.#unhealthy.holds(activationOf(exchange, { response }));
  }

  /**
   * Takes note of an attempt's outcome.
   *
   * @param alternatives whether the cluster has other endpoints
   * @param retryAfterMs from the response, 0 = none
   */
  record(endpoint: Endpoint, outcome: Outcome, alternatives: boolean, retryAfterMs: number): void {
    if (this.#rules === null) this.#recordPassive(endpoint, outcome, alternatives);
    else this.#recordByRules(endpoint, outcome, this.#rules, retryAfterMs);
  }

  #recordPassive(endpoint: Endpoint, outcome: Outcome, alternatives: boolean): void {
    if (outcome !== 'connect_failure' && outcome !== 'connect_timeout') {
      endpoint.row.success();
      return;
    }
    const failures = endpoint.row.failure();
    if (!alternatives || (outcome === 'connect_failure' && failures < CONNECT_FAILURES)) return;
    const backoff = doubled(BACKOFF_BASE_MS, endpoint.row.evictions, BACKOFF_MAX_MS);
    this.#evict(endpoint, backoff * (0.75 + Math.random() / 2));
  }

  #recordByRules(endpoint: Endpoint, outcome: Outcome, rules: EvictionRules, retryAfterMs: number): void {
    if (outcome === 'ok') {
      endpoint.row.success();
      return;
    }
    const failures = endpoint.row.failure();
    const { consecutiveFailures, healthThreshold } = rules;
    const byCount = consecutiveFailures > 0 && failures >= consecutiveFailures;
    const byScore = healthThreshold > 0 && endpoint.row.health < healthThreshold;
    if (!byCount && !byScore && (consecutiveFailures > 0 || healthThreshold > 0)) return;
    const durationMs = doubled(rules.durationMs, endpoint.row.evictions, MAX_EVICTION_MS);
    this.#evict(endpoint, Math.max(durationMs, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)));
    endpoint.row.restoreHealth(rules.restoreHealth);
  }

  #evict(endpoint: Endpoint, forMs: number): void {
    const now = Date.now();
    // Attempts that were under way at the eviction fail too; they must not prolong it.
    if (endpoint.row.evictedUntil > now) return;
    if (endpoint.row.evict(now + forMs)) this.#onEvicted();
  }
}

/** `baseMs` doubled once for each of `times`, up to `maxMs` or to itself where that is longer. */
export function doubled(baseMs: number, times: number, maxMs: number): number {
  return Math.min(baseMs * 2 ** Math.min(times, 16), Math.max(baseMs, maxMs));
}

function evictionRules(health: unknown): EvictionRules | null {
  if (typeof health !== 'object' || health === null) return null;
  const eviction = (health as { eviction?: unknown }).eviction;
  if (typeof eviction !== 'object' || eviction === null) return null;
  const { duration, restoreHealth, consecutiveFailures, healthThreshold } = eviction as Record<string, unknown>;
  return {
    durationMs: milliseconds(duration, DEFAULT_EVICTION_MS),
    restoreHealth: typeof restoreHealth === 'number' ? restoreHealth : 1,
    consecutiveFailures: typeof consecutiveFailures === 'number' ? consecutiveFailures : 0,
    healthThreshold: typeof healthThreshold === 'number' ? healthThreshold : 0,
  };
}

/** A validated duration: its text, or milliseconds where the schema has read it. */
export function milliseconds(value: unknown, otherwise: number): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? parseDuration(value) : otherwise;
}
