import { z } from 'zod';
import { GatewayError } from '../errors/table.ts';
import type { Exchange } from '../exchange.ts';
import { totalTokens } from '../facts/llm.ts';
import type { PolicyFault } from '../resources/catalogue.ts';
import { isConditional } from '../resources/conditional.ts';
import { duration, parseDuration, uint } from '../resources/schema/common.ts';
import {
  duration as durationMessage,
  list,
  mapped,
  merged,
  message,
  oneWord,
  uint64,
  type Wire,
  WireError,
} from '../resources/wire.ts';
import type { Bucket, Lease } from '../state/shared/token-buckets.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { compileConditional, conditional } from './conditional.ts';
import { type CompiledPolicy, definePolicy, type PolicyScope } from './definition.ts';
import type { PolicyServices } from './services.ts';

const limitSchema = z.strictObject({
  maxTokens: uint().default(0).describe('How much can accumulate: the largest burst.'),
  tokensPerFill: uint().default(0).describe('How much is added each fill interval.'),
  fillInterval: duration().describe('How often the bucket is refilled.'),
  type: z
    .enum(['requests', 'tokens'])
    .default('requests')
    .describe('`requests`: each request counts one. `tokens`: LLM tokens count, input and output.'),
});

type LimitSpec = z.infer<typeof limitSchema>;

/** Bytes of a request body that stand for one token until somebody has counted. */
const BYTES_PER_TOKEN = 4;

const rule = message<WireLimit>({
  maxTokens: uint64,
  tokensPerFill: uint64,
  fillInterval: durationMessage,
  type: oneWord({ requests: 'REQUEST', tokens: 'TOKEN' }, 'requests'),
});

interface WireLimit {
  maxTokens?: number;
  tokensPerFill?: number;
  fillInterval?: string;
  type?: 'requests' | 'tokens';
}

/** The first limit stands in the message itself, several in `rules`: there the first stands twice, for data planes that know of one only. */
const limitsMessage: Wire<WireLimit[]> = mapped(
  merged<WireLimit & { rules?: WireLimit[] }>(rule, message({ rules: list(rule) })),
  {
    read: ({ rules, ...first }) => rules ?? [first],
    write(limits) {
      if (limits[0] === undefined) throw new WireError('no limit at all');
      return limits.length === 1 ? limits[0] : { ...limits[0], rules: limits };
    },
  },
);

const limitMessage: Wire<WireLimit> = mapped(limitsMessage, {
  read(limits) {
    if (limits.length > 1) throw new WireError('an entry of a conditional policy has one limit', ['rules']);
    return limits[0];
  },
  write: (limit) => [limit],
});

/**
 * Limits of this gateway process, exact over its workers. A token limit reserves an estimate of the prompt when the request
 * comes, from its length, and settles with the provider's count; what is used beyond the estimate is owed by the requests that follow.
 * Where the provider's prompts are counted ahead (`tokenize`), that count takes the estimate's place before the request is sent, and a
 * prompt that can never fit is refused.
 */
export const localRateLimit = definePolicy({
  name: 'localRateLimit',
  schema: z.union([z.array(limitSchema), conditional(limitSchema)]),
  summary: 'Limits requests or LLM tokens by token buckets shared by all workers of the process.',
  levels: ['route'],
  phase: 'limit',
  protects: true,
  wire: [{ spec: 'traffic', field: 'local_rate_limit', message: limitsMessage, entry: limitMessage }],
  faults(value) {
    const isList = !isConditional<LimitSpec>(value);
    return (isList ? value : value.conditional).flatMap((spec, index) =>
      faultsOf(spec, isList ? [index] : ['conditional', index]),
    );
  },
  compile(value, scope, services) {
    if (isConditional<LimitSpec>(value)) {
      const limits = (spec: LimitSpec, index: number) =>
        new LocalRateLimits([spec], { ...scope, key: `${scope.key}/conditional/${index}` }, services);
      return compileConditional(value, 'localRateLimit', services.cel, limits);
    }
    return value.length === 0 ? {} : new LocalRateLimits(value, scope, services);
  },
});

function faultsOf(spec: LimitSpec, path: (string | number)[]): PolicyFault[] {
  const faults: PolicyFault[] = [];
  if (parseDuration(spec.fillInterval) < 1) {
    faults.push({ path: [...path, 'fillInterval'], message: 'a fill interval is at least 1ms' });
  }
  if (spec.tokensPerFill > spec.maxTokens) {
    faults.push({
      path: [...path, 'tokensPerFill'],
      message: `a fill of ${spec.tokensPerFill} does not fit into maxTokens ${spec.maxTokens}`,
    });
  }
  return faults;
}

interface Limit {
  readonly bucket: Bucket;
  readonly type: 'requests' | 'tokens';
}

/** What a request holds of a token limit until its tokens are known. */
interface TokenLease {
  readonly limit: Limit;
  lease: Lease;
}

class LocalRateLimits implements CompiledPolicy {
  readonly #limits: readonly Limit[];
  readonly #metrics: Metrics;

