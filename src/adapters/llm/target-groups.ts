import { GatewayError } from '../../errors/table.ts';
import { hashText, mix, pickByAffinity } from '../../upstream/affinity.ts';
import type { AffinityKey } from '../../upstream/call.ts';
import type { RouteContext } from '../adapter.ts';
import type { Account } from './account.ts';
import type { ProviderTarget } from './target.ts';

/** A provider that may serve a request, and what it is asked for. */
export interface Candidate {
  readonly target: ProviderTarget;
  /** The model in place of the one the client named; '' = the client's. */
  readonly model: string;
}

/** A candidate and who it is asked as, where there is a choice: a provider with several keys is a choice by itself. */
export interface Option extends Candidate {
  readonly account: Account | null;
}

/** What is asked of a backend. */
export interface Wish {
  /** The model as the client named it. */
  readonly model: string;
  /** What the request has in common with others that should go the same way. */
  readonly affinity: AffinityKey | null;
}

/**
 * The candidates of a backend or virtual model in their priority groups, best first. Within a group a request goes where its kind
 * belongs by affinity, else to the better of two drawn at random (power of two choices); a lower group serves only while everybody
 * above it is evicted or at rest.
 */
export class TargetGroups {
  readonly #groups: readonly (readonly Candidate[])[];
  readonly #options = new WeakMap<RouteContext, readonly (readonly Option[])[]>();

  constructor(groups: readonly (readonly Candidate[])[]) {
    // Providers that are only described are reported at start-up; beside others they take no part.
    const active = groups
      .map((group) => group.filter(({ target }) => target.active))
      .filter((group) => group.length > 0);
    this.#groups = active.length > 0 ? active : groups.slice(0, 1);
  }

  /** How many ways there are to serve a request: candidates, each as often as it has keys. */
  count(context: RouteContext): number {
    return this.#optionsOf(context).reduce((sum, group) => sum + group.length, 0);
  }

  /** @param tried options passed over where others are left */
  pick(context: RouteContext, wish: Wish, tried: readonly Option[] = []): Option {
    const groups = this.#optionsOf(context);
    const only = groups.length === 1 && groups[0]?.length === 1 ? groups[0][0] : undefined;
    if (only !== undefined) return only;
    const now = Date.now();
    let fallback: Option | null = null;
    for (const group of groups) {
      const open = group.filter((option) => !tried.includes(option));
      fallback ??= soonest(open, wish);
      const usable = open.filter((option) => isUsable(option, context, wish, now));
      const picked = usable.length > 1 ? best(usable, context, wish) : usable[0];
      if (picked !== undefined) return picked;
    }
    const any = fallback ?? groups[0]?.[0];
    if (any === undefined) throw new GatewayError('invalid_backend', 'The backend has no provider.');
    return any;
  }

  /** Whether somebody who has not been tried could serve a request now. */
  hasUntried(context: RouteContext, wish: Wish, tried: readonly Option[]): boolean {
    const now = Date.now();
    return this.#optionsOf(context).some((group) =>
      group.some((option) => !tried.includes(option) && isUsable(option, context, wish, now)),
    );
  }

  /** A candidate with each of its keys. */
  alike(context: RouteContext, { target, model }: Candidate): readonly Option[] {
    return this.#optionsOf(context)
      .flat()
      .filter((option) => option.target === target && option.model === model);
  }

  #optionsOf(context: RouteContext): readonly (readonly Option[])[] {
    let options = this.#options.get(context);
    if (options === undefined) {
      const candidates = this.#groups.flat();
      const alone = candidates.length === 1 && (candidates[0]?.target.keys(context).length ?? 0) < 2;
      options = alone
        ? [candidates.map((candidate) => ({ ...candidate, account: null }))]
        : this.#groups.map((group) =>
            group.flatMap(({ target, model }) =>
              target.accounts(context).map((account) => ({ target, model, account })),
            ),
          );
      this.#options.set(context, options);
    }
    return options;
  }
}

function isUsable({ target, model, account }: Option, context: RouteContext, wish: Wish, now: number): boolean {
  if (account !== null && account.restsUntil(model === '' ? wish.model : model) > now) return false;
  return target.cluster(context).available();
}

/** Where everybody is at rest: who will be back first. */
function soonest(options: readonly Option[], wish: Wish): Option | null {
  let found: Option | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const option of options) {
    const until = option.account?.restsUntil(option.model === '' ? wish.model : option.model) ?? 0;
    if (until >= least) continue;
    found = option;
    least = until;
  }
  return found;
}

function best(options: readonly Option[], context: RouteContext, { affinity }: Wish): Option | undefined {
  const hash = affinity === null ? 0 : affinity.hash;
  return (hash === 0 ? null : byAffinity(options, hash)) ?? better(options, context);
}

function byAffinity(options: readonly Option[], hash: number): Option | null {
  const affine = options.flatMap((option) => {
    const { account, model } = option;
    // Two models of one provider are two candidates with one account.
    return account === null ? [] : [{ option, id: mix(account.id, hashText(model)), inFlight: account.inFlight }];
  });
  return pickByAffinity(affine, hash)?.option ?? null;
}

function better(options: readonly Option[], context: RouteContext): Option | undefined {
  const i = Math.floor(Math.random() * options.length);
  let j = Math.floor(Math.random() * (options.length - 1));
  if (j >= i) j++;
  const [a, b] = [options[i], options[j]];
  if (a === undefined || b === undefined) return a ?? b;
  const difference = a.target.cluster(context).score - b.target.cluster(context).score;
  // Keys of one provider share its endpoints.
  if (difference === 0) return (a.account?.inFlight ?? 0) <= (b.account?.inFlight ?? 0) ? a : b;
  return difference < 0 ? a : b;
}
