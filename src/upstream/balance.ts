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
    const found = pickByAffinity(usableOf(endpoints, tried, now), hash);
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

/** The endpoints of a cluster that doesn't treat all alike. */
export interface Tiers {
  /** The nearest first. */
  readonly tiers: readonly Tier[];
  /** All of them, in the same order. */
  readonly all: readonly Endpoint[];
}

/** Endpoints that are equally near. */
interface Tier {
  readonly endpoints: readonly Endpoint[];
  /** Sums of the weights up to each endpoint; null = all weigh the same. */
  readonly sums: readonly number[] | null;
}

/** null where all endpoints are equally near and weigh the same. */
export function makeTiers(endpoints: readonly Endpoint[]): Tiers | null {
  const first = endpoints[0];
  if (endpoints.every(({ tier, weight }) => tier === first?.tier && weight === first.weight)) return null;
  const all = endpoints.toSorted((a, b) => a.tier - b.tier);
  const tiers: Tier[] = [];
  for (let start = 0, end = 0; start < all.length; start = end) {
    while (all[end]?.tier === all[start]?.tier) end++;
    const members = all.slice(start, end);
    const alike = members.every(({ weight }) => weight === members[0]?.weight);
    let sum = 0;
    tiers.push({ endpoints: members, sums: alike ? null : members.map(({ weight }) => (sum += weight)) });
  }
  return { tiers, all };
}

/**
 * As `pick`, of the nearest endpoints of which any can serve, each drawn as often as its weight says. Only where no endpoint can serve
 * at all are all looked at alike. A call's affinity holds among the equally near.
 */
export function pickTiered(
  { tiers, all }: Tiers,
  tried: readonly string[] | null,
  now: number,
  random: () => number = Math.random,
  affinity: AffinityKey | null = null,
): Endpoint | null {
  const hash = affinity === null ? 0 : affinity.hash;
  for (const tier of tiers) {
    const found = hash === 0 ? null : pickByAffinity(usableOf(tier.endpoints, tried, now), hash);
    const picked = found ?? pickUsable(tier, tried, now, random);
    if (picked !== null) return picked;
  }
  return all.length === 0 ? null : leastBad(all, tried, now, 0);
}

/** Power of two choices among those of a tier that can serve; null = none can. */
function pickUsable(
  { endpoints, sums }: Tier,
  tried: readonly string[] | null,
  now: number,
  random: () => number,
): Endpoint | null {
  const [i, j] = [draw(endpoints.length, sums, random()), draw(endpoints.length, sums, random())];
  const drawn = usableOf([endpoints[i] as Endpoint, endpoints[j] as Endpoint], tried, now);
  if (drawn.length > 0) return drawn.reduce((a, b) => (b.score < a.score ? b : a));
  for (let k = 1; k < endpoints.length; k++) {
    const endpoint = endpoints[(i + k) % endpoints.length] as Endpoint;
    if (usable(endpoint, tried, now)) return endpoint;
  }
  return null;
}

/** Index of an endpoint by a number from 0 to 1. */
function draw(count: number, sums: readonly number[] | null, at: number): number {
  if (sums === null) return Math.floor(at * count);
  const wanted = at * (sums[count - 1] ?? 0);
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}

function usableOf(endpoints: readonly Endpoint[], tried: readonly string[] | null, now: number): Endpoint[] {
  return endpoints.filter((endpoint) => usable(endpoint, tried, now));
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
