import { GatewayError } from '../../errors/table.ts';
import type { RouteContext } from '../adapter.ts';
import type { ProviderTarget } from './target.ts';

/**
 * The providers of a backend in their priority groups, best first. Within a group the better of two drawn at random (power of two
 * choices); a lower group serves only while every provider above it is evicted.
 */
export class TargetGroups {
  readonly #groups: readonly (readonly ProviderTarget[])[];
  /** The one provider, where there is no choice. */
  readonly #only: ProviderTarget | null;

  constructor(groups: readonly (readonly ProviderTarget[])[]) {
    const all = groups.flat();
    // Providers that are only described are reported at start-up; beside others they take no part.
    const active = groups.map((group) => group.filter((target) => target.active)).filter((group) => group.length > 0);
    this.#groups = active;
    this.#only = all.length === 1 ? (all[0] ?? null) : active.flat().length === 0 ? (all[0] ?? null) : null;
  }

  /** True where another attempt may go to another provider. */
  get hasChoice(): boolean {
    return this.#only === null;
  }

  /** @param tried providers passed over where others are left */
  pick(context: RouteContext, tried: readonly ProviderTarget[] = []): ProviderTarget {
    if (this.#only !== null) return this.#only;
    let fallback: ProviderTarget | null = null;
    for (const group of this.#groups) {
      const open = group.filter((target) => !tried.includes(target));
      fallback ??= open[0] ?? null;
      const usable = open.filter((target) => target.cluster(context).available());
      const picked = usable.length > 1 ? better(usable, context) : usable[0];
      if (picked !== undefined) return picked;
    }
    const any = fallback ?? this.#groups[0]?.[0];
    if (any === undefined) throw new GatewayError('invalid_backend', 'The backend has no provider.');
    return any;
  }
}

function better(targets: readonly ProviderTarget[], context: RouteContext): ProviderTarget | undefined {
  const i = Math.floor(Math.random() * targets.length);
  let j = Math.floor(Math.random() * (targets.length - 1));
  if (j >= i) j++;
  const [a, b] = [targets[i], targets[j]];
  if (a === undefined || b === undefined) return a ?? b;
  return a.cluster(context).score <= b.cluster(context).score ? a : b;
}
