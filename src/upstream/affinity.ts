/**
 * Requests that are alike kept to one of several candidates: rendezvous hashing, so that a candidate that comes or goes moves only its own
 * share, with bounded loads, so that a popular kind can't pile up on one (Mirrokni et al., "Consistent Hashing with Bounded Loads").
 */

/** A candidate with more than this many times the mean load is passed over … */
const MAX_OVER_MEAN = 1.5;
/** … but never one with fewer requests in flight than this: on a quiet gateway every second request would be one too many. */
const ALWAYS_TAKEN = 8;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a of a text's UTF-16 units, 32 bits, unsigned; `from` goes on from an earlier hash. */
export function hashText(text: string, from = FNV_OFFSET): number {
  let hash = from;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return hash >>> 0;
}

/** FNV-1a of bytes, 32 bits, unsigned. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, from: number): number {
  let hash = from;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), FNV_PRIME);
  return hash >>> 0;
}

/** Two hashes made one of which every bit depends on all of theirs (MurmurHash3's finalizer). */
export function mix(a: number, b: number): number {
  let hash = a ^ Math.imul(b, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** What can be chosen by affinity. */
export interface Affine {
  /** `hashText` of a name that stays. */
  readonly id: number;
  /** Requests in flight in all workers. */
  readonly inFlight: number;
}

/** The candidate that requests of this hash belong to, or the next in their order that isn't overloaded; null where there is none. */
export function pickByAffinity<T extends Affine>(candidates: readonly T[], hash: number): T | null {
  let load = 1;
  for (const { inFlight } of candidates) load += inFlight;
  const bound = Math.max(ALWAYS_TAKEN, Math.ceil((MAX_OVER_MEAN * load) / candidates.length));
  let best: T | null = null;
  let bestRank = -1;
  for (const candidate of candidates) {
    const rank = mix(candidate.id, hash);
    if (rank > bestRank && candidate.inFlight < bound) {
      best = candidate;
      bestRank = rank;
    }
  }
  return best;
}
