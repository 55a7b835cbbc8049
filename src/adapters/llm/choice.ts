import type { Exchange } from '../../exchange.ts';
import type { OnClientAbort } from '../../facts/llm.ts';
import type { AffinityKey, RetryRules, UpstreamCall } from '../../upstream/call.ts';
import { sessionKey } from '../../upstream/session-key.ts';
import type { RouteContext } from '../adapter.ts';
import { isRefusal } from './account.ts';
import type { CompiledAiPolicy } from './ai-policy.ts';
import type { ContextPlan } from './context-plan.ts';
import { affinityOf } from './prefix-affinity.ts';
import type { ProviderTarget } from './target.ts';
import type { Option, TargetGroups, Wish } from './target-groups.ts';

/** Attempts a request makes where no `retry` policy says otherwise, as long as each can go to somebody else. */
const MAX_ATTEMPTS = 3;

/** A provider chosen for a request, and who else could serve it. */
export interface Choice {
  readonly candidate: Option;
  /** The model asked for, by which limits are told apart. */
  readonly model: string;
  readonly affinity: AffinityKey | null;
  /** null where there is nobody else. */
  readonly others: Others | null;
  policyOf(target: ProviderTarget): CompiledAiPolicy;
  onClientAbortOf(target: ProviderTarget): OnClientAbort;
}

interface Others {
  readonly count: number;
  /** Somebody who was not tried, as far as there is one. */
  next(tried: readonly Option[]): Option;
  /** Whether somebody who was not tried could serve now. */
  left(tried: readonly Option[]): boolean;
}

/**
 * Chooses who serves a request.
 *
 * @param model as the client named it; '' = it named none
 * @param body the request's JSON; null where it is none
 */
export function choose(
  groups: TargetGroups,
  exchange: Exchange,
  context: RouteContext,
  plan: ContextPlan,
  { model, body }: { readonly model: string; readonly body: Buffer | null },
): Choice {
  const session = plan.session === null ? null : sessionKey(plan.session, exchange);
  const affinity = session ?? affinityOf(exchange, context, body);
  const wish: Wish = { model, affinity };
  const count = groups.count(context);
  return {
    candidate: groups.pick(context, wish),
    model,
    affinity,
    others:
      count < 2
        ? null
        : {
            count,
            next: (tried) => groups.pick(context, wish, tried),
            left: (tried) => groups.hasUntried(context, wish, tried),
          },
    policyOf: (target) => plan.policyOf(target),
    onClientAbortOf: (target) => plan.onClientAbortOf(target),
  };
}

/** Directs a call to a candidate, encoded anew for it; a promise where something must be fetched for it. */
type Direct = (candidate: Option, call: UpstreamCall) => unknown;

/**
 * Prepares a call's attempts: each further one goes to somebody else, as long as there is somebody, and everybody's answers are noted.
 * Where no `retry` policy rules, an attempt that got no answer, or none but a 429, a 5xx or a refused key, is followed by another.
 *
 * @param direct null for a request that one provider alone can serve: it is sent once
 */
export function planAttempts(call: UpstreamCall, context: RouteContext, choice: Choice, direct: Direct | null): void {
  const { candidate: first, affinity, others } = choice;
  if (affinity !== null) call.affinity = affinity;
  if (first.account === null) return;
  const tried: Option[] = [];
  let current = first;
  const ready = (attempt: UpstreamCall, option: Option) => {
    current = option;
    tried.push(current);
    const { target, model, account } = current;
    if (account !== null) {
      if (account.key !== null) attempt.credential = account.key.index;
      if (target.asksForItself(attempt.exchange, context))
        attempt.observer = account.observe(model === '' ? choice.model : model);
    }
    return target.runPrepare(attempt, context);
  };
  call.prepare = (attempt) => {
    if (tried.length === 0 || others === null || direct === null) return ready(attempt, current);
    const next = redirect(attempt, others, tried, direct);
    return next instanceof Promise ? next.then((option) => ready(attempt, option)) : ready(attempt, next);
  };
  if (others === null || direct === null || context.values.retry !== undefined) return;
  const rules: RetryRules = {
    attempts: Math.min(others.count, MAX_ATTEMPTS),
    backoffMs: 0,
    refuses: (status) =>
      status >= 500 ||
      status === 429 ||
      status === 408 ||
      (isRefusal(status) && (current.account?.key ?? null) !== null),
    elsewhere: () => others.left(tried),
  };
  call.failover = rules;
}

/** Who can't take the request is passed over, as long as somebody else is left. */
function redirect(call: UpstreamCall, others: Others, tried: Option[], direct: Direct): Option | Promise<Option> {
  for (;;) {
    const next = others.next(tried);
    const passOver = (error: unknown) => {
      if (tried.includes(next)) throw error;
      tried.push(next);
    };
    try {
      const pending = direct(next, call);
      if (!(pending instanceof Promise)) return next;
      return pending.then(
        () => next,
        (error: unknown) => {
          passOver(error);
          return redirect(call, others, tried, direct);
        },
      );
    } catch (error) {
      passOver(error);
    }
  }
}
