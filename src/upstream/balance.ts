import { pickByAffinity } from './affinity.ts';
import type { AffinityKey } from './call.ts';
import type { Endpoint } from './endpoint.ts';

/**
 * Power of two choices: of two endpoints drawn at random the one with the lower score. It spreads nearly as well as looking at all of
 * them, and does not herd every worker onto the one that was best a moment ago.
 *
 * Evicted endpoints and those in `tried` are passed over. Where nothing else is left, an untried evicted one is better than none, and
 * the one whose eviction ends first is taken: a backend whose every endpoint is evicted still gets its requests.
 *
 * Calls with an affinity go to the endpoint that their kind belongs to instead, as long as it can serve.
 *
 * @param tried addresses that earlier attempts of the same call used
 * @param now Date.now()
 * @param random injected by tests
 * @returns null only where there is no endpoint at all
 */
export function pick(
  endpoints: readonly Endpoint[],
  tried: readonly string[] | null,
  now: number,
  random: () => number = Math.random,
  affinity: AffinityKey | null = null,
): Endpoint | null {
  const count = endpoints.length;
  if (count === 1) return endpoints[0] as Endpoint;
  if (count === 0) return null;
  const hash = affinity === null ? 0 : affinity.hash;
  if (hash !== 0) {
    const found = pickByAffinity(
      endpoints.filter((endpoint) => usable(endpoint, tried, now)),
      hash,
    );
    if (found !== null) return found;
  }
  const i = Math.floor(random() * count);
  let j = Math.floor(random() * (count - 1));
  if (j >= i) j++;
  const a = endpoints[i] as Endpoint;
  const b = endpoints[j] as Endpoint;
  const aUsable = usable(a, tried, now);
  const bUsable = usable(b, tried, now);
  if (aUsable && bUsable) return a.score <= b.score ? a : b;
  if (aUsable) return a;
  if (bUsable) return b;
  return leastBad(endpoints, tried, now, i);
}

function usable(endpoint: Endpoint, tried: readonly string[] | null, now: number): boolean {
  const until = endpoint.row.evictedUntil;
  return (until === 0 || until <= now) && (tried === null || !tried.includes(endpoint.address));
}

/** Usable before untried before tried; among equals the one whose eviction ends first, from a random start. */
function leastBad(
  endpoints: readonly Endpoint[],
  tried: readonly string[] | null,
  now: number,
  start: number,
): Endpoint {
  let best = endpoints[start] as Endpoint;
  let bestRank = Number.POSITIVE_INFINITY;
  for (let k = 0; k < endpoints.length; k++) {
    const endpoint = endpoints[(start + k) % endpoints.length] as Endpoint;
    const wait = Math.max(0, endpoint.row.evictedUntil - now);
    const rank = tried?.includes(endpoint.address) ? TRIED + wait : wait;
    if (rank < bestRank) {
      best = endpoint;
      bestRank = rank;
    }
  }
  return best;
}

/** Further off than any eviction ends. */
const TRIED = 1e12;