  constructor(specs: readonly LimitSpec[], scope: PolicyScope, services: PolicyServices) {
    this.#metrics = services.metrics;
    this.#limits = specs.map((spec, index) => ({
      type: spec.type,
      bucket: services.buckets.bucket(`${scope.key}/localRateLimit/${index}/${spec.type}`, {
        maxTokens: spec.maxTokens,
        tokensPerFill: spec.tokensPerFill,
        fillIntervalMs: parseDuration(spec.fillInterval),
      }),
    }));
  }

  onRequest(exchange: Exchange): undefined {
    const limits = this.#limits;
    const now = Date.now();
    const [only] = limits;
    if (limits.length === 1 && only !== undefined && only.type === 'requests') {
      // The usual case needs no lease: nothing can be left to give back.
      const taken = only.bucket.take(1, now);
      if (!taken.ok) throw this.#refusal(exchange, only, taken.remaining, taken.retryAfterMs);
      report(exchange, only.bucket, taken.remaining, now);
      return undefined;
    }
    const leases: Lease[] = [];
    for (const limit of limits) {
      const amount = limit.type === 'requests' ? 1 : estimate(exchange, limit.bucket.limit);
      const lease = limit.bucket.reserve(amount, now);
      if (lease === null) {
        // Refused by one limit, the request counts against none.
        for (const earlier of leases) earlier.settle(0, now);
        const remaining = Math.max(limit.bucket.balance(now), 0);
        throw this.#refusal(exchange, limit, remaining, limit.bucket.retryAfterMs(amount, now));
      }
      leases.push(lease);
    }
    this.#granted(exchange, leases, now);
    return undefined;
  }

  #granted(exchange: Exchange, leases: readonly Lease[], now: number): void {
    const tokens: TokenLease[] = [];
    let tightest = -1;
    for (const [index, lease] of leases.entries()) {
      const limit = this.#limits[index];
      if (limit?.type === 'tokens') {
        tokens.push({ limit, lease });
        continue;
      }
      lease.settle(lease.estimate, now);
      if (tightest === -1 || lease.remaining < (leases[tightest]?.remaining ?? 0)) tightest = index;
    }
    const bucket = this.#limits[tightest]?.bucket;
    if (bucket !== undefined) report(exchange, bucket, leases[tightest]?.remaining ?? 0, now);
    if (tokens.length === 0) return;
    exchange.onPromptTokens((asking, counted) => {
      for (const held of tokens) this.#recount(asking, held, counted);
    });
    exchange.onUsage((ended) => {
      const usage = ended.llm?.usage;
      if (usage) for (const { lease } of tokens) lease.settle(totalTokens(usage));
    });
    // No usage by the end means that no tokens were spent (refused, failed, not an LLM request).
    exchange.onEnd(() => {
      for (const { lease } of tokens) lease.settle(0);
    });
  }

  /** Reserves what was counted in the estimate's place. Throws where it isn't left. */
  #recount(exchange: Exchange, held: TokenLease, tokens: number): void {
    const { bucket } = held.limit;
    if (tokens > bucket.limit) throw this.#neverFits(exchange, held.limit, tokens);
    const now = Date.now();
    held.lease.settle(0, now);
    const lease = bucket.reserve(tokens, now);
    if (lease === null) {
      const remaining = Math.max(bucket.balance(now), 0);
      throw this.#refusal(exchange, held.limit, remaining, bucket.retryAfterMs(tokens, now));
    }
    held.lease = lease;
  }

  #neverFits(exchange: Exchange, { type, bucket }: Limit, tokens: number): GatewayError {
    this.#count(exchange, type);
    const message = `The prompt has ${tokens} tokens; the token limit of this route holds ${bucket.limit} at most.`;
    // Clients of OpenAI and Anthropic try again after a 429 unless they are told that it is no use.
    return new GatewayError('rate_limited', message, {
      headers: ['x-ratelimit-limit', String(bucket.limit), 'x-should-retry', 'false'],
    });
  }

  #count(exchange: Exchange, type: Limit['type']): void {
    const { bind, gateway, listener, route, routeRule } = exchange.routed;
    this.#metrics.rateLimited.inc({ type, bind, gateway, listener, route, route_rule: routeRule });
  }

  #refusal(exchange: Exchange, limit: Limit, remaining: number, retryAfterMs: number): GatewayError {
    this.#count(exchange, limit.type);
    const headers = ['x-ratelimit-limit', String(limit.bucket.limit), 'x-ratelimit-remaining', String(remaining)];
    if (Number.isFinite(retryAfterMs)) {
      const seconds = String(Math.max(Math.ceil(retryAfterMs / 1000), 1));
      headers.push('x-ratelimit-reset', seconds, 'retry-after', seconds);
    }
    const what = limit.type === 'requests' ? 'request' : 'token';
    return new GatewayError('rate_limited', `The ${what} rate limit of this route is reached.`, { headers });
  }
}

/** Tokens a prompt of this request's length may have, at least 1 and at most what the bucket can ever give. */
function estimate(exchange: Exchange, limit: number): number {
  const tokens = Math.ceil(exchange.downstream.contentLength / BYTES_PER_TOKEN);
  return Math.max(Math.min(tokens, limit), 1);
}

/** The state of a request limit on the response, as agentgateway gives it: reset is in seconds until the next refill. */
function report(exchange: Exchange, bucket: Bucket, remaining: number, now: number): void {
  exchange.onResponse((head) => {
    const nextFillMs = bucket.retryAfterMs(remaining + 1, now);
    head.headers.set('x-ratelimit-limit', String(bucket.limit));
    head.headers.set('x-ratelimit-remaining', String(remaining));
    if (Number.isFinite(nextFillMs)) head.headers.set('x-ratelimit-reset', String(Math.ceil(nextFillMs / 1000)));
  });
}
