import { GatewayError } from '../../errors/table.ts';
import type { RouteContext } from '../adapter.ts';
import type { ProviderTarget } from './target.ts';

/** A provider that may serve a request, and what it is asked for. */
export interface Candidate {
  readonly target: ProviderTarget;
  /** The model in place of the one the client named; '' = the client's. */
  readonly model: string;
}

/**
 * The candidates of a backend or virtual model in their priority groups, best first. Within a group the better of two drawn at random
 * (power of two choices); a lower group serves only while every provider above it is evicted.
 */
export class TargetGroups {
  readonly #groups: readonly (readonly Candidate[])[];
  /** The one candidate, where there is no choice. */
  readonly #only: Candidate | null;

  constructor(groups: readonly (readonly Candidate[])[]) {
    const all = groups.flat();
    // Providers that are only described are reported at start-up; beside others they take no part.
    const active = groups
      .map((group) => group.filter(({ target }) => target.active))
      .filter((group) => group.length > 0);
    this.#groups = active;
    this.#only = all.length === 1 ? (all[0] ?? null) : active.flat().length === 0 ? (all[0] ?? null) : null;
  }

  /** True where another attempt may go to another candidate. */
  get hasChoice(): boolean {
    return this.#only === null;
  }

  /** @param tried candidates passed over where others are left */
  pick(context: RouteContext, tried: readonly Candidate[] = []): Candidate {
    if (this.#only !== null) return this.#only;
    let fallback: Candidate | null = null;
    for (const group of this.#groups) {
      const open = group.filter((candidate) => !tried.includes(candidate));
      fallback ??= open[0] ?? null;
      const usable = open.filter(({ target }) => target.cluster(context).available());
      const picked = usable.length > 1 ? better(usable, context) : usable[0];
      if (picked !== undefined) return picked;
    }
    const any = fallback ?? this.#groups[0]?.[0];
    if (any === undefined) throw new GatewayError('invalid_backend', 'The backend has no provider.');
    return any;
  }
}

function better(candidates: readonly Candidate[], context: RouteContext): Candidate | undefined {
  const i = Math.floor(Math.random() * candidates.length);
  let j = Math.floor(Math.random() * (candidates.length - 1));
  if (j >= i) j++;
  const [a, b] = [candidates[i], candidates[j]];
  if (a === undefined || b === undefined) return a ?? b;
  return a.target.cluster(context).score <= b.target.cluster(context).score ? a : b;
}
